"""Whoever asks for the phone app and means harm; and pages that dial the relay."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pushmfa.relay import http, visitors, web_server
from pushmfa.relay.limits import Rate
from pushmfa.relay.main import Relay, running
from pushmfa.terms import Role
from tests.integration.test_relay import (
    DEVICE,
    ROOMY,
    Peer,
    run,
    settings_in,
)
from tests.integration.web_world import INDEX, ORIGIN, dial, get, say, serving

pytestmark = pytest.mark.integration

CLIMBING = [
    "/../secret.js", "/icons/../../secret.js", "/..%2fsecret.js", "/%2e%2e/secret.js",
    "/%2e%2e%2fsecret.js", "/..%252fsecret.js", "/..\\secret.js", "/..%5csecret.js",
    "/./app.js", "//app.js", "/icons//icon.svg", "/icons/../app.js", "/app%2ejs",
    "/app.js/", "/app.js%00", "/app.js%00.html", "/app.js;x", "/APP.JS", "/app.js.gz",
    "/%61pp.js", "/etc/passwd", "//etc/passwd", "/file:///etc/passwd", "/~root/x",
    "/.git/config", "/screens/.notes", "/__init__.py", "/app.js#x", "/\u00e4.js",
    "app.js", "*", "../secret.js", "http://app.example/app.js", "http://x/../secret.js",
]  # fmt: skip


async def assert_serves(relay: Relay) -> None:
    """Somebody who means no harm gets the app, and a link."""
    assert (await get(relay.web_port, "/")).body == INDEX
    peer = await Peer.open(relay, Role.DEVICE, DEVICE)
    await peer.close()


def status_of(said: bytes) -> int:
    return int(said.split(b" ", 2)[1])


def test_attack_no_path_leads_out_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            for path in CLIMBING:
                said = await say(
                    relay.web_port,
                    f"GET {path} HTTP/1.1\r\nHost: app.example\r\n"
                    "Connection: close\r\n\r\n".encode(),
                )
                assert status_of(said) in (400, 404), path
                assert b"beside the app" not in said
                assert b"root:" not in said
            await assert_serves(relay)

    run(main())


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"nonsense\r\n\r\n",
        b"GET /<script>alert(1)</script> HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA b: <script>\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: y\r\n folded\r\n\r\n",
    ],
)
def test_attack_requests_that_are_none_are_refused_and_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            said = await say(relay.web_port, request_)
            if said:
                assert status_of(said) == 400
                assert b"script" not in said
                assert b"default-src 'none'" in said
            await assert_serves(relay)

    run(main())


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello",
    ],
)
def test_attack_a_request_brings_a_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            said = await say(relay.web_port, head)
            assert status_of(said) == 413
            assert b"\r\nConnection: close\r\n" in said

    run(main())


def test_attack_a_websocket_on_the_origin_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            with pytest.raises(InvalidStatus, match="404"):
                await connect(f"ws://127.0.0.1:{relay.web_port}/v1/link")

    run(main())


async def until_visitors_are(relay: Relay, count: int) -> None:
    for _ in range(1200):
        if relay.visitors == count:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{relay.visitors} are there")


def test_attack_heads_that_drip_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "PATIENCE", 2.0)

    async def drip(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            while True:
                writer.write(b"GET / HTTP/1.1\r\nX: " if not drops else b"y")
                drops.append(1)
                await writer.drain()
                await asyncio.sleep(0.1)

    drops: list[int] = []

    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            silent = dial(relay.web_port)
            await asyncio.wait_for(drip(relay.web_port), 60)
            await until_visitors_are(relay, 0)
            silent.close()

    run(main())
    assert len(drops) > 1


def test_attack_clients_that_never_read_are_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each asks for more than the kernel takes; one goes on, one half-closes."""
    monkeypatch.setattr(web_server, "ANSWER_TIMEOUT", 0.5)
    monkeypatch.setattr(web_server, "SWEEP_INTERVAL", 0.2)
    asked = b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n" * 20

    async def main() -> None:
        limits = replace(ROOMY, web_requests=Rate(1_000_000, 1000))
        async with serving(tmp_path, monkeypatch, limits=limits) as relay:
            clients = [dial(relay.web_port, receive_buffer=4096) for _ in range(4)]
            await until_visitors_are(relay, 4)
            for client in clients:
                client.setblocking(False)
            async with asyncio.timeout(60):
                while relay.visitors:
                    for client in clients:
                        with suppress(OSError):
                            client.send(asked)
                    await asyncio.sleep(0.01)
            for client in clients:
                client.close()
            await assert_serves(relay)

    run(main())


def test_attack_a_closed_connection_is_never_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little is left to write, and the client does nothing any more."""
    monkeypatch.setattr(web_server, "SWEEP_INTERVAL", 0.2)

    async def main() -> None:
        limits = replace(ROOMY, web_requests=Rate(1_000_000, 1000))
        async with serving(tmp_path, monkeypatch, limits=limits) as relay:
            client = dial(relay.web_port, receive_buffer=4096)
            await until_visitors_are(relay, 1)
            factory = cast(web_server._Listener, relay._web)._factory
            (served,) = factory.clients
            wire = cast(asyncio.Transport, served._wire)
            wire.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, 4096
            )
            asked = 0
            while not (stuck := wire.get_write_buffer_size()):
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                asked += 1
                while factory.requests_count < asked or served._request_in_progress:  # noqa: ASYNC110  it tells nobody
                    await asyncio.sleep(0)
                await asyncio.sleep(0.001)
            # Less than what the library waits for.
            assert stuck < 65_536
            assert not wire.is_closing()
            # As the library does to who asks nothing for too long.
            served.force_close()
            await until_visitors_are(relay, 0)
            client.close()

    run(main())


def test_attack_a_connection_is_kept_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "OLD", 0.3)

    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.web_port)
            heads = b""
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                for _ in range(600):
                    writer.write(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
                    heads = await reader.readuntil(b"\r\n\r\n")
                    await asyncio.sleep(0.1)
            assert b"\r\nConnection: close\r\n" in heads
            writer.close()

    run(main())


def test_attack_one_address_opens_connections_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        limits = replace(ROOMY, web_connections=5)
        async with serving(tmp_path, monkeypatch, limits=limits) as relay:
            clients = [dial(relay.web_port) for _ in range(50)]
            await until_visitors_are(relay, 5)
            await asyncio.sleep(0.5)
            assert relay.visitors == 5
            # The relay itself goes on meanwhile.
            await (await Peer.open(relay, Role.DEVICE, DEVICE)).close()
            for client in clients:
                client.close()
            await until_visitors_are(relay, 0)
            await assert_serves(relay)

    run(main())


def test_attack_all_addresses_together_open_connections_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "WEB_CONNECTIONS", 20)

    async def main() -> None:
        # Behind a proxy every connection comes from one address.
        async with serving(
            tmp_path,
            monkeypatch,
            limits=replace(ROOMY, web_connections=2),
            trusted_proxies=(ip_network("127.0.0.1"),),
        ) as relay:
            clients = [dial(relay.web_port) for _ in range(100)]
            await until_visitors_are(relay, 20)
            await asyncio.sleep(0.5)
            assert relay.visitors == 20
            # Who asks nothing makes room for who asks.
            await assert_serves(relay)
            for client in clients:
                client.close()
            await until_visitors_are(relay, 0)

    run(main())


def test_attack_requests_without_end_cost_only_their_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(
            tmp_path,
            monkeypatch,
            limits=replace(ROOMY, web_requests=Rate(3, 0)),
            trusted_proxies=(ip_network("127.0.0.1"),),
        ) as relay:
            for client, many in (("203.0.113.1", 3), ("203.0.113.2", 2)):
                named = {"X-Forwarded-For": f"198.51.100.7, {client}"}
                for _ in range(many):
                    reply = await get(relay.web_port, "/", headers=named)
                    assert reply.status == 200
            named = {"X-Forwarded-For": "198.51.100.8, 203.0.113.1"}
            reply = await get(relay.web_port, "/", headers=named)
            assert reply.status == 429
            assert reply.headers["Retry-After"] == "30"
            named = {"X-Forwarded-For": "203.0.113.2"}
            assert (await get(relay.web_port, "/", headers=named)).status == 200

    run(main())


def test_attack_one_connection_asks_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit it waits for each refusal, and nothing is read meanwhile."""
    monkeypatch.setattr(web_server, "HESITATION", 0.3)
    asked = b"GET /tiny.js HTTP/1.1\r\nHost: x\r\n\r\n" * 5

    async def main() -> None:
        limits = replace(ROOMY, web_requests=Rate(1, 0))
        async with serving(tmp_path, monkeypatch, limits=limits) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.web_port)
            before = time.monotonic()
            writer.write(asked)
            for status in (200, 429, 429, 429, 429):
                head = await reader.readuntil(b"\r\n\r\n")
                assert status_of(head) == status
                length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            assert time.monotonic() - before >= 4 * 0.3
            writer.close()

    run(main())


def test_attack_the_log_names_no_visitor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            await say(relay.web_port, b"nonsense\r\n\r\n")
            await say(
                relay.web_port,
                b"GET /secret-path HTTP/1.1\r\nConnection: close\r\n\r\n",
            )

    run(main())
    ours = [r.getMessage() for r in caplog.records if r.name != "asyncio"]
    assert any("the phone app is served on" in line for line in ours)
    assert not [line for line in ours if "secret-path" in line or "nonsense" in line]
    assert not [line for line in ours if "127.0.0.1" in line and "listens" not in line
                and "served" not in line]  # fmt: skip


# --- pages that dial the relay -----------------------------------------------------


async def dial_from(relay: Relay, origins: Iterable[str]) -> None:
    headers = [("Origin", origin) for origin in origins]
    async with connect(
        f"ws://127.0.0.1:{relay.port}/v1/link", additional_headers=headers
    ) as link:
        assert "greeting" in str(await link.recv())


@pytest.mark.parametrize(
    "origins",
    [
        ["https://evil.example"],
        ["null"],
        [""],
        ["https://app.example.evil.example"],
        ["https://app.example:444"],
        ["http://app.example"],
        ["https://app.example/"],
        ["https://APP.example"],
        ["https://app.example", "https://evil.example"],
        ["https://app.example", "https://app.example"],
        ["https://app.example https://evil.example"],
        ["https://relay.example"],
    ],
)
def test_attack_a_page_of_another_origin_dials_the_relay(
    tmp_path: Path, origins: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    http._warn_of_origin.cache_clear()

    async def main() -> None:
        settings = settings_in(tmp_path, origins=frozenset({ORIGIN}))
        async with running(settings) as relay:
            for _ in range(2):
                with pytest.raises(InvalidStatus, match="403"):
                    await dial_from(relay, origins)
            await dial_from(relay, [ORIGIN])
            # A host, or the terminal authenticator.
            await dial_from(relay, [])

    run(main())
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert "web.origins" in warning
    assert "evil" not in warning


def test_attack_any_page_dials_a_relay_without_an_app(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            with pytest.raises(InvalidStatus, match="403"):
                await dial_from(relay, [ORIGIN])
            await dial_from(relay, [])

    run(main())
