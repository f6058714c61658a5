"""One mailbox's envelopes and open links, and the sum over all mailboxes."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Final, Generic, TypeVar

from pushmfa.relay.limits import SHARE, RelayLimits
from pushmfa.terms import EnvelopeId, MailboxId, Role
from pushmfa.wire.link import Envelope

L = TypeVar("L")

MAX_SEEN: Final = 256
"""Ids of forgotten envelopes that a mailbox knows until their lifetime is over."""

MAX_SEEN_OF_ALL: Final = 400_000
"""The same of all mailboxes (60 MB); beyond it receivers alone drop late copies."""

# A sum of floats may come out a hair below the whole second that it means.
_ROUNDING: Final = 1e-6


@dataclass(slots=True, eq=False)
class Remembered:
    """An envelope that waits, or that was delivered and may be asked for again."""

    envelope: Envelope
    role: Role
    """Its sender's."""
    expires_at: float
    delivered: bool
    kept: bool = False
    """Whether it is on the shelf too."""
    origin: int | None = None
    """Stands for the address that sent it; None: it was there before a restart."""

    @property
    def size(self) -> int:
        """The bytes that are counted for it."""
        return len(self.envelope.sealed)

    def lifetime_left(self, now: float) -> int:
        """Return the whole seconds that it still lives; less than 1: it is over."""
        return int(self.expires_at - now + _ROUNDING)


class Totals:
    """What all mailboxes remember together."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self.envelopes = 0
        self.bytes = 0
        self.seen = 0
        self._envelopes_from: Counter[int] = Counter()
        self._bytes_from: Counter[int] = Counter()

    def has_room_for(self, entry: Remembered) -> bool:
        """Say whether one more envelope is within the bounds.

        Attack: a stranger sends to himself, in a minute, all that the relay
        remembers, for a week. One address has a share.
        """
        limits, origin, size = self._limits, entry.origin, entry.size
        if origin is not None and (
            self._envelopes_from[origin] >= limits.total_envelopes / SHARE
            or self._bytes_from[origin] + size > limits.total_bytes / SHARE
        ):
            return False
        return (
            self.envelopes < limits.total_envelopes
            and self.bytes + size <= limits.total_bytes
        )

    def add(self, entry: Remembered) -> None:
        """Count an envelope."""
        self._change(entry, 1)

    def remove(self, entry: Remembered) -> None:
        """Count it no longer."""
        self._change(entry, -1)

    def _change(self, entry: Remembered, by: int) -> None:
        self.envelopes += by
        self.bytes += by * entry.size
        if entry.origin is None:
            return
        self._envelopes_from[entry.origin] += by
        self._bytes_from[entry.origin] += by * entry.size
        if not self._envelopes_from[entry.origin]:
            del self._envelopes_from[entry.origin], self._bytes_from[entry.origin]


class Box(Generic[L]):
    """One mailbox: the links that have it open, and its envelopes, oldest first."""

    __slots__ = (
        "_bytes",
        "_earliest",
        "_entries",
        "_seen",
        "_totals",
        "links",
        "senders",
    )

    def __init__(self, totals: Totals) -> None:
        self._totals = totals
        self._entries: dict[EnvelopeId, Remembered] = {}
        self._seen: dict[EnvelopeId, float] = {}
        self._bytes = 0
        self._earliest = inf
        """Nothing here expires before."""
        self.links: list[L] = []
        self.senders: frozenset[MailboxId] | None = None
        """The allow list, None if it has to be looked up."""

    def __iter__(self) -> Iterator[Remembered]:
        return iter(self._entries.values())

    def get(self, envelope_id: EnvelopeId) -> Remembered | None:
        """Return what is remembered under this id."""
        return self._entries.get(envelope_id)

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be lost without this object."""
        return not (self.links or self._entries or self._seen)

    def has_seen(self, envelope_id: EnvelopeId) -> bool:
        """Say whether this id is remembered, or was and would still live."""
        return envelope_id in self._entries or envelope_id in self._seen

    def mark_seen(self, entry: Remembered) -> None:
        """Know the id of entry until its lifetime is over, to drop a late copy."""
        if len(self._seen) >= MAX_SEEN:
            self._drop_from_seen(next(iter(self._seen)))
        if self._totals.seen < MAX_SEEN_OF_ALL:
            self._seen[entry.envelope.id] = entry.expires_at
            self._earliest = min(self._earliest, entry.expires_at)
            self._totals.seen += 1

    def drop_seen(self, now: float) -> None:
        """Know the ids no longer whose lifetime is over."""
        for envelope_id, expires_at in list(self._seen.items()):
            if expires_at <= now:
                self._drop_from_seen(envelope_id)
        waiting = (entry.expires_at for entry in self._entries.values())
        self._earliest = min(chain(waiting, self._seen.values()), default=inf)

    def may_have_expired(self, now: float) -> bool:
        """Whether something here may be over: not worth a look each time."""
        return self._earliest - now < 1 + _ROUNDING

    def _drop_from_seen(self, envelope_id: EnvelopeId) -> None:
        del self._seen[envelope_id]
        self._totals.seen -= 1

    def add(self, entry: Remembered) -> None:
        """Remember entry, whose id is not yet known here."""
        self._entries[entry.envelope.id] = entry
        self._earliest = min(self._earliest, entry.expires_at)
        self._bytes += entry.size
        self._totals.add(entry)

    def remove(self, entry: Remembered) -> None:
        """Forget entry; its id is still known until its lifetime is over."""
        del self._entries[entry.envelope.id]
        self._bytes -= entry.size
        self._totals.remove(entry)
        self.mark_seen(entry)

    def surplus_with(self, size: int, limits: RelayLimits) -> list[Remembered] | None:
        """Return what has to go before one of this size comes in.

        Only what was delivered at least once goes, the oldest first. None if that
        makes too little room: what nobody has seen yet is never dropped.
        """
        too_many = len(self._entries) + 1 - limits.mailbox_envelopes
        too_big = self._bytes + size - limits.mailbox_bytes
        surplus = []
        for entry in self:
            if too_many <= 0 and too_big <= 0:
                break
            if entry.delivered:
                surplus.append(entry)
                too_many -= 1
                too_big -= entry.size
        return surplus if too_many <= 0 and too_big <= 0 else None
