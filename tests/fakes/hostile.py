"""`make hostile`: many seeded runs against a hostile relay, and the mutation table.

    python -m tests.fakes.hostile --runs 10000

Exit code 1 if a verdict was wrong, or if a step that is taken away is not missed.
"""

import argparse
import asyncio
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.fakes.hostile_run import Report, play
from tests.fakes.mutations import MUTATIONS, Mutation
from tests.fakes.real_link import play_real
from tests.fakes.stage import on_stage

CHUNK: Final = 50
PEOPLE: Final = 20
ALONE: Final = 500
"""Runs that show of a step with others behind it that it is not missed."""

FLOORS: Final = {"approved": 0.20, "denied": 0.05, "expired": 0.05, "canceled": 0.05}
"""What part of the runs must end so, or they would show little."""


@dataclass(frozen=True)
class Row:
    """One row of the table."""

    name: str
    runs: int
    seed: int | None
    plot: str = ""
    wrong: str = ""

    @property
    def mutation(self) -> Mutation:
        """What was taken away; a process cannot send it to another."""
        return next(each for each in MUTATIONS if each.name == self.name)

    def is_as_expected(self) -> bool:
        """Whether the runs missed the step, or did not if others stand behind it."""
        return (self.seed is None) == self.mutation.is_alone


def play_many(seeds: range) -> list[Report]:
    """Return the reports of these seeds."""
    logging.disable(logging.CRITICAL)
    with on_stage():
        return [play(seed) for seed in seeds]


def find(mutation: Mutation, seeds: Iterable[int], plot: str = "") -> Row:
    """Return the first of seeds whose run is wrong when the step is taken away.

    plot: what the attacker is after in all of them.
    """
    logging.disable(logging.CRITICAL)
    count = 0
    with on_stage(), mutation.applied():
        for seed in seeds:
            report, count = play(seed, plot), count + 1
            if report.wrong and mutation.by in {"", report.plot}:
                how = f"{report.plot}, {report.detail}".removesuffix(", ")
                wrong = f"{how}: {report.wrong[0]}"
                return Row(mutation.name, count, seed, report.plot, wrong)
    return Row(mutation.name, count, None)


def _find(number: int, runs: int) -> Row:
    mutation = MUTATIONS[number]
    return find(mutation, range(min(runs, ALONE) if mutation.is_alone else runs))


def summary(reports: list[Report], what: str = "runs") -> Iterator[str]:
    """Yield the lines that say what the runs were."""
    verdicts = Counter[str]()
    for report in reports:
        verdicts += report.verdicts
    yield f"{verdicts.total()} {what}, by what the terminal heard:"
    yield "  " + ", ".join(f"{count} {name}" for name, count in verdicts.most_common())
    for title in ("mood", "plot"):
        counted = Counter[str](getattr(report, title) for report in reports)
        listed = ", ".join(f"{name} {count}" for name, count in counted.most_common())
        yield f"  by {title}: {listed}"
    wrong = [report for report in reports if report.wrong]
    yield f"  wrong verdicts, hangs, or anything left over: {len(wrong)}"
    for report in wrong[:20]:
        yield f"    seed {report.seed}, {report.plot}: {report.wrong}"


def missing(reports: list[Report], share: float = 1.0) -> list[str]:
    """Return the verdicts that too few runs ended with; share of FLOORS are enough."""
    verdicts = Counter[str]()
    for report in reports:
        verdicts += report.verdicts
    return [
        verdict
        for verdict, part in FLOORS.items()
        if verdicts[verdict] < share * part * len(reports)
    ]


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the table in Markdown."""
    yield "| step | taken away | seed that found it | what went wrong then |"
    yield "|---|---|---|---|"
    for row in rows:
        found = f"none of {row.runs} runs" if row.seed is None else str(row.seed)
        what = row.wrong or "nothing"
        if row.mutation.why:
            what += f" ({row.mutation.why})"
        cells = (row.mutation.step, row.mutation.what, found, what)
        yield "| " + " | ".join(cells) + " |"


def main() -> int:
    """Run everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--real", type=int, default=300, help="logins by real links")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    reports: list[Report] = []
    seeds = range(options.first, options.first + options.runs)
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(options.jobs) as pool:
        for done in pool.map(play_many, chunks):
            reports += done
        _say(summary(reports))
        numbers = range(len(MUTATIONS))
        rows = list(pool.map(_find, numbers, [options.runs] * len(numbers)))
    _say(table(rows))
    real = _play_real(options.real)
    _say(summary([real], "logins over the real link"))
    few = missing(reports)
    unexpected = [row.mutation.name for row in rows if not row.is_as_expected()]
    found = {row.name: (row.seed, row.plot) for row in rows if row.seed is not None}
    _say(iter([f"found.py: {found}"]))
    _say(f"error: too few runs ended {verdict}" for verdict in few)
    _say(f"error: {name}: not as the table should be" for name in unexpected)
    is_wrong = any(report.wrong for report in [*reports, real])
    return int(bool(few or unexpected or is_wrong))


def _play_real(logins: int) -> Report:
    logging.disable(logging.CRITICAL)
    rounds = max(logins // PEOPLE, 1)
    with TemporaryDirectory() as folder:
        play = play_real(Path(folder) / "w", seed=1, people=PEOPLE, rounds=rounds)
        return asyncio.run(play)


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
