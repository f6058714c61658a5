"""A terminal authenticator; a host of wire structs, without the daemon's code."""

import asyncio
import io
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from pushmfa.crypto.keys import (
    confirmation_code,
    enrollment_keys,
)
from pushmfa.crypto.signing import Signer
from pushmfa.device import main
from pushmfa.device.keyring import Enrollment, Keyring
from pushmfa.device.links import new_envelope, running
from pushmfa.device.screen import Screen
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.relay.main import running as relay_running
from pushmfa.relay.settings import RelaySettings
from pushmfa.terms import (
    ChallengeId,
    DeviceId,
    MailboxId,
    Role,
    SealingKey,
)
from pushmfa.wire.codec import Message, encode_base64url
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import Answer, EnrollDevice, EnrollResult
from tests.unit.enrollment_peer import HostPeer

SECRET = b"s" * 16
PASSPHRASE = b"correct horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Device:
    """A device's state folder and what it showed; its commands run in a thread."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "device"
        self.output = io.StringIO()
        self.screen = Screen(Console(file=self.output, width=80))

    async def call(self, function: Callable[..., Any], *args: Any, **how: Any) -> Any:
        """Run a command as a program of its own would, with a loop of its own."""
        how.setdefault("state", self.state)
        how.setdefault("screen", self.screen)
        return await asyncio.to_thread(function, *args, **how)

    async def sees(self, text: str, times: int = 1) -> str:
        """Wait until text stands on its screen that often; return all of it."""
        async with asyncio.timeout(10):
            while self.output.getvalue().count(text) < times:  # noqa: ASYNC110  a screen has no event
                await asyncio.sleep(0.01)
        return self.output.getvalue()

    @property
    def enrollment(self) -> Enrollment:
        """The only enrollment that it has."""
        (enrollment,) = Keyring(self.state).load_all()
        return enrollment


class Host:
    """The host's side: enrolls one device, asks it, and hears its answers."""

    def __init__(self, relay: str) -> None:
        self.peer = HostPeer(relays=(relay,))
        self.relay = relay
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.claims: asyncio.Queue[bytes] = asyncio.Queue()
        meeting = Signer.from_seed(enrollment_keys(SECRET).relay_seed)
        self.meeting = OpenMailbox(meeting)
        self.meet = self._link(self.meeting, self._take_claim)
        self.own = self._link(OpenMailbox(self.peer.relay), self._take_answer)
        self.device: EnrollDevice | None = None
        self.ids: dict[MailboxId, DeviceId] = {}
        self.keys: dict[MailboxId, SealingKey] = {}

    @property
    def link_text(self) -> str:
        """The enrollment link."""
        place = self.relay.removeprefix("ws://")
        return f"http://{place}/#1{encode_base64url(SECRET)}"

    def _link(self, mailbox: OpenMailbox, take: Callable[[Any], None]) -> Link:
        return Link(
            urls=[self.relay],
            role=Role.HOST,
            mailboxes=[mailbox],
            on_envelope=take,
            draw=lambda: 0.02,
        )

    def _take_claim(self, envelope: Envelope | Stored) -> None:
        self.claims.put_nowait(envelope.sealed)

    def _take_answer(self, envelope: Envelope | Stored) -> None:
        device_id = self.ids[envelope.sender]
        answer, _, _ = self.peer.open_answer(
            envelope.sealed, device_id, envelope.sender
        )
        self.answers.put_nowait(answer)

    def meet_send(self, sealed: bytes) -> None:
        """Send something to the meeting mailbox."""
        mailbox = self.meeting.mailbox
        envelope = new_envelope(sender=mailbox, to=mailbox, lifetime=300, sealed=sealed)
        assert self.meet.send(envelope)

    async def enroll(
        self,
        result: EnrollResult = EnrollResult.ACTIVE,
        before_done: Callable[[str], None] = lambda code: None,
        **changes: Any,
    ) -> str:
        """Do the host's part of an enrollment; return the six digits."""
        self.meet_send(self.peer.commit(SECRET))
        async with asyncio.timeout(20):
            sealed = await self.claims.get()
        device, raw = self.peer.open_claim(SECRET, sealed)
        self.device = device
        enrollment = self.peer.reveal(device, raw, **changes)
        self.ids[device.mailbox] = enrollment.device_id
        self.keys[device.mailbox] = device.sealing_key
        self.meet_send(
            self.peer.enclose_statement(SECRET, device, enrollment, step=b"enroll-host")
        )
        code = confirmation_code(
            self.peer.identity.verify_key,
            self.peer.opener.public_key,
            self.peer.nonce,
            raw,
        )
        await asyncio.to_thread(before_done, code)
        done = self.peer.done(device, raw, result)
        self.meet_send(
            self.peer.enclose_statement(SECRET, device, done, step=b"enroll-done")
        )
        return code

    def send(self, statement: Message, mailbox: MailboxId, lifetime: int = 60) -> None:
        """Seal a statement to a device and send it."""
        sealed = self.peer.seal(
            self.peer.payload(statement),
            device_id=self.ids[mailbox],
            sealing_key=self.keys[mailbox],
            mailbox=mailbox,
        )
        assert self.own.send(
            new_envelope(
                sender=self.peer.mailbox, to=mailbox, lifetime=lifetime, sealed=sealed
            )
        )

    def challenge(self, device: Enrollment, number: int = 1, **changes: Any) -> None:
        """Send a challenge to a device."""
        challenge = self.peer.challenge(
            device.device_id, challenge_id=ChallengeId(bytes([number]) * 32), **changes
        )
        self.send(challenge, device.mailbox)

    def outcome(self, device: Enrollment, number: int = 1, **changes: Any) -> None:
        """Send an outcome to a device."""
        outcome = self.peer.outcome(
            device.device_id, challenge_id=ChallengeId(bytes([number]) * 32), **changes
        )
        self.send(outcome, device.mailbox)

    async def answer(self) -> Answer:
        """Return the next answer."""
        async with asyncio.timeout(10):
            return await self.answers.get()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Host, Device]]:
    """Give a host and a device with a relay between them."""
    port = free_port()
    name = f"ws://127.0.0.1:{port}"
    settings = RelaySettings(
        public_urls=frozenset({name}), state_path=folder / "relay.db", port=port
    )
    async with relay_running(settings):
        host = Host(name)
        async with running(host.meet, host.own):
            assert await host.meet.wait_ready(5)
            assert await host.own.wait_ready(5)
            yield host, Device(folder)


def enrolling(host: Host, device: Device, **how: Any) -> asyncio.Task[Enrollment]:
    """Begin the device's part of an enrollment."""
    given: dict[str, Any] = {"label": "laptop", "local_host_id": lambda: None, **how}
    return asyncio.create_task(device.call(main.enroll, host.link_text, **given))


async def enrolled(host: Host, device: Device, **how: Any) -> Enrollment:
    task = enrolling(host, device, **how)
    await host.enroll()
    await task
    return device.enrollment


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


async def answering(host: Host, device: Device, **how: Any) -> tuple[Answer, Any]:
    """Let the device answer what waits; give the answer and the running command."""
    task = asyncio.create_task(device.call(main.answer, timeout=10, **how))
    return await host.answer(), task
