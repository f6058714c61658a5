"""A stand-in for the push services of browsers, on this machine, strict.

It verifies what it gets by libraries that are not ours: the signature by py-vapid, the
content by http-ece. What is wrong is refused and stands in `problems`, which a test
asserts to be empty. `reach` leads a relay here, whatever host an end point names.

It runs in threads of its own: a relay that waits for it would stand still.
"""

import asyncio
import http.server
import secrets
import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any, Self

import http_ece  # type: ignore[import-untyped]  # has no types
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushmfa.relay.push_client import Reach
from pushmfa.wire.link import PushAuth, PushPoint, PushSubscription
from tests.fakes.push_rules import unb64, verify_push
from tests.fakes.tls_server import TlsHandler, TlsServer, make_certificate

HOSTS = ("push.example", "other.example", "slow.example")


@dataclass(frozen=True)
class Answer:
    """What the service says to one push; hang and endless: and does."""

    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    is_endless: bool = False
    raw: bytes = b""
    """Sent instead of an answer, without end."""


@dataclass(frozen=True)
class Push:
    """A push that was in order."""

    token: str
    content: str
    ttl: int
    status: int
    at: float


@dataclass
class Subscriber:
    """What a browser keeps of a subscription."""

    key: ec.EllipticCurvePrivateKey
    auth: bytes
    server_key: bytes


class FakePushService:
    """Push services at HOSTS, all of them one server on a free port."""

    def __init__(self, folder: Path) -> None:
        self.pushes: list[Push] = []
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.answers: dict[str, deque[Answer]] = {host: deque() for host in HOSTS}
        """The next answers of a host, then 201."""
        self.always: dict[str, Answer] = {}
        """What a host answers to everything."""
        self._subscribers: dict[str, Subscriber] = {}
        self._ending = threading.Event()
        authority = make_certificate(folder, *HOSTS)
        self._client_tls = ssl.create_default_context(cafile=str(authority))
        self._server = _Server(self, authority)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._server.port

    @property
    def reach(self) -> Reach:
        """Return what leads every push of a relay here."""

        async def lookup(_: str) -> list[tuple[Any, int]]:
            return [(IPv4Address("127.0.0.1"), self.port)]

        return Reach(
            lookup=lookup,
            is_permitted=lambda address: address == ip_address("127.0.0.1"),
            tls=self._client_tls,
        )

    def subscribe(self, server_key: bytes, host: str = HOSTS[0]) -> PushSubscription:
        """Return a new subscription, as PushManager.subscribe of a browser does."""
        token = secrets.token_urlsafe(32)
        key = ec.generate_private_key(ec.SECP256R1())
        auth = secrets.token_bytes(16)
        self._subscribers[token] = Subscriber(key, auth, server_key)
        point = key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        return PushSubscription(
            endpoint=f"https://{host}/send/{token}",
            p256dh=PushPoint(point),
            auth=PushAuth(auth),
        )

    async def taken(self, count: int, within: float = 20) -> list[Push]:
        """Return the pushes when there are so many."""
        async with asyncio.timeout(within):
            while len(self.pushes) < count:  # noqa: ASYNC110  it is in other threads
                await asyncio.sleep(0.01)
        return self.pushes

    async def asked(self, count: int, within: float = 20) -> None:
        """Wait until so many requests came, good or bad."""
        async with asyncio.timeout(within):
            while len(self.requests) < count:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)

    def answer_to(self, request: "_Request", body: bytes) -> Answer:
        """Return how to answer, after the push was looked at."""
        host = request.headers["Host"].removesuffix(":443")
        self.requests.append(request.path)
        queue = self.answers[host]
        answer = queue.popleft() if queue else self.always.get(host, Answer())
        token = request.path.rpartition("/")[2]
        try:
            content = self._verify(request, body, host, token)
        except (AssertionError, KeyError, ValueError) as error:
            self.problems.append(f"{type(error).__name__}: {error}")
            return Answer(400)
        ttl = int(request.headers["TTL"] or 0)
        push = Push(token, content, ttl, answer.status, time.monotonic())
        self.pushes.append(push)
        return answer

    def wait(self) -> None:
        """Say nothing, until the end."""
        self._ending.wait(60)

    @property
    def is_ending(self) -> bool:
        """Whether the test is over."""
        return self._ending.is_set()

    def _verify(self, request: "_Request", body: bytes, host: str, token: str) -> str:
        headers, subscriber = request.headers, self._subscribers[token]
        verify_push(headers, body, host=host, server_key=subscriber.server_key)
        opened = http_ece.decrypt(
            body,
            private_key=subscriber.key,
            auth_secret=subscriber.auth,
            version="aes128gcm",
        )
        content: str = opened.decode("utf-8")
        assert len(unb64(content)) == 16
        assert headers["Topic"] == content
        return content


class _Request(TlsHandler, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        service = self.server.service
        answer = service.answer_to(self, body)
        if answer.hangs:
            service.wait()
            self.close_connection = True
            return
        if answer.raw:
            self._send_without_end(answer.raw)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.is_endless:
            self.end_headers()
            self._send_without_end(bytes(65_536))
            return
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_without_end(self, data: bytes) -> None:
        self.close_connection = True
        with suppress(OSError):
            while not self.server.service.is_ending:
                self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(TlsServer):
    def __init__(self, service: FakePushService, certificate: Path) -> None:
        super().__init__(_Request, certificate)
        self.service = service
