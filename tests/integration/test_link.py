"""The websocket client of hosts and devices against small relays of our own.

These relays speak as the test says, also as no honest one would.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from pushmfa.crypto.keys import new_seed
from pushmfa.crypto.signing import Label, Signer, mailbox_id_of, verify_signature
from pushmfa.errors import ConfigError, SealError
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.terms import EnvelopeId, MailboxId, Nonce, Role, WakeUp
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    Allow,
    Envelope,
    Frame,
    Greeting,
    Hello,
    PeerFrame,
    Ready,
    Received,
    RefusalReason,
    Refused,
    Stored,
    Withdraw,
    decode_peer_frame,
    decode_relay_hello,
    encode_frame,
)

pytestmark = pytest.mark.integration

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

    @property
    def name(self) -> str:
        """The name by which peers dial it."""
        return f"ws://127.0.0.1:{self.port}"

    async def serve_one(self, socket: ServerConnection) -> None:
        """Greet, take the hello, then keep every frame of one peer."""
        assert socket.request is not None
        self.headers = [key for key, _ in socket.request.headers.raw_items()]
        greeting = Greeting(versions=self.versions, nonce=self.nonce, features=())
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


def test_hello_proves_the_mailboxes_and_names_the_relay() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as relay, running(make_link([relay.name], mailbox)):
            hello = relay.hellos[0]
            statement = decode_relay_hello(hello.statement)
            assert statement.relay == relay.name
            assert statement.nonce == relay.nonce
            assert statement.role is Role.DEVICE
            proof = hello.mailboxes[0]
            assert mailbox_id_of(proof.key) == mailbox.mailbox
            verify_signature(
                proof.key, Label.RELAY_HELLO, hello.statement, proof.signature
            )
            assert await relay.hear() == Allow(mailbox=mailbox.mailbox, senders=(HOST,))

    asyncio.run(scenario())


def test_the_request_says_nothing_of_this_machine() -> None:
    async def scenario() -> None:
        link_mailbox = device_mailbox()
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], link_mailbox)),
        ):
            names = {name.lower() for name in relay.headers}
            assert "user-agent" not in names
            assert "sec-websocket-extensions" not in names, "compression is offered"

    asyncio.run(scenario())


def test_a_host_sends_no_allow_list() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        async with fake_relay() as relay:
            link = make_link([relay.name], mailbox, role=Role.HOST)
            async with running(link):
                assert await relay.hears_nothing()

    asyncio.run(scenario())


def test_stored_is_acknowledged_and_live_is_not() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], mailbox, got)),
        ):
            await relay.hear()
            await relay.say(live(envelope_to(mailbox, 1)))
            await relay.say(envelope_to(mailbox, 2))
            stored = envelope_to(mailbox, 2)
            assert await relay.hear() == Received(mailbox=stored.to, id=stored.id)
            # Again, as after a lost acknowledgment: dropped, but acknowledged.
            await relay.say(stored)
            assert await relay.hear() == Received(mailbox=stored.to, id=stored.id)
            assert [envelope.id[0] for envelope in got] == [1, 2]

    asyncio.run(scenario())


def test_an_envelope_by_two_relays_is_taken_once() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with fake_relay() as one, fake_relay() as two:
            link = make_link([one.name, two.name], mailbox, got)
            async with running(link):
                await until(lambda: all(state.is_ready for state in link.states()))
                await one.hear()
                await two.hear()
                await one.say(live(envelope_to(mailbox, 1)))
                await until(lambda: len(got) == 1)
                await two.say(envelope_to(mailbox, 1))
                assert isinstance(await two.hear(), Received)
                assert len(got) == 1
                answer = live(envelope_to(mailbox, 7))
                assert link.send(answer)
                assert await one.hear() == answer
                assert await two.hear() == answer

    asyncio.run(scenario())


def test_with_one_relay_down_the_other_takes_it() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as gone:
            pass
        async with fake_relay() as there:
            link = make_link([gone.name, there.name], mailbox)
            async with running(link):
                await there.hear()
                await until(lambda: "cannot connect" in link.states()[0].problem)
                assert link.send(live(envelope_to(mailbox, 7)))
                assert isinstance(await there.hear(), Envelope)

    asyncio.run(scenario())


def test_without_a_link_nothing_is_taken() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as gone:
            pass
        async with running(make_link([gone.name], mailbox), is_ready=False) as link:
            assert not await link.wait_ready(0.05)
            assert not link.send(live(envelope_to(mailbox, 7)))
            assert not link.states()[0].is_ready

    asyncio.run(scenario())


def test_it_comes_back_after_the_relay_died() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        states: list[LinkState] = []
        async with fake_relay() as relay:
            port = relay.port
            link = make_link([relay.name], mailbox, on_state=states.append)
            task = asyncio.create_task(link.run())
            assert await link.wait_ready(5)
        await until(lambda: not link.states()[0].is_ready)
        async with fake_relay(port) as again:
            assert await link.wait_ready(5)
            assert again.hellos
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        readiness = [state.is_ready for state in states]
        assert readiness[:2] == [True, False]
        assert True in readiness[2:]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "garbage",
    [
        "no json",
        '{"type":"ready"}',
        '{"type":"cancel"}',
        '{"type":"accepted","id":"AAAAAAAAAAAAAAAAAAAAAA","wakeup":"x"}',
        "[" * 16_000,
        "x" * 20_000,
        b"binary",
    ],
)
def test_attack_garbage_from_the_relay_ends_that_link_only(
    garbage: str | bytes,
) -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], mailbox, got)) as link,
        ):
            await relay.hear()
            await relay.sockets[0].send(garbage)
            await until(lambda: len(relay.sockets) == 2)
            assert await link.wait_ready(5)
            await relay.say(live(envelope_to(mailbox, 1)))
            await until(lambda: len(got) == 1)

    asyncio.run(scenario())


def test_a_refused_hello_is_told_harmlessly_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        async with fake_relay() as relay:
            relay.close_code = 4401
            link = make_link([relay.name], device_mailbox())
            async with running(link, is_ready=False):
                await until(lambda: len(relay.hellos) >= 2)
                problem = link.states()[0].problem
                assert "refused the hello (4401)" in problem
                assert "\x1b" not in problem
                relay.close_code = None
                assert await link.wait_ready(5)

    with caplog.at_level(logging.INFO, "pushmfa.link"):
        asyncio.run(scenario())
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "told once, not at every try"


def test_attack_a_relay_of_another_version_is_not_followed() -> None:
    async def scenario() -> None:
        async with fake_relay(versions=(2, 3)) as relay:
            link = make_link([relay.name], device_mailbox())
            async with running(link, is_ready=False):
                await until(lambda: "version 2, 3" in link.states()[0].problem)
                assert not relay.hellos

    asyncio.run(scenario())


def test_attack_envelopes_of_strangers_and_our_own_are_dropped() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], mailbox, got)) as link,
        ):
            await relay.hear()
            await relay.say(envelope_to(mailbox, 1, sender=STRANGER))
            await relay.say(envelope_to(device_mailbox(), 2))
            own = live(envelope_to(mailbox, 3, sender=mailbox.mailbox))
            link.send(own)
            assert await relay.hear() == own
            await relay.say(envelope_to(mailbox, 3, sender=mailbox.mailbox))
            assert await relay.hears_nothing()
            await relay.say(live(envelope_to(mailbox, 4)))
            await until(lambda: bool(got))
            assert [envelope.id[0] for envelope in got] == [4]

    asyncio.run(scenario())


def test_attack_an_envelope_that_does_not_open_ends_no_link() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()

        async def refuse(envelope: Envelope | Stored) -> None:
            raise SealError("does not open")

        async with fake_relay() as relay:
            link = Link(
                urls=[relay.name],
                role=Role.DEVICE,
                mailboxes=[mailbox],
                on_envelope=refuse,
            )
            async with running(link):
                await relay.hear()
                await relay.say(envelope_to(mailbox, 1))
                assert isinstance(await relay.hear(), Received)
                assert len(relay.sockets) == 1

    asyncio.run(scenario())


def test_the_sender_hears_of_accepted_and_refused() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        heard: list[tuple[str, Accepted | Refused]] = []
        async with fake_relay() as relay:
            link = Link(
                urls=[relay.name],
                role=Role.HOST,
                mailboxes=[mailbox],
                on_envelope=lambda envelope: None,
                on_accepted=lambda name, frame: heard.append((name, frame)),
                on_refused=lambda name, frame: heard.append((name, frame)),
            )
            async with running(link):
                assert relay.hellos[0].features == ("accepted",)
                accepted = Accepted(id=EnvelopeId(b"a" * 16), wakeup=WakeUp.NONE)
                refused = Refused(
                    id=EnvelopeId(b"a" * 16), reason=RefusalReason.NOT_ALLOWED
                )
                await relay.say(accepted)
                await relay.say(refused)
                await until(lambda: len(heard) == 2)
                assert heard == [(relay.name, accepted), (relay.name, refused)]

    asyncio.run(scenario())


def test_withdraw() -> None:
    async def scenario() -> None:
        mailbox = OpenMailbox(Signer.from_seed(new_seed()))
        async with fake_relay() as relay:
            link = make_link([relay.name], mailbox, role=Role.HOST)
            async with running(link):
                identifier = EnvelopeId(b"a" * 16)
                assert link.withdraw(
                    identifier=identifier, to=STRANGER, sender=mailbox.mailbox
                )
                assert await relay.hear() == Withdraw(
                    id=identifier, to=STRANGER, sender=mailbox.mailbox
                )

    asyncio.run(scenario())


def test_flush_waits_for_the_write_and_not_for_a_link_that_ended() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        async with fake_relay() as relay:
            async with running(make_link([relay.name], mailbox)) as link:
                await relay.hear()
                link.send(live(envelope_to(mailbox, 7)))
                async with asyncio.timeout(5):
                    await link.flush(60)
                assert isinstance(await relay.hear(), Envelope)
            link.send(live(envelope_to(mailbox, 8)))
            async with asyncio.timeout(5):
                await link.flush(60)

    asyncio.run(scenario())


def test_who_does_not_acknowledge_leaves_it_at_the_relay() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with fake_relay() as relay:
            link = Link(
                urls=[relay.name],
                role=Role.DEVICE,
                mailboxes=[mailbox],
                on_envelope=got.append,
                acknowledges=False,
            )
            async with running(link):
                await relay.hear()
                await relay.say(envelope_to(mailbox, 1))
                await until(lambda: len(got) == 1)
                assert await relay.hears_nothing()

    asyncio.run(scenario())


def test_attack_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        called: list[bytes] = []

        async def proxy(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            called.append(await reader.read(1_000))
            writer.close()

        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "WS_PROXY", "WSS_PROXY"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.lower(), address)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with server, fake_relay() as relay:
            async with running(make_link([relay.name], device_mailbox())):
                assert not called
            # And to another machine, which a library might treat differently.
            link = make_link(["wss://relay.invalid"], device_mailbox())
            async with running(link, is_ready=False):
                await until(lambda: "not connected yet" not in link.states()[0].problem)
        assert not called

    asyncio.run(scenario())


def test_the_proxy_of_our_configuration_is_asked() -> None:
    async def scenario() -> None:
        asked: list[bytes] = []

        async def proxy(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            asked.append(await read_request(reader))
            writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(proxy, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            link = Link(
                urls=["wss://relay.invalid"],
                role=Role.DEVICE,
                mailboxes=[device_mailbox()],
                on_envelope=lambda envelope: None,
                proxy=address,
            )
            async with running(link, is_ready=False):
                await until(lambda: "proxy" in link.states()[0].problem)
        assert asked[0].startswith(b"CONNECT relay.invalid:443 HTTP/1.1\r\n")
        assert b"agent" not in asked[0].lower()

    asyncio.run(scenario())


def test_attack_a_redirect_is_not_followed() -> None:
    async def scenario() -> None:
        async def redirect(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await read_request(reader)
            writer.write(
                b"HTTP/1.1 302 Found\r\nlocation: "
                + target.replace("ws:", "http:").encode()
                + b"\r\ncontent-length: 0\r\n\r\n"
            )
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(redirect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, fake_relay() as other:
            target = f"{other.name}/v1/link"
            link = make_link([f"ws://127.0.0.1:{port}"], device_mailbox())
            async with running(link, is_ready=False):
                await until(lambda: "HTTP status 302" in link.states()[0].problem)
                assert not other.hellos

    asyncio.run(scenario())


def test_sealed_bytes_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        got: list[Envelope | Stored] = []
        async with (
            fake_relay() as relay,
            running(make_link([relay.name], mailbox, got)),
        ):
            await relay.hear()
            await relay.say(live(envelope_to(mailbox, 1)))
            await until(lambda: bool(got))

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    ours = [r for r in caplog.records if r.name.startswith("pushmfa")]
    assert ours
    assert all("sealed" not in record.getMessage() for record in ours)


def test_what_cannot_be_used_is_refused_at_once() -> None:
    mailbox = device_mailbox()
    with pytest.raises(ConfigError):
        make_link([], mailbox)
    with pytest.raises(ConfigError):
        make_link([f"wss://relay{number}.example" for number in range(4)], mailbox)
    with pytest.raises(ConfigError):
        Link(
            urls=["wss://relay.example"],
            role=Role.HOST,
            mailboxes=[],
            on_envelope=lambda envelope: None,
        )
    with pytest.raises(ConfigError):
        Link(
            urls=["wss://relay.example"],
            role=Role.HOST,
            mailboxes=[mailbox],
            on_envelope=lambda envelope: None,
            proxy="socks5://127.0.0.1",
        )
