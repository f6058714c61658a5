"""control.sock: the audit, to read and to verify.

A part of `pushmfa.wire.control`, whose unions hold all of it.
"""

from typing import Annotated, Final

import msgspec

from pushmfa.terms import Digest
from pushmfa.wire.codec import Message
from pushmfa.wire.control_account import Account
from pushmfa.wire.fields import Text

MAX_LAST: Final = 1_000


class TailAudit(Message, frozen=True, tag="tail-audit"):
    """Ask for the last rows, and with `follow` for those that will come.

    user null is the caller's own; for root it is everybody's.
    """

    user: Account | None
    last: Annotated[int, msgspec.Meta(ge=0, le=MAX_LAST)]
    follow: bool


class VerifyAudit(Message, frozen=True, tag="verify-audit"):
    """Ask whether every row is as it was written."""


class AuditEntry(Message, frozen=True, tag="audit-entry"):
    """One row: its number, its hash, and the JSON of its record."""

    seq: int
    hash: Digest
    record: str


class AuditShown(Message, frozen=True, tag="audit-shown"):
    """There are no more rows."""


class AuditVerified(Message, frozen=True, tag="audit-verified"):
    """What the chain proves: `rows` are whole; the next one is broken, or none is."""

    rows: int
    hash: Digest
    broken: int | None
    problem: Text | None
