"""What host and device say to each other: signed statements inside sealed payloads.

A statement is signed as the exact bytes that stand in its payload; whoever gets it
verifies those bytes under the label of its kind, and only then parses them. The
relay must not import this module (invariant 4).
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from pushmfa.terms import (
    Binary,
    Bytes32,
    Cause,
    ChallengeId,
    Decision,
    DenialReason,
    DeviceId,
    DeviceKind,
    Digest,
    HostId,
    Kind,
    MailboxId,
    Nonce,
    SealingKey,
    Signature,
    Verdict,
    Verification,
    VerificationRequired,
    VerifyKey,
)
from pushmfa.wire.codec import Message, Part, make_decoder
from pushmfa.wire.fields import Label as Label
from pushmfa.wire.fields import LongText, Text
from pushmfa.wire.fields import ShortText as ShortText
from pushmfa.wire.fields import UnixTime as UnixTime
from pushmfa.wire.link import Version, Versions
from pushmfa.wire.webauthn import Assertion as Assertion
from pushmfa.wire.webauthn import Credential as Credential

MAX_STATEMENT: Final = 8_192
MAX_PAYLOAD: Final = 11_000
MAX_COMMAND: Final = 2_048
"""Bytes of a command that a challenge shows; of a longer one its head and its tail."""

MAX_LIFETIME: Final = 600
"""Seconds a challenge may live, at most."""

MAX_GRANT: Final = 43_200

Counter = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Uid = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 2)]
Digits = Annotated[int, msgspec.Meta(ge=2, le=8)]
LifetimeSeconds = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIFETIME)]
GrantSeconds = Annotated[int, msgspec.Meta(ge=0, le=MAX_GRANT)]
Number = Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{2,8}\Z")]
Address = Annotated[str, msgspec.Meta(min_length=2, max_length=64)]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9_-]{0,31}\Z")]
RelayUrl = Annotated[str, msgspec.Meta(min_length=6, max_length=255)]


class CommandPiece(Binary):
    """Head or tail of a command: raw bytes, not necessarily UTF-8."""

    MIN, MAX = 0, MAX_COMMAND


class Statement(Binary):
    """The exact bytes of a statement, as signed."""

    MIN, MAX = 2, MAX_STATEMENT


# --- statements -------------------------------------------------------------


class FirstFactor(Part, frozen=True):
    """What was proved before: the method, and of a public key its fingerprint."""

    method: Word
    fingerprint: ShortText | None


class Command(Part, frozen=True):
    """A command, arguments separated by NUL, as the kernel gives it.

    Whole in head where it has at most 2,048 bytes; else its first and last 1,024.
    """

    head: CommandPiece
    tail: CommandPiece
    length: Annotated[int, msgspec.Meta(ge=0, le=32_768)]
    sha256: Digest


class Challenge(Message, frozen=True, tag="challenge"):
    """What is to be approved; label `pushmfa/v1 challenge`, signed by the host."""

    version: Version
    versions: Versions
    challenge_id: ChallengeId
    kind: Kind
    host_id: HostId
    device_id: DeviceId
    host_name: ShortText
    user: ShortText
    uid: Uid
    approver: ShortText
    requesting_user: ShortText | None
    service: ShortText
    first_factor: FirstFactor | None
    command: Command | None
    text: LongText | None
    tty: Text | None
    remote_address: Address | None
    remote_notes: Annotated[tuple[Text, ...], msgspec.Meta(max_length=8)]
    issued_at: UnixTime
    lifetime: LifetimeSeconds
    digits: Digits
    verification: VerificationRequired
    grant_offered: GrantSeconds
    others_pending: Annotated[int, msgspec.Meta(ge=0, le=100)]
    risk: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    epoch: Counter


class Answer(Message, frozen=True, tag="answer"):
    """A person's approval or denial; label `pushmfa/v1 answer`, signed by the device.

    An approval has a number and no reason; a denial a reason and no number.
    """

    version: Version
    challenge_id: ChallengeId
    challenge_sha256: Digest
    host_id: HostId
    device_id: DeviceId
    approver: ShortText
    decision: Decision
    reason: DenialReason | None
    number: Number | None
    verification: Verification
    grant: GrantSeconds
    counter: Counter
    device_time: UnixTime
    epoch: Counter


class Outcome(Message, frozen=True, tag="outcome"):
    """How an attempt ended; label `pushmfa/v1 outcome`, signed by the host."""

    version: Version
    challenge_id: ChallengeId
    host_id: HostId
    device_id: DeviceId
    verdict: Verdict
    cause: Cause
    by_this_device: bool
    press_enter: bool
    at: UnixTime


class NoticeKind(StrEnum):
    """What a notice is about."""

    DEVICE_ENROLLED = "device_enrolled"
    DEVICE_REVOKED = "device_revoked"
    DEVICE_RENAMED = "device_renamed"
    DEVICE_LOST = "device_lost"


class Notice(Message, frozen=True, tag="notice"):
    """Something happened to the account; label `pushmfa/v1 notice`, by the host."""

    version: Version
    host_id: HostId
    device_id: DeviceId
    notice_id: Nonce
    kind: NoticeKind
    subject_id: DeviceId
    subject_label: Label
    by: ShortText
    at: UnixTime


class Revoked(Message, frozen=True, tag="revoked"):
    """The device is revoked; label `pushmfa/v1 revoked`, signed by the host."""

    version: Version
    host_id: HostId
    device_id: DeviceId
    at: UnixTime


class EnrollDevice(Message, frozen=True, tag="enroll-device"):
    """The claim of a device; label `pushmfa/v1 enroll-device`, by its own new key.

    It has a credential exactly if `webauthn` is one of its capabilities.
    """

    version: Version
    versions: Versions
    commitment: Digest
    verify_key: VerifyKey
    sealing_key: SealingKey
    mailbox: MailboxId
    nonce: Nonce
    label: Label
    kind: DeviceKind
    capabilities: Annotated[tuple[Word, ...], msgspec.Meta(max_length=16)]
    credential: Credential | None


class EnrollHost(Message, frozen=True, tag="enroll-host"):
    """What the host reveals; label `pushmfa/v1 enroll-host`, signed by the host."""

    version: Version
    versions: Versions
    claim_sha256: Digest
    host_id: HostId
    device_id: DeviceId
    verify_key: VerifyKey
    sealing_key: SealingKey
    mailbox: MailboxId
    nonce: Nonce
    host_name: ShortText
    user: ShortText
    uid: Uid
    relays: Annotated[tuple[RelayUrl, ...], msgspec.Meta(min_length=1, max_length=3)]
    verification: VerificationRequired
    epoch: Counter
    issuer: Bytes32 | None


class EnrollResult(StrEnum):
    """How an enrollment ended."""

    ACTIVE = "active"
    WRONG_CODE = "wrong_code"
    EXPIRED = "expired"
    CANCELED = "canceled"


class EnrollDone(Message, frozen=True, tag="enroll-done"):
    """How the enrollment ended; label `pushmfa/v1 enroll-done`, by the host."""

    version: Version
    host_id: HostId
    device_id: DeviceId
    claim_sha256: Digest
    result: EnrollResult
    at: UnixTime


# --- payloads: what is inside an envelope --------------------------------------


class ToDevice(Message, frozen=True, tag="to-device"):
    """A statement of the host, sealed to the device."""

    statement: Statement
    signature: Signature


class ToHost(Message, frozen=True, tag="to-host"):
    """A statement of the device, sealed to the host.

    It has an assertion exactly if the answer's `verification` is `webauthn`.
    """

    statement: Statement
    signature: Signature
    assertion: Assertion | None


class EnrollCommit(Message, frozen=True, tag="enroll-commit"):
    """The host's commitment to keys and nonce that it reveals after the claim."""

    version: Version
    versions: Versions
    commitment: Digest


class EnrollClaim(Message, frozen=True, tag="enroll-claim"):
    """An enroll-device statement, enclosed under the secret of the link."""

    statement: Statement
    signature: Signature


HostStatement = Challenge | Outcome | Notice | Revoked | EnrollHost | EnrollDone

decode_to_device: Callable[[bytes], ToDevice] = make_decoder(ToDevice, MAX_PAYLOAD)
decode_to_host: Callable[[bytes], ToHost] = make_decoder(ToHost, MAX_PAYLOAD)
decode_enroll_commit = make_decoder(EnrollCommit, 1_024)
decode_enroll_claim = make_decoder(EnrollClaim, MAX_PAYLOAD)
decode_challenge = make_decoder(Challenge, MAX_STATEMENT)
decode_answer = make_decoder(Answer, MAX_STATEMENT)
decode_outcome = make_decoder(Outcome, MAX_STATEMENT)
decode_notice = make_decoder(Notice, MAX_STATEMENT)
decode_revoked = make_decoder(Revoked, MAX_STATEMENT)
decode_enroll_device = make_decoder(EnrollDevice, MAX_STATEMENT)
decode_enroll_host = make_decoder(EnrollHost, MAX_STATEMENT)
decode_enroll_done = make_decoder(EnrollDone, MAX_STATEMENT)
