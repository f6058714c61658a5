"""Which envelopes were here already: relays repeat them, and there are several.

A peer with two relays gets every envelope twice, and after a reconnection the relay
sends again what may have been lost (docs/protocol.md 3.1 and 3.3).
"""

from collections import OrderedDict
from math import inf
from typing import Final, TypeAlias

from pushmfa.terms import EnvelopeId, MailboxId
from pushmfa.wire.link import Envelope, Stored

MAX_SEEN: Final = 4_096


Key: TypeAlias = tuple[MailboxId, EnvelopeId, int]


class SeenEnvelopes:
    """Remembers mailbox, id and content of the last 4,096 envelopes, old ones go first.

    The mailbox belongs to the key: who may write to one mailbox of a device must not
    make envelopes of another host disappear by taking their ids first. So does what is
    sealed: nor must one relay of several, with something else under the id.
    """

    def __init__(self, limit: int = MAX_SEEN) -> None:
        self._limit = limit
        self._expiries: OrderedDict[Key, float] = OrderedDict()
        self._earliest = inf
        """No entry expires before."""

    def is_new(self, envelope: Envelope | Stored, *, now: float) -> bool:
        """Say whether this envelope was not here before, and remember it.

        now is seconds of any clock that only goes forward. An entry whose lifetime is
        over gives way before one that still counts.
        """
        key = _key_of(envelope)
        if key in self._expiries:
            return False
        if len(self._expiries) >= self._limit:
            self._make_room(now)
        expiry = now + envelope.lifetime
        self._expiries[key] = expiry
        self._earliest = min(self._earliest, expiry)
        return True

    def has(self, envelope: Envelope | Stored) -> bool:
        """Say whether this envelope was here; remember nothing."""
        return _key_of(envelope) in self._expiries

    def _make_room(self, now: float) -> None:
        if now >= self._earliest:
            # Not each time: a full memory is looked through, and new ones come fast.
            over = [key for key, expiry in self._expiries.items() if expiry <= now]
            for key in over:
                del self._expiries[key]
            self._earliest = min(self._expiries.values(), default=inf)
        if len(self._expiries) >= self._limit:
            self._expiries.popitem(last=False)


def _key_of(envelope: Envelope | Stored) -> Key:
    # Not all of the content: hash() of bytes is keyed in each process (PEP 456).
    return envelope.to, envelope.id, hash(envelope.sealed)
