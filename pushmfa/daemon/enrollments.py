"""The host's side of an enrollment: docs/protocol.md, section 4.

    async with Offer(...) as offer:      the link is good from here on
        claim = await offer.claimed()    a device took it
        device = offer.confirm(typed)    one try

Each offer has a link of its own to the first relay, with the meeting mailbox open.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from pushmfa.crypto.keys import (
    EnrollmentKeys,
    commitment,
    confirmation_code,
    enrollment_keys,
    new_commitment_nonce,
    new_enrollment_secret,
)
from pushmfa.crypto.sealing import (
    Direction,
    Sealer,
    disclose,
    enclose,
    sealing_info,
)
from pushmfa.crypto.signing import Signer, mailbox_id_of
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.places import Places, link_text
from pushmfa.daemon.post import Host, label_of, to_device
from pushmfa.daemon.registry import Registry
from pushmfa.errors import (
    ExpiredError,
    KeyRejectedError,
    MalformedError,
    NotReachableError,
    SealError,
    VerificationError,
)
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.login import enrollment
from pushmfa.login.devices import Device
from pushmfa.login.enrollment import OFFER_LIFETIME, Claim, Enrollment
from pushmfa.login.policy import Account
from pushmfa.terms import (
    PROTOCOL_VERSION,
    Digest,
    EnvelopeId,
    MailboxId,
    Nonce,
    Role,
    VerificationRequired,
)
from pushmfa.text import make_harmless
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import (
    EnrollCommit,
    EnrollDone,
    EnrollHost,
    EnrollResult,
    decode_enroll_claim,
)

log = logging.getLogger("pushmfa.enrollments")

READY_DEADLINE: Final = 10.0
"""Seconds for the link to the relay."""

FLUSH_DEADLINE: Final = 2.0
"""Seconds for the last envelope to leave."""


class Offer:
    """One enrollment link, from when it is shown until its device is active."""

    lifetime = OFFER_LIFETIME
    """Seconds that a device may take to claim it."""

    def __init__(
        self,
        *,
        host: Host,
        places: Places,
        registry: Registry,
        clock: Clock,
        account: Account,
        verification: VerificationRequired,
    ) -> None:
        self._host = host
        self._places = places
        self._registry = registry
        self._clock = clock
        self._verification = verification
        self._secret = new_enrollment_secret()
        self._keys: EnrollmentKeys = enrollment_keys(self._secret)
        self._nonce = new_commitment_nonce()
        self._signer = Signer.from_seed(self._keys.relay_seed)
        self._meeting: MailboxId = mailbox_id_of(self._signer.verify_key)
        self._state = Enrollment(
            user=account.name,
            uid=account.uid,
            commitment=Digest(
                commitment(host.verify_key, host.sealing_key, self._nonce)
            ),
            expires=clock.now().after(OFFER_LIFETIME),
        )
        self._claimed: asyncio.Future[Claim] = (
            asyncio.get_running_loop().create_future()
        )
        self._link = Link(
            urls=places.relays[:1],
            role=Role.HOST,
            mailboxes=[OpenMailbox(self._signer)],
            on_envelope=self._take,
            ca=places.ca,
            proxy=places.proxy,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def link(self) -> str:
        """The enrollment link, for the person and nobody else."""
        return link_text(self._places.origin, self._secret, self._places.relays[0])

    async def __aenter__(self) -> Self:
        """Open the meeting mailbox and leave the commitment in it."""
        self._task = asyncio.ensure_future(self._link.run())
        try:
            if not await self._link.wait_ready(READY_DEADLINE):
                raise NotReachableError(
                    f"the relay {self._places.relays[0]} is not reachable",
                    hint="See `pushmfa status`; check [relay] urls in pushmfa.toml.",
                )
        except BaseException:
            # Also if the caller leaves: no link may go on dialing for nobody.
            await self._stop()
            raise
        commit = EnrollCommit(
            version=PROTOCOL_VERSION,
            versions=(PROTOCOL_VERSION,),
            commitment=self._state.commitment,
        )
        self._send("enroll-commit", encode(commit))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what was not finished, and tell a device that waits."""
        if self._state.is_open():
            expired = isinstance(error, ExpiredError)
            result = EnrollResult.EXPIRED if expired else EnrollResult.CANCELED
            self._state = enrollment.end(self._state, result)
            self._tell_done(result)
        # Else the device waits for a result that was never written.
        await self._link.flush(FLUSH_DEADLINE)
        await self._stop()

    async def claimed(self) -> Claim:
        """Return the claim of the first device that took the link; ExpiredError."""
        try:
            async with asyncio.timeout(OFFER_LIFETIME):
                return await asyncio.shield(self._claimed)
        except TimeoutError as error:
            raise ExpiredError(
                "no device took the enrollment link in time",
                hint="Run `pushmfa enroll` again for a new link.",
            ) from error

    def confirm(
        self, typed: str, label: str | None, keep: Callable[[Device], None]
    ) -> Device | None:
        """Return the new device, None if the six digits are not right; one try.

        keep makes it active; what it raises, the device hears as canceled.
        ExpiredError, RefusedError.
        """
        claim = self._state.claim
        if claim is None:
            raise VerificationError("no device took the link")
        code = confirmation_code(
            self._host.verify_key,
            self._host.sealing_key,
            self._nonce,
            claim.statement,
        )
        now = self._clock.now()
        self._state = enrollment.confirm(self._state, typed, code, now)
        if self._state.result is not EnrollResult.ACTIVE:
            self._tell_done(EnrollResult.WRONG_CODE)
            return None
        device = enrollment.enrolled_device(self._state, now)
        if label is not None:
            device = replace(device, label=label)
        try:
            keep(device)
        except BaseException:
            self._tell_done(EnrollResult.CANCELED)
            raise
        self._tell_done(EnrollResult.ACTIVE)
        return device

    # --- the meeting mailbox --------------------------------------------------------

    def _take(self, envelope: Envelope | Stored) -> None:
        try:
            raw = disclose(self._keys.device_key, b"enroll-claim", envelope.sealed)
            # Attack: a claim of the host's own mailbox, which nobody proved to have:
            # what the host sends there fills the place of what devices send.
            ours = {self._host.verify_key, self._host.mailbox, self._meeting}
            self._state = enrollment.accept_claim(
                self._state,
                decode_enroll_claim(raw),
                self._registry.known_keys() | ours,
                self._clock.now(),
            )
        except (
            SealError,
            MalformedError,
            VerificationError,
            KeyRejectedError,
        ) as error:
            said = make_harmless(str(error))
            log.warning("a claim of an enrollment link was refused: %s", said)
            return
        claim = self._state.claim
        if claim is not None and not self._claimed.done():
            self._reveal(claim)
            self._claimed.set_result(claim)

    def _reveal(self, claim: Claim) -> None:
        statement = EnrollHost(
            version=PROTOCOL_VERSION,
            versions=(PROTOCOL_VERSION,),
            claim_sha256=claim.digest(),
            host_id=self._host.host_id,
            device_id=claim.device_id,
            verify_key=self._host.verify_key,
            sealing_key=self._host.sealing_key,
            mailbox=self._host.mailbox,
            nonce=Nonce(self._nonce),
            host_name=self._host.name,
            user=self._state.user,
            uid=self._state.uid,
            relays=self._places.relays,
            verification=self._verification,
            epoch=self._host.epoch_key.epoch_of(self._registry.counter),
            issuer=None,
        )
        self._send_sealed("enroll-host", claim, statement)

    def _tell_done(self, result: EnrollResult) -> None:
        claim = self._state.claim
        if claim is None:
            return
        statement = EnrollDone(
            version=PROTOCOL_VERSION,
            host_id=self._host.host_id,
            device_id=claim.device_id,
            claim_sha256=claim.digest(),
            result=result,
            at=int(self._clock.now().wall),
        )
        self._send_sealed("enroll-done", claim, statement)

    def _send_sealed(
        self, step: str, claim: Claim, statement: EnrollHost | EnrollDone
    ) -> None:
        # Sealed to the new key, so that who cannot open it cannot go on; enclosed
        # under the secret, so that the relay does not see the host's id.
        payload = to_device(self._host, encode(statement), label_of(statement))
        info = sealing_info(
            Direction.TO_DEVICE,
            self._host.host_id,
            claim.device_id,
            self._meeting,
            self._meeting,
        )
        sealed = Sealer(claim.device.sealing_key).seal(info, payload)
        self._send(step, self._host.host_id + sealed)

    def _send(self, step: str, plaintext: bytes) -> None:
        enclosed = enclose(self._keys.host_key, step.encode("ascii"), plaintext)
        self._link.send(
            Envelope(
                id=EnvelopeId(secrets.token_bytes(16)),
                to=self._meeting,
                sender=self._meeting,
                lifetime=OFFER_LIFETIME,
                sealed=Sealed(enclosed),
            )
        )

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
