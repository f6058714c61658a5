"""What the services tell systemd, and when."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.notify import keep_alive, notify

Peer = socket.socket


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.bind(str(tmp_path / "notify"))
        peer.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield peer


async def _live(seconds: float) -> None:
    living = asyncio.ensure_future(keep_alive())
    await asyncio.sleep(seconds)
    living.cancel()


def _waiting(peer: Peer) -> list[bytes]:
    peer.setblocking(False)
    found = []
    try:
        while True:
            found.append(peer.recv(100))
    except BlockingIOError:
        return found


def test_signs_of_life_come_in_time(
    systemd: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "90000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    asyncio.run(_live(0.3))
    found = _waiting(systemd)
    assert set(found) == {b"WATCHDOG=1"}
    assert len(found) > 1


def test_a_loop_that_hangs_gives_no_sign(
    systemd: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000")

    async def hang() -> None:
        living = asyncio.ensure_future(keep_alive())
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - it is to hang
        assert _waiting(systemd) == [b"WATCHDOG=1"]
        living.cancel()

    asyncio.run(hang())


@pytest.mark.parametrize(
    ("limit", "pid"),
    [("", ""), ("0", ""), ("soon", ""), ("90000", "1")],
    ids=["none", "zero", "nonsense", "another process"],
)
def test_who_is_not_watched_gives_none(
    systemd: Peer,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    pid: str,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", limit)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", pid)
    asyncio.run(keep_alive())  # returns at once
    assert _waiting(systemd) == []


def test_a_systemd_that_does_not_read_stops_nobody(systemd: Peer) -> None:
    for _ in range(5_000):
        notify("WATCHDOG=1")
    assert _waiting(systemd)
