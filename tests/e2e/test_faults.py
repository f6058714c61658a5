"""Each fault of docs/failures.md, on real processes.

What was seen and how long it took is printed with -s, and kept as build/faults.md.
"""

import shlex
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from pushmfa.demo.sandbox import Sandbox
from tests.e2e.fault_world import (
    HANG,
    PAGE,
    TIMEOUT,
    FaultWorld,
    Gate,
    Promise,
    read_promises,
)
from tests.e2e.kill_world import release
from tests.e2e.support import ROOT, find_pushmfa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TABLE: Final = ROOT / "build/faults.md"
PROMISES: Final = read_promises()
HOURS: Final = 5 * 3600
STATE: Final = "/var/lib/pushmfa"
SILENT_SERVER: Final = "127.77.0.1"


@pytest.fixture(scope="module")
def world(module: Path) -> Iterator[FaultWorld]:
    arguments, programs = f"timeout={TIMEOUT}", find_pushmfa()[:1]
    with Sandbox(module=module, arguments=arguments, programs=programs) as sandbox:
        whole = FaultWorld(sandbox)
        try:
            yield whole
        finally:
            release(kills=False)
            whole.close()


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, str, float]]]:
    rows: list[tuple[str, str, float]] = []
    yield rows
    lines = ["| fault | the person saw | after s |", "|---|---|---|"]
    lines += [f"| {fault} | {seen} | {took:.1f} |" for fault, seen, took in rows]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join([*lines, ""]))
    print("\n" + "\n".join(lines))  # noqa: T201 - for whoever runs this with -s


Bring = Callable[[FaultWorld, Promise], float]
"""Brings a fault about, logs in, mends it; returns the seconds that the login took."""

FAULTS: Final[dict[str, Bring]] = {}


def fault(name: str) -> Callable[[Bring], Bring]:
    def note(bring: Bring) -> Bring:
        FAULTS[name] = bring
        return bring

    return note


def test_every_fault_of_the_page_is_brought_about() -> None:
    assert sorted(FAULTS) == sorted(PROMISES), PAGE


@pytest.mark.parametrize("name", PROMISES)
def test_a_fault_is_seen_as_the_page_says_and_leaves_nothing(
    world: FaultWorld, table: list[tuple[str, str, float]], name: str
) -> None:
    promise = PROMISES[name]
    took = FAULTS[name](world, promise)
    table.append((name, promise.seen, took))
    world.works()


# --- parts that are away or hang ----------------------------------------------------


@fault("daemon not running")
def _no_daemon(world: FaultWorld, promise: Promise) -> float:
    with world.without("daemon"):
        return world.see(promise)


@fault("daemon hangs")
def _hung_daemon(world: FaultWorld, promise: Promise) -> float:
    with world.stopped("daemon"):
        return world.see(promise)


@fault("relay not running")
def _no_relay(world: FaultWorld, promise: Promise) -> float:
    with world.without("relay"):
        return world.see(promise)


@fault("relay takes connections and is silent")
def _silent_relay(world: FaultWorld, promise: Promise) -> float:
    with world.without("relay"), Gate(world.relay_port, None):
        return world.see(promise)


@fault("relay hangs while a login waits")
def _hung_relay(world: FaultWorld, promise: Promise) -> float:
    with world.stopped("relay"):
        return world.see(promise)


@fault("link half open")
def _half_open(world: FaultWorld, promise: Promise) -> float:
    with ExitStack() as stack:
        gate = stack.enter_context(world.gate_before_relay())
        gate.frozen.add(0)
        time.sleep(3.1)  # the link is quiet by then: nothing else proves it alive
        return world.see(promise, answers=True)


@fault("device off")
def _no_device(world: FaultWorld, promise: Promise) -> float:
    with world.no_device():
        return world.see(promise)


# --- the network ----------------------------------------------------------------------


@fault("no network when the daemon starts")
def _no_network(world: FaultWorld, promise: Promise) -> float:
    with world.without("relay"):
        world.stop("daemon")
        world.start("daemon")
        return world.see(promise)


@contextmanager
def changed(path: Path, change: Callable[[str], str]) -> Iterator[None]:
    before = path.read_text()
    path.write_text(change(before))
    try:
        yield
    finally:
        path.write_text(before)


@fault("name server silent")
def _no_dns(world: FaultWorld, promise: Promise) -> float:
    """And the daemon starts and stops in time although look-ups hang."""
    urls = f'"ws://localhost:{world.relay_port}"'
    config = world.sandbox.path("/etc/pushmfa/pushmfa.toml")
    resolver = world.sandbox.path("/etc/resolv.conf")
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        server.bind((SILENT_SERVER, 53))
        world.stop("daemon")
        line = f"nameserver {SILENT_SERVER}\n"
        stack.enter_context(changed(resolver, lambda text: line))
        other = '"wss://relay.example"'
        stack.enter_context(changed(config, lambda text: text.replace(urls, other)))
        world.start("daemon")
        took = world.see(promise)
        assert world.stop("daemon") < 4
    world.start("daemon")
    return took


@fault("user database silent")
def _no_nss(world: FaultWorld, promise: Promise) -> float:
    """Also with more logins than there are threads; and the daemon can be stopped."""
    services = world.sandbox.path("/etc/nsswitch.conf")
    hang = world.sandbox.path(HANG)
    with changed(services, lambda text: text.replace("passwd:", "passwd: hang")):
        world.stop("daemon")
        world.start("daemon")
        hang.touch()
        took = world.see(promise)
        assert world.stop("daemon") < 4
        hang.unlink()
        world.start("daemon")
        world.works()
    return took


# --- what the kernel gives ------------------------------------------------------------


@fault("daemon out of file descriptors")
def _no_descriptors(world: FaultWorld, promise: Promise) -> float:
    with world.limited("daemon", "nofile", 0):
        return world.see(promise)


@fault("relay out of file descriptors")
def _no_descriptors_relay(world: FaultWorld, promise: Promise) -> float:
    with world.limited("relay", "nofile", 0):
        return world.see(promise, answers=True)


@fault("daemon gets no more memory")
def _no_more_memory(world: FaultWorld, promise: Promise) -> float:
    world.works()
    with world.limited("daemon", "as", 1 << 20):
        return world.see(promise, answers=True)


FILL: Final = """
import os, socket, time
kept = []
def connect(kind, name):
    kept.append(socket.socket(socket.AF_UNIX, kind))
    kept[-1].connect("/run/pushmfa/" + name)
try:
    for uid in range(30000, 30015):
        os.seteuid(uid)
        for _ in range(8):
            connect(socket.SOCK_STREAM, "control.sock")
            kept[-1].send(b"x" * 60_000)
        os.seteuid(0)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        connect(socket.SOCK_SEQPACKET, "pam.sock")
        if len(kept) > 1_000:
            kept.pop().close()
        time.sleep(0.001)
except ConnectionError:
    print("it has ended")
"""


@fault("daemon out of memory")
def _no_memory(world: FaultWorld, promise: Promise) -> float:
    """Filled until it ends, which it does by itself: whatever is left then is deaf."""
    world.stop("daemon")
    world.start("daemon")
    with world.limited("daemon", "as", 1 << 20):
        filled = world.sandbox.run([sys.executable, "-c", FILL])
        assert filled.stdout == "it has ended\n", filled
        took = world.see(promise)
    world.stop("daemon")
    world.start("daemon")
    return took


@fault("disk cannot be written any more")
def _no_writing(world: FaultWorld, promise: Promise) -> float:
    with world.limited("daemon", "fsize", 0):
        took = world.see(promise, answers=True)
    world.wait_until_healthy()
    return took


@fault("disk read-only when the daemon starts")
def _read_only(world: FaultWorld, promise: Promise) -> float:
    world.stop("daemon")
    world.run(f"mount --bind {STATE} {STATE}; mount -o remount,bind,ro {STATE}")
    world.start("daemon")
    took = world.see(promise)
    world.run(f"mount -o remount,bind,rw {STATE}")
    world.wait_until_healthy()
    world.stop("daemon")
    world.run(f"umount {STATE}")
    world.start("daemon")
    return took


@fault("disk full")
def _full(world: FaultWorld, promise: Promise) -> float:
    world.stop("daemon")
    world.run(f"cp -a {STATE} /root/state; chmod 700 /root/state")
    world.run(f"mount -t tmpfs -o size=80m,mode=700 tmpfs {STATE}")
    world.run(f"cp -a /root/state/. {STATE}/; chown pushmfa:pushmfa {STATE}")
    world.start("daemon")
    world.run(f"dd if=/dev/zero of={STATE}/filler bs=4k 2>/dev/null; true")
    took = world.see(promise, answers=True)
    world.stop("daemon")
    world.run(f"rm {STATE}/filler; cp -a {STATE}/. /root/state/; umount {STATE}")
    world.run(f"cp -a /root/state/. {STATE}/; rm -rf /root/state")
    world.start("daemon")
    return took


def _repaired(world: FaultWorld, promise: Promise, damage: str) -> float:
    world.stop("daemon")
    world.run(damage)
    world.start("daemon")
    took = world.see(promise)
    world.run(f"{shlex.join(world.parts.pushmfa)} host repair --yes")
    world.wait_until_healthy()
    return took


@fault("database damaged")
def _damaged(world: FaultWorld, promise: Promise) -> float:
    zero = f"dd if=/dev/zero of={STATE}/pushmfa.db bs=100 count=1 conv=notrunc"
    return _repaired(world, promise, zero)


@fault("database lost")
def _lost(world: FaultWorld, promise: Promise) -> float:
    return _repaired(world, promise, f"rm -f {STATE}/pushmfa.db*")


# --- clocks ---------------------------------------------------------------------------


@fault("wall clock of the host hours off")
def _wrong_host_clock(world: FaultWorld, promise: Promise) -> float:
    longest = 0.0
    for offset in (HOURS, -HOURS):
        world.set_wall(offset)
        longest = max(longest, world.see(promise, answers=True))
    world.set_wall(0)
    return longest


@fault("wall clock of the device hours off")
def _wrong_device_clock(world: FaultWorld, promise: Promise) -> float:
    longest = 0.0
    with world.no_device():
        for offset in (HOURS, -HOURS):
            longest = max(longest, world.see_with_device_clock(promise, offset))
    return longest


@fault("wall clock set forward during a login")
def _clock_forward(world: FaultWorld, promise: Promise) -> float:
    took = world.see(promise, answers=True, before=lambda: world.set_wall(HOURS))
    world.set_wall(0)
    return took


@fault("wall clock set back during a login")
def _clock_back(world: FaultWorld, promise: Promise) -> float:
    took = world.see(promise, answers=True, before=lambda: world.set_wall(-HOURS))
    world.set_wall(0)
    return took
