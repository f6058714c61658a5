"""What relays, proxies and strangers may do to a link."""

import asyncio
import logging

import msgspec
import pytest

from pushmfa.errors import ConfigError, SealError
from pushmfa.link.link import Link
from pushmfa.terms import Role
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Envelope,
    Received,
    Stored,
)
from tests.integration.link_world import (
    STRANGER,
    device_mailbox,
    envelope_to,
    fake_relay,
    live,
    make_link,
    read_request,
    running,
    until,
)

pytestmark = pytest.mark.integration


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


def test_attack_one_of_two_relays_takes_the_id_of_an_envelope_first() -> None:
    async def scenario() -> None:
        mailbox = device_mailbox()
        asked = live(envelope_to(mailbox, 1))
        garbage = msgspec.structs.replace(asked, sealed=Sealed(bytes(28)))
        got: list[Envelope | Stored] = []
        async with fake_relay() as bad, fake_relay() as good:
            link = make_link([bad.name, good.name], mailbox, got)
            async with running(link):
                await until(lambda: all(state.is_ready for state in link.states()))
                await bad.say(garbage)
                await until(lambda: got == [garbage])
                await good.say(asked)
                await until(lambda: got == [garbage, asked])

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
