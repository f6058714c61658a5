"""A relay and real websocket clients over loopback: what a peer sees of it.

`Peer` and `run` here serve the other tests of the relay too.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from pushmfa.crypto.signing import Label, Signer, mailbox_id_of
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.relay.main import Relay, running
from pushmfa.relay.settings import RelaySettings
from pushmfa.terms import (
    EnvelopeId,
    MailboxId,
    Nonce,
    Role,
    Signature,
    VerifyKey,
    WakeUp,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    Allow,
    Envelope,
    Greeting,
    Hello,
    HelloStatement,
    MailboxProof,
    PeerFrame,
    Ready,
    Received,
    RelayFrame,
    RelayHello,
    Stored,
    decode_relay_frame,
    encode_frame,
)

pytestmark = pytest.mark.integration

T = TypeVar("T")

NAME = "wss://relay.example"
SEALED = Sealed(b"sealed".ljust(600, b"."))

ROOMY = RelayLimits(
    connections=Rate(10_000, 1000), refused_hellos=Rate(10_000, 1000), max_waiting=1000
)
"""Limits that let one address open many connections: all of a test's are ours."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run main on the loop that the relay runs on in earnest."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def settings_in(folder: Path, **changes: Any) -> RelaySettings:
    """Return settings of a relay on a free port of this machine."""
    settings = RelaySettings(
        public_urls=frozenset({NAME}),
        state_path=folder / "relay" / "relay.db",
        address="127.0.0.1",
        port=0,
        limits=ROOMY,
    )
    return replace(settings, **changes)


def key_of(number: int) -> Signer:
    return Signer.from_seed(number.to_bytes(32))


def mailbox_of(key: Signer) -> MailboxId:
    return mailbox_id_of(key.verify_key)


def envelope_of(
    number: int,
    sender: Signer,
    to: Signer,
    *,
    lifetime: int = 60,
    sealed: bytes = SEALED,
) -> Envelope:
    return Envelope(
        id=EnvelopeId(number.to_bytes(16)),
        to=mailbox_of(to),
        sender=mailbox_of(sender),
        lifetime=lifetime,
        sealed=Sealed(sealed),
    )


def allow_of(device: Signer, *senders: Signer) -> Allow:
    return Allow(
        mailbox=mailbox_of(device), senders=tuple(mailbox_of(key) for key in senders)
    )


def make_hello(
    nonce: bytes,
    role: Role,
    keys: Sequence[Signer],
    *,
    name: str = NAME,
    features: tuple[str, ...] = ("accepted",),
) -> Hello:
    statement = HelloStatement(
        encode(RelayHello(version=1, role=role, relay=name, nonce=Nonce(nonce)))
    )
    proofs = tuple(
        MailboxProof(
            key=VerifyKey(key.verify_key),
            signature=Signature(key.sign(Label.RELAY_HELLO, statement)),
        )
        for key in keys
    )
    return Hello(
        statement=statement, mailboxes=proofs, features=features, invitation=None
    )


class Peer:
    """A host or device that does what a test says."""

    def __init__(self, socket: ClientConnection, greeting: Greeting) -> None:
        self.socket = socket
        self.greeting = greeting

    @classmethod
    async def dial(cls, relay: Relay, **options: Any) -> Self:
        """Return a peer that was greeted and said nothing yet."""
        scheme = "wss" if "ssl" in options else "ws"
        socket = await connect(
            f"{scheme}://127.0.0.1:{relay.port}/v1/link",
            proxy=None,
            compression=None,
            max_size=16_384,
            **options,
        )
        greeting = decode_relay_frame(await _text_of(socket))
        assert isinstance(greeting, Greeting)
        return cls(socket, greeting)

    @classmethod
    async def open(
        cls,
        relay: Relay,
        role: Role,
        *keys: Signer,
        features: tuple[str, ...] = ("accepted",),
        **options: Any,
    ) -> Self:
        """Return a peer that is ready."""
        peer = await cls.dial(relay, **options)
        await peer.say(make_hello(peer.greeting.nonce, role, keys, features=features))
        assert await peer.hear() == Ready()
        return peer

    async def say(self, *frames: PeerFrame) -> None:
        for frame in frames:
            await self.socket.send(encode_frame(frame))

    async def hear(self) -> RelayFrame:
        return decode_relay_frame(await _text_of(self.socket))

    async def hears_nothing(self) -> bool:
        """Say whether nothing came before the relay answered a ping after all that."""
        await (await self.socket.ping())
        try:
            async with asyncio.timeout(0.05):
                await self.socket.recv()
        except TimeoutError:
            return True
        return False

    async def close(self) -> None:
        await self.socket.close()

    def abort(self) -> None:
        """Be gone without a word, also where nothing was read."""
        self.socket.transport.abort()

    async def hear_end(self) -> tuple[int | None, str]:
        """Return code and reason with which the relay ends this, skipping frames."""
        try:
            async with asyncio.timeout(20):
                while True:
                    await self.socket.recv()
        except ConnectionClosed:
            return self.socket.close_code, self.socket.close_reason or ""


async def until_links_are(relay: Relay, count: int) -> None:
    """Wait until the relay has so many links."""
    async with asyncio.timeout(20):
        while relay.health().links != count:  # noqa: ASYNC110  it tells nobody of them
            await asyncio.sleep(0.02)


async def _text_of(socket: ClientConnection) -> bytes:
    async with asyncio.timeout(10):
        message = await socket.recv()
    assert isinstance(message, str)
    return message.encode()


HOST, DEVICE, OTHER = key_of(1), key_of(2), key_of(3)


def test_envelope_reaches_the_device_and_its_answer_the_host(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            host = await Peer.open(relay, Role.HOST, HOST)
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            question = envelope_of(1, HOST, DEVICE)
            await host.say(question)
            assert await device.hear() == question
            answer = envelope_of(2, DEVICE, HOST)
            await device.say(answer)
            assert await host.hear() == answer
            assert await device.hears_nothing()

    run(main())


def test_envelope_waits_for_a_device_that_is_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            await device.close()
            host = await Peer.open(relay, Role.HOST, HOST)
            envelope = envelope_of(1, HOST, DEVICE)
            await host.say(envelope)
            assert await host.hear() == Accepted(id=envelope.id, wakeup=WakeUp.NONE)
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            stored = await device.hear()
            assert isinstance(stored, Stored)
            assert (stored.id, stored.sealed) == (envelope.id, envelope.sealed)
            assert 58 <= stored.lifetime <= 60
            await device.say(Received(mailbox=stored.to, id=stored.id))
            assert await device.hears_nothing()
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            assert await device.hears_nothing()

    run(main())
