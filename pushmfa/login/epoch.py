"""The state epoch: how a host notices that its own state is an old one. Pure.

A host counts the changes of its devices and puts the count into every challenge; a
device says in its answer the highest that it saw. If that is higher than the host's
own, the state was set back (a snapshot, an old copy), and who was revoked since is
active again.

Attack: a stolen device claims an epoch of 2**53 - 1, so that a good host believes it
was set back and refuses everybody. Therefore the host must be able to recognize its
own epochs: the lower 26 bits of an epoch are a tag that only this host can make. An
epoch without its tag is a lie and concerns nobody but the device that tells it.

    epoch (53 bits) = counter (27 bits) || tag (26 bits)
    tag = first 26 bits of HMAC-SHA256(key, "pushmfa/v1 epoch" || u32be(counter))
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pushmfa.errors import RolledBackError, VerificationError
from pushmfa.terms import MAX_EPOCH

_TAG_BITS: Final = 26
_LABEL: Final = b"pushmfa/v1 epoch"
_BEGINNING: Final = 1_767_225_600
"""2026-01-01, in Unix seconds: `above` counts minutes from here."""

_MOST_MINUTES: Final = 2**26


@dataclass(frozen=True, slots=True)
class EpochKey:
    """What only this host has: with it its epochs are made and recognized."""

    key: bytes = field(repr=False)
    """32 bytes."""

    def epoch_of(self, counter: int) -> int:
        """Return the epoch (53 bits) of a counter; a higher counter gives a higher."""
        if not 0 <= counter <= MAX_EPOCH:
            raise ValueError(f"a counter of {counter}")
        return counter << _TAG_BITS | _tag(self.key, counter)

    def verify_seen(self, epoch: int, own: int) -> None:
        """Return if a device may have seen this epoch of a host whose counter is own.

        RolledBackError if this host made it and does not remember; VerificationError
        if it never did.
        """
        if epoch <= self.epoch_of(own):
            return
        counter = epoch >> _TAG_BITS
        if counter > MAX_EPOCH or epoch != self.epoch_of(counter):
            raise VerificationError(
                "the device claims an epoch that this host never had"
            )
        raise RolledBackError(
            f"the device has seen epoch {counter} of this host, which is at {own}",
            seen=counter,
        )


@lru_cache(maxsize=16)
def _tag(key: bytes, counter: int) -> int:
    # Every login asks twice for that of the counter as it is.
    message = _LABEL + counter.to_bytes(4)
    digest = hmac.digest(key, message, hashlib.sha256)
    return int.from_bytes(digest[:4]) >> (32 - _TAG_BITS)


def above(known: int, wall: float) -> int:
    """Return a counter above known, and above what was counted before an old copy.

    How far the lost state had counted nobody knows; but not faster than one change a
    minute, so the minutes of the wall clock (Unix seconds) are above it. A clock that
    is wrong cannot use up the counters: half of them are out of its reach. At the
    last counter it stays.
    """
    minutes = int(max(wall - _BEGINNING, 0)) // 60
    return min(max(known + 1, min(minutes, _MOST_MINUTES)), MAX_EPOCH)
