"""The device's side of an enrollment: bytes in, bytes out. Pure.

docs/protocol.md 4; the numbers at the checks are those of section 4.4. What the host
says is bound before it sees our claim (its commitment), and our claim before we see
what it committed to, so nobody in the middle can choose until the six digits agree.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from pushmfa.crypto.keys import (
    EnrollmentKeys,
    commitment,
    confirmation_code,
    enrollment_keys,
    new_commitment_nonce,
)
from pushmfa.crypto.sealing import (
    Direction,
    check_sealing_key,
    disclose,
    enclose,
    sealing_info,
)
from pushmfa.crypto.signing import (
    Label,
    Signer,
    check_verify_key,
    host_id_of,
    mailbox_id_of,
    verify_signature,
)
from pushmfa.device.keyring import DeviceKeys
from pushmfa.errors import MalformedError, VerificationError
from pushmfa.terms import (
    PROTOCOL_VERSION,
    DeviceKind,
    Digest,
    HostId,
    MailboxId,
    Nonce,
    SealingKey,
    Signature,
    VerifyKey,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.payload import (
    EnrollClaim,
    EnrollDevice,
    EnrollDone,
    EnrollHost,
    Statement,
    decode_enroll_commit,
    decode_enroll_done,
    decode_enroll_host,
    decode_to_device,
)

COMMIT: Final = b"enroll-commit"
CLAIM: Final = b"enroll-claim"
HOST: Final = b"enroll-host"
DONE: Final = b"enroll-done"

CAPABILITY_PASSPHRASE: Final = "passphrase"  # noqa: S105  a word of the wire

_HOST_ID_SIZE: Final = 32


@dataclass(frozen=True)
class Meeting:
    """Where host and device meet, derived from the secret of the link."""

    keys: EnrollmentKeys = field(repr=False)
    signer: Signer = field(repr=False)
    mailbox: MailboxId

    @classmethod
    def of(cls, secret: bytes) -> "Meeting":
        """Return the meeting of a secret of 16 bytes."""
        keys = enrollment_keys(secret)
        signer = Signer.from_seed(keys.relay_seed)
        return cls(keys, signer, mailbox_id_of(signer.verify_key))


@dataclass(frozen=True)
class Claim:
    """What this device claims: its statement, and what goes into the envelope."""

    commitment: Digest
    statement: bytes
    sealed: Sealed

    @property
    def sha256(self) -> Digest:
        """The digest of the exact statement; host and code refer to it."""
        return Digest(sha256(self.statement).digest())


def open_commit(meeting: Meeting, sealed: bytes) -> Digest:
    """Return the host's commitment.

    SealError, MalformedError, or VerificationError if there is no version in common.
    """
    commit = decode_enroll_commit(disclose(meeting.keys.host_key, COMMIT, sealed))
    _check_versions(commit.version, commit.versions)
    return commit.commitment


def make_claim(
    meeting: Meeting,
    host_commitment: Digest,
    keys: DeviceKeys,
    *,
    label: str,
    has_passphrase: bool,
) -> Claim:
    """Return the claim of a device with these new keys, called label."""
    statement = encode(
        EnrollDevice(
            version=PROTOCOL_VERSION,
            versions=(PROTOCOL_VERSION,),
            commitment=host_commitment,
            verify_key=VerifyKey(keys.identity.verify_key),
            sealing_key=SealingKey(keys.opener.public_key),
            mailbox=keys.mailbox,
            nonce=Nonce(new_commitment_nonce()),
            label=label,
            kind=DeviceKind.TERMINAL,
            capabilities=(CAPABILITY_PASSPHRASE,) if has_passphrase else (),
            credential=None,
        )
    )
    signature = keys.identity.sign(Label.ENROLL_DEVICE, statement)
    claim = EnrollClaim(statement=Statement(statement), signature=Signature(signature))
    enclosed = enclose(meeting.keys.device_key, CLAIM, encode(claim))
    return Claim(host_commitment, statement, Sealed(enclosed))


def open_host(
    meeting: Meeting, claim: Claim, keys: DeviceKeys, sealed: bytes
) -> EnrollHost:
    """Return what the host reveals, checked; any failure ends the enrollment.

    SealError, MalformedError, VerificationError or KeyRejectedError.
    """
    host_id, raw, signature = _open(meeting, keys, HOST, sealed)  # checks 1, 2
    # Check 3: it parses, strictly. The key that signed it is inside, so here alone
    # the signature (check 4) comes after.
    host = decode_enroll_host(raw)
    verify_signature(host.verify_key, Label.ENROLL_HOST, raw, signature)
    if host.host_id != host_id or host.host_id != host_id_of(host.verify_key):
        raise VerificationError("check 5: the host id is not that of its key")
    if host.device_id != keys.device_id:
        raise VerificationError("check 5: it is for another device")
    if host.claim_sha256 != claim.sha256:
        raise VerificationError("check 6: it answers another claim")
    # Check 7. Attack: a relay that knows the secret puts its own keys here.
    revealed = commitment(host.verify_key, host.sealing_key, host.nonce)
    if revealed != claim.commitment:
        raise VerificationError(
            "check 7: the host does not show the keys that it committed to"
        )
    check_verify_key(host.verify_key)  # check 8
    check_sealing_key(host.sealing_key)
    _check_versions(host.version, host.versions)
    return host


def code_of(claim: Claim, host: EnrollHost) -> str:
    """Return the six digits; only the device shows them, leading zeros kept."""
    return confirmation_code(
        host.verify_key, host.sealing_key, host.nonce, claim.statement
    )


def open_done(
    meeting: Meeting, claim: Claim, keys: DeviceKeys, host: EnrollHost, sealed: bytes
) -> EnrollDone:
    """Return how the enrollment ended, as the same host signed it.

    SealError, MalformedError or VerificationError.
    """
    host_id, raw, signature = _open(meeting, keys, DONE, sealed)
    verify_signature(host.verify_key, Label.ENROLL_DONE, raw, signature)
    done = decode_enroll_done(raw)
    if host_id != host.host_id or done.host_id != host.host_id:
        raise VerificationError("it is from another host")
    if done.device_id != keys.device_id or done.claim_sha256 != claim.sha256:
        raise VerificationError("it is about another enrollment")
    if done.version != PROTOCOL_VERSION:
        raise VerificationError("it is of another version")
    return done


def _open(
    meeting: Meeting, keys: DeviceKeys, step: bytes, sealed: bytes
) -> tuple[HostId, bytes, bytes]:
    """Return the host id in front, the statement and its signature; not verified."""
    disclosed = disclose(meeting.keys.host_key, step, sealed)
    if len(disclosed) <= _HOST_ID_SIZE:
        raise MalformedError("there is nothing behind the host id")
    host_id = HostId(disclosed[:_HOST_ID_SIZE])
    info = sealing_info(
        Direction.TO_DEVICE, host_id, keys.device_id, meeting.mailbox, meeting.mailbox
    )
    plaintext = keys.opener.open(info, disclosed[_HOST_ID_SIZE:])
    payload = decode_to_device(plaintext)
    return host_id, payload.statement, payload.signature


def _check_versions(version: int, versions: tuple[int, ...]) -> None:
    if version != PROTOCOL_VERSION or PROTOCOL_VERSION not in versions:
        raise VerificationError("host and device have no version in common")
