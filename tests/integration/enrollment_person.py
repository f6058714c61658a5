"""A person who enrolls a device at the daemon, and one who takes the link."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pushmfa.client import Client
from pushmfa.device.enroller import Wish, enroll
from pushmfa.device.enrollment import Meeting, make_claim, open_commit
from pushmfa.device.keyring import DeviceKeys, Enrollment, Keyring, load_keys, new_keys
from pushmfa.device.link_text import parse_link
from pushmfa.device.links import new_envelope
from pushmfa.link.dialing import Network
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.terms import Digest, Role
from pushmfa.wire import control
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import EnrollHost
from tests.integration.daemon_world import (
    World,
    until,
    within,
)

PIXEL = ("alice", "Pixel")
ROOT, ALICE = 0, 1001


def turned(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


class Person:
    """Somebody with a terminal and a new device; types what the device shows."""

    def __init__(
        self, w: World, name: str = "phone", typed: Callable[[str], str] = str
    ) -> None:
        self.keyring = Keyring(w.folder / name)
        self.codes: list[str] = []
        self.link = ""
        self._typed = typed
        self._loop = asyncio.get_running_loop()
        self._shown = asyncio.Event()
        self._code = ""
        self._device: asyncio.Task[Enrollment] | None = None

    def on_link(self, shown: control.EnrollLink) -> None:
        """Give the link to the device; called in the client's thread."""
        self.link = shown.link
        asyncio.run_coroutine_threadsafe(self._start(shown.link), self._loop).result(5)

    async def _start(self, link: str) -> None:
        self._device = asyncio.create_task(
            enroll(
                Wish(parse_link(link), "Nokia"),
                self.keyring,
                show_code=self._show,
                local_host_id=lambda: None,
                network=Network(ca=None, proxy=None),
            )
        )
        # Retrieved here too, for the tests that do not look at the device.
        self._device.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )

    def _show(self, code: str, host: EnrollHost) -> None:
        self._code = code
        self.codes.append(code)
        self._shown.set()

    def ask_code(self, claimed: control.EnrollClaimed) -> str:
        """Return what is typed; called in the client's thread."""
        assert claimed.label == "Nokia"
        asyncio.run_coroutine_threadsafe(self._shown.wait(), self._loop).result(5)
        return self._typed(self._code)

    async def enrolled(self) -> Enrollment:
        """Return what the device has recorded, or raise what it raised."""
        await until(lambda: self._device is not None)
        assert self._device is not None
        return await within(self._device)

    def call(
        self,
        user: str | None = None,
        ticket: str | None = None,
        label: str | None = None,
    ) -> Callable[[Client], control.Done]:
        """Return the call that enrolls."""
        return lambda client: client.enroll(
            on_link=self.on_link,
            ask_code=self.ask_code,
            user=user,
            ticket=ticket,
            label=label,
        )


async def ticket_of(w: World, user: str = "alice") -> str:
    return (await w.host.ask(lambda c: c.make_ticket(user), uid=ROOT)).ticket


class Claimant:
    """A device that claims a link by hand, again and again if it must."""

    def __init__(self, link: str, keys: DeviceKeys | None = None) -> None:
        parsed = parse_link(link)
        self.keys = keys or load_keys(new_keys())
        self.meeting = Meeting.of(parsed.secret)
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.link = Link(
            urls=[parsed.relay],
            role=Role.DEVICE,
            mailboxes=[OpenMailbox(self.meeting.signer, ())],
            on_envelope=self._take,
            acknowledges=False,
        )

    def _take(self, envelope: Envelope | Stored) -> None:
        self.heard.put_nowait(envelope.sealed)

    async def claim(self, label: str, commitment: Digest | None = None) -> Digest:
        """Send a claim and return the commitment, taken from the mailbox or given."""
        if commitment is None:
            commitment = open_commit(self.meeting, await within(self.heard.get()))
        claim = make_claim(
            self.meeting, commitment, self.keys, label=label, has_passphrase=False
        )
        self.send(claim.sealed)
        return commitment

    def send(self, sealed: bytes) -> None:
        """Send anything to the meeting mailbox."""
        mailbox = self.meeting.mailbox
        assert self.link.send(
            new_envelope(sender=mailbox, to=mailbox, lifetime=300, sealed=sealed)
        )


@asynccontextmanager
async def claimant(
    link: str, keys: DeviceKeys | None = None
) -> AsyncIterator[Claimant]:
    it = Claimant(link, keys)
    task = asyncio.create_task(it.link.run())
    try:
        assert await it.link.wait_ready(5)
        yield it
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
