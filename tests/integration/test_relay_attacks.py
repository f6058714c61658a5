"""Whoever dials a relay and means harm: refused, alone, and with the right code."""

import asyncio
import os
import socket
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from pushmfa.crypto.signing import Label
from pushmfa.relay import links, websocket_server
from pushmfa.relay.limits import Rate
from pushmfa.relay.main import Relay, running
from pushmfa.terms import EnvelopeId, Role, Signature, VerifyKey
from pushmfa.wire.link import (
    Allow,
    Hello,
    MailboxProof,
    Quiet,
    Ready,
    Received,
    RefusalReason,
    Refused,
    Stored,
    encode_frame,
)
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    OTHER,
    ROOMY,
    Peer,
    allow_of,
    envelope_of,
    key_of,
    mailbox_of,
    make_hello,
    run,
    settings_in,
    until_links_are,
)

pytestmark = pytest.mark.integration

MALFORMED = (4400, "malformed")


async def assert_lives(relay: Relay) -> None:
    """Two peers that mean no harm speak to each other."""
    host = await Peer.open(relay, Role.HOST, key_of(90))
    device = await Peer.open(relay, Role.DEVICE, key_of(91))
    await device.say(allow_of(key_of(91), key_of(90)))
    assert await device.hears_nothing()
    envelope = envelope_of(int.from_bytes(os.urandom(8)), key_of(90), key_of(91))
    await host.say(envelope)
    assert await device.hear() == envelope
    await host.close()
    await device.close()


async def end_of_hello(relay: Relay, hello: Hello) -> tuple[int | None, str]:
    peer = await Peer.dial(relay)
    await peer.say(hello)
    return await peer.hear_end()


def test_attack_hello_that_was_overheard_is_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            victim = await Peer.dial(relay)
            hello = make_hello(victim.greeting.nonce, Role.HOST, [HOST])
            await victim.say(hello)
            assert await victim.hear() == Ready()
            code, reason = await end_of_hello(relay, hello)
            assert (code, reason) == (4401, "the nonce is not the one of the greeting")
            await assert_lives(relay)

    run(main())


def test_attack_hello_replayed_to_another_relay(tmp_path: Path) -> None:
    """A relay that the victim dialed passes our nonce on, and its hello on to us."""

    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            thief = await Peer.dial(relay)
            hello = make_hello(
                thief.greeting.nonce, Role.HOST, [HOST], name="wss://evil.example"
            )
            await thief.say(hello)
            assert await thief.hear_end() == (4401, "the hello names another relay")

    run(main())


def test_attack_mailbox_claimed_without_its_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            squatter = await Peer.dial(relay)
            hello = make_hello(squatter.greeting.nonce, Role.DEVICE, [OTHER])
            forged = MailboxProof(
                key=VerifyKey(DEVICE.verify_key),
                signature=Signature(OTHER.sign(Label.RELAY_HELLO, hello.statement)),
            )
            await squatter.say(
                Hello(
                    statement=hello.statement,
                    mailboxes=(*hello.mailboxes, forged),
                    features=(),
                    invitation=None,
                )
            )
            assert await squatter.hear_end() == (4401, "the signature is not valid")
            assert relay.health().mailboxes == 0

    run(main())


def test_attack_hello_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "HELLO_TIMEOUT", 0.2)

    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.dial(relay)
            assert await peer.hear_end() == (4408, "no hello in time")

    run(main())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "{}",
        '{"type":"greeting"}',
        '{"type":"wakeup","mailbox":"AAAAAAAAAAAAAAAAAAAAAA"}',
        encode_frame(Received(mailbox=mailbox_of(HOST), id=EnvelopeId(bytes(16)))),
        encode_frame(envelope_of(1, HOST, DEVICE)).replace('"to"', '"to":1,"to"'),
        encode_frame(Quiet.of(envelope_of(1, DEVICE, HOST))),
    ],
)
@pytest.mark.parametrize("is_ready", [False, True])
def test_attack_frame_that_is_none(tmp_path: Path, text: str, is_ready: bool) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            if is_ready:
                peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            else:
                peer = await Peer.dial(relay)
            await peer.socket.send(text)
            assert await peer.hear_end() == MALFORMED

    run(main())


def test_attack_second_hello(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            await peer.say(make_hello(peer.greeting.nonce, Role.DEVICE, [OTHER]))
            assert await peer.hear_end() == MALFORMED

    run(main())


def test_attack_more_mailboxes_than_a_link_may_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.dial(relay)
            keys = [key_of(number) for number in range(100, 165)]
            await peer.say(make_hello(peer.greeting.nonce, Role.HOST, keys))
            assert await peer.hear_end() == MALFORMED
            most = await Peer.open(relay, Role.HOST, *keys[:64])
            assert relay.health().mailboxes == 64
            await most.close()

    run(main())


def test_attack_frame_one_byte_too_big(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            frame = encode_frame(allow_of(DEVICE, HOST))
            await device.socket.send(frame.ljust(16_384))
            assert await device.hears_nothing()
            await device.socket.send(frame.ljust(16_385))
            code, _ = await device.hear_end()
            assert code == 1009
            await assert_lives(relay)

    run(main())


@pytest.mark.parametrize("opening", ["[", '{"type":', '{"a":[{"type":'])
def test_attack_depth_bomb_ends_that_link_only(tmp_path: Path, opening: str) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            friend = await Peer.open(relay, Role.HOST, HOST)
            for peer in (
                await Peer.dial(relay),
                await Peer.open(relay, Role.DEVICE, DEVICE),
            ):
                await peer.socket.send(opening * (16_384 // len(opening)))
                assert await peer.hear_end() == MALFORMED
            assert await friend.hears_nothing()
            await assert_lives(relay)

    run(main())


def test_attack_binary_frame(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            await peer.socket.send(encode_frame(allow_of(DEVICE, HOST)).encode())
            assert await peer.hear_end() == MALFORMED

    run(main())


def test_attack_text_that_is_not_utf8(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            await peer.socket.send(b"\xff\xfe", text=True)
            code, _ = await peer.hear_end()
            assert code == 1007

    run(main())


def test_attack_flood_of_frames(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, device_frames=Rate(20, 1))
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            await peer.say(*[allow_of(DEVICE, HOST)] * 30)
            assert await peer.hear_end() == (4429, "too many frames")
            await assert_lives(relay)

    run(main())


def test_attack_flood_of_envelopes(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, host_envelopes=Rate(20, 0))
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            host = await Peer.open(relay, Role.HOST, HOST)
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            envelopes = [envelope_of(number, HOST, DEVICE) for number in range(21)]
            await host.say(*envelopes)
            assert await host.hear() == Refused(
                id=envelopes[20].id, reason=RefusalReason.TOO_MANY
            )
            assert [await device.hear() for _ in range(20)] == envelopes[:20]

    run(main())


def test_attack_flood_of_pings(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            peer.socket.transport.write(client_frame(0x9, b"p") * 100)
            assert await peer.hear_end() == (4429, "too many pings")
            await assert_lives(relay)

    run(main())


def test_attack_message_in_fragments_without_end(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            whole = await Peer.open(relay, Role.DEVICE, DEVICE)
            text = encode_frame(allow_of(DEVICE, HOST))
            # A proxy may have cut it.
            await whole.socket.send([text[:20], text[20:]])
            assert await whole.hears_nothing()
            peer = await Peer.open(relay, Role.DEVICE, OTHER)
            peer.socket.transport.write(client_frame(0x1, b"", fin=False))
            peer.socket.transport.write(client_frame(0x0, b"", fin=False) * 100)
            assert await peer.hear_end() == (4400, "too many fragments")

    run(main())


def client_frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    return bytes([fin << 7 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def test_attack_reader_too_slow_is_cut_off(tmp_path: Path) -> None:
    async def main() -> None:
        plenty = Rate(10**6, 10**6)
        limits = replace(
            ROOMY, host_envelopes=plenty, host_frames=plenty, unsent_bytes=100_000
        )
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            host = await Peer.open(relay, Role.HOST, HOST)
            slow = await Peer.open(relay, Role.DEVICE, DEVICE)
            await slow.say(allow_of(DEVICE, HOST))
            assert await slow.hears_nothing()
            slow.socket.transport.pause_reading()
            big = bytes(11_000)
            for number in range(1200):
                await host.say(envelope_of(number, HOST, DEVICE, sealed=big))
            await until_links_are(relay, 1)
            slow.abort()
            # What it did not read is still there for it, as much as a mailbox holds.
            again = await Peer.open(relay, Role.DEVICE, DEVICE)
            assert isinstance(await again.hear(), Stored)
            again.abort()
            host.abort()

    run(main())


def test_attack_pings_of_one_who_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The limit on pings would end it sooner: here it is out of the way.
    monkeypatch.setattr(websocket_server, "CONTROL_FRAMES", Rate(10**9, 10**9))

    async def main() -> None:
        limits = replace(ROOMY, unsent_bytes=100_000)
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            peer.socket.transport.pause_reading()
            pings = client_frame(0x9, b"p" * 125) * 1000
            for _ in range(400):
                if peer.socket.transport.is_closing() or not relay.health().links:
                    break
                peer.socket.transport.write(pings)
                await asyncio.sleep(0)
            await until_links_are(relay, 0)
            peer.abort()

    run(main())


def test_attack_link_that_is_dead_but_never_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_server, "SWEEP_INTERVAL", 0.1)
    monkeypatch.setattr(websocket_server, "SILENCE", 0.5)

    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            peer.socket.transport.pause_reading()
            await until_links_are(relay, 0)
            peer.abort()

    run(main())


def test_attack_sockets_that_say_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, max_waiting=5)
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            silent = [await connect_raw(relay) for _ in range(6)]
            # The sixth is closed at once; the others may still speak.
            assert await read_raw(silent[5]) == b""
            for one in silent:
                one.close()
            await asyncio.sleep(0.1)
            await assert_lives(relay)

    run(main())


def test_attack_connections_without_end(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, connections=Rate(3, 0))
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            for _ in range(3):
                await Peer.open(relay, Role.DEVICE, DEVICE)
            with pytest.raises(InvalidStatus) as caught:
                await Peer.dial(relay)
            assert caught.value.response.status_code == 429
            assert caught.value.response.headers["Retry-After"] == "30"
            # Those who are in stay in.
            assert relay.health().links == 3

    run(main())


def test_attack_hellos_that_are_refused_without_end(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, refused_hellos=Rate(2, 0))
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            for _ in range(2):
                code, _ = await end_of_hello(
                    relay, make_hello(bytes(32), Role.HOST, [HOST])
                )
                assert code == 4401
            with pytest.raises(InvalidStatus) as caught:
                await Peer.dial(relay)
            assert caught.value.response.status_code == 429

    run(main())


def test_links_are_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        limits = replace(ROOMY, max_links=1)
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            with pytest.raises(InvalidStatus) as caught:
                await Peer.dial(relay)
            assert caught.value.response.status_code == 503
            await peer.close()
            await until_links_are(relay, 0)
            await Peer.open(relay, Role.DEVICE, DEVICE)

    run(main())


@pytest.mark.parametrize(
    "request_head",
    [
        b"nonsense\r\n\r\n",
        b"GET /v1/link HTTP/1.1\r\n\r\n",
        b"GET " + b"/" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_attack_request_that_is_none(tmp_path: Path, request_head: bytes) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            raw = await connect_raw(relay)
            await asyncio.get_running_loop().sock_sendall(raw, request_head)
            raw.shutdown(socket.SHUT_WR)
            answer = await read_raw(raw)
            assert not answer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 200"))
            assert b"Traceback" not in answer
            raw.close()
            await assert_lives(relay)

    run(main())


async def connect_raw(relay: Relay) -> socket.socket:
    raw = socket.socket()
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", relay.port))
    return raw


async def read_raw(raw: socket.socket) -> bytes:
    """Return the first bytes that come, or nothing if the other end is closed."""
    try:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(raw, 65_536)
    except ConnectionResetError:
        return b""


def test_attack_allow_list_of_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            for role, frame in forbidden_frames():
                peer = await Peer.open(relay, role, OTHER)
                await peer.say(frame)
                assert await peer.hear_end() == MALFORMED

    run(main())


def forbidden_frames() -> Iterable[tuple[Role, Allow | Received]]:
    yield Role.DEVICE, allow_of(DEVICE, OTHER)
    yield Role.HOST, allow_of(OTHER, OTHER)
    yield (
        Role.DEVICE,
        Received(mailbox=mailbox_of(DEVICE), id=EnvelopeId(bytes(16))),
    )
