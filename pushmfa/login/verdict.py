"""Verification of a device's answer, in the order of docs/protocol.md, section 5.3.

Everything that can go wrong up to the number raises and closes nothing: else whoever
reaches the relay could cancel logins. What is left is `judge`: denial, wrong number
or approval. Compare-and-set is `attempt.close`; lock, audit and reply are the
daemon's.

Each check is a function of its own, so that a test can take it away alone and show
what gets through then (tests/fakes).
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from pushmfa.crypto.sealing import Direction, Opener, sealing_info
from pushmfa.crypto.signing import Label, verify_signature
from pushmfa.crypto.webauthn import counter_of
from pushmfa.crypto.webauthn import verify_assertion as verify_webauthn
from pushmfa.errors import MalformedError, VerificationError
from pushmfa.login.attempt import Attempt, End
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.terms import (
    PROTOCOL_VERSION,
    Cause,
    Decision,
    DenialReason,
    HostId,
    MailboxId,
    Verdict,
    Verification,
    VerificationRequired,
)
from pushmfa.wire.payload import (
    Answer,
    Assertion,
    ToHost,
    decode_answer,
    decode_to_host,
)

_DIGITS: Final = re.compile(r"[0-9]{2,8}", re.ASCII)
_WEBAUTHN: Final = Verification.WEBAUTHN


@dataclass(frozen=True, slots=True)
class HostKeys:
    """The host, as an answer must name it, and the key that opens what is sent."""

    host_id: HostId
    mailbox: MailboxId
    opener: Opener
    origin: str
    """Where the phone app is, canonical: an assertion of WebAuthn names it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer, the exact bytes that the device signed, and what came with them."""

    answer: Answer
    statement: bytes
    assertion: Assertion | None = None

    @property
    def is_approval(self) -> bool:
        """Whether it would let somebody in."""
        return self.answer.decision is Decision.APPROVAL


def open_answer(
    sealed: bytes, recipient: MailboxId, device: Device, host: HostKeys
) -> Opened:
    """Return what device signed: steps 1 to 5. It is not yet known what it answers.

    device is the one recorded for the mailbox that the envelope came from. Raises
    VerificationError, SealError or MalformedError.
    """
    # (1) Size and type: the decoders of frame, payload and statement.
    verify_active(device)  # (2)
    verify_recipient(recipient, host)
    payload = decode_to_host(open_sealed(sealed, device, host))  # (3)
    verify_signed(payload, device)  # (4)
    answer = decode_answer(payload.statement)  # (5) Only now these bytes are parsed.
    verify_version(answer, device)
    verify_assertion(payload, answer)
    verify_fields(answer)
    return Opened(answer, bytes(payload.statement), payload.assertion)


def verify_active(device: Device) -> None:
    """Return if device is active now.

    Attack: it was revoked while the attempt waited, and the thief answers before the
    card disappears.
    """
    if not device.is_active():
        raise VerificationError("the device is revoked or reported lost")


def verify_recipient(recipient: MailboxId, host: HostKeys) -> None:
    """Return if the envelope is for this host."""
    if recipient != host.mailbox:
        raise VerificationError("the envelope is for another mailbox")


def open_sealed(sealed: bytes, device: Device, host: HostKeys) -> bytes:
    """Return the payload: it opens with the names recorded for these mailboxes only.

    Attack: the relay delivers one device's answer as another's. SealError.
    """
    info = sealing_info(
        Direction.TO_HOST, host.host_id, device.device_id, device.mailbox, host.mailbox
    )
    return host.opener.open(info, sealed)


def verify_signed(payload: ToHost, device: Device) -> None:
    """Return if device signed these very bytes, as an answer and as nothing else.

    Attack: whoever knows the host's public key seals an approval of his own.
    """
    verify_signature(
        device.verify_key, Label.ANSWER, payload.statement, payload.signature
    )


def verify_version(answer: Answer, device: Device) -> None:
    """Return if the version is known here and not below the recorded one."""
    if not device.version <= answer.version <= PROTOCOL_VERSION:
        raise VerificationError(
            "the answer is of a version below the recorded one, or not known here"
        )


def verify_assertion(payload: ToHost, answer: Answer) -> None:
    """Return if there is an assertion exactly where the answer speaks of one."""
    if (payload.assertion is not None) != (answer.verification is _WEBAUTHN):
        raise MalformedError("an assertion without its verification, or without it")


def verify_fields(answer: Answer) -> None:
    """Return if a denial has a reason only, and an approval a number only."""
    if answer.decision is Decision.APPROVAL:
        if answer.number is None or answer.reason is not None:
            raise MalformedError("an approval without a number, or with a reason")
    elif answer.number is not None or answer.reason is None or answer.grant:
        raise MalformedError("a denial with a number or a grant, or without a reason")


def verify_answer(
    opened: Opened,
    attempt: Attempt | None,
    device: Device,
    host: HostKeys,
    now: Moment,
) -> Attempt:
    """Return the attempt if answer can end it now: steps 6 to 11.

    attempt is the one with the answer's challenge id, if there is one; the caller
    holds its lock. Raises VerificationError, or MalformedError of an assertion.
    """
    answer = opened.answer
    verify_host(answer, host.host_id)  # (6)
    attempt = verify_known(attempt)  # (7)
    verify_pending(answer, attempt)
    verify_addressed(answer, attempt, device)  # (8)
    verify_account(answer, attempt, device)
    verify_digest(answer, attempt, device)  # (9)
    verify_in_time(attempt, now)  # (10)
    verify_grant(answer, attempt)  # (11)
    verify_holder(answer, attempt, device)
    verify_proof(opened, device, host)
    return attempt


def verify_host(answer: Answer, host_id: HostId) -> None:
    """Return if answer is for this host.

    Attack: an answer given to one host is taken to another.
    """
    if answer.host_id != host_id:
        raise VerificationError("the answer is for another host")


def verify_known(attempt: Attempt | None) -> Attempt:
    """Return attempt, if there is one with the answer's challenge id.

    There is none after its end, and none of before a restart.
    """
    if attempt is None:
        raise VerificationError("the challenge is not known here")
    return attempt


def verify_pending(answer: Answer, attempt: Attempt) -> None:
    """Return if attempt is the one that answer names, and waits."""
    if answer.challenge_id != attempt.challenge_id or not attempt.is_pending():
        raise VerificationError("the attempt has ended")


def verify_addressed(answer: Answer, attempt: Attempt, device: Device) -> None:
    """Return if device was asked, and says that it is itself."""
    if answer.device_id != device.device_id or device.device_id not in attempt.digests:
        raise VerificationError("the device was not asked")


def verify_account(answer: Answer, attempt: Attempt, device: Device) -> None:
    """Return if answer and device are those of the account that was asked.

    Attack: the device of another user answers, or that of an account that was made
    again with the name of an old one.
    """
    if answer.approver != attempt.approver or device.user != attempt.approver:
        raise VerificationError("the answer is another account's")
    if device.uid != attempt.approver_uid:
        raise VerificationError("the device is of an account with another uid")


def verify_digest(answer: Answer, attempt: Attempt, device: Device) -> None:
    """Return if device saw what was asked: service, command, address and the rest."""
    if answer.challenge_sha256 != attempt.digests.get(device.device_id):
        raise VerificationError("the answer is to another text of the challenge")


def verify_in_time(attempt: Attempt, now: Moment) -> None:
    """Return if attempt has not expired, by either clock."""
    if attempt.is_expired(now):
        raise VerificationError("the answer came too late")


def verify_grant(answer: Answer, attempt: Attempt) -> None:
    """Return if answer takes no more than was offered."""
    if answer.grant > attempt.grant_offered:
        raise VerificationError("the answer takes a grant that was not offered")


def verify_holder(answer: Answer, attempt: Attempt, device: Device) -> None:
    """Return if the device verified its holder where that was asked.

    A denial needs nothing: deny means deny. Attack: an app that was taken over says
    "passphrase" in place of the assertion that it cannot get. So what counts is what
    the device was enrolled with, and with a credential nothing else does.
    """
    if (
        answer.decision is not Decision.APPROVAL
        or attempt.verification is not VerificationRequired.REQUIRED
    ):
        return
    if answer.verification is Verification.NONE:
        raise VerificationError("the device did not verify its holder")
    if answer.verification is not device.verification():
        raise VerificationError("the device verified its holder in another way")


def verify_proof(opened: Opened, device: Device, host: HostKeys) -> None:
    """Return if an approval that speaks of WebAuthn has an assertion that proves it.

    Also where none was asked: what an answer says must be true.
    """
    speaks_of_it = opened.answer.verification is _WEBAUTHN
    if not opened.is_approval or not (speaks_of_it or opened.assertion):
        return
    if device.credential is None:
        raise VerificationError("the device was enrolled without a credential")
    if opened.assertion is None:
        # Step 5 refuses it already; this holds without that.
        raise VerificationError("there is no assertion")
    verify_webauthn(opened.assertion, device.credential, opened.statement, host.origin)


def proved_counter(opened: Opened) -> int | None:
    """Return the counter of a verified approval's assertion, None without one."""
    if not opened.is_approval or opened.assertion is None:
        return None
    return counter_of(opened.assertion)


def judge(answer: Answer, attempt: Attempt, device: Device) -> End:
    """Return how a verified answer ends the attempt: steps 12 and 13."""
    # (12) Deny means deny, whatever the number.
    if answer.decision is Decision.DENIAL:
        cause = Cause.NOT_ME if answer.reason is DenialReason.NOT_ME else Cause.CANCEL
        return End(Verdict.DENIED, cause, device.device_id)
    # (13) One try, in constant time, only the form that was shown: int() would take
    #      blanks, signs, underscores and the digits of other scripts.
    if not is_right_number(answer.number or "", attempt.number):
        return End(Verdict.WRONG_NUMBER, Cause.WRONG_NUMBER, device.device_id)
    return End(Verdict.APPROVED, Cause.DEVICE, device.device_id)


def is_right_number(typed: str, number: str) -> bool:
    """Whether typed is number, digit by digit, compared in constant time."""
    if not _DIGITS.fullmatch(typed) or len(typed) != len(number):
        return False
    return hmac.compare_digest(typed.encode("ascii"), number.encode("ascii"))


def digest_of(statement: bytes) -> bytes:
    """Return the SHA-256 by which an answer names the statement that it answers."""
    return hashlib.sha256(statement).digest()
