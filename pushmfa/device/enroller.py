"""Enrolls this device: the links, the waiting and the file around `enrollment`."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from pushmfa.device.enrollment import (
    Claim,
    Meeting,
    code_of,
    make_claim,
    open_commit,
    open_done,
    open_host,
)
from pushmfa.device.keyring import (
    FILE_VERSION,
    DeviceKeys,
    Enrollment,
    EnrollmentStatus,
    KeyBytes,
    Keyring,
    load_keys,
    new_keys,
    protect_keys,
)
from pushmfa.device.link_text import EnrollmentLink
from pushmfa.device.links import new_envelope, running, until_ready
from pushmfa.errors import (
    ConfigError,
    ExpiredError,
    MalformedError,
    RefusedError,
    SealError,
    UsageError,
)
from pushmfa.link.dialing import Network
from pushmfa.link.endpoints import relay_name
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.terms import PROTOCOL_VERSION, HostId, Role, VerificationRequired
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import EnrollHost, EnrollResult

READY_SECONDS: Final = 20.0
REPLY_SECONDS: Final = 30.0
"""What the host's daemon needs for a reply, with a slow link between."""

ENROLLMENT_SECONDS: Final = 300
"""Life of a link and of what is sent for it (docs/protocol.md 4.1, 4.6)."""

_AGAIN: Final = "Run `pushmfa enroll` on the host again for a new link."


@dataclass(frozen=True)
class Wish:
    """What the person wants enrolled."""

    link: EnrollmentLink
    label: str
    is_forced: bool = False
    passphrase: bytes | None = field(default=None, repr=False)


async def enroll(
    wish: Wish,
    keyring: Keyring,
    *,
    show_code: Callable[[str, EnrollHost], None],
    local_host_id: Callable[[], HostId | None],
    network: Network,
) -> Enrollment:
    """Enroll this device and return what was recorded.

    show_code gets the six digits once everything is checked and our own mailbox is
    open; local_host_id says which host this machine is, if it is one.
    NotReachableError, ExpiredError, RefusedError, UsageError, and whatever a failed
    check raises: then nothing stays on the disk.
    """
    _remove_leftovers(keyring)
    raw = new_keys()
    enroller = _Enroller(wish, load_keys(raw), network)
    async with running(enroller.meet):
        await until_ready(enroller.meet, READY_SECONDS)
        claim = await enroller.claim()
        host = await enroller.hear_host(claim)
        await _check_host(host, wish, local_host_id)
        enrollment = _record(wish, raw, enroller.keys, host)
        keyring.save(enrollment)
        try:
            await enroller.confirm(enrollment, claim, host, show_code)
        except BaseException:
            # Interrupted as well: keys of an enrollment that never was are litter.
            keyring.remove(enrollment.device_id)
            raise
    return keyring.update(
        enrollment.device_id,
        lambda old: msgspec.structs.replace(old, status=EnrollmentStatus.ACTIVE),
    )


class _Enroller:
    """One enrollment under way."""

    def __init__(self, wish: Wish, keys: DeviceKeys, network: Network) -> None:
        self.keys = keys
        self._wish = wish
        self._network = network
        self._meeting = Meeting.of(wish.link.secret)
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._claimed_at = 0.0
        self._envelope: Envelope | None = None
        self.meet = Link(
            urls=[wish.link.relay],
            role=Role.DEVICE,
            mailboxes=[OpenMailbox(self._meeting.signer, ())],
            on_envelope=self._take,
            on_state=self._send_again,
            ca=network.ca,
            proxy=network.proxy,
        )

    def _take(self, envelope: Envelope | Stored) -> None:
        self._inbox.put_nowait(envelope.sealed)

    def _send_again(self, state: LinkState) -> None:
        # It may have been lost with the link; the host drops a double by its id.
        if state.is_ready and self._envelope is not None:
            self.meet.send(self._envelope)

    async def claim(self) -> Claim:
        """Wait for the commitment and send the claim."""
        sealed = await self._next(REPLY_SECONDS, "the host is not there")
        claim = make_claim(
            self._meeting,
            open_commit(self._meeting, sealed),
            self.keys,
            label=self._wish.label,
            has_passphrase=self._wish.passphrase is not None,
        )
        self._envelope = new_envelope(
            sender=self._meeting.mailbox,
            to=self._meeting.mailbox,
            lifetime=ENROLLMENT_SECONDS,
            sealed=claim.sealed,
        )
        self._claimed_at = _now()
        self.meet.send(self._envelope)
        return claim

    async def hear_host(self, claim: Claim) -> EnrollHost:
        """Wait for what the host reveals, and check it."""
        sealed = await self._next(
            REPLY_SECONDS, "the host does not answer; somebody may have used this link"
        )
        try:
            return open_host(self._meeting, claim, self.keys, sealed)
        except SealError as error:
            raise SealError(
                "the host answers another device: this link was used already",
                hint=f"{_AGAIN} If it was not you, tell the administrator.",
            ) from error

    async def confirm(
        self,
        enrollment: Enrollment,
        claim: Claim,
        host: EnrollHost,
        show_code: Callable[[str, EnrollHost], None],
    ) -> None:
        """Open our own mailbox, show the digits, wait for the person to type them."""
        own = Link(
            urls=enrollment.relays,
            role=Role.DEVICE,
            mailboxes=[OpenMailbox(self.keys.relay, (host.mailbox,))],
            on_envelope=lambda envelope: None,
            ca=self._network.ca,
            proxy=self._network.proxy,
            # What comes already is for `run` to show.
            acknowledges=False,
        )
        async with running(own):
            await until_ready(own, READY_SECONDS)
            show_code(code_of(claim, host), host)
            left = self._claimed_at + ENROLLMENT_SECONDS - _now()
            sealed = await self._next(left, "the six digits were not typed in time")
        done = open_done(self._meeting, claim, self.keys, host, sealed)
        _check_result(done.result)

    async def _next(self, seconds: float, otherwise: str) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await self._inbox.get()
        except TimeoutError:
            raise ExpiredError(otherwise, hint=_AGAIN) from None


async def _check_host(
    host: EnrollHost, wish: Wish, local_host_id: Callable[[], HostId | None]
) -> None:
    is_required = host.verification is VerificationRequired.REQUIRED
    if is_required and wish.passphrase is None:
        raise UsageError(
            "this host takes only devices that verify who holds them",
            hint="Enroll again and give the device a passphrase.",
        )
    if wish.is_forced:
        return
    # Attack: who has taken over an account has its device as well, if both are on
    # one machine; then a second factor is none.
    local = await asyncio.to_thread(local_host_id)
    if local is not None and local == host.host_id:
        raise UsageError(
            "this machine is the host that the device is to protect",
            hint=f"Enroll one that is not on it, or add --force. {_AGAIN}",
        )


def _remove_leftovers(keyring: Keyring) -> None:
    """Remove what a device that was killed in an enrollment has left."""
    oldest = time.time() - 2 * ENROLLMENT_SECONDS
    for enrollment in keyring.load_all():
        is_pending = enrollment.status is EnrollmentStatus.PENDING
        if is_pending and enrollment.enrolled_at < oldest:
            keyring.remove(enrollment.device_id)


def _record(
    wish: Wish, raw: KeyBytes, keys: DeviceKeys, host: EnrollHost
) -> Enrollment:
    try:
        relays = tuple(dict.fromkeys(relay_name(relay) for relay in host.relays))
    except ConfigError as error:
        raise MalformedError(f"the host names a relay that is none: {error}") from error
    return Enrollment(
        file_version=FILE_VERSION,
        status=EnrollmentStatus.PENDING,
        device_id=keys.device_id,
        mailbox=keys.mailbox,
        label=wish.label,
        host_id=host.host_id,
        host_name=host.host_name,
        host_verify_key=host.verify_key,
        host_sealing_key=host.sealing_key,
        host_mailbox=host.mailbox,
        user=host.user,
        uid=host.uid,
        relays=relays,
        version=PROTOCOL_VERSION,
        enrolled_at=int(time.time()),
        counter=0,
        has_passphrase=wish.passphrase is not None,
        keys=protect_keys(raw, wish.passphrase),
        epoch=host.epoch,
    )


def _check_result(result: EnrollResult) -> None:
    match result:
        case EnrollResult.ACTIVE:
            return
        case EnrollResult.WRONG_CODE:
            raise RefusedError("other digits were typed at the terminal", hint=_AGAIN)
        case EnrollResult.EXPIRED:
            raise ExpiredError("the six digits were not typed in time", hint=_AGAIN)
        case EnrollResult.CANCELED:
            raise RefusedError("canceled at the terminal", hint=_AGAIN)


def _now() -> float:
    return asyncio.get_running_loop().time()
