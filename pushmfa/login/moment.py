"""Time as an argument: decisions read no clock, they are told what time it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of both clocks, in seconds.

    boot runs on while the machine sleeps and cannot be set (CLOCK_BOOTTIME); wall is
    Unix time and can be set by whoever administers the machine. Something expires as
    soon as one of the two says so, so that no jump of a clock revives it.
    """

    boot: float
    wall: float

    def after(self, seconds: float) -> "Moment":
        """Return the moment that many seconds later."""
        return Moment(self.boot + seconds, self.wall + seconds)

    def has_come(self, now: "Moment") -> bool:
        """Whether this moment is now or past, by the one clock or the other."""
        return now.boot >= self.boot or now.wall >= self.wall
