"""The number that the terminal shows: which ones may be given now."""

from collections.abc import Collection
from dataclasses import dataclass

from pushmfa.login.moment import Moment

QUARANTINE = 120
"""Seconds that a number rests after an attempt ended other than approved: it may
still be on the screen, and an answer to it must not fit a later attempt."""


@dataclass(frozen=True, slots=True)
class RestingNumber:
    """A number that may still be on a screen, and until when by the boot clock.

    Not by the wall clock: set forward it would give numbers out early, and set back by
    an hour it would keep them for an hour, until none is left.
    """

    number: str
    until: float


def first_and_count(digits: int) -> tuple[int, int]:
    """Return the least number of that many digits, and how many there are.

    Two digits are 10 to 99, so that none looks like a single digit; more digits keep
    their leading zeros.
    """
    return (10, 90) if digits == 2 else (0, 10**digits)


def choose_number(digits: int, taken: Collection[str], random: int) -> str | None:
    """Return a number of digits that is not taken; None if none is left.

    random is a uniform integer of at least 64 bits more than the count needs; each
    free number is equally likely.
    """
    first, count = first_and_count(digits)
    used = sorted({int(number) for number in taken if len(number) == digits})
    free = count - len(used)
    if free <= 0:
        return None
    chosen = first + random % free
    for number in used:
        if number <= chosen:
            chosen += 1
    return str(chosen).zfill(digits)


def still_resting(
    resting: Collection[RestingNumber], now: Moment
) -> tuple[RestingNumber, ...]:
    """Return those that may still be on a screen."""
    return tuple(rest for rest in resting if now.boot < rest.until)
