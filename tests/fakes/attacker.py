"""What an attacker can make: everything that needs no secret of somebody else.

All public keys, all ids and all texts of challenges are known to him; keeping those
secret is promised to nobody. He has an enrolled device of another user, another host,
and the first factor of the victim.
"""

from random import Random
from typing import Any

import msgspec

from pushmfa.crypto.sealing import Direction, Sealer, sealing_info
from pushmfa.crypto.signing import Label, Signer
from pushmfa.daemon.post import Host, to_device
from pushmfa.device.authenticator import Verified
from pushmfa.terms import (
    Cause,
    EnvelopeId,
    HostId,
    Nonce,
    Signature,
    Verdict,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import (
    Challenge,
    Notice,
    NoticeKind,
    Outcome,
    Revoked,
    Statement,
    ToHost,
    decode_challenge,
)
from tests.integration.daemon_device import TestDevice


def envelope_of(rng: Random, device: TestDevice, sealed: bytes) -> Envelope:
    """Return the envelope in which device would send sealed to its host."""
    return Envelope(
        id=EnvelopeId(rng.randbytes(16)),
        to=device.enrollment.host_mailbox,
        sender=device.enrollment.mailbox,
        lifetime=60,
        sealed=Sealed(sealed),
    )


def payload_of(statement: bytes, signer: Signer, label: Label = Label.ANSWER) -> bytes:
    """Return statement, signed by any key for any purpose."""
    return encode(
        ToHost(
            statement=Statement(statement),
            signature=Signature(signer.sign(label, statement)),
            assertion=None,
        )
    )


def verified(statement: bytes) -> Verified:
    """Return a challenge as a device holds it, whoever made it."""
    return Verified(decode_challenge(statement), statement)


def forged_answer(
    rng: Random, victim: TestDevice, challenge: bytes, number: str | None
) -> bytes:
    """Return an answer of victim, sealed as it would, signed by somebody else."""
    statement = encode(victim.answer_to(verified(challenge), number))
    signer = rng.choice([victim.keys.relay, Signer.from_seed(rng.randbytes(32))])
    label = rng.choice([Label.ANSWER, Label.RELAY_HELLO])
    return victim.seal(payload_of(statement, signer, label))


def stolen_answer(device: TestDevice, challenge: bytes, number: str) -> bytes:
    """Return the right approval, by a device whose keys are stolen."""
    answer = device.answer_to(verified(challenge), number)
    return device.seal(payload_of(encode(answer), device.keys.identity))


def answer_of_another(
    own: TestDevice, victims: TestDevice, challenge: bytes, number: str
) -> bytes:
    """Return an answer by an own device to the challenge of the victim's."""
    answer = victims.answer_to(verified(challenge), number)
    answer = msgspec.structs.replace(answer, device_id=own.keys.device_id)
    return own.seal(payload_of(encode(answer), own.keys.identity))


def lie_about_the_epoch(rng: Random, own: TestDevice, challenge: bytes) -> bytes:
    """Return an answer by an own device that has seen a state that never was."""
    answer = own.answer_to(verified(challenge), "10")
    answer = msgspec.structs.replace(answer, epoch=rng.getrandbits(53))
    return own.seal(payload_of(encode(answer), own.keys.identity))


def answer_for_another_host(
    lazy: TestDevice, evil: Host, challenge: bytes, number: str
) -> bytes:
    """Return what lazy signed for the host evil, sealed again for the good host.

    lazy has one key at both hosts; evil copies the challenge's id and shows the number.
    """
    shown = msgspec.structs.replace(
        decode_challenge(challenge), host_id=evil.host_id, host_name="evil"
    )
    answer = lazy.answer_to(verified(encode(shown)), number)
    return lazy.seal(payload_of(encode(answer), lazy.keys.identity))


# --- to devices -------------------------------------------------------------------


def to_victim(
    rng: Random, victim: TestDevice, statement: bytes, label: Label, author: Host
) -> Envelope:
    """Return statement, sealed to victim as its host would, signed by author."""
    enrollment = victim.enrollment
    info = sealing_info(
        Direction.TO_DEVICE,
        enrollment.host_id,
        enrollment.device_id,
        enrollment.host_mailbox,
        enrollment.mailbox,
    )
    payload = to_device(author, statement, label)
    return Envelope(
        id=EnvelopeId(rng.randbytes(16)),
        to=enrollment.mailbox,
        sender=enrollment.host_mailbox,
        lifetime=60,
        sealed=Sealed(Sealer(victim.keys.opener.public_key).seal(info, payload)),
    )


def other_text(challenge: bytes, address: str, host_id: HostId) -> bytes:
    """Return the challenge with another address: that of the victim's terminal."""
    shown = decode_challenge(challenge)
    return encode(
        msgspec.structs.replace(shown, remote_address=address, host_id=host_id)
    )


def forged_statements(
    rng: Random, victim: TestDevice, challenge: bytes
) -> list[tuple[bytes, Label]]:
    """Return an outcome, a notice and a revocation that the host did not make."""
    asked: Challenge = decode_challenge(challenge)
    names: dict[str, Any] = {
        "version": 1,
        "host_id": asked.host_id,
        "device_id": asked.device_id,
    }
    outcome = Outcome(
        **names,
        challenge_id=asked.challenge_id,
        verdict=rng.choice([Verdict.EXPIRED, Verdict.CANCELED, Verdict.DENIED]),
        cause=Cause.NO_ANSWER,
        by_this_device=False,
        press_enter=False,
        at=asked.issued_at,
    )
    notice = Notice(
        **names,
        notice_id=Nonce(rng.randbytes(32)),
        kind=NoticeKind.DEVICE_ENROLLED,
        subject_id=victim.keys.device_id,
        subject_label="Mallory",
        by="root",
        at=asked.issued_at,
    )
    revoked = Revoked(**names, at=asked.issued_at)
    return [
        (encode(outcome), Label.OUTCOME),
        (encode(notice), Label.NOTICE),
        (encode(revoked), Label.REVOKED),
    ]
