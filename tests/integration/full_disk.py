"""Plays on a full disk; runs in a mount namespace of its own, with a small tmpfs.

    python -m tests.integration.full_disk PLAY FOLDER

Prints what came out as JSON. While a play runs, processes write to that disk in a loop:
whatever block becomes free is theirs within microseconds, or within a millisecond where
people log in, which needs the processor too.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pushmfa.daemon.audit import SCHEMA, AttemptRecord, Audit
from pushmfa.daemon.health import Health
from pushmfa.daemon.state import Place, State, open_state
from pushmfa.terms import Cause, DeviceId, Kind, Verdict
from tests.integration.host_state import PIXEL, StatefulHost, approve, stateful

ROWS: Final = 3_000
STARTS: Final = 10
LOGINS: Final = 20
"""Few: a relay takes so many answers of one device and no more."""

FILLER: Final = """
import os, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
block = b"x" * 131072
while True:
    for size in (131072, 4096):
        try:
            os.write(file, block[:size])
        except OSError:
            time.sleep(float(sys.argv[2]))
"""


@contextmanager
def filled(folder: Path, pause: float = 0.0) -> Iterator[None]:
    """Have two processes take every block while the block runs; then all is freed.

    pause: seconds that each waits after it got none.
    """
    files = [folder / f"filler-{number}" for number in range(2)]
    fillers = [
        subprocess.Popen([sys.executable, "-c", FILLER, str(file), str(pause)])
        for file in files
    ]
    try:
        while os.statvfs(folder).f_bavail > 0:
            time.sleep(0.02)
        yield
    finally:
        for filler in fillers:
            filler.kill()
            filler.wait()
        for file in files:
            file.unlink()


def record(number: int) -> AttemptRecord:
    """Return the row of a login, as long as they are."""
    return AttemptRecord(
        schema=SCHEMA,
        at=int(time.time()),
        attempt_id=f"{number:016x}",
        kind=Kind.LOGIN,
        service="sshd",
        user="alice",
        uid=1001,
        approver="alice",
        approver_uid=1001,
        requesting_user=None,
        remote_address="192.0.2.9",
        tty=None,
        first_factor="SHA256:" + "x" * 43,
        verdict=Verdict.APPROVED,
        cause=Cause.DEVICE,
        device_id=DeviceId(b"d" * 32),
        device_label="Pixel",
        latency_ms=1234,
    )


def opened(folder: Path) -> tuple[State, Health]:
    """Open the state and refill its reserve, as the daemon does."""
    health = Health()
    state = open_state(Place(folder / "state", "web1", b"m" * 16), health)
    state.store.watch(health.note)
    health.probe = state.store.probe
    health.refill()
    return state, health


def play_store(folder: Path) -> dict[str, Any]:
    """Write many rows, and start again and again."""
    state, health = opened(folder)
    audit = Audit(state.store)
    written = started = 0
    with filled(folder):
        for number in range(ROWS):
            audit.append(record(number))
            written += 1
            if number % 500 == 0:
                health.refill()
        problems = health.problems()
        for _ in range(STARTS):
            state.store.close()
            # Whatever the close gave up is theirs by now.
            time.sleep(0.05)
            state, health = opened(folder)
            audit = Audit(state.store)
            for number in range(20):
                audit.append(record(number))
            started += 1
    health.refill()
    state.store.verify_pages()
    left = state.store.reserve.left()
    state.store.close()
    return {
        "written": written,
        "started": started,
        "problems": problems,
        "problems after": health.problems(),
        "left after": left,
    }


async def play_daemon(folder: Path) -> dict[str, Any]:
    """Have alice log in again and again, and somebody else write rows meanwhile."""
    verdicts = []
    async with stateful(folder, PIXEL) as (w, host):
        with filled(folder, 0.001):
            for _ in range(LOGINS):
                verdicts.append((await approve(host, w.devices[0]))[0])
            audit = host.daemon._logins._audit
            for number in range(1_000):
                audit.append(record(number))
                if number % 200 == 0:
                    verdicts.append((await approve(host, w.devices[0]))[0])
            problems = await problems_of(host)
            await host.stop()
            await host.start()
            verdicts.append((await approve(host, w.devices[0]))[0])
        host.health.refill()
        return {
            "verdicts": verdicts,
            "problems": problems,
            "problems after": await problems_of(host),
            "left after": host.store.reserve.left(),
        }


async def problems_of(host: StatefulHost) -> tuple[str, ...]:
    status = await host.ask(lambda client: client.status(), uid=0)
    return status.problems


def main(play: str, folder: Path) -> None:
    """Mount the disk and play."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    os.umask(0o077)
    (folder / "state").mkdir()
    result = play_store(folder) if play == "store" else asyncio.run(play_daemon(folder))
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
