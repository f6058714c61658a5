"""Whoever may fail, fails in a loop: nobody else is to notice."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from pushmfa.config.model import LoginSettings
from pushmfa.daemon import control_server, names, sources
from pushmfa.daemon.audit import AttemptRecord, RefusalsRecord
from pushmfa.daemon.refusals import MAX_ROWS, MAX_SOURCES
from pushmfa.daemon.standing import MAX_RESTING
from pushmfa.errors import StoreError
from pushmfa.login.policy import Account
from tests.integration.daemon_caller import calling
from tests.integration.daemon_module import Module, new_connection, request, sudo
from tests.integration.daemon_world import (
    accounts,
    caller_uid,
    scene,
    until,
    world,
)

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")


@scene
async def test_attack_any_user_fills_the_disk_by_tests(tmp_path: Path) -> None:
    """A user without a device asks for tests: they are counted, not written."""
    async with world(tmp_path, PIXEL, people=("mallory",)) as w:
        caller_uid.append(accounts["mallory"])
        for _ in range(20):
            async with calling(w.host.run) as caller:
                caller.send("start-test", user=None)
                assert (await caller.hear())["verdict"] == "not_enrolled"
        assert not w.host.records()
        w.host.daemon._front.write_counts()
        counts = [(r.remote_address, r.count) for r in _counted(w.host.records())]
        assert counts == [(f"uid {accounts['mallory']}", 20)]


@scene
async def test_attack_any_user_fills_the_disk_by_logins(tmp_path: Path) -> None:
    """With a key and no device, with a mute, with a decoy, with a cut command."""
    async with world(tmp_path, PIXEL, people=("mallory",)) as w:
        for _ in range(30):
            module = await w.host.log_in(user="mallory")
            assert (await module.verdict())[0] == "not_enrolled"
            module.close()
        assert len(w.host.records()) == MAX_ROWS
        for cut in (0, 1):
            for _ in range(10):
                decoy = await w.host.log_in(role="decoy", cut=cut, methods=None)
                await (decoy.verdict() if cut else decoy.number())
                decoy.close()
        assert len(w.host.records()) == MAX_ROWS
        await w.host.ask(lambda client: client.mute(3_600))
        for _ in range(30):
            module = await w.host.log_in()
            assert (await module.verdict())[0] == "locked"
            module.close()
        assert w.host.verdicts() == [
            *[("not_enrolled", "not_enrolled")] * MAX_ROWS,
            *[("locked", "locked")] * MAX_ROWS,
        ]
        w.host.daemon._front.write_counts()
        counts = [(r.remote_address, r.count) for r in _counted(w.host.records())]
        assert counts == [("192.0.2.9", 30 + 20 + 30 - 2 * MAX_ROWS)]
        module = await w.host.log_in(user="mallory")
        await module.verdict()
        assert w.host.verdicts()[-1] == ("not_enrolled", "not_enrolled")


@scene
async def test_attack_any_user_fills_the_disk_by_mutes(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        first = await w.host.ask(lambda client: client.mute(3_600))
        for _ in range(20):
            w.host.clock.advance(1)
            again = await w.host.ask(lambda client: client.mute(3_600))
            assert again.until == first.until
        assert len(w.host.records()) == 1


@scene
async def test_what_the_user_database_cannot_tell_is_counted(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        with patch.object(names, "_by_name", side_effect=OSError("it is away")):
            module = await w.host.log_in()
            assert (await module.verdict())[0] == "unavailable"
        w.host.daemon._front.write_counts()
        counts = [(r.remote_address, r.count) for r in _counted(w.host.records())]
        assert counts == [("192.0.2.9", 1)]


@scene
async def test_counts_that_cannot_be_written_are_kept(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        front, audit = w.host.daemon._front, w.host.daemon._front._refusals._audit
        for address in ("192.0.2.1", "192.0.2.2"):
            module = await w.host.log_in(
                user="x", methods=None, conn=new_connection(address)
            )
            await module.number()
            module.close()
        with patch.object(audit, "append", side_effect=StoreError("no room")):
            with pytest.raises(StoreError):
                front.write_counts()
        front.write_counts()
        counts = [(r.remote_address, r.count) for r in _counted(w.host.records())]
        assert counts == [("192.0.2.1", 1), ("192.0.2.2", 1)]


@scene
async def test_attack_tests_are_begun_and_left_without_end(tmp_path: Path) -> None:
    """Many digits give many numbers: disk and relay are spared all the same."""
    async with world(tmp_path, PIXEL, login=LoginSettings(digits=6)) as w:
        caller_uid.append(accounts["alice"])
        for _ in range(MAX_RESTING + 10):
            async with calling(w.host.run) as caller:
                caller.send("start-test", user=None)
                await caller.hear()
            await until(lambda: w.host.daemon._logins.count_pending() == 0)
        written = [r for r in w.host.records() if isinstance(r, AttemptRecord)]
        assert len(written) == MAX_RESTING
        await (await w.host.log_in()).number()


@scene
async def test_attack_a_scanner_with_many_addresses(tmp_path: Path) -> None:
    """Each source costs a write to the disk, for which every login would wait."""
    async with world(tmp_path, PIXEL) as w:
        for number in range(MAX_SOURCES + 10):
            module = await w.host.log_in(
                user="x", methods=None, conn=new_connection(f"2001:db8::{number:x}")
            )
            await module.number()
            module.close()
        w.host.daemon._front.write_counts()
        counted = _counted(w.host.records())
        assert len(counted) == MAX_SOURCES + 1
        assert counted[-1].remote_address == "others"
        assert counted[-1].count == 10


@pytest.mark.parametrize(
    "flood",
    [
        lambda _: sudo(user="mallory", ruser="mallory", uid=accounts["mallory"]),
        lambda n: request(user="x", conn=new_connection("192.0.2.66"), methods=None),
        lambda n: request(
            user="x", conn=new_connection(f"2001:db8::{n:x}"), methods=None
        ),
    ],
    ids=["a user's sudo", "an address", "an IPv6 network"],
)
@scene
async def test_attack_one_source_takes_every_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flood: Callable[[int], bytes]
) -> None:
    monkeypatch.setattr(sources, "MAX_OF_ONE_SOURCE", 4)
    async with world(tmp_path, PIXEL, people=("mallory",)) as w:
        waiting = [await Module.begin(w.host.run, flood(n)) for n in range(4)]
        for module in waiting:
            assert b"pushmfa: enter" in await module.hear()
        one_more = await Module.begin(w.host.run, flood(4))
        assert (await one_more.verdict())[0] == "throttled"
        await (await w.host.log_in()).number()
        waiting[0].close()
        await asyncio.sleep(0.05)
        again = await Module.begin(w.host.run, flood(5))
        assert b"pushmfa: enter" in await again.hear()


@scene
async def test_attack_several_sources_together_take_every_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets less when there is little; who comes from elsewhere finds a place."""
    monkeypatch.setattr(sources, "MAX_PLACES", 40)
    async with world(tmp_path, PIXEL) as w:
        places = 0
        for source in range(12):
            for _ in range(40):
                conn = new_connection(f"192.0.2.{source + 20}")
                module = await w.host.log_in(user="x", methods=None, conn=conn)
                heard = await module.hear()
                if heard.startswith(b"Vthrottled"):
                    break
                places += 1
        assert 30 < places < 40  # not all that they asked for, nor too few
        await (await w.host.log_in()).number()


@scene
async def test_attack_thousands_of_uids_take_every_place_and_ask_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """subuid(5) gives every person 65,536: each connects, sends half, takes nothing."""
    monkeypatch.setattr(control_server, "MAX_CONNECTIONS", 8)
    async with world(tmp_path, PIXEL) as w, AsyncExitStack() as stack:
        callers = []
        for number in range(40):
            caller_uid.append(100_000 + number)
            caller = await stack.enter_async_context(calling(w.host.run))
            caller.send_raw(b'{"type":"hea')
            callers.append(caller)
            served = w.host.daemon._control._acceptor.connected
            await until(lambda: served.total() <= 8)  # noqa: B023  awaited here
        assert (await callers[0].hear())["kind"] == "limit"
        caller_uid.append(accounts["alice"])
        async with calling(w.host.run) as owner:
            owner.send("list-devices", user=None)
            assert (await owner.hear())["devices"][0]["label"] == "Pixel"


@scene
async def test_attack_a_user_fills_the_log_with_nonsense(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, PIXEL, people=("mallory",)) as w:
        caller_uid.append(accounts["mallory"])
        for _ in range(20):
            async with calling(w.host.run) as caller:
                caller.send_raw(b"nonsense\n")
                assert (await caller.hear())["kind"] == "usage"
    assert caplog.text.count("sent no request") == 1


@scene
async def test_attack_names_that_a_slow_directory_does_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user asks for others until no thread is left; logins do not notice."""
    async with world(tmp_path, PIXEL, people=("mallory",)) as w:
        known = names._by_name
        looked_for = []

        def look_slowly(name: str) -> Account | None:
            looked_for.append(name)
            if name not in accounts:
                time.sleep(1)
            return known(name)

        monkeypatch.setattr(names, "_by_name", look_slowly)
        caller_uid.append(accounts["mallory"])
        async with AsyncExitStack() as stack:
            callers = [
                await stack.enter_async_context(calling(w.host.run)) for _ in range(8)
            ]
            for number, caller in enumerate(callers):
                caller.send("list-devices", user=f"nobody{number}")
            await (await w.host.log_in()).number()
            assert looked_for == ["alice"]
            assert (await callers[0].hear())["kind"] == "not_permitted"


@scene
async def test_attack_look_ups_of_commands_take_no_threads_of_logins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, PIXEL) as w:
        known = names._by_uid

        def look_slowly(uid: int) -> Account | None:
            time.sleep(1)
            return known(uid)

        monkeypatch.setattr(names, "_by_uid", look_slowly)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        caller_uid.append(accounts["alice"])
        async with calling(w.host.run) as one, calling(w.host.run) as two:
            for caller in (one, two):
                caller.send("list-devices", user=None)
            await asyncio.sleep(0.05)
            started = time.monotonic()
            await (await w.host.log_in()).number()
            assert time.monotonic() - started < 0.9


@scene
async def test_attack_strangers_use_up_the_attempts_of_the_owner(
    tmp_path: Path,
) -> None:
    """Whoever proved nothing waits in places of his own, the owner's key in hers."""
    async with world(tmp_path, PIXEL) as w:
        for _ in range(3):
            await (await w.host.log_in(methods=None)).number()
        for _ in range(3):
            await (await w.host.log_in()).number()
        assert w.host.daemon._logins.count_pending() == 6


@scene
async def test_attack_strangers_use_up_the_numbers_of_the_owner(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        for _ in range(100):
            module = await w.host.log_in(methods=None)
            await module.number()
            module.close()
            await until(lambda: w.host.daemon._logins.count_pending() == 0)
        await (await w.host.log_in()).number()


def _counted(records: Sequence[object]) -> list[RefusalsRecord]:
    return [record for record in records if isinstance(record, RefusalsRecord)]
