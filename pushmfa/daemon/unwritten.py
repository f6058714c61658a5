"""What counts although the disk refused it: what took something away."""

from dataclasses import dataclass, field
from typing import TypeAlias

from pushmfa.store.host_rows import EventRow

Ended: TypeAlias = tuple[str, EventRow]
"""The column that says so (revoked_at, lost_at), and the event of that device."""


@dataclass
class Unwritten:
    """What is in memory only, until the disk takes it.

    It is the process's, not the state's. Attack: the database is taken away, the stolen
    phone is revoked, which no disk can take any more; the repair puts back an older
    copy, in which that phone is active.
    """

    ended: list[Ended] = field(default_factory=list)
    """Devices that were revoked or reported lost, the oldest first."""
    mutes: dict[tuple[str, int], int] = field(default_factory=dict)
    """The end of a mute, in Unix seconds, by user and uid."""

    def count(self) -> int:
        """Return how much of it there is."""
        return len(self.ended) + len(self.mutes)
