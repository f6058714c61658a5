"""The server of the library `websockets`; nothing else imports it.

What the library leaves open is closed here (measured with 17.4): the answers to a
flood of pings pile up without bound where the peer does not read (50 MB in 3 s);
keepalive never ends a connection whose writing is stuck, because its own ping waits
for that writing; a message may come in 4,096 fragments, each an object.
"""

import asyncio
import logging
import ssl
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event

from pushmfa.errors import MalformedError
from pushmfa.relay.addresses import UNKNOWN, client_address, is_trusted, warn_of_proxy
from pushmfa.relay.connections import Door, Handler, Listener
from pushmfa.relay.http import HEADERS, Answer
from pushmfa.relay.limits import (
    CLOSE_TIMEOUT,
    CONTROL_FRAMES,
    HANDSHAKE_TIMEOUT,
    MAX_FRAGMENTS,
    PING_INTERVAL,
    PING_TIMEOUT,
    Bucket,
)
from pushmfa.wire.link import MALFORMED, MAX_FRAME, TOO_MANY, CloseCode

BACKLOG: Final = 1024
SPARE: Final = 1024
"""Connections beyond the links: without a hello yet, or asking for /healthz."""
SWEEP_INTERVAL: Final = 10.0
SILENCE: Final = PING_INTERVAL + PING_TIMEOUT + SWEEP_INTERVAL
GOING_AWAY: Final = 1001

logger = logging.getLogger(__name__)

# The library tells of every peer at INFO, and of frames' contents at DEBUG.
_library_logger = logging.getLogger(f"{__name__}.library")
_library_logger.setLevel(logging.ERROR)


async def listen(
    handler: Handler,
    door: Door,
    *,
    address: str,
    port: int,
    tls: ssl.SSLContext | None,
) -> Listener:
    """Return the open port, or raise OSError; handler serves each connection."""
    peers: set[_Peer] = set()

    async def handle(peer: ServerConnection) -> None:
        await handler(_Connection(cast(_Peer, peer)))

    server = await serve_websockets(
        handle,
        address,
        port,
        ssl=tls,
        backlog=BACKLOG,
        create_connection=cast(Any, partial(_Peer, door, peers)),  # stands for a type
        process_request=partial(_answer, door),
        compression=None,  # ciphertext does not shrink; 32 KiB a connection saved
        server_header=None,
        open_timeout=HANDSHAKE_TIMEOUT,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        close_timeout=CLOSE_TIMEOUT,
        max_size=MAX_FRAME,
        logger=_library_logger,
    )
    return _Listener(server, peers)


class _Peer(ServerConnection):
    """A connection that also bounds what the library does not."""

    def __init__(self, door: Door, peers: "set[_Peer]", *args: Any, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._door = door
        self._peers = peers
        self._control = Bucket(CONTROL_FRAMES, door.clock())
        self._fragments = 0
        self._waiting_as: str | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_ending = False
        self.address = UNKNOWN
        self.heard_at = door.clock()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._peers.add(self)
        peer = _host_of(self)
        self.address = client_address(peer, (), ())
        is_proxy = is_trusted(peer, self._door.trusted_proxies)
        # Attack: sockets that are opened and then say nothing.
        is_one_too_many = len(self._peers) > self._door.limits.max_links + SPARE
        if is_one_too_many or not (is_proxy or self.begin_waiting(self.address)):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._peers.discard(self)
        self.end_waiting()

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._door.clock()
        super().data_received(data)
        # Attack: pings without end and no reading; the pongs would fill the memory.
        if not self.has_room_for(""):
            self.cut_off()

    def process_event(self, event: Event) -> None:
        if self._is_ending:
            return
        if isinstance(event, Frame):
            fault = self._fault_of(event)
            if fault is not None:
                self._end_soon(*fault)
                return
        super().process_event(event)

    def _fault_of(self, frame: Frame) -> tuple[CloseCode, str] | None:
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            if not self._control.take(self._door.clock()):
                return TOO_MANY, "too many pings"
        elif frame.opcode is not Opcode.CLOSE:
            # Attack: empty fragments; the size of a message does not bound their count.
            self._fragments = 0 if frame.fin else self._fragments + 1
            if self._fragments > MAX_FRAGMENTS:
                return MALFORMED, "too many fragments"
        return None

    def _end_soon(self, code: CloseCode, reason: str) -> None:
        if self._ending is None:
            self._ending = self.loop.create_task(self.end(code, reason))

    def has_room_for(self, text: str) -> bool:
        """Say whether text may be sent to a peer that reads this slowly."""
        unsent: int = self.transport.get_write_buffer_size()
        return unsent + len(text) <= self._door.limits.unsent_bytes

    @property
    def is_silent(self) -> bool:
        """Whether not even a pong has come for too long."""
        return self._door.clock() - self.heard_at > SILENCE

    @property
    def is_waiting(self) -> bool:
        """Whether it is counted as one without a hello."""
        return self._waiting_as is not None

    def begin_waiting(self, address: str) -> bool:
        """Count this as a connection of address without a hello, if it may be."""
        if not self._door.gate.begin_waiting(address):
            return False
        self._waiting_as = address
        return True

    def end_waiting(self) -> None:
        """Count it no longer."""
        if self._waiting_as is not None:
            self._door.gate.end_waiting(self._waiting_as)
            self._waiting_as = None

    def cut_off(self) -> None:
        """End the connection at once: a peer that does not read hears no reason."""
        logger.debug("cut off: the peer does not read")
        self.transport.abort()

    async def end(self, code: int, reason: str) -> None:
        """End the connection with a reason, by force if the peer does not answer."""
        self._is_ending = True
        if not self.transport.is_closing():
            # Reading stopped where a flood filled the queue; the peer's own close
            # frame stands behind all that, which is dropped from here on.
            self.transport.resume_reading()
        try:
            # The library waits without end where writing is stuck.
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.close(code, reason)
        except TimeoutError:
            self.transport.abort()


class _Connection:
    """A `Connection`."""

    def __init__(self, peer: _Peer) -> None:
        self._peer = peer

    @property
    def address(self) -> str:
        return self._peer.address

    def end_waiting(self) -> None:
        self._peer.end_waiting()

    def send(self, text: str) -> None:
        if self._peer.has_room_for(text):
            # broadcast() to one: the only way to send without waiting.
            broadcast((self._peer,), text)
        else:
            self._peer.cut_off()

    async def send_paced(self, text: str) -> None:
        with suppress(ConnectionClosed):
            await self._peer.send(text)

    async def receive(self) -> str | None:
        try:
            message = await self._peer.recv()
        except ConnectionClosed:
            return None
        if not isinstance(message, str):
            raise MalformedError("a binary frame")
        return message

    async def close(self, code: CloseCode, reason: str) -> None:
        await self._peer.end(code, reason)


class _Listener:
    """A `Listener`."""

    def __init__(self, server: Server, peers: set[_Peer]) -> None:
        self._server = server
        self._peers = peers
        self._sweeping = asyncio.create_task(self._sweep())

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._sweeping.cancel()
        self._server.close(code=GOING_AWAY, reason="the relay stops")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT + 1):
                await self._server.wait_closed()
        except TimeoutError:
            for peer in list(self._peers):
                peer.transport.abort()
            await self._server.wait_closed()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            for peer in list(self._peers):
                # Keepalive's own ping waits where writing is stuck: not this.
                if peer.is_silent:
                    peer.cut_off()


def _answer(
    door: Door, connection: ServerConnection, request: Request
) -> Response | None:
    peer = cast(_Peer, connection)
    forwarded = request.headers.get_all("X-Forwarded-For")
    host = _host_of(peer)
    if forwarded and not is_trusted(host, door.trusted_proxies):
        warn_of_proxy()
    elif forwarded:
        peer.address = client_address(host, forwarded, door.trusted_proxies)
    answer = door.front.answer(
        request.method,
        request.path,
        peer.address,
        door.clock(),
        request.headers.get_all("Origin"),
    )
    is_counted = peer.is_waiting or peer.begin_waiting(peer.address)
    if answer is None and not is_counted:
        answer = Answer(HTTPStatus.TOO_MANY_REQUESTS)
    return None if answer is None else _response(answer)


def _response(answer: Answer) -> Response:
    headers = Headers(HEADERS)
    headers["Connection"] = "close"
    headers["Content-Length"] = str(len(answer.body))
    headers["Content-Type"] = answer.content_type
    if answer.status is HTTPStatus.TOO_MANY_REQUESTS:
        headers["Retry-After"] = "30"
    return Response(answer.status.value, answer.status.phrase, headers, answer.body)


def _host_of(peer: ServerConnection) -> str:
    name = peer.transport.get_extra_info("peername")
    return str(name[0]) if name else ""
