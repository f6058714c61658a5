"""Refusals that nobody was asked for: counted, one record a source and minute.

Attack: whoever may fail without a password (a scanner, any user of this machine) fails
in a loop: the audit fills the disk, and the daemon does nothing but wait for it.
"""

from typing import Final

from pushmfa.daemon.audit import SCHEMA, Audit, RefusalsRecord
from pushmfa.daemon.clock import Clock

MAX_SOURCES: Final = 64
"""Sources that are told apart in one minute; each costs a write, and an attacker has
2**64 addresses. The others are counted under one name."""


MAX_ROWS: Final = 5
"""Rows of one account in one minute, of logins that proved a first factor and were
refused without asking anybody; the others are counted."""


class Refusals:
    """The refusals since the last time that they were written."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def may_write(self, who: str) -> bool:
        """Whether a refusal of who gets a row of its own; else count it."""
        rows = self._rows.get(who, 0)
        if rows >= MAX_ROWS or (not rows and len(self._rows) >= MAX_SOURCES):
            return False
        self._rows[who] = rows + 1
        return True

    def count(self, source: str) -> None:
        """Count a refusal of source: an address, or who called control.sock."""
        if source not in self._counts and len(self._counts) >= MAX_SOURCES:
            source = "others"
        self._counts[source] = self._counts.get(source, 0) + 1

    def write(self) -> None:
        """Write the refusals counted since the last time; StoreError."""
        self._rows.clear()
        if not self._counts:
            return
        at = int(self._clock.now().wall)
        # One sync for all, and none is forgotten before it is on the disk.
        self._audit.append(
            *(
                RefusalsRecord(schema=SCHEMA, at=at, remote_address=source, count=count)
                for source, count in self._counts.items()
            )
        )
        self._counts.clear()
