"""Floods from inside and outside of a real host: logins go on, nothing grows.

PUSHMFA_FLOOD=full (`make flood`) is the full size; else the same with fewer. Prints a
table with -s.
"""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest

from pushmfa.daemon.peer import peer_of
from pushmfa.daemon.refusals import MAX_SOURCES
from pushmfa.daemon.state import DATABASE_NAME
from pushmfa.demo.parts import DEVICE_STATE
from pushmfa.demo.sandbox import Sandbox
from tests.e2e.phone import Phone
from tests.e2e.support import System, find_pushmfa
from tests.integration.daemon_module import new_connection, request

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

IS_FULL: Final = os.environ.get("PUSHMFA_FLOOD") == "full"
CONNECTIONS: Final = 5_000 if IS_FULL else 600
SECONDS: Final = 15 if IS_FULL else 4
SCANS: Final = 10_000 if IS_FULL else 800
SSH_SCANS: Final = 300 if IS_FULL else 10
AT_ONCE: Final = 50
MOST_GROWTH_MIB: Final = 24
"""Of the daemon's resident memory: buffers of what is served at once, no more."""
MOST_DATABASE_BYTES: Final = 6 * 1024 * 1024
"""With its log of writes (WAL), which is 4 MiB at most between two checkpoints."""


@pytest.fixture(scope="module")
def flooded(module: Path) -> Iterator[System]:
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people([("alice", "alice-password"), ("bob", "bob-password")])
        system = System(world, lifetime=30, max_startups="200")
        system.parts.enroll("alice")
        yield system


@pytest.fixture(scope="module")
def phone(flooded: System) -> Iterator[Phone]:
    phone = Phone(flooded.sandbox.path(DEVICE_STATE))
    yield phone
    phone.close()


class Numbers:
    """What the daemon holds and has written, for the table."""

    def __init__(self, system: System) -> None:
        self._run = system.sandbox.path("/run/pushmfa")
        self._state = system.sandbox.path("/var/lib/pushmfa")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            probe.connect(str(self._run / "pam.sock"))
            self._pid = peer_of(probe).pid

    def rss_mib(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text("ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))

    def database_bytes(self) -> int:
        return sum(p.stat().st_size for p in self._state.glob("*.db*"))

    def records(self) -> list[dict[str, Any]]:
        with TemporaryDirectory() as folder:
            # A copy: SQLite does not find its way through /proc/PID/root.
            for path in self._state.glob("*.db*"):
                shutil.copy(path, folder)
            with closing(sqlite3.connect(Path(folder, DATABASE_NAME))) as connection:
                rows = connection.execute("SELECT record FROM audit").fetchall()
        return [json.loads(row[0]) for row in rows]

    def rows(self) -> Counter[str]:
        return Counter(record["type"] for record in self.records())

    def counted(self) -> int:
        return sum(r["count"] for r in self.records() if r["type"] == "refusals")


def log_in(system: System, phone: Phone) -> float:
    """Log in as alice, approve, and return the seconds from ssh to the shell."""
    known, began = len(phone.cards), time.monotonic()
    ssh = system.ssh("demo", "echo in-as-$(id -un)")
    number = ssh.expect(r"pushmfa: enter (\d\d) on", 30)[1]
    card = phone.new_card(known, 20)
    while card.challenge.first_factor is None:
        # A stranger's, who uses her name: she leaves it alone.
        known += 1
        card = phone.new_card(known, 20)
    phone.approve(card, number)
    ssh.send_line()
    ssh.expect("^in-as-alice", 30)
    assert ssh.wait(15) == 0
    return time.monotonic() - began


def own_devices(system: System) -> float:
    """Have alice look at her devices; return the seconds that it took."""
    began = time.monotonic()
    result = system.sandbox.run(
        [*find_pushmfa(), "devices", "list", "--json"], user="alice"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert json.loads(result.stdout)["devices"][0]["label"] == "demo phone"
    return time.monotonic() - began


def show(title: str, **values: float) -> None:
    told = "  ".join(f"{name} {value:.6g}" for name, value in values.items())
    print(f"\n{title}: {told}")  # noqa: T201  the table of make flood


@pytest.mark.parametrize(
    ("user", "uids"), [("bob", 0), (None, 2_000)], ids=["one user", "subuids"]
)
def test_attack_control_socket_is_hammered(
    flooded: System, phone: Phone, user: str | None, uids: int
) -> None:
    """Half a request, slow bytes, replies that nobody takes, garbage; all at once."""
    numbers = Numbers(flooded)
    quiet, before = log_in(flooded, phone), numbers.rss_mib()
    program = flooded.sandbox.path("/var/lib/flooding.py")
    program.write_text(Path(__file__).with_name("flooding.py").read_text("utf-8"))
    program.chmod(0o644)
    words = [
        "/run/pushmfa/control.sock",
        *map(str, (CONNECTIONS, SECONDS, 100_000, uids)),
    ]
    command = [sys.executable, "/var/lib/flooding.py", *words]
    logins, lists, most_descriptors = [], [], 0
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(flooded.sandbox.run, command, user=user, timeout=300)
        while not flood.done():
            logins.append(log_in(flooded, phone))
            lists.append(own_devices(flooded))
            most_descriptors = max(most_descriptors, numbers.descriptors())
        done = flood.result()
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= CONNECTIONS
    assert logins
    after = numbers.rss_mib()
    show(
        f"control.sock, {user or 'subuids'}",
        connections=int(done.stdout),
        logins=len(logins),
        quiet_login_s=quiet,
        slowest_login_s=max(logins),
        slowest_list_s=max(lists),
        rss_before_mib=before,
        rss_after_mib=after,
        most_descriptors=most_descriptors,
    )
    assert most_descriptors < 300
    assert after - before < MOST_GROWTH_MIB


async def scan(run: Path, count: int) -> Counter[str]:
    """Fail count times as sshd's module would, from many places with many names."""
    places, heard = asyncio.Semaphore(AT_ONCE), Counter[str]()
    loop = asyncio.get_running_loop()

    async def fail(number: int) -> None:
        async with places:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as module:
                module.setblocking(False)
                await loop.sock_connect(module, str(run / "pam.sock"))
                module.send(
                    request(
                        user="alice" if number % 50 == 0 else f"scanned{number % 997}",
                        conn=new_connection(address_of(number)),
                        methods=None,
                    )
                )
                async with asyncio.timeout(60):
                    said = await loop.sock_recv(module, 4_096)
            heard["number" if said[:1] == b"P" else said.decode("ascii")] += 1

    await asyncio.gather(*(fail(number) for number in range(count)))
    return heard


def address_of(number: int) -> str:
    match number % 4:
        case 0:
            return "192.0.2.66"
        case 1:
            return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        case 2:
            return f"2001:db8::{number:x}"
        case _:
            return f"2001:db8:{number:x}::1"


def test_attack_a_scanner_fails_again_and_again(flooded: System, phone: Phone) -> None:
    """One address, many, one IPv6 network, many; names that exist and that do not."""
    numbers = Numbers(flooded)
    quiet, before = log_in(flooded, phone), numbers.rss_mib()
    rows, size, began = numbers.rows(), numbers.database_bytes(), time.monotonic()
    logins = []
    run = flooded.sandbox.path("/run/pushmfa")
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(asyncio.run, scan(run, SCANS))
        while not flood.done():
            logins.append(log_in(flooded, phone))
        heard = flood.result()
    scanned_s = time.monotonic() - began
    for number in range(SSH_SCANS):
        name = "alice" if number % 3 == 0 else f"scanned{number}"
        ssh = flooded.ssh(
            "-o", "PubkeyAuthentication=no", "-l", name, "demo", "echo in"
        )
        assert ssh.wait(30) == 255
    size = numbers.database_bytes() - size
    after, minutes = numbers.rss_mib(), (time.monotonic() - began) / 60
    [daemon] = [c for c in flooded.sandbox._children if c.name == "daemon"]
    flooded.sandbox.stop(daemon)
    grown = numbers.rows() - rows
    show(
        "a scanner",
        scans=SCANS,
        scanned_s=scanned_s,
        over_ssh=SSH_SCANS,
        logins=len(logins),
        quiet_login_s=quiet,
        slowest_login_s=max(logins),
        rss_before_mib=before,
        rss_after_mib=after,
        rows_refusals=grown["refusals"],
        rows_attempts=grown["attempt"],
        counted=numbers.counted(),
        database_grew_bytes=size,
    )
    assert heard == {"number": SCANS}
    assert grown["refusals"] <= (MAX_SOURCES + 1) * (int(minutes) + 2)
    # Of alice: half of her numbers may rest for strangers, for two minutes each.
    assert grown["attempt"] <= len(logins) + 45 * (int(minutes / 2) + 2)
    assert size < MOST_DATABASE_BYTES
    assert after - before < MOST_GROWTH_MIB
    assert numbers.counted() >= SCANS * 0.9
