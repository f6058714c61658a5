"""Mutes: an account whose devices are not asked for a while; and who may end one. Pure.

A mute only takes something away, so a uid alone may begin one. Ending it gives
something back, and needs an approval: that one push reaches the devices of a muted
account, and so it has a budget of its own.
"""

from dataclasses import dataclass
from typing import Final

from pushmfa.errors import UsageError
from pushmfa.login.attempt import End
from pushmfa.login.moment import Moment
from pushmfa.terms import Cause, Verdict

SHORTEST: Final = 60
LONGEST: Final = 7 * 86_400
"""Seconds. Attack: an open shell mutes its owner for ever; a week is the most."""

STEP: Final = 60
"""Seconds by which a mute must grow to count as a new one. Attack: an open shell mutes
again and again, each is written down, and the disk is full."""

UNLOCKS: Final = 3
UNLOCK_WINDOW: Final = 3_600.0
"""So many pushes to end a mute, in so many seconds. Attack: push bombing by unlock."""


def mute_until(seconds: int, wall: float, now_until: int | None) -> int:
    """Return the Unix second at which a new mute ends, or raise UsageError.

    now_until: when the account's present mute ends. A new one never ends before it.
    Attack: an open shell mutes for a minute what was muted for a day, and so unlocks.
    """
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError(
            "a mute takes a minute to 7 days", hint="For example: pushmfa mute --for 2h"
        )
    until = int(wall) + seconds
    if now_until is not None and until < now_until + STEP:
        return now_until
    return until


def is_muted(until: int | None, wall: float) -> bool:
    """Whether an account whose mute ends at until is muted now."""
    return until is not None and wall < until


@dataclass(frozen=True, slots=True)
class UnlockState:
    """The pushes that asked to end a mute, each with the time that it counts to."""

    counted: tuple[Moment, ...] = ()


def decide_unlock(state: UnlockState, now: Moment) -> tuple[UnlockState, End | None]:
    """Return the new state, and the refusal if the account's budget is used up."""
    counted = tuple(moment for moment in state.counted if not moment.has_come(now))
    if len(counted) >= UNLOCKS:
        return UnlockState(counted), End(Verdict.THROTTLED, Cause.LIMIT)
    return UnlockState((*counted, now.after(UNLOCK_WINDOW))), None
