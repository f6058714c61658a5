"""A relay in the hands of an attacker: no wrong verdict, no hang, nothing left over.

What CI runs of `make hostile`; tests/fakes/README.md says what the runs are.
"""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import stand_ins
from tests.fakes.found import FOUND
from tests.fakes.hostile import find, missing, play_many
from tests.fakes.hostile_run import play
from tests.fakes.mutations import MUTATIONS, Mutation, V
from tests.fakes.real_link import play_real
from tests.fakes.stage import on_stage

pytestmark = pytest.mark.integration

CHUNK = 125
SEARCH = 600
"""Seeds that are tried if the recorded one finds nothing any more."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    yield
    logging.disable(before)


@pytest.mark.parametrize("first", range(0, 500, CHUNK))
def test_attack_a_hostile_relay_changes_no_verdict(first: int) -> None:
    reports = play_many(range(first, first + CHUNK))
    assert not [report for report in reports if report.wrong]
    assert not missing(reports, share=0.3), "chance has a hand in so few"


def test_a_seed_gives_the_same_run_again() -> None:
    assert play_many(range(20)) == play_many(range(20))


def _named(mutation: Mutation) -> str:
    return mutation.name


@pytest.mark.parametrize(
    "mutation", [m for m in MUTATIONS if not m.is_alone], ids=_named
)
def test_a_step_that_is_taken_away_is_missed(mutation: Mutation) -> None:
    seed, plot = FOUND[mutation.name]
    row = find(mutation, [seed])
    if row.seed is None:
        # The daemon draws its random numbers in another order than it did.
        row = find(mutation, range(SEARCH), plot)
        assert row.seed is not None, "nothing is missed"
        seed = row.seed
    else:
        plot = ""
    with on_stage():
        assert not play(seed, plot).wrong, "with the step the same run is right"


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.is_alone], ids=_named)
def test_a_step_with_others_behind_it_is_not_missed_alone(mutation: Mutation) -> None:
    assert find(mutation, range(30)).wrong == ""


def test_every_found_seed_is_of_a_row() -> None:
    assert set(FOUND) == {m.name for m in MUTATIONS if not m.is_alone}


def test_attack_a_hostile_relay_on_the_real_link(tmp_path: Path) -> None:
    report = asyncio.run(play_real(tmp_path / "world", seed=1, people=10, rounds=3))
    assert not report.wrong
    assert sum(report.verdicts.values()) == 40


def test_the_real_link_also_misses_a_step(tmp_path: Path) -> None:
    unsigned = Mutation("4", "signature", ((V, "verify_signed", stand_ins.nothing),))
    with unsigned.applied():
        report = asyncio.run(play_real(tmp_path / "world", seed=2, people=4, rounds=1))
    assert report.wrong
