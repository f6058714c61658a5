"""One enrollment at the host: offered, claimed once, confirmed once.

    offered --claim--> claimed --confirm(right code)--> active
       |                  |----- confirm(wrong code)--> wrong_code
       |------ expire ----|----- cancel --------------> expired, canceled

docs/protocol.md, section 4.
"""

import hashlib
import hmac
import re
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Final

from pushmfa.crypto.sealing import check_sealing_key
from pushmfa.crypto.signing import Label, check_verify_key, verify_signature
from pushmfa.crypto.webauthn import check_credential
from pushmfa.errors import (
    ExpiredError,
    MalformedError,
    RefusedError,
    VerificationError,
)
from pushmfa.login.devices import CAPABILITY_WEBAUTHN, Device, verification_of
from pushmfa.login.moment import Moment
from pushmfa.terms import (
    PROTOCOL_VERSION,
    DeviceId,
    Digest,
    UserName,
    Verification,
)
from pushmfa.wire.payload import (
    EnrollClaim,
    EnrollDevice,
    EnrollResult,
    decode_enroll_device,
)

OFFER_LIFETIME: Final = 300
"""Seconds from the link to the claim, and again from the claim to the six digits."""

_NOT_DIGITS: Final = re.compile(r"[\s-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """The first valid claim: what the device said, and the exact bytes it signed."""

    statement: bytes
    device: EnrollDevice
    device_id: DeviceId

    def digest(self) -> Digest:
        """Return the SHA-256 that names this claim."""
        return Digest(hashlib.sha256(self.statement).digest())

    def verification(self) -> Verification:
        """Return how the device will verify its holder."""
        return verification_of(self.device.capabilities, self.device.credential)


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One enrollment link and what became of it."""

    user: UserName
    uid: int
    commitment: Digest
    expires: Moment
    claim: Claim | None = None
    result: EnrollResult | None = None

    def is_open(self) -> bool:
        """Whether it can still become an enrolled device."""
        return self.result is None


def accept_claim(
    enrollment: Enrollment,
    message: EnrollClaim,
    known: Container[bytes],
    now: Moment,
) -> Enrollment:
    """Return enrollment with its claim, or raise and change nothing.

    VerificationError, MalformedError or KeyRejectedError.
    Steps 3 to 6 of docs/protocol.md, section 4.3; the first claim that passes burns
    the secret. known are the keys and mailboxes of every device that this host ever
    enrolled, for any account.
    """
    # (6a) First: a claimed link looks at nothing more (attack: a second claim).
    if not enrollment.is_open() or enrollment.claim is not None:
        raise VerificationError("the enrollment link was used already")
    if enrollment.expires.has_come(now):
        raise VerificationError("the enrollment link has expired")
    # (3), (4) The device has the identity key it brings, and speaks strictly. The key
    #     is inside the statement, so this one statement is parsed before it is
    #     verified; nothing of it is used until then.
    device = decode_enroll_device(message.statement)
    # (5a) Acceptable keys, before one of them verifies anything (attack: a key of
    #     small order, with which a made-up signature verifies).
    check_verify_key(device.verify_key)
    verify_signature(
        device.verify_key, Label.ENROLL_DEVICE, message.statement, message.signature
    )
    _check_keys(device)
    if device.commitment != enrollment.commitment:
        raise VerificationError("the claim answers another commitment")
    if PROTOCOL_VERSION not in device.versions or device.version != PROTOCOL_VERSION:
        raise VerificationError("no protocol version in common")
    # (5b) One key, one account, once (attack: one device key under two users).
    if any(key in known for key in _keys_of(device)):
        raise VerificationError("the device's keys are known on this host already")
    device_id = DeviceId(hashlib.sha256(device.verify_key).digest())
    claim = Claim(message.statement, device, device_id)
    return replace(enrollment, claim=claim, expires=now.after(OFFER_LIFETIME))


def _check_keys(device: EnrollDevice) -> None:
    if (device.credential is not None) != (CAPABILITY_WEBAUTHN in device.capabilities):
        raise MalformedError("a credential without its capability, or without it")
    check_sealing_key(device.sealing_key)
    if device.credential is not None:
        check_credential(device.credential)


def _keys_of(device: EnrollDevice) -> list[bytes]:
    keys: list[bytes] = [device.verify_key, device.mailbox]
    return keys if device.credential is None else [*keys, device.credential.public_key]


def confirm(enrollment: Enrollment, typed: str, code: str, now: Moment) -> Enrollment:
    """Return enrollment ended as active or wrong_code; one try.

    typed may have blanks and hyphens between its digits. Raises RefusedError if there
    is nothing to confirm, ExpiredError if it is too late.
    """
    if enrollment.claim is None or not enrollment.is_open():
        raise RefusedError("no device waits for its six digits")
    if enrollment.expires.has_come(now):
        raise ExpiredError("the enrollment expired before the six digits were typed")
    digits = _NOT_DIGITS.sub("", typed)
    right = hmac.compare_digest(digits.encode("utf-8", "replace"), code.encode("ascii"))
    result = EnrollResult.ACTIVE if right else EnrollResult.WRONG_CODE
    return replace(enrollment, result=result)


def end(enrollment: Enrollment, result: EnrollResult) -> Enrollment:
    """Return enrollment, ended without a device if it was open."""
    if result is EnrollResult.ACTIVE:
        raise ValueError("only confirm makes a device active")
    return replace(enrollment, result=result) if enrollment.is_open() else enrollment


def enrolled_device(enrollment: Enrollment, now: Moment) -> Device:
    """Return the device of an enrollment that ended as active."""
    if enrollment.result is not EnrollResult.ACTIVE or enrollment.claim is None:
        raise ValueError("the enrollment is not active")
    claim = enrollment.claim
    return Device(
        device_id=claim.device_id,
        user=enrollment.user,
        uid=enrollment.uid,
        label=claim.device.label,
        kind=claim.device.kind,
        capabilities=claim.device.capabilities,
        verify_key=claim.device.verify_key,
        sealing_key=claim.device.sealing_key,
        mailbox=claim.device.mailbox,
        version=PROTOCOL_VERSION,
        enrolled_at=int(now.wall),
        credential=claim.device.credential,
    )
