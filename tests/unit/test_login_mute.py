"""Mutes: how long, and who asks to end one."""

import pytest

from pushmfa.errors import UsageError
from pushmfa.login.moment import Moment
from pushmfa.login.mute import (
    LONGEST,
    SHORTEST,
    STEP,
    UNLOCK_WINDOW,
    UNLOCKS,
    UnlockState,
    decide_unlock,
    is_muted,
    mute_until,
)

START = Moment(1_000.0, 1_760_000_000.0)


def test_how_long() -> None:
    assert mute_until(60, 1_000.9, None) == 1_060
    assert mute_until(LONGEST, 1_000.0, 5) == 1_000 + LONGEST


@pytest.mark.parametrize("seconds", [-1, 0, SHORTEST - 1, LONGEST + 1])
def test_neither_shorter_nor_longer(seconds: int) -> None:
    with pytest.raises(UsageError, match="a minute to 7 days"):
        mute_until(seconds, 0.0, None)


def test_attack_a_second_mute_ends_the_first_one_early() -> None:
    until = mute_until(86_400, 0.0, None)
    assert mute_until(60, 10.0, until) == until


def test_attack_a_mute_is_moved_second_by_second() -> None:
    until = mute_until(3_600, 0.0, None)
    assert mute_until(3_600, STEP - 1, until) == until
    assert mute_until(3_600, STEP, until) == until + STEP


def test_until_its_end() -> None:
    assert is_muted(100, 99.9)
    assert not is_muted(100, 100.0)
    assert not is_muted(None, 0.0)


def test_attack_push_bombing_by_unlock() -> None:
    state = UnlockState()
    for _ in range(UNLOCKS):
        state, refusal = decide_unlock(state, START)
        assert refusal is None
    state, refusal = decide_unlock(state, START.after(UNLOCK_WINDOW - 1))
    assert refusal is not None
    assert (refusal.verdict, refusal.cause) == ("throttled", "limit")
    state, refusal = decide_unlock(state, START.after(UNLOCK_WINDOW))
    assert refusal is None
    assert len(state.counted) == 1
