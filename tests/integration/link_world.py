"""A relay of few lines, which does what a test says, and links to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from pushmfa.crypto.keys import new_seed
from pushmfa.crypto.signing import Signer
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.terms import EnvelopeId, MailboxId, Nonce, Role
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Envelope,
    Frame,
    Greeting,
    Hello,
    PeerFrame,
    Ready,
    Stored,
    decode_peer_frame,
    encode_frame,
)

HOST = MailboxId(b"h" * 16)
STRANGER = MailboxId(b"s" * 16)


class FakeRelay:
    """A relay that does nothing but greet, listen and say what the test says."""

    def __init__(self, port: int, versions: tuple[int, ...] = (1,)) -> None:
        self.port = port
        self.versions = versions
        self.nonce = Nonce(b"n" * 32)
        self.frames: asyncio.Queue[PeerFrame] = asyncio.Queue()
        self.sockets: list[ServerConnection] = []
        self.hellos: list[Hello] = []
        self.headers: list[str] = []
        self.close_code: int | None = None
        self.features: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name by which peers dial it."""
        return f"ws://127.0.0.1:{self.port}"

    async def serve_one(self, socket: ServerConnection) -> None:
        """Greet, take the hello, then keep every frame of one peer."""
        assert socket.request is not None
        self.headers = [key for key, _ in socket.request.headers.raw_items()]
        greeting = Greeting(
            versions=self.versions, nonce=self.nonce, features=self.features
        )
        await socket.send(encode_frame(greeting))
        hello = decode_peer_frame(await socket.recv(decode=False))
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        if self.close_code is not None:
            await socket.close(self.close_code, "as the test \x1b[31msays")
            return
        await socket.send(encode_frame(Ready()))
        self.sockets.append(socket)
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = decode_peer_frame(await socket.recv(decode=False))
                await self.frames.put(frame)

    async def say(self, frame: Frame) -> None:
        """Send frame to the peer that came last."""
        await self.sockets[-1].send(encode_frame(frame))

    async def hear(self) -> PeerFrame:
        """Return the next frame of any peer."""
        async with asyncio.timeout(5):
            return await self.frames.get()

    async def hears_nothing(self) -> bool:
        """Say whether no peer says anything for a while."""
        await asyncio.sleep(0.1)
        return self.frames.empty()


@asynccontextmanager
async def fake_relay(
    port: int = 0, versions: tuple[int, ...] = (1,)
) -> AsyncIterator[FakeRelay]:
    relay = FakeRelay(port, versions)
    async with serve(relay.serve_one, "127.0.0.1", port) as server:
        relay.port = next(iter(server.sockets)).getsockname()[1]
        yield relay


@asynccontextmanager
async def running(link: Link, *, is_ready: bool = True) -> AsyncIterator[Link]:
    task = asyncio.create_task(link.run())
    try:
        if is_ready:
            assert await link.wait_ready(5)
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), "run() ended by something else than its cancellation"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what it waits for has no event
            await asyncio.sleep(0.01)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Return a request's head, or what came of it when the peer went away."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial


def device_mailbox(senders: tuple[MailboxId, ...] = (HOST,)) -> OpenMailbox:
    return OpenMailbox(Signer.from_seed(new_seed()), senders)


def envelope_to(mailbox: OpenMailbox, number: int, sender: MailboxId = HOST) -> Stored:
    return Stored(
        id=EnvelopeId(bytes([number]) * 16),
        to=mailbox.mailbox,
        sender=sender,
        lifetime=60,
        sealed=Sealed(b"x" * 28),
    )


def live(stored: Stored) -> Envelope:
    return Envelope(
        id=stored.id,
        to=stored.to,
        sender=stored.sender,
        lifetime=stored.lifetime,
        sealed=stored.sealed,
    )


def make_link(
    urls: list[str],
    mailbox: OpenMailbox,
    got: list[Envelope | Stored] | None = None,
    role: Role = Role.DEVICE,
    on_state: Callable[[LinkState], None] | None = None,
) -> Link:
    taken = [] if got is None else got
    return Link(
        urls=urls,
        role=role,
        mailboxes=[mailbox],
        on_envelope=taken.append,
        on_state=on_state,
        draw=lambda: 0.02,
    )
