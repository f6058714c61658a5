"""Builds the challenge of an attempt: what the person will see on the device."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pushmfa.crypto.signing import Label
from pushmfa.daemon.audit import SCHEMA, AttemptRecord
from pushmfa.daemon.post import Host, Post
from pushmfa.daemon.standing import Lane
from pushmfa.login.attempt import End
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.login.verdict import digest_of
from pushmfa.terms import (
    PROTOCOL_VERSION,
    ChallengeId,
    DeviceId,
    Digest,
    Kind,
    VerificationRequired,
)
from pushmfa.text import make_harmless
from pushmfa.wire.codec import encode
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import (
    MAX_COMMAND,
    Challenge,
    Command,
    CommandPiece,
    FirstFactor,
)

_PIECE: Final = MAX_COMMAND // 2


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known of an attempt: for the challenge, the audit and the terminal."""

    kind: Kind
    service: str
    user: Account | None
    approver: Account | None
    requesting_user: str | None = None
    first_factor: FirstFactor | None = None
    command: bytes | None = None
    text: str | None = None
    tty: str | None = None
    remote_address: str | None = None
    connection: tuple[bytes, int] | None = None
    """SSH_CONNECTION and the pid of sshd's process: the same for all its tries."""
    lane: Lane = Lane.PAM
    is_prompted: bool = False
    """Whether the number stands in a prompt."""


@dataclass(frozen=True, slots=True)
class ChallengeTerms:
    """What is the same for all devices of one attempt."""

    challenge_id: ChallengeId
    lifetime: int
    digits: int
    verification: VerificationRequired
    others_pending: int
    epoch: int


def build_challenge(
    host: Host, device: Device, context: Context, terms: ChallengeTerms, now: Moment
) -> Challenge:
    """Return the challenge for one device; the number has no way into it."""
    if context.user is None or context.approver is None:
        raise ValueError("a challenge is about accounts that exist")
    return Challenge(
        version=PROTOCOL_VERSION,
        versions=(PROTOCOL_VERSION,),
        challenge_id=terms.challenge_id,
        kind=context.kind,
        host_id=host.host_id,
        device_id=device.device_id,
        host_name=host.name,
        user=context.user.name,
        uid=context.user.uid,
        approver=context.approver.name,
        requesting_user=context.requesting_user,
        service=make_harmless(context.service, 255) or "unknown",
        first_factor=context.first_factor,
        command=shown_command(context.command),
        text=context.text,
        tty=None if context.tty is None else make_harmless(context.tty, 500),
        remote_address=context.remote_address,
        remote_notes=(),
        issued_at=int(now.wall),
        lifetime=terms.lifetime,
        digits=terms.digits,
        verification=terms.verification,
        grant_offered=0,
        others_pending=terms.others_pending,
        risk=(),
        epoch=terms.epoch,
    )


def address_challenges(
    host: Host,
    post: Post,
    devices: Sequence[Device],
    context: Context,
    terms: ChallengeTerms,
    now: Moment,
) -> tuple[dict[DeviceId, Digest], dict[DeviceId, Envelope]]:
    """Return, by device, the digest of its challenge and the envelope with it."""
    digests: dict[DeviceId, Digest] = {}
    envelopes: dict[DeviceId, Envelope] = {}
    for device in devices:
        statement = encode(build_challenge(host, device, context, terms, now))
        digests[device.device_id] = Digest(digest_of(statement))
        envelopes[device.device_id] = post.address(
            device, statement, Label.CHALLENGE, terms.lifetime
        )
    return digests, envelopes


def shown_command(command: bytes | None) -> Command | None:
    """Return what a device is shown of a command: all, or its head and its tail.

    Attack: a long command whose harmful end is cut off unseen. Length and digest are
    those of the whole.
    """
    if command is None:
        return None
    whole = len(command) <= MAX_COMMAND
    return Command(
        head=CommandPiece(command if whole else command[:_PIECE]),
        tail=CommandPiece(b"" if whole else command[-_PIECE:]),
        length=len(command),
        sha256=Digest(hashlib.sha256(command).digest()),
    )


def labels_of(devices: Sequence[Device]) -> tuple[str, ...]:
    """Return the labels of devices, harmless, for the command line."""
    return tuple(make_harmless(device.label, 64) for device in devices)


def attempt_record(
    attempt_id: str,
    context: Context,
    end: End,
    device: Device | None,
    now: Moment,
    latency_ms: int,
) -> AttemptRecord:
    """Return the audit record of how an attempt ended."""
    factor = context.first_factor
    return AttemptRecord(
        schema=SCHEMA,
        at=int(now.wall),
        attempt_id=attempt_id,
        kind=context.kind,
        service=context.service,
        user=context.user.name if context.user else None,
        uid=context.user.uid if context.user else None,
        approver=context.approver.name if context.approver else None,
        approver_uid=context.approver.uid if context.approver else None,
        requesting_user=context.requesting_user,
        remote_address=context.remote_address,
        tty=context.tty,
        first_factor=factor.fingerprint or factor.method if factor else None,
        verdict=end.verdict,
        cause=end.cause,
        device_id=device.device_id if device else None,
        device_label=device.label if device else None,
        latency_ms=latency_ms,
    )
