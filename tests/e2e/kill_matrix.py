"""kill -9 and SIGSTOP of every process at every step of a login: `make kill-matrix`.

    python -m tests.e2e.kill_matrix --times 20 --jobs 3

A stopped process goes on after a moment in one half of the runs and is killed in the
other. After each run a plain login must succeed, with no hand laid on anything. The
table is printed, and kept as build/kill-matrix.md.
"""

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Final, NamedTuple

from pushmfa.daemon.audit import AttemptRecord
from pushmfa.demo.sandbox import Sandbox
from tests.e2e.kill_world import TIMEOUT, Ended, Fault, KillWorld, Step
from tests.e2e.support import MODULE, ROOT, find_pushmfa

SIGNALS: Final = (signal.SIGKILL, signal.SIGSTOP)

DAEMON: Final = (
    Step("daemon", "connection_accepted", 1, "start", "module's connection accepted"),
    Step("daemon", "request_received", 1, "start", "request received"),
    Step("daemon", "envelope_ready", 1, "start", "challenge stored, not yet sent"),
    Step("daemon", "envelope_sent", 1, "start", "challenge sent to the relay"),
    Step("daemon", "number_sent", 1, "start", "number sent to the module"),
    Step("daemon", "envelope_received", 1, "card", "answer received"),
    Step("daemon", "flush_ready", 1, "card", "answer verified, audit not yet flushed"),
    Step("daemon", "flushed", 1, "card", "audit flushed"),
    Step("daemon", "verdict_ready", 1, "card", "verdict decided, not yet sent"),
    Step("daemon", "verdict_sent", 1, "card", "verdict sent"),
    Step("daemon", "flushed", 2, "card", "delivery written"),
    Step("daemon", "envelope_sent", 1, "card", "outcome sent"),
)
RELAY: Final = (
    Step("relay", "envelope_received", 1, "start", "challenge accepted"),
    Step("relay", "envelope_sent", 1, "start", "challenge forwarded"),
    Step("relay", "envelope_received", 1, "card", "answer accepted"),
    Step("relay", "envelope_sent", 1, "card", "answer forwarded"),
    Step("relay", "envelope_received", 2, "card", "outcome accepted"),
    Step("relay", "envelope_sent", 2, "card", "outcome forwarded"),
)
DEVICE: Final = (
    Step("device", "envelope_received", 1, "start", "challenge received"),
    Step("device", "card_shown", 1, "start", "card shown"),
    Step("device", "envelope_ready", 1, "card", "answer signed, not yet sent"),
    Step("device", "envelope_sent", 1, "card", "answer sent"),
    Step("device", "envelope_received", 1, "card", "outcome received"),
)
MODULE_STEPS: Final = (
    Step("module", "connected", 1, "start", "connected to the daemon"),
    Step("module", "request_sent", 1, "start", "request sent"),
    Step("module", "number_received", 1, "start", "number received"),
    Step("module", "verdict_received", 1, "card", "verdict received"),
    Step("module", "returned", 1, "card", "module returned"),
)
ENTER: Final = Step("module", "enter_sent", 1, "start", "Enter sent")


class Cell(NamedTuple):
    """A row of the table: a way to log in, a step, a signal."""

    way: str
    step: Step
    number: signal.Signals

    def title(self) -> tuple[str, ...]:
        """Return the row's first columns."""
        role = self.step.role
        name = {"sudo": "sudo", "ssh": "sshd [pam]"}[self.way]
        process = f"module in {name}" if role == "module" else role
        return self.way, process, self.step.words, self.number.name


CELLS: Final = tuple(
    Cell(way, step, number)
    for way, steps in (
        ("sudo", (*DAEMON, *RELAY, *DEVICE, *MODULE_STEPS)),
        ("ssh", (*DAEMON, *MODULE_STEPS[:3], ENTER, *MODULE_STEPS[3:])),
    )
    for step in steps
    for number in SIGNALS
)

TITLES: Final = (
    *("login by", "process", "step", "signal", "runs"),
    *("the client got", "the audit says", "next login approved"),
)


class Seen(NamedTuple):
    """One run."""

    cell: Cell
    got: str
    audit: str
    seconds: float
    is_next_in: bool
    problems: tuple[str, ...]


def run_cell(world: KillWorld, cell: Cell, then: str) -> Seen:
    """Strike once, mend, and log in again."""
    ended = world.log_in(cell.way, Fault(world, cell.step, cell.number, then))
    later = world.log_in(cell.way)
    problems = [*problems_of(cell, ended)]
    if not later.is_in or later.approvals != 1:
        problems.append(f"the next login was not approved once: {later}")
    return Seen(
        cell=cell,
        got=_got(ended),
        audit=_audit(ended),
        seconds=ended.seconds,
        is_next_in=later.is_in,
        problems=tuple(f"{cell.title()} {then}: {text}" for text in problems),
    )


def problems_of(cell: Cell, ended: Ended) -> Iterable[str]:
    """Yield what may not be: audit and client disagree, or somebody is in wrongly."""
    if ended.is_in and not ended.approvals:
        yield f"in, and the audit knows no approval: {ended}"
    if ended.is_in and not ended.answers:
        yield f"in, and nobody answered: {ended}"
    if ended.approvals > ended.answers:
        yield f"approved more often than it was answered: {ended}"
    if ended.deliveries and not ended.is_in and cell.step.role != "module":
        yield f"the audit says delivered, and the client got nothing: {ended}"
    if ended.seconds > TIMEOUT + 2:
        yield f"took {ended.seconds:.1f} s: {ended}"


def _got(ended: Ended) -> str:
    if ended.is_in:
        return "in"
    for words, name in (
        ("not available", "refused: unavailable"),
        ("nobody answered", "refused: expired"),
        ("no relay", "refused: no relay"),
    ):
        if words in ended.said:
            return name
    return "no shell"


def _audit(ended: Ended) -> str:
    attempts = [r for r in ended.records if isinstance(r, AttemptRecord)]
    words = [str(record.verdict) for record in attempts]
    if ended.approvals:
        words.append("delivered" if ended.deliveries else "no delivery")
    return ", ".join(words) or "nothing"


def run_many(runs: Sequence[tuple[Cell, str]]) -> list[Seen]:
    """Carry runs out, one after the other, in a sandbox of their own."""
    arguments = f"timeout={TIMEOUT}"
    programs = find_pushmfa()[:1]
    with Sandbox(module=MODULE, arguments=arguments, programs=programs) as sandbox:
        world = KillWorld(sandbox)
        try:
            return [run_cell(world, cell, then) for cell, then in runs]
        finally:
            world.close()


def table_of(seen: Sequence[Seen]) -> list[tuple[str, ...]]:
    """Return the rows of the table, in the order of CELLS."""
    rows: list[tuple[str, ...]] = [TITLES, ("---",) * len(TITLES)]
    for cell in CELLS:
        runs = [run for run in seen if run.cell == cell]
        if runs:
            count = str(len(runs))
            got, audit = (_counts(r.got for r in runs), _counts(r.audit for r in runs))
            later = f"{sum(run.is_next_in for run in runs)}/{count}"
            rows.append((*cell.title(), count, got, audit, later))
    return rows


def _counts(words: Iterable[str]) -> str:
    return "; ".join(f"{n} {word}" for word, n in Counter(words).most_common())


def main() -> int:
    """Run the matrix; 1 if anything was seen that may not be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a row's first columns")
    given = parser.parse_args()
    begun = time.monotonic()
    cells = [cell for cell in CELLS if given.only in " ".join(cell.title())]
    runs = [
        (cell, "kill" if i % 2 else "continue")
        for i in range(given.times)
        for cell in cells
    ]
    with ProcessPoolExecutor(given.jobs) as pool:
        parts = pool.map(run_many, [runs[i :: given.jobs] for i in range(given.jobs)])
        seen = [run for part in parts for run in part]
    lines = [f"| {' | '.join(row)} |" for row in table_of(seen)]
    slowest = max(run.seconds for run in seen)
    problems = [problem for run in seen for problem in run.problems]
    took = time.monotonic() - begun
    summary = f"{len(seen)} runs in {took:.0f} s, {len(problems)} with a problem"
    lines += ["", f"{summary}; the longest login took {slowest:.1f} s"]
    (ROOT / "build/kill-matrix.md").write_text("\n".join([*lines, ""]))
    sys.stdout.write("\n".join([*lines, *problems, ""]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
