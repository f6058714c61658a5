"""Sends statements of this host to devices: sign, seal, envelope, link."""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

from pushmfa.crypto.sealing import Direction, Opener, Sealer, sealing_info
from pushmfa.crypto.signing import Label, Signer
from pushmfa.login.devices import Device
from pushmfa.login.epoch import EpochKey
from pushmfa.terms import (
    EnvelopeId,
    HostId,
    MailboxId,
    SealingKey,
    Signature,
    VerifyKey,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import (
    Challenge,
    EnrollDone,
    EnrollHost,
    HostStatement,
    Notice,
    Outcome,
    Revoked,
    Statement,
    ToDevice,
)

NOTICE_LIFETIME: Final = 604_800
"""Seconds that a notice waits for a device that is away."""

_LABELS: Final = {
    Challenge: Label.CHALLENGE,
    Outcome: Label.OUTCOME,
    Notice: Label.NOTICE,
    Revoked: Label.REVOKED,
    EnrollHost: Label.ENROLL_HOST,
    EnrollDone: Label.ENROLL_DONE,
}


class Outbox(Protocol):
    """What the post needs of the link to the relays."""

    def send(self, envelope: Envelope, *, quiet: bool = False) -> bool:
        """Hand envelope to all relays; whether at least one took it.

        quiet: no device is to be woken up for it.
        """
        raise NotImplementedError

    def withdraw(
        self, *, identifier: EnvelopeId, to: MailboxId, sender: MailboxId
    ) -> bool:
        """Ask the relays to forget an envelope; whether one was asked."""
        raise NotImplementedError


@dataclass(frozen=True)
class Host:
    """The name and the keys of this host."""

    name: str
    host_id: HostId
    mailbox: MailboxId
    verify_key: VerifyKey
    sealing_key: SealingKey
    signer: Signer
    opener: Opener
    relay_signer: Signer
    epoch_key: EpochKey


class Post:
    """The way out for everything that this host says to a device."""

    def __init__(self, host: Host, outbox: Outbox) -> None:
        self._host = host
        self._outbox = outbox

    def seal(self, device: Device, statement: bytes, label: Label) -> bytes:
        """Return the sealed payload of a statement to device."""
        info = sealing_info(
            Direction.TO_DEVICE,
            self._host.host_id,
            device.device_id,
            self._host.mailbox,
            device.mailbox,
        )
        payload = to_device(self._host, statement, label)
        return _sealer(device.sealing_key).seal(info, payload)

    def address(
        self, device: Device, statement: bytes, label: Label, lifetime: int
    ) -> Envelope:
        """Return the envelope with a statement to device; it is not sent yet."""
        return Envelope(
            id=EnvelopeId(secrets.token_bytes(16)),
            to=device.mailbox,
            sender=self._host.mailbox,
            lifetime=lifetime,
            sealed=Sealed(self.seal(device, statement, label)),
        )

    def send(self, envelope: Envelope) -> bool:
        """Hand envelope to all relays; whether at least one took it."""
        return self._outbox.send(envelope)

    def tell(self, device: Device, statement: HostStatement, lifetime: int) -> bool:
        """Sign, seal and send statement to device; whether a relay took it."""
        label = _LABELS[type(statement)]
        envelope = self.address(device, encode(statement), label, lifetime)
        # A phone that lies there would ring once more for a login that is over.
        return self._outbox.send(envelope, quiet=isinstance(statement, Outcome))

    def withdraw(self, envelope: Envelope) -> None:
        """Take an envelope back that was perhaps not delivered yet."""
        self._outbox.withdraw(
            identifier=envelope.id, to=envelope.to, sender=envelope.sender
        )


def to_device(host: Host, statement: bytes, label: Label) -> bytes:
    """Return the payload with a statement, signed as label says."""
    return encode(
        ToDevice(
            statement=Statement(statement),
            signature=Signature(host.signer.sign(label, statement)),
        )
    )


def label_of(statement: HostStatement) -> Label:
    """Return the label under which this host signs that kind of statement."""
    return _LABELS[type(statement)]


@lru_cache(maxsize=4096)
def _sealer(sealing_key: SealingKey) -> Sealer:
    # Loading a point of P-256 costs as much as sealing to it.
    return Sealer(sealing_key)
