"""A stand-in for the push service behind Chromium, on this machine, strict.

Chromium is led here by its own options. It checks in, registers every subscription
and keeps a connection on which it is handed what relays post, as Google's service
does: the messages are those of google_apis/gcm/protocol/{checkin,mcs}.proto in its
sources. Chromium makes the end points, of names in HOSTS, and opens the pushes itself.

Who posts to an end point is held to `verify_push`. What is wrong is refused and stands
in `problems`, which a test asserts to be empty.
"""

import base64
import http.server
import itertools
import struct
import threading
import time
import urllib.parse
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.push_rules import unb64, verify_push
from tests.fakes.tls_server import TlsHandler, TlsServer, make_certificate

HOSTS: Final = ("fcm.googleapis.com", "jmt17.google.com")
"""The names in end points: of Google's own builds, and of all others."""

SETTLE: Final = 0.2
"""Seconds: Chromium drops a connection that has a push right behind the login."""

_VERSION: Final = 41
"""Of the connection's protocol (kMCSVersion)."""
_PING, _PONG, _LOGIN, _WELCOME, _DATA = 0, 1, 2, 3, 8
"""Kinds of its messages (MCSProtoTag)."""


class Taken(NamedTuple):
    """A push that was in order, and the monotonic second at which it came."""

    topic: str
    ttl: int
    at: float


class _Registration(NamedTuple):
    sender: str
    """The subscriber's key for the relay's signatures, as base64url."""
    app: str
    subtype: str


@dataclass
class _Kept:
    """A push that no browser has been handed."""

    message: bytes
    until: float


class BrowserPushService:
    """The service of one browser."""

    def __init__(self, folder: Path) -> None:
        """Keep key and certificate in folder, which exists."""
        self.taken: list[Taken] = []
        self.problems: list[str] = []
        self._registrations: dict[str, _Registration] = {}
        self._numbers = itertools.count(1)
        self._kept: list[_Kept] = []
        self._line: Any = None
        """The connection of the browser that is here."""
        self._lock = threading.Condition()
        self._pem = make_certificate(folder, "localhost", *HOSTS)
        self._front = _Server(self, _Front, self._pem)
        self._lines = _Server(self, _Line, self._pem)

    def __enter__(self) -> Self:
        for server in (self._front, self._lines):
            threading.Thread(
                target=server.serve_forever, args=(0.02,), daemon=True
            ).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._front, self._lines):
            server.shutdown()
            server.server_close()

    @property
    def port(self) -> int:
        """The port that all end points lead to."""
        return self._front.port

    @property
    def certificate(self) -> bytes:
        """What to trust, PEM, without the key."""
        pem = self._pem.read_bytes()
        return pem[pem.index(b"-----BEGIN CERTIFICATE") :]

    @property
    def options(self) -> list[str]:
        """What leads Chromium here, and keeps it from everybody else."""
        key = x509.load_pem_x509_certificate(self.certificate).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        pin = base64.b64encode(sha256(spki).digest()).decode()
        here = f"https://localhost:{self.port}"
        return [
            f"--gcm-checkin-url={here}/checkin",
            f"--gcm-registration-url={here}/register",
            f"--gcm-mcs-endpoint=https://localhost:{self._lines.port}",
            f"--ignore-certificate-errors-spki-list={pin}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        ]

    def wait_taken(self, count: int, timeout: float) -> Taken:
        """Return the push of that number, once it is there."""
        with self._lock:
            assert self._lock.wait_for(lambda: len(self.taken) >= count, timeout), (
                self.problems
            )
            return self.taken[count - 1]

    def wait_gone(self, timeout: float) -> None:
        """Wait until the browser has gone."""
        with self._lock:
            assert self._lock.wait_for(lambda: self._line is None, timeout)

    # --- what the browser asks for ---------------------------------------------------

    def register(self, form: dict[str, str]) -> str:
        """Return what a registration, or the end of one, is answered."""
        app = form["app"]
        with self._lock:
            if form.get("delete") == "true":
                subtype = form["X-subtype"]
                self._registrations = {
                    token: each
                    for token, each in self._registrations.items()
                    if each.subtype != subtype
                }
                return f"deleted={app}"
            token = f"token{next(self._numbers)}"
            self._registrations[token] = _Registration(
                form["sender"], app, form["X-subtype"]
            )
            return f"token={token}"

    def come(self, line: Any) -> None:
        """Hand a browser that has come what was kept for it, and all that follows."""
        with self._lock:
            self._line = line
            now = time.monotonic()
            kept = [each for each in self._kept if each.until > now]
            self._kept = []
            for each in kept:
                self._hand(each)

    def leave(self, line: Any) -> None:
        """Keep what follows for a browser that has gone."""
        with self._lock:
            if self._line is line:
                self._line = None
                self._lock.notify_all()

    # --- what a relay posts ----------------------------------------------------------

    def take(self, token: str, headers: Message, body: bytes) -> int:
        """Return the HTTP status for a push to token."""
        with self._lock:
            to = self._registrations.get(token)
            if to is None:
                return 410
            host = headers["Host"].removesuffix(":443")
            try:
                assert host in HOSTS, "another host"
                verify_push(headers, body, host=host, server_key=unb64(to.sender))
            except (AssertionError, KeyError, ValueError) as error:
                self.problems.append(f"{type(error).__name__}: {error}")
                return 400
            ttl = int(headers["TTL"])
            self.taken.append(Taken(headers["Topic"], ttl, time.monotonic()))
            self._lock.notify_all()
            self._hand(_Kept(self._message(to, body), time.monotonic() + ttl))
            return 201

    def _message(self, to: _Registration, body: bytes) -> bytes:
        """Return a DataMessageStanza."""
        number = next(self._numbers)
        about = {"subtype": to.subtype, "content-encoding": "aes128gcm"}
        pairs = [_field(1, name) + _field(2, value) for name, value in about.items()]
        return b"".join(
            (
                _field(2, f"message{number}"),
                _field(3, to.sender),
                _field(5, to.app),
                *(_field(7, pair) for pair in pairs),
                _field(9, f"persistent{number}"),
                _field(21, body),
            )
        )

    def _hand(self, push: _Kept) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.sendall(_framed(_DATA, push.message))
                return
        self._kept.append(push)


class _Server(TlsServer):
    def __init__(
        self, service: BrowserPushService, handler: type[TlsHandler], pem: Path
    ) -> None:
        super().__init__(handler, pem)
        self.service = service


class _Front(TlsHandler, http.server.BaseHTTPRequestHandler):
    """Check-in, registration and end points."""

    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        service = self.server.service
        if self.path == "/checkin":
            # AndroidCheckinResponse: it is well; an id and a secret for the browser.
            ids = b"\x39" + struct.pack("<Q", 1 << 40) + b"\x41" + struct.pack("<Q", 9)
            self._answer(200, _varint(1 << 3) + _varint(1) + ids)
        elif self.path == "/register":
            form = dict(urllib.parse.parse_qsl(body.decode()))
            self._answer(200, service.register(form).encode())
        else:
            token = self.path.rpartition("/")[2]
            self._answer(service.take(token, self.headers, body))

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Line(TlsHandler):
    """The connection that a browser keeps."""

    server: _Server

    def handle(self) -> None:
        service = self.server.service
        self.rfile.read(1)  # its version
        try:
            while kind := self.rfile.read(1):
                self.rfile.read(self._read_varint())
                if kind[0] == _LOGIN:
                    welcome = _framed(_WELCOME, _field(1, "1"))
                    self.request.sendall(bytes([_VERSION]) + welcome)
                    threading.Timer(SETTLE, service.come, [self.request]).start()
                elif kind[0] == _PING:
                    self.request.sendall(_framed(_PONG, b""))
        except OSError:
            return  # it went away
        finally:
            service.leave(self.request)

    def _read_varint(self) -> int:
        number = shift = 0
        while byte := self.rfile.read(1):
            number |= (byte[0] & 127) << shift
            shift += 7
            if byte[0] < 128:
                break
        return number


def _framed(kind: int, message: bytes) -> bytes:
    return bytes([kind]) + _varint(len(message)) + message


def _field(number: int, value: str | bytes) -> bytes:
    """Return a field of a Protocol Buffers message that holds text or bytes."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)
