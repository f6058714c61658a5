"""The chain of the audit: what it proves, and where it breaks. Pure.

hash = SHA-256(previous || record), so that a changed, removed or inserted record
shows. The end can be cut off unseen, unless somebody keeps the last hash elsewhere.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from pushmfa.errors import VerificationError

FIRST: Final = bytes(32)
"""What stands in place of the hash before the first record."""


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last row so far: its number and its hash."""

    seq: int = 0
    hash: bytes = FIRST


def chain(previous: bytes, record: bytes) -> bytes:
    """Return the hash of the next row: 32 bytes."""
    return hashlib.sha256(previous + record).digest()


def verify_row(
    end: ChainEnd, seq: int, record: bytes, previous: bytes, digest: bytes
) -> None:
    """Raise VerificationError, whose text says what it means, unless the row follows.

    end is the row before it.
    """
    if seq != end.seq + 1:
        raise VerificationError(f"the rows from {end.seq + 1} on are missing")
    if previous != end.hash:
        raise VerificationError(
            f"row {seq} was written after another row {end.seq} than the one that is "
            "there now: one of the two was replaced"
        )
    if digest != chain(previous, record):
        raise VerificationError(f"row {seq} was changed after it was written")


def verify_end(found: ChainEnd, written: ChainEnd) -> None:
    """Raise VerificationError unless the last row is the last that was written.

    written is what the program that writes the rows remembers.
    """
    if found.seq < written.seq:
        raise VerificationError(
            f"the rows from {found.seq + 1} to {written.seq} are missing at the end"
        )
    if found != written:
        raise VerificationError(
            f"the end, row {found.seq}, was not written by this daemon"
        )
