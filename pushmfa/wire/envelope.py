"""The envelope: all that the relay sees of what host and device say to each other."""

from typing import Annotated, Final

import msgspec

from pushmfa.terms import Binary, EnvelopeId, MailboxId
from pushmfa.wire.codec import Message

MAX_LIFETIME: Final = 604_800
"""Seconds an envelope may wait, at most: 7 days (a revocation told to a device)."""

Lifetime = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME)]
"""Seconds, counted by each receiver from its own receipt: clocks need not agree."""


class Sealed(Binary):
    """A payload sealed (HPKE) or enclosed (enrollment); the relay cannot open it."""

    MIN = 28
    MAX = 11_264


class EnvelopeFields(Message, frozen=True, rename={"sender": "from"}):
    """Id, to, from, lifetime, sealed; subclasses tag it as a frame."""

    id: EnvelopeId
    to: MailboxId
    sender: MailboxId
    lifetime: Lifetime
    sealed: Sealed
