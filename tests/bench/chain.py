"""The skeleton of a login: what the same path costs with nothing decided on it.

    python -m tests.bench.chain relay  CERT KEY               prints its port
    python -m tests.bench.chain device SEALS PORT CERT KEYFILE
    python -m tests.bench.chain daemon SEALS PORT CERT KEYFILE SOCKET DATABASE

The daemon signs a request, seals it to the device and sends it; the device opens it,
checks the signature and signs an approval; the daemon checks that, writes one row
(synchronous=FULL) and answers "ok". No number, no policy, no retry: nothing here is
meant for use. uvloop, TLS.

SEALS says which cryptography: `box` seals the request alone, to X25519, the least that
would do; `wire` is that of docs/protocol.md: HPKE with P-256, for the answer too, and a
third statement, signed and sealed, that tells the device how it ended.
"""

import asyncio
import logging
import os
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import nacl.public
import nacl.signing
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from pushmfa.crypto.sealing import Opener, Sealer
from pushmfa.daemon.endings import TELL_AFTER

HOST_SEED = b"h" * 32  # a bench has no secrets
INFO = b"i" * 120  # as long as that of docs/protocol.md
ready = sys.stdout


class Request(msgspec.Struct):
    id: str
    user: str
    host: str
    address: str
    service: str
    number: int
    created: float
    expires: float
    nonce: str
    note: str


class Approval(msgspec.Struct):
    id: str
    decision: str
    number: int
    nonce: str
    at: float


class Parcel(msgspec.Struct):
    id: str
    body: bytes
    signature: bytes


@dataclass(frozen=True)
class Seals:
    """What is sealed, and how; the functions of both sides."""

    key: bytes
    """The device's public key."""
    to_device: Callable[[bytes], bytes]
    at_device: Callable[[bytes], bytes]
    to_host: Callable[[bytes], bytes] = bytes
    at_host: Callable[[bytes], bytes] = bytes
    tells_end: bool = False


def box_seals(key: bytes) -> Seals:
    private = nacl.public.PrivateKey.generate()
    key = key or bytes(private.public_key)
    return Seals(
        key=key,
        to_device=nacl.public.SealedBox(nacl.public.PublicKey(key)).encrypt,
        at_device=nacl.public.SealedBox(private).decrypt,
    )


def wire_seals(key: bytes) -> Seals:
    private = Opener(ec.generate_private_key(ec.SECP256R1()))
    host = Opener.from_private(HOST_SEED)
    key = key or private.public_key
    return Seals(
        key=key,
        to_device=partial(Sealer(key).seal, INFO),
        at_device=partial(private.open, INFO),
        to_host=partial(Sealer(host.public_key).seal, INFO),
        at_host=partial(host.open, INFO),
        tells_end=True,
    )


SEALS = {"box": box_seals, "wire": wire_seals}
"""By name; each takes the device's public key, b"" to make one."""

encode = msgspec.json.Encoder().encode
decode_parcel = msgspec.json.Decoder(Parcel).decode
decode_request = msgspec.json.Decoder(Request).decode
decode_approval = msgspec.json.Decoder(Approval).decode


def say(text: str) -> None:
    ready.write(f"{text}\n")
    ready.flush()


def dial(port: str, cert: str) -> connect:
    context = ssl.create_default_context(cafile=cert)
    url = f"wss://localhost:{port}/"
    return connect(url, host="127.0.0.1", ssl=context, compression=None)


async def relay(cert: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    sides: dict[str | bytes, ServerConnection] = {}

    async def handle(socket: ServerConnection) -> None:
        me = await socket.recv()
        sides[me] = socket
        await socket.send("hello")
        other = "daemon" if me == "device" else "device"
        async for message in socket:
            await sides[other].send(message)

    async with serve(handle, "127.0.0.1", 0, ssl=context, compression=None) as server:
        say(str(next(iter(server.sockets)).getsockname()[1]))
        await asyncio.Event().wait()


async def device(seals: str, port: str, cert: str, keyfile: str) -> None:
    signer = nacl.signing.SigningKey.generate()
    host = nacl.signing.SigningKey(HOST_SEED).verify_key
    ours = SEALS[seals](b"")
    keys = bytes(signer.verify_key) + ours.key
    await asyncio.to_thread(Path(keyfile).write_bytes, keys)
    async with dial(port, cert) as socket:
        await socket.send("device")
        await socket.recv()
        say("ready")
        async for message in socket:
            parcel = decode_parcel(message)
            raw = ours.at_device(parcel.body)
            host.verify(raw, parcel.signature)
            if parcel.id == "end":
                continue
            asked = decode_request(raw)
            body = encode(
                Approval(asked.id, "allow", asked.number, asked.nonce, time.time())
            )
            signature = signer.sign(body).signature
            await socket.send(encode(Parcel(asked.id, ours.to_host(body), signature)))


class Daemon:
    def __init__(self, seals: str, keyfile: str, database: str) -> None:
        keys = Path(keyfile).read_bytes()
        self._device = nacl.signing.VerifyKey(keys[:32])
        self._seals = SEALS[seals](keys[32:])
        self._signer = nacl.signing.SigningKey(HOST_SEED)
        self._rows = sqlite3.connect(database, isolation_level=None)
        self._rows.execute("pragma journal_mode=wal")
        self._rows.execute("pragma synchronous=FULL")
        self._rows.execute(
            "create table if not exists log(at real, who text, what text)"
        )
        self._waiting: dict[str, asyncio.Future[Parcel]] = {}

    async def login(self, socket: ClientConnection) -> bool:
        now = time.time()
        asked = Request(
            id=os.urandom(16).hex(),
            user="alice",
            host="db1.example.net",
            address="203.0.113.9",
            service="sshd",
            number=42,
            created=now,
            expires=now + 60,
            nonce=os.urandom(32).hex(),
            note="x" * 250,
        )
        raw = encode(asked)
        sealed = self._seals.to_device(raw)
        answered = asyncio.get_running_loop().create_future()
        self._waiting[asked.id] = answered
        signature = self._signer.sign(raw).signature
        await socket.send(encode(Parcel(asked.id, sealed, signature)))
        parcel = await answered
        body = self._seals.at_host(parcel.body)
        self._device.verify(body, parcel.signature)
        decided = decode_approval(body)
        self._rows.execute(
            "insert into log values(?,?,?)", (now, asked.user, decided.decision)
        )
        if self._seals.tells_end:
            asyncio.get_running_loop().call_later(TELL_AFTER, self._tell, socket, body)
        is_same = (decided.id, decided.nonce) == (asked.id, asked.nonce)
        return is_same and decided.decision == "allow"

    def _tell(self, socket: ClientConnection, end: bytes) -> None:
        signature = self._signer.sign(end).signature
        parcel = encode(Parcel("end", self._seals.to_device(end), signature))
        self._telling = asyncio.ensure_future(socket.send(parcel))

    def take(self, message: str | bytes) -> None:
        parcel = decode_parcel(message)
        answered = self._waiting.pop(parcel.id, None)
        if answered is not None:
            answered.set_result(parcel)


class Login(asyncio.Protocol):
    def __init__(self, daemon: Daemon, socket: ClientConnection) -> None:
        self._daemon, self._socket = daemon, socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._task = asyncio.ensure_future(self._login())

    async def _login(self) -> None:
        is_approved = await self._daemon.login(self._socket)
        self._transport.write(b"ok" if is_approved else b"no")
        self._transport.close()


async def daemon(
    seals: str, port: str, cert: str, keyfile: str, path: str, database: str
) -> None:
    logins = Daemon(seals, keyfile, database)
    async with dial(port, cert) as socket:
        await socket.send("daemon")
        await socket.recv()
        loop = asyncio.get_running_loop()
        await loop.create_unix_server(lambda: Login(logins, socket), path, backlog=256)
        say("ready")
        async for message in socket:
            logins.take(message)


def main() -> None:
    logging.disable()  # the relay would report the peers that the bench ends
    role, *words = sys.argv[1:]
    parts: dict[str, Any] = {"relay": relay, "device": device, "daemon": daemon}
    part: Coroutine[Any, Any, None] = parts[role](*words)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(part)


if __name__ == "__main__":
    main()
