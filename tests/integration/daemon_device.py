"""A device for tests of the daemon: real keys, a real link, and what an attacker does.

What an honest device says is made by `pushmfa.device.authenticator`; `send_answer`
sends whatever a test wants instead.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from pushmfa.crypto.sealing import Direction, Sealer, sealing_info
from pushmfa.crypto.signing import Label, Signer
from pushmfa.daemon.post import Host
from pushmfa.device.authenticator import Choice, Verified, make_answer, open_to_device
from pushmfa.device.keyring import (
    FILE_VERSION,
    DeviceKeys,
    Enrollment,
    EnrollmentStatus,
    load_keys,
    new_keys,
)
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.login.devices import Device
from pushmfa.terms import (
    PROTOCOL_VERSION,
    ChallengeId,
    Decision,
    DenialReason,
    DeviceKind,
    Digest,
    EnvelopeId,
    MailboxId,
    Role,
    SealingKey,
    Signature,
    UserName,
    Verification,
    VerifyKey,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import (
    Answer,
    Assertion,
    Challenge,
    Notice,
    Outcome,
    Revoked,
    Statement,
    ToHost,
)
from tests.fakes.proofs import assertion_of, credential_of
from tests.vectors.authenticator import Authenticator

S = TypeVar("S", Challenge, Outcome, Notice, Revoked)

PATIENCE = 5.0
"""Seconds after which a test gives up on something that should be there at once."""


class TestDevice:
    """One enrollment on one host, and the link that carries its answers."""

    __test__ = False

    def __init__(
        self, host: Host, relay: str, user: str, uid: int, label: str = "Pixel"
    ) -> None:
        self.keys: DeviceKeys = load_keys(new_keys())
        self.label = label
        self.authenticator: Authenticator | None = None
        """What verifies its holder; else it says that a passphrase did."""
        self.relay = relay
        self.enrollment = Enrollment(
            file_version=FILE_VERSION,
            status=EnrollmentStatus.ACTIVE,
            device_id=self.keys.device_id,
            mailbox=self.keys.mailbox,
            label=label,
            host_id=host.host_id,
            host_name=host.name,
            host_verify_key=host.verify_key,
            host_sealing_key=host.sealing_key,
            host_mailbox=host.mailbox,
            user=user,
            uid=uid,
            relays=(relay,),
            version=PROTOCOL_VERSION,
            enrolled_at=0,
            counter=0,
            has_passphrase=False,
            keys=None,
        )
        self.inbox: asyncio.Queue[Verified] = asyncio.Queue()
        self.envelopes: list[Envelope] = []
        """What this device sent, to be sent again."""
        self._kept: list[Verified] = []
        self._counter = 0
        self._task: asyncio.Task[None] | None = None
        self.link = self._make_link(self.keys.relay)

    def _make_link(self, signer: Signer) -> Link:
        return Link(
            urls=[self.relay],
            role=Role.DEVICE,
            mailboxes=[OpenMailbox(signer, (self.enrollment.host_mailbox,))],
            on_envelope=self._take,
        )

    def as_recorded(self, kind: DeviceKind = DeviceKind.APP) -> Device:
        """Return what the host recorded of this device when it was enrolled."""
        return Device(
            device_id=self.keys.device_id,
            user=UserName(self.enrollment.user),
            uid=self.enrollment.uid,
            label=self.label,
            kind=kind,
            capabilities=("webauthn" if self.authenticator else "passphrase",),
            verify_key=VerifyKey(self.keys.identity.verify_key),
            sealing_key=SealingKey(self.keys.opener.public_key),
            mailbox=self.keys.mailbox,
            version=PROTOCOL_VERSION,
            enrolled_at=int(time.time()),
            credential=(
                credential_of(self.authenticator) if self.authenticator else None
            ),
        )

    async def start(self) -> None:
        """Open the mailbox at the relay."""
        self._task = asyncio.create_task(self.link.run())
        assert await self.link.wait_ready(PATIENCE)
        # The allow list is on its way; the host's envelope comes by another socket.
        await self.link.flush(1)
        await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Go away; envelopes wait at the relay."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _take(self, envelope: Envelope | Stored) -> None:
        self.inbox.put_nowait(open_to_device(self.enrollment, self.keys, envelope))

    # --- what the host says ---------------------------------------------------------

    async def hear(self, kind: type[S]) -> tuple[S, bytes]:
        """Return the next statement of a kind, and its bytes; others stay for later."""
        for verified in self._kept:
            if isinstance(verified.statement, kind):
                self._kept.remove(verified)
                return verified.statement, verified.raw
        async with asyncio.timeout(PATIENCE):
            while True:
                verified = await self.inbox.get()
                if isinstance(verified.statement, kind):
                    return verified.statement, verified.raw
                self._kept.append(verified)

    async def challenge(self) -> Verified:
        """Return the next challenge."""
        challenge, raw = await self.hear(Challenge)
        return Verified(challenge, raw)

    async def outcome(self) -> Outcome:
        """Return the next outcome."""
        return (await self.hear(Outcome))[0]

    async def hears_no(self, kind: type[S], seconds: float = 0.15) -> bool:
        """Say whether no statement of a kind comes for a while."""
        await asyncio.sleep(seconds)
        while not self.inbox.empty():
            self._kept.append(self.inbox.get_nowait())
        return not any(isinstance(v.statement, kind) for v in self._kept)

    # --- what a person decides ------------------------------------------------------

    def approve(self, challenge: Verified, number: str) -> Envelope:
        """Send the approval with this number."""
        return self._choose(challenge, Choice(number=number))

    def deny(
        self, challenge: Verified, reason: DenialReason = DenialReason.CANCEL
    ) -> Envelope:
        """Send a denial."""
        return self._choose(challenge, Choice(reason=reason))

    def _choose(self, challenge: Verified, choice: Choice) -> Envelope:
        self._counter += 1
        sealed = make_answer(
            self.enrollment,
            self.keys,
            challenge,
            choice,
            counter=self._counter,
            device_time=int(time.time()),
        )
        return self.send_sealed(sealed)

    # --- what an attacker does ------------------------------------------------------

    def answer_to(self, challenge: Verified, number: str | None) -> Answer:
        """Return an answer that a test may change; without a number a denial."""
        asked = challenge.statement
        assert isinstance(asked, Challenge)
        self._counter += 1
        return Answer(
            version=PROTOCOL_VERSION,
            challenge_id=asked.challenge_id,
            challenge_sha256=Digest(sha256(challenge.raw).digest()),
            host_id=asked.host_id,
            device_id=asked.device_id,
            approver=asked.approver,
            decision=Decision.DENIAL if number is None else Decision.APPROVAL,
            reason=DenialReason.CANCEL if number is None else None,
            number=number,
            verification=Verification.NONE,
            grant=0,
            counter=self._counter,
            device_time=int(time.time()),
            epoch=asked.epoch,
        )

    def send_answer(
        self,
        answer: Answer,
        *,
        label: Label = Label.ANSWER,
        signer: Signer | None = None,
        raw: bytes | None = None,
        **sealing: Any,
    ) -> Envelope:
        """Sign, seal and send an answer, as a test wants each of these to be done."""
        statement = encode(answer) if raw is None else raw
        payload = ToHost(
            statement=Statement(statement),
            signature=Signature((signer or self.keys.identity).sign(label, statement)),
            assertion=None,
        )
        return self.send_sealed(self.seal(encode(payload), **sealing))

    def send_proved(
        self,
        answer: Answer,
        *,
        proves: Callable[[Authenticator, bytes], Assertion] = assertion_of,
    ) -> Envelope:
        """Send an answer whose holder WebAuthn verified; proves as a test wants it."""
        assert self.authenticator is not None
        verified = msgspec.structs.replace(answer, verification=Verification.WEBAUTHN)
        statement = encode(verified)
        payload = ToHost(
            statement=Statement(statement),
            signature=Signature(self.keys.identity.sign(Label.ANSWER, statement)),
            assertion=proves(self.authenticator, statement),
        )
        return self.send_sealed(self.seal(encode(payload)))

    def seal(self, payload: bytes, **changes: Any) -> bytes:
        """Return payload sealed to the host, under these ids and no others."""
        ids = {
            "direction": Direction.TO_HOST,
            "host_id": self.enrollment.host_id,
            "device_id": self.enrollment.device_id,
            "sender": self.enrollment.mailbox,
            "recipient": self.enrollment.host_mailbox,
        }
        info = sealing_info(**{**ids, **changes})
        return Sealer(self.enrollment.host_sealing_key).seal(info, payload)

    def send_sealed(self, sealed: bytes, to: MailboxId | None = None) -> Envelope:
        """Send sealed bytes to the host in a new envelope."""
        envelope = Envelope(
            id=EnvelopeId(secrets.token_bytes(16)),
            to=to or self.enrollment.host_mailbox,
            sender=self.enrollment.mailbox,
            lifetime=60,
            sealed=Sealed(sealed),
        )
        assert self.link.send(envelope)
        self.envelopes.append(envelope)
        return envelope

    def send_again(self, envelope: Envelope) -> None:
        """Send what was sent before, under a new id, so that the relay takes it."""
        fresh = EnvelopeId(secrets.token_bytes(16))
        assert self.link.send(msgspec.structs.replace(envelope, id=fresh))


def other_challenge() -> ChallengeId:
    """Return the id of a challenge that no host made."""
    return ChallengeId(secrets.token_bytes(32))
