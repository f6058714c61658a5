"""A host for tests of devices: what it would send, and what an attacker would.

Made from `pushmfa.crypto` and the structs of `pushmfa.wire` alone, so that a mistake
of the device is not repeated here.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from pushmfa.crypto.keys import commitment, enrollment_keys, new_sealing_scalar
from pushmfa.crypto.sealing import (
    Direction,
    Opener,
    Sealer,
    disclose,
    enclose,
    sealing_info,
)
from pushmfa.crypto.signing import (
    Label,
    Signer,
    device_id_of,
    host_id_of,
    mailbox_id_of,
)
from pushmfa.device.keyring import (
    DeviceKeys,
    Enrollment,
    EnrollmentStatus,
    load_keys,
    new_keys,
    protect_keys,
)
from pushmfa.terms import (
    Cause,
    ChallengeId,
    DeviceId,
    Digest,
    HostId,
    Kind,
    MailboxId,
    Nonce,
    SealingKey,
    Signature,
    Verdict,
    VerificationRequired,
    VerifyKey,
)
from pushmfa.wire.codec import Message, encode
from pushmfa.wire.payload import (
    Answer,
    Challenge,
    EnrollClaim,
    EnrollCommit,
    EnrollDevice,
    EnrollDone,
    EnrollHost,
    EnrollResult,
    Outcome,
    Statement,
    ToDevice,
    decode_answer,
    decode_enroll_claim,
    decode_enroll_device,
    decode_to_host,
)

LABELS = {
    "Challenge": Label.CHALLENGE,
    "Outcome": Label.OUTCOME,
    "Notice": Label.NOTICE,
    "Revoked": Label.REVOKED,
    "EnrollHost": Label.ENROLL_HOST,
    "EnrollDone": Label.ENROLL_DONE,
}


@dataclass
class HostPeer:
    """A host, its keys made from one letter, and one enrollment at a time."""

    letter: bytes = b"h"
    relays: tuple[str, ...] = ("wss://relay.example",)
    nonce: Nonce = field(default_factory=lambda: Nonce(b"n" * 32))
    scalar: bytes = field(default_factory=new_sealing_scalar)

    def __post_init__(self) -> None:
        self.identity = Signer.from_seed(self.letter * 32)
        self.relay = Signer.from_seed(self.letter.upper() * 32)
        self.opener = Opener.from_private(self.scalar)
        self.host_id: HostId = host_id_of(self.identity.verify_key)
        self.mailbox: MailboxId = mailbox_id_of(self.relay.verify_key)

    # --- enrollment ---------------------------------------------------------

    def commit(self, secret: bytes, **changes: Any) -> bytes:
        """Return the enclosed enroll-commit."""
        statement = EnrollCommit(
            version=1,
            versions=(1,),
            commitment=Digest(
                commitment(self.identity.verify_key, self.opener.public_key, self.nonce)
            ),
        )
        statement = msgspec.structs.replace(statement, **changes)
        return enclose(
            enrollment_keys(secret).host_key, b"enroll-commit", encode(statement)
        )

    def open_claim(self, secret: bytes, sealed: bytes) -> tuple[EnrollDevice, bytes]:
        """Return the device's statement and its exact bytes."""
        raw = disclose(enrollment_keys(secret).device_key, b"enroll-claim", sealed)
        claim: EnrollClaim = decode_enroll_claim(raw)
        return decode_enroll_device(claim.statement), bytes(claim.statement)

    def reveal(self, device: EnrollDevice, claim: bytes, **changes: Any) -> EnrollHost:
        """Return the enroll-host that answers a claim."""
        host = EnrollHost(
            version=1,
            versions=(1,),
            claim_sha256=Digest(sha256(claim).digest()),
            host_id=self.host_id,
            device_id=device_id_of(device.verify_key),
            verify_key=VerifyKey(self.identity.verify_key),
            sealing_key=SealingKey(self.opener.public_key),
            mailbox=self.mailbox,
            nonce=self.nonce,
            host_name="web1.example",
            user="alice",
            uid=1000,
            relays=self.relays,
            verification=VerificationRequired.NONE,
            epoch=0,
            issuer=None,
        )
        return msgspec.structs.replace(host, **changes)

    def done(
        self,
        device: EnrollDevice,
        claim: bytes,
        result: EnrollResult = EnrollResult.ACTIVE,
        **changes: Any,
    ) -> EnrollDone:
        """Return the enroll-done of an enrollment."""
        done = EnrollDone(
            version=1,
            host_id=self.host_id,
            device_id=device_id_of(device.verify_key),
            claim_sha256=Digest(sha256(claim).digest()),
            result=result,
            at=1_790_000_000,
        )
        return msgspec.structs.replace(done, **changes)

    def enclose_statement(
        self,
        secret: bytes,
        device: EnrollDevice,
        statement: Message,
        *,
        step: bytes,
        label: Label | None = None,
        front: bytes | None = None,
        signer: Signer | None = None,
    ) -> bytes:
        """Return statement signed, sealed to the device and enclosed for step."""
        meeting = mailbox_id_of(
            Signer.from_seed(enrollment_keys(secret).relay_seed).verify_key
        )
        info = sealing_info(
            Direction.TO_DEVICE,
            self.host_id,
            device_id_of(device.verify_key),
            meeting,
            meeting,
        )
        payload = self.payload(statement, label=label, signer=signer)
        sealed = Sealer(device.sealing_key).seal(info, payload)
        front = self.host_id if front is None else front
        return enclose(enrollment_keys(secret).host_key, step, front + sealed)

    # --- what comes later -----------------------------------------------------

    def payload(
        self,
        statement: Message,
        *,
        label: Label | None = None,
        signer: Signer | None = None,
    ) -> bytes:
        """Return a to-device payload with statement, signed."""
        raw = encode(statement)
        label = label or LABELS[type(statement).__name__]
        signature = (signer or self.identity).sign(label, raw)
        return encode(
            ToDevice(statement=Statement(raw), signature=Signature(signature))
        )

    def seal(
        self,
        payload: bytes,
        *,
        device_id: DeviceId,
        sealing_key: bytes,
        mailbox: MailboxId,
        direction: Direction = Direction.TO_DEVICE,
    ) -> bytes:
        """Return payload sealed to a device."""
        info = sealing_info(direction, self.host_id, device_id, self.mailbox, mailbox)
        return Sealer(sealing_key).seal(info, payload)

    def open_answer(
        self, sealed: bytes, device_id: DeviceId, mailbox: MailboxId
    ) -> tuple[Answer, bytes, bytes]:
        """Return the answer, its bytes and its signature."""
        info = sealing_info(
            Direction.TO_HOST, self.host_id, device_id, mailbox, self.mailbox
        )
        payload = decode_to_host(self.opener.open(info, sealed))
        return (
            decode_answer(payload.statement),
            bytes(payload.statement),
            bytes(payload.signature),
        )

    def challenge(self, device_id: DeviceId, **changes: Any) -> Challenge:
        """Return a challenge: alice logs in by ssh."""
        challenge = Challenge(
            version=1,
            versions=(1,),
            challenge_id=ChallengeId(b"c" * 32),
            kind=Kind.LOGIN,
            host_id=self.host_id,
            device_id=device_id,
            host_name="web1.example",
            user="alice",
            uid=1000,
            approver="alice",
            requesting_user=None,
            service="sshd",
            first_factor=None,
            command=None,
            text=None,
            tty="ssh",
            remote_address="192.0.2.9",
            remote_notes=(),
            issued_at=1_790_000_000,
            lifetime=60,
            digits=2,
            verification=VerificationRequired.NONE,
            grant_offered=0,
            others_pending=0,
            risk=(),
            epoch=7,
        )
        return msgspec.structs.replace(challenge, **changes)

    def outcome(self, device_id: DeviceId, **changes: Any) -> Outcome:
        """Return an outcome: approved by this device, Enter is waited for."""
        outcome = Outcome(
            version=1,
            challenge_id=ChallengeId(b"c" * 32),
            host_id=self.host_id,
            device_id=device_id,
            verdict=Verdict.APPROVED,
            cause=Cause.DEVICE,
            by_this_device=True,
            press_enter=True,
            at=1_790_000_030,
        )
        return msgspec.structs.replace(outcome, **changes)


def enroll_at(
    host: HostPeer, *, passphrase: bytes | None = None, status: str = "active"
) -> tuple[Enrollment, DeviceKeys]:
    """Return what a device recorded that was enrolled at host, and its keys."""
    raw = new_keys()
    keys = load_keys(raw)
    enrollment = Enrollment(
        file_version=1,
        status=EnrollmentStatus(status),
        device_id=keys.device_id,
        mailbox=keys.mailbox,
        label="laptop",
        host_id=host.host_id,
        host_name="web1.example",
        host_verify_key=VerifyKey(host.identity.verify_key),
        host_sealing_key=SealingKey(host.opener.public_key),
        host_mailbox=host.mailbox,
        user="alice",
        uid=1000,
        relays=host.relays,
        version=1,
        enrolled_at=1_700_000_000,
        counter=0,
        has_passphrase=passphrase is not None,
        keys=protect_keys(raw, passphrase),
    )
    return enrollment, keys
