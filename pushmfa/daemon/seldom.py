"""Says when a line of the log may be written that anybody can cause.

Attack: a user sends nonsense in a loop; the log fills, or the journal's own limit
swallows the lines of real logins (journald.conf(5), RateLimitBurst=).
"""

from collections.abc import Hashable
from typing import Final

INTERVAL: Final = 60.0
"""Seconds in which one culprit is told once."""

MAX_TOLD: Final = 16
"""Culprits in that time; of one person's 65,536 subuids too the others are not told."""


class Seldom:
    """Who was told of in this minute."""

    def __init__(self) -> None:
        self._told: set[Hashable] = set()
        self._ends = float("-inf")

    def may_tell(self, culprit: Hashable, now: float) -> bool:
        """Whether something of culprit may be logged; now is in monotonic seconds."""
        if now >= self._ends:
            self._told.clear()
            self._ends = now + INTERVAL
        if culprit in self._told or len(self._told) >= MAX_TOLD:
            return False
        self._told.add(culprit)
        return True
