"""What a device does with an enrollment: opens, verifies, answers. Pure.

docs/protocol.md 5 and 6. The relay, other hosts and the network may send anything;
only what this host sealed to this enrollment and signed comes out of here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec

from pushmfa.crypto.sealing import Direction, Sealer, sealing_info
from pushmfa.crypto.signing import Label, verify_signature
from pushmfa.device.keyring import DeviceKeys, Enrollment
from pushmfa.errors import MalformedError, VerificationError
from pushmfa.terms import (
    PROTOCOL_VERSION,
    Decision,
    DenialReason,
    Digest,
    SealingKey,
    Signature,
    Verification,
)
from pushmfa.wire.codec import encode, make_decoder
from pushmfa.wire.envelope import EnvelopeFields
from pushmfa.wire.payload import (
    MAX_STATEMENT,
    Answer,
    Challenge,
    Notice,
    Outcome,
    Revoked,
    Statement,
    ToHost,
    decode_challenge,
    decode_notice,
    decode_outcome,
    decode_revoked,
    decode_to_device,
)

Opened = Challenge | Outcome | Notice | Revoked


@dataclass(frozen=True, slots=True)
class Verified:
    """A statement that the host of this enrollment signed, and its exact bytes."""

    statement: Opened
    raw: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person decided; an approval has a number, a denial a reason."""

    number: str | None = None
    reason: DenialReason | None = None
    verification: Verification = Verification.NONE

    def __post_init__(self) -> None:
        if (self.number is None) == (self.reason is None):
            raise ValueError("either a number or a reason")


class _Tagged(msgspec.Struct, frozen=True):
    """Only the type of a statement that nobody has verified yet."""

    type: str


_decode_type: Callable[[bytes], _Tagged] = make_decoder(_Tagged, MAX_STATEMENT)

_KINDS: Final[dict[str, tuple[Label, Callable[[bytes], Opened]]]] = {
    "challenge": (Label.CHALLENGE, decode_challenge),
    "outcome": (Label.OUTCOME, decode_outcome),
    "notice": (Label.NOTICE, decode_notice),
    "revoked": (Label.REVOKED, decode_revoked),
}


def open_to_device(
    enrollment: Enrollment, keys: DeviceKeys, envelope: EnvelopeFields
) -> Verified:
    """Return what the host of this enrollment says.

    SealError, MalformedError or VerificationError for everything else; a failure
    changes nothing and is nothing to show to a person.
    """
    if (envelope.to, envelope.sender) != (enrollment.mailbox, enrollment.host_mailbox):
        raise VerificationError("the envelope is not from the host of this enrollment")
    # With the names recorded here, never with those that the envelope says.
    info = sealing_info(
        Direction.TO_DEVICE,
        enrollment.host_id,
        enrollment.device_id,
        enrollment.host_mailbox,
        enrollment.mailbox,
    )
    payload = decode_to_device(keys.opener.open(info, envelope.sealed))
    label, decode = _kind_of(payload.statement)
    verify_signature(
        enrollment.host_verify_key, label, payload.statement, payload.signature
    )
    statement = decode(payload.statement)
    _check_names(enrollment, statement)
    return Verified(statement, bytes(payload.statement))


def make_answer(
    enrollment: Enrollment,
    keys: DeviceKeys,
    challenge: Verified,
    choice: Choice,
    *,
    counter: int,
    device_time: int,
) -> bytes:
    """Return the sealed answer to a challenge that `open_to_device` returned.

    It names the exact challenge by its digest. MalformedError if the number has not
    as many digits as the challenge asks for; nothing but ASCII digits are any.
    """
    asked = challenge.statement
    if not isinstance(asked, Challenge):
        raise VerificationError("only a challenge has an answer")
    if choice.number is not None:
        check_number(choice.number, asked.digits)
    answer = Answer(
        version=PROTOCOL_VERSION,
        challenge_id=asked.challenge_id,
        challenge_sha256=Digest(sha256(challenge.raw).digest()),
        host_id=enrollment.host_id,
        device_id=enrollment.device_id,
        approver=asked.approver,
        decision=Decision.DENIAL if choice.number is None else Decision.APPROVAL,
        reason=choice.reason,
        number=choice.number,
        verification=choice.verification,
        grant=0,
        counter=counter,
        device_time=device_time,
        # Not only this challenge's: a host whose state was set back learns of it.
        epoch=max(asked.epoch, enrollment.epoch),
    )
    return _seal_to_host(enrollment, keys, encode(answer))


def check_number(number: str, digits: int) -> None:
    """Return if number is that many ASCII digits, else MalformedError.

    Not isdecimal() or int(): those take digits of every script.
    """
    if len(number) != digits or not set(number) <= set("0123456789"):
        raise MalformedError(f"the number has {digits} digits")


def _seal_to_host(enrollment: Enrollment, keys: DeviceKeys, statement: bytes) -> bytes:
    payload = ToHost(
        statement=Statement(statement),
        signature=Signature(keys.identity.sign(Label.ANSWER, statement)),
        assertion=None,
    )
    info = sealing_info(
        Direction.TO_HOST,
        enrollment.host_id,
        enrollment.device_id,
        enrollment.mailbox,
        enrollment.host_mailbox,
    )
    return _sealer(enrollment.host_sealing_key).seal(info, encode(payload))


@lru_cache(maxsize=256)
def _sealer(sealing_key: SealingKey) -> Sealer:
    # Loading a point of P-256 costs as much as sealing to it.
    return Sealer(sealing_key)


def _kind_of(statement: bytes) -> tuple[Label, Callable[[bytes], Opened]]:
    kind = _decode_type(statement).type
    if kind not in _KINDS:
        # Also enroll-host and enroll-done, which belong to the meeting mailbox.
        raise MalformedError("a statement of a kind that is not for here")
    return _KINDS[kind]


def _check_names(enrollment: Enrollment, statement: Opened) -> None:
    if statement.host_id != enrollment.host_id:
        raise VerificationError("the statement is of another host")
    if statement.device_id != enrollment.device_id:
        raise VerificationError("the statement is for another device")
    if statement.version < enrollment.version:
        raise VerificationError("the statement is of a version below the recorded")
    if statement.version != PROTOCOL_VERSION:
        raise VerificationError("the statement is of a version that is not known here")
