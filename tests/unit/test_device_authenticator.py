"""What a device takes from its host, and what it answers; every check of 5.1."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.crypto.sealing import Direction
from pushmfa.crypto.signing import Label, Signer, verify_signature
from pushmfa.device.authenticator import (
    Choice,
    Verified,
    check_number,
    make_answer,
    open_to_device,
)
from pushmfa.device.keyring import DeviceKeys
from pushmfa.errors import MalformedError, SealError, VerificationError
from pushmfa.terms import (
    Decision,
    DenialReason,
    DeviceId,
    Digest,
    EnvelopeId,
    HostId,
    MailboxId,
    Nonce,
    Signature,
    Verification,
)
from pushmfa.wire.codec import Message, encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import (
    Challenge,
    EnrollDone,
    EnrollResult,
    Notice,
    NoticeKind,
    Revoked,
    Statement,
    ToDevice,
)
from tests.unit.enrollment_peer import HostPeer, enroll_at

HOST = HostPeer()
ENROLLMENT, KEYS = enroll_at(HOST)


def carry(
    payload: bytes,
    *,
    host: HostPeer = HOST,
    keys: DeviceKeys = KEYS,
    sender: MailboxId | None = None,
    direction: Direction = Direction.TO_DEVICE,
) -> Envelope:
    """Return an envelope with payload sealed by host."""
    sealed = host.seal(
        payload,
        device_id=keys.device_id,
        sealing_key=keys.opener.public_key,
        mailbox=keys.mailbox,
        direction=direction,
    )
    return Envelope(
        id=EnvelopeId(b"e" * 16),
        to=keys.mailbox,
        sender=sender or host.mailbox,
        lifetime=60,
        sealed=Sealed(sealed),
    )


def opened(statement: Message, **how: Any) -> Verified:
    return open_to_device(ENROLLMENT, KEYS, carry(HOST.payload(statement), **how))


CHALLENGE = HOST.challenge(KEYS.device_id)


def test_every_kind_of_statement_opens() -> None:
    statements: list[Message] = [
        CHALLENGE,
        HOST.outcome(KEYS.device_id),
        Revoked(version=1, host_id=HOST.host_id, device_id=KEYS.device_id, at=1),
        Notice(
            version=1,
            host_id=HOST.host_id,
            device_id=KEYS.device_id,
            notice_id=Nonce(b"n" * 32),
            kind=NoticeKind.DEVICE_ENROLLED,
            subject_id=DeviceId(b"d" * 32),
            subject_label="other",
            by="root",
            at=1,
        ),
    ]
    for statement in statements:
        verified = opened(statement)
        assert verified.statement == statement
        assert verified.raw == encode(statement)


def test_attack_from_another_mailbox() -> None:
    with pytest.raises(VerificationError, match="envelope"):
        opened(CHALLENGE, sender=MailboxId(b"x" * 16))


def test_attack_sealed_by_another_host_under_its_own_names() -> None:
    evil = HostPeer(letter=b"e")
    envelope = carry(
        evil.payload(evil.challenge(KEYS.device_id)), host=evil, sender=HOST.mailbox
    )
    with pytest.raises(SealError):
        open_to_device(ENROLLMENT, KEYS, envelope)


def test_attack_answer_sent_back_as_a_challenge() -> None:
    with pytest.raises(SealError):
        opened(CHALLENGE, direction=Direction.TO_HOST)


def test_attack_signed_by_another_key() -> None:
    payload = HOST.payload(CHALLENGE, signer=Signer.from_seed(b"e" * 32))
    with pytest.raises(VerificationError, match="signature"):
        open_to_device(ENROLLMENT, KEYS, carry(payload))


@pytest.mark.parametrize("label", [each for each in Label if each != Label.CHALLENGE])
def test_attack_signed_under_every_other_label(label: Label) -> None:
    with pytest.raises(VerificationError, match="signature"):
        open_to_device(ENROLLMENT, KEYS, carry(HOST.payload(CHALLENGE, label=label)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host_id": HostId(b"x" * 32)}, "another host"),
        ({"device_id": DeviceId(b"x" * 32)}, "another device"),
        ({"version": 2}, "version"),
    ],
)
def test_attack_other_names_in_a_signed_challenge(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(VerificationError, match=message):
        opened(msgspec.structs.replace(CHALLENGE, **changes))


def test_attack_version_below_the_recorded() -> None:
    recorded = msgspec.structs.replace(ENROLLMENT, version=2)
    with pytest.raises(VerificationError, match="below"):
        open_to_device(recorded, KEYS, carry(HOST.payload(CHALLENGE)))


def test_statements_of_an_enrollment_are_not_for_here() -> None:
    done = EnrollDone(
        version=1,
        host_id=HOST.host_id,
        device_id=KEYS.device_id,
        claim_sha256=Digest(b"c" * 32),
        result=EnrollResult.ACTIVE,
        at=1,
    )
    with pytest.raises(MalformedError, match="not for here"):
        opened(done)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"type":"challenge","type":"outcome"}',
        b'{"type":"challenge","x":NaN}',
        b'{"type":1}',
        b"[]",
        b"\xff\xfe",
        b"[" * 3_000,
        encode(CHALLENGE) + b" x",
        encode(CHALLENGE).replace(b'"uid":1000', b'"uid":1000,"uid":0'),
        encode(CHALLENGE).replace(b'"uid":1000', b'"uid":1000,"extra":0'),
        encode(CHALLENGE).replace(b'"uid":1000', b'"uid":1000.0'),
    ],
)
def test_signed_but_malformed_is_refused(raw: bytes) -> None:
    signature = Signature(HOST.identity.sign(Label.CHALLENGE, raw))
    payload = encode(ToDevice(statement=Statement(raw), signature=signature))
    with pytest.raises(MalformedError):
        open_to_device(ENROLLMENT, KEYS, carry(payload))


@given(st.binary(min_size=28, max_size=300))
def test_garbage_is_refused_and_nothing_else_is_raised(garbage: bytes) -> None:
    sealed = carry(garbage)
    raw = Envelope(
        id=sealed.id,
        to=sealed.to,
        sender=sealed.sender,
        lifetime=1,
        sealed=Sealed(garbage),
    )
    for envelope in (sealed, raw):
        with pytest.raises((MalformedError, SealError)):
            open_to_device(ENROLLMENT, KEYS, envelope)


# --- answers ----------------------------------------------------------------------


def answered(choice: Choice, challenge: Challenge = CHALLENGE) -> Any:
    verified = opened(challenge)
    sealed = make_answer(
        ENROLLMENT, KEYS, verified, choice, counter=3, device_time=1_790_000_010
    )
    answer, raw, signature = HOST.open_answer(sealed, KEYS.device_id, KEYS.mailbox)
    verify_signature(KEYS.identity.verify_key, Label.ANSWER, raw, signature)
    assert answer.challenge_sha256 == sha256(verified.raw).digest()
    return answer


def test_an_approval_names_the_exact_challenge() -> None:
    answer = answered(Choice(number="42"))
    assert answer.decision is Decision.APPROVAL
    assert (answer.number, answer.reason) == ("42", None)
    assert answer.host_id == HOST.host_id
    assert answer.device_id == KEYS.device_id
    assert answer.approver == "alice"
    assert answer.verification is Verification.NONE
    assert (answer.counter, answer.grant, answer.epoch) == (3, 0, 7)


@pytest.mark.parametrize("reason", list(DenialReason))
def test_a_denial_has_a_reason_and_no_number(reason: DenialReason) -> None:
    answer = answered(Choice(reason=reason, verification=Verification.PASSPHRASE))
    assert answer.decision is Decision.DENIAL
    assert (answer.number, answer.reason) == (None, reason)
    assert answer.verification is Verification.PASSPHRASE


def test_a_choice_is_one_of_both() -> None:
    with pytest.raises(ValueError, match="either"):
        Choice()
    with pytest.raises(ValueError, match="either"):
        Choice(number="42", reason=DenialReason.CANCEL)


def test_only_a_challenge_has_an_answer() -> None:
    outcome = opened(HOST.outcome(KEYS.device_id))
    with pytest.raises(VerificationError):
        make_answer(
            ENROLLMENT, KEYS, outcome, Choice(number="42"), counter=1, device_time=1
        )


@pytest.mark.parametrize(
    "number", ["", "4", "042", "4 2", "+4", " 4", "4a", "\u0664\u0662", "4\n", "²²"]
)
def test_only_the_exact_digits_are_a_number(number: str) -> None:
    with pytest.raises(MalformedError):
        check_number(number, 2)
    with pytest.raises(MalformedError):
        answered(Choice(number=number))


def test_leading_zeros_stay() -> None:
    challenge = HOST.challenge(KEYS.device_id, digits=6)
    assert answered(Choice(number="004200"), challenge).number == "004200"
