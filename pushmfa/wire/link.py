"""Frames between a peer (host or device) and the relay, on `/v1/link`.

    peer                                relay
      |  <- greeting {versions, nonce, features}
      |  -> hello {statement, mailboxes, features, invitation}
      |  <- ready {}
      |  -> allow {mailbox, senders}          devices: whom to take envelopes from
      |  -> envelope {id, to, from, ...}      <- envelope: it just came in
      |  <- stored {id, to, from, ...}        it waited; -> received {mailbox, id}
      |  -> quiet {id, to, from, ...}         hosts: as envelope, but wake nobody up
      |  <- accepted {id, wakeup}             ours waits (feature "accepted")
      |  -> withdraw {id, to, from}           forget ours, if it still waits
      |  <- refused {id, reason}              ours was not taken

A device whose hello names the feature "wakeup" has more:

      |  <- wakeup-key {key}                  right after ready
      |  -> subscription {mailbox, push}      how to wake me up; null: not any more
      |  -> try-wakeup {mailbox}              send me a test
      |  <- wakeup-result {mailbox, result}   what came of either
      |  -> received {mailbox, id}            also for an envelope that just came in

JSON text frames of at most 16 KiB, one write a frame. docs/protocol.md, section 3.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from pushmfa.terms import (
    Binary,
    Bytes16,
    EnvelopeId,
    MailboxId,
    Nonce,
    Role,
    Signature,
    VerifyKey,
    WakeUp,
)
from pushmfa.wire.codec import Message, Part, encode, make_decoder
from pushmfa.wire.envelope import EnvelopeFields

PATH: Final = "/v1/link"
MAX_FRAME: Final = 16_384
MAX_MAILBOXES: Final = 64
MAX_SENDERS: Final = 256
MAX_ENDPOINT: Final = 2_048
"""Characters of the URL of a push subscription."""

FEATURE_ACCEPTED: Final = "accepted"
"""A peer that names it wants to hear of `accepted`."""

FEATURE_WAKEUP: Final = "wakeup"
"""A device that names it may be woken up, and acknowledges every envelope."""

FEATURE_QUIET: Final = "quiet"
"""A relay that names it knows the frame `quiet`."""

RESERVED_FRAMES: Final = ("cancel", "wakeup", "move")
"""Names of frames of later features; this version refuses them."""

Version = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Versions = Annotated[tuple[Version, ...], msgspec.Meta(min_length=1, max_length=16)]
Feature = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_-]{0,31}\Z")]
Features = Annotated[tuple[Feature, ...], msgspec.Meta(max_length=32)]
RelayName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Invitation = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class CloseCode(int):
    """Codes with which the relay ends a link (RFC 6455, section 7.4.2)."""


MALFORMED: Final = CloseCode(4400)
HELLO_REFUSED: Final = CloseCode(4401)
NOT_INVITED: Final = CloseCode(4403)
HELLO_LATE: Final = CloseCode(4408)
TOO_MANY: Final = CloseCode(4429)


class RefusalReason(StrEnum):
    """Why the relay did not take an envelope."""

    NOT_OPEN = "not_open"
    NOT_ALLOWED = "not_allowed"
    MAILBOX_FULL = "mailbox_full"
    TOO_MANY = "too_many"


class WakeUpResult(StrEnum):
    """What came of a `subscription` or `try-wakeup`."""

    KEPT = "kept"
    REMOVED = "removed"
    REFUSED = "refused"
    SENT = "sent"
    GONE = "gone"
    FAILED = "failed"
    NONE = "none"


class PushPoint(Binary):
    """An uncompressed P-256 point; whether it is one is for who uses it to check."""

    MIN = MAX = 65


class PushAuth(Bytes16):
    """The authentication secret of a push subscription (RFC 8291, section 3.2)."""


class HelloStatement(Binary):
    """The exact bytes of a RelayHello statement, as signed."""

    MIN, MAX = 2, 1024


class RelayHello(Message, frozen=True, tag="relay-hello"):
    """What a peer signs to open mailboxes; label `pushmfa/v1 relay-hello`."""

    version: Version
    role: Role
    relay: RelayName
    nonce: Nonce


class MailboxProof(Part, frozen=True):
    """One mailbox to open: its relay key, and that key's signature of the hello."""

    key: VerifyKey
    signature: Signature


class Greeting(Message, frozen=True, tag="greeting"):
    """The relay's first frame."""

    versions: Versions
    nonce: Nonce
    features: Features


class Hello(Message, frozen=True, tag="hello"):
    """The peer's first frame."""

    statement: HelloStatement
    mailboxes: Annotated[
        tuple[MailboxProof, ...],
        msgspec.Meta(min_length=1, max_length=MAX_MAILBOXES),
    ]
    features: Features
    invitation: Invitation | None


class Ready(Message, frozen=True, tag="ready"):
    """The relay opened every mailbox of the hello."""


class Allow(Message, frozen=True, tag="allow"):
    """The senders from whom a device's mailbox takes envelopes; replaces the last."""

    mailbox: MailboxId
    senders: Annotated[tuple[MailboxId, ...], msgspec.Meta(max_length=MAX_SENDERS)]


class PushSubscription(Part, frozen=True):
    """What a browser's PushManager gave: an address, and how to encrypt for it.

    The end point is a bearer capability: whoever knows it can have the push service
    wake the device up. No log and no host ever sees it.
    """

    endpoint: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ENDPOINT)]
    p256dh: PushPoint
    auth: PushAuth


class WakeUpKey(Message, frozen=True, tag="wakeup-key"):
    """The relay's public key for push services (RFC 8292)."""

    key: PushPoint


class Subscription(Message, frozen=True, tag="subscription"):
    """How to wake up the device of a mailbox; replaces the last, null removes it."""

    mailbox: MailboxId
    push: PushSubscription | None


class TryWakeUp(Message, frozen=True, tag="try-wakeup"):
    """The device wants a test push for one of its mailboxes."""

    mailbox: MailboxId


class WakeUpReport(Message, frozen=True, tag="wakeup-result"):
    """What came of a `subscription` or `try-wakeup`."""

    mailbox: MailboxId
    result: WakeUpResult


class Envelope(EnvelopeFields, frozen=True, tag="envelope"):
    """An envelope on its way; acknowledged only by who named `wakeup`."""


class Quiet(EnvelopeFields, frozen=True, tag="quiet"):
    """An envelope of a host for which the relay wakes nobody up."""

    @classmethod
    def of(cls, envelope: Envelope) -> "Quiet":
        """Return the frame that carries envelope."""
        return cls(**msgspec.structs.asdict(envelope))

    def envelope(self) -> Envelope:
        """Return what it carries."""
        return Envelope(**msgspec.structs.asdict(self))


class Stored(EnvelopeFields, frozen=True, tag="stored"):
    """An envelope that waited; the peer answers `received`."""


class Received(Message, frozen=True, tag="received"):
    """The peer has this envelope; the relay forgets it."""

    mailbox: MailboxId
    id: EnvelopeId


class Accepted(Message, frozen=True, tag="accepted"):
    """The relay keeps this envelope, since nobody is there to take it now."""

    id: EnvelopeId
    wakeup: WakeUp


class Withdraw(Message, frozen=True, tag="withdraw", rename={"sender": "from"}):
    """The sender no longer wants this envelope delivered."""

    id: EnvelopeId
    to: MailboxId
    sender: MailboxId


class Refused(Message, frozen=True, tag="refused"):
    """The relay did not take this envelope."""

    id: EnvelopeId
    reason: RefusalReason


PeerFrame = (
    Hello | Allow | Envelope | Quiet | Received | Withdraw | Subscription | TryWakeUp
)
RelayFrame = (
    Greeting | Ready | Envelope | Stored | Accepted | Refused | WakeUpKey | WakeUpReport
)
Frame = PeerFrame | RelayFrame

decode_peer_frame: Callable[[bytes], PeerFrame] = make_decoder(
    PeerFrame,  # type: ignore[arg-type]  # to mypy a union is no type[M]
    MAX_FRAME,
)
decode_relay_frame: Callable[[bytes], RelayFrame] = make_decoder(
    RelayFrame,  # type: ignore[arg-type]  # as above
    MAX_FRAME,
)
decode_relay_hello = make_decoder(RelayHello, HelloStatement.MAX)


def encode_frame(frame: Frame) -> str:
    """Return frame as the text of one websocket message."""
    return encode(frame).decode("utf-8")
