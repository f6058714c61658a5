"""A relay that serves a phone app of a few files, and requests to it."""

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pushmfa.relay import web
from pushmfa.relay.main import Relay, running
from pushmfa.relay.settings import WebSettings
from tests.integration.test_relay import settings_in

ORIGIN = "https://app.example"
INDEX = b"<!doctype html><title>app</title>" + b"<p>again</p>" * 50
FILES = {
    "index.html": INDEX,
    "app.js": b"export const answer = 42;\n" * 20,
    "sw.js": b"self.addEventListener('push', () => {});\n" * 20,
    "tiny.js": b"0",
    "style.css": b"p { margin: 0 }\n" * 20,
    "manifest.webmanifest": b'{"name": "app", "display": "standalone"}' * 5,
    "icons/icon.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9,
    "icons/icon.png": bytes.fromhex("89504e470d0a1a0a") + bytes(range(256)),
    # Of the makers: not served.
    "package.json": b'{"type": "module"}',
    "README.md": b"# notes",
    "screens/.notes": b"notes",
}


def make_app(folder: Path) -> Path:
    """Write FILES into a folder of its own, beside a file that is not of the app."""
    (folder / "secret.js").write_text("'beside the app'")
    for name, body in FILES.items():
        path = folder / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return folder / "app"


@asynccontextmanager
async def serving(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    tls: tuple[Path, Path] | None = None,
    **changes: Any,
) -> AsyncIterator[Relay]:
    """Run a relay with the app of make_app on free ports of this machine."""
    folder = make_app(tmp_path)
    monkeypatch.setattr(web, "app_folder", lambda: folder)
    cert, key = tls or (None, None)
    settings = settings_in(
        tmp_path,
        origins=frozenset({ORIGIN}),
        web=WebSettings(
            address="127.0.0.1",
            port=0,
            relays=("wss://second.example",),
            tls_cert=cert,
            tls_key=key,
        ),
        **changes,
    )
    async with running(settings) as relay:
        yield relay


class Reply:
    """An answer: status, headers in order, body."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = dict(answer.getheaders())
        self.body = answer.read()


async def get(
    port: int,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    tls: ssl.SSLContext | None = None,
) -> Reply:
    """Ask the app's listener on this machine once."""

    def ask() -> Reply:
        client = (
            http.client.HTTPSConnection("localhost", port, timeout=20, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        )
        try:
            client.request(method, path, headers=headers or {}, body=body)
            return Reply(client.getresponse())
        finally:
            client.close()

    return await asyncio.to_thread(ask)


async def say(port: int, *parts: bytes) -> bytes:
    """Send raw bytes and return everything until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def dial(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    """Return a plain connection, with a small buffer if asked."""
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(30)
    client.connect(("127.0.0.1", port))
    return client
