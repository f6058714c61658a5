"""Runs the driver in the sandbox, and counts what it and the servers used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.errors import PushmfaError
from tests.bench.world import BUILT, USERS, World

TIMEOUT: Final = 300.0


class Sample(NamedTuple):
    """One transaction: CLOCK_MONOTONIC and CPU in nanoseconds, PAM's code."""

    start: int
    decided: int
    end: int
    cpu: int
    code: int


@dataclass(frozen=True)
class Case:
    """One way to log in, and the processes of this host that it keeps busy."""

    service: str
    on_host: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    user: str = "root"
    has_numbers: bool = False


CASES: Final = {
    "permit": Case("permit"),
    "floor": Case("floor", ("floor",)),
    "pam_duo": Case("duo", (), ("duomock",)),
    "chain": Case("chain", ("chain-daemon",), ("chain-relay", "chain-device")),
    "chain_wire": Case(
        "chain_wire",
        ("chain_wire-daemon",),
        ("chain_wire-relay", "chain_wire-device"),
    ),
    "pushmfa": Case("pushmfa", ("daemon",), ("relay", "phone"), "bench%d", True),
    "pam_duo_far": Case("duo-far", (), ("duomock",)),
}


@dataclass(frozen=True)
class Run:
    """What one run of the driver gave; times in milliseconds."""

    wall_ms: tuple[float, ...]
    span_s: float
    refused: int
    cpu_ms: float
    """Of the process that logs in and of the host's daemon, for one login."""
    elsewhere_cpu_ms: float


def drive(
    world: World, case: Case, *, count: int, processes: int = 1, warmup: int = 3
) -> Run:
    """Run count transactions in each of so many processes at once."""
    command = [str(BUILT / "pamdrive"), "-s", case.service, "-c", str(world.services)]
    command += ["-n", str(count), "-w", str(warmup), "-p", str(processes)]
    command += ["-u", case.user, "-m", str(USERS)]
    if case.has_numbers:
        command += ["-a", str(world.numbers)]
    before = [cpu_ns(world, names) for names in (case.on_host, case.elsewhere)]
    result = world.sandbox.run(command, timeout=TIMEOUT)
    after = [cpu_ns(world, names) for names in (case.on_host, case.elsewhere)]
    if result.returncode != 0:
        raise PushmfaError(f"{case.service}: the driver failed: {result.stderr}")
    samples = [Sample(*map(int, line.split())) for line in result.stdout.splitlines()]
    logins = (count + warmup) * processes
    used = [(late - early) / logins for early, late in zip(before, after, strict=True)]
    return Run(
        wall_ms=tuple((sample.end - sample.start) / 1e6 for sample in samples),
        span_s=(max(s.end for s in samples) - min(s.start for s in samples)) / 1e9,
        refused=sum(sample.code != 0 for sample in samples),
        cpu_ms=(sum(s.cpu for s in samples) / len(samples) + used[0]) / 1e6,
        elsewhere_cpu_ms=used[1] / 1e6,
    )


def cpu_ns(world: World, names: Sequence[str]) -> int:
    """Return the nanoseconds that these processes have used, all threads."""
    return sum(process_cpu_ns(world.pids[name]) for name in names)


def process_cpu_ns(pid: int) -> int:
    """Return the nanoseconds that a process has used, by the scheduler's count."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def rss_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise PushmfaError(f"process {pid} has no memory")
