"""control.sock: where the command line asks; open to all, SO_PEERCRED says who."""

import asyncio
import logging
import socket
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final, Protocol

from pushmfa.daemon.acceptor import Acceptor
from pushmfa.daemon.calls import Exchange
from pushmfa.daemon.peer import Peer
from pushmfa.daemon.seldom import Seldom
from pushmfa.errors import MalformedError, PushmfaError
from pushmfa.login.authority import OVERFLOW_UID
from pushmfa.text import make_harmless
from pushmfa.wire.control import (
    MAX_LINE,
    Event,
    Failure,
    FailureKind,
    Reply,
    Request,
    decode_request,
    encode_line,
    failure_of,
)

log = logging.getLogger("pushmfa.control")

MAX_CONNECTIONS: Final = 128
MAX_OF_ONE_UID: Final = 8
"""Connections at the same time; root is not counted, so that it can always look."""

REQUEST_DEADLINE: Final = 10.0
"""Seconds that a caller may take for its request."""

_FOREIGN: Final = encode_line(
    Failure(
        kind=FailureKind.NOT_PERMITTED,
        message=f"uid {OVERFLOW_UID} is whoever has no uid here, and may ask nothing",
        hint="Run it as a user of this host, outside of any container.",
    )
)
_TOO_MANY: Final = encode_line(
    Failure(
        kind=FailureKind.LIMIT,
        message="too many requests wait already",
        hint="End one of yours, or wait until one ends.",
    )
)


class Commands(Protocol):
    """What runs a request to its reply."""

    async def run(self, request: Request, uid: int, exchange: Exchange) -> Reply:
        """Return the reply to request by the user uid, or raise PushmfaError."""
        raise NotImplementedError


class CallerGoneError(Exception):
    """The caller closed the connection: what it started is canceled."""


class ControlServer:
    """Serves the connections of the command line."""

    def __init__(self, listener: socket.socket, commands: Commands) -> None:
        self._commands = commands
        self._seldom = Seldom()
        self._idle: OrderedDict[Caller, None] = OrderedDict()
        """Callers for whom nothing is being done, but root; the oldest first."""
        self._acceptor = Acceptor(
            "control.sock", listener, self._refusal_of, self._serve
        )

    def start(self) -> None:
        """Serve from now on."""
        self._acceptor.start()

    async def stop(self) -> None:
        """End every request; what they started is canceled."""
        await self._acceptor.stop()

    def _refusal_of(self, peer: Peer) -> bytes | None:
        """Return None to serve peer, else the line that says why not."""
        if peer.uid == 0:
            return None
        # Attack: one user's processes take every place, or the uid that stands for
        # all users of other namespaces speaks for one of ours.
        if peer.uid == OVERFLOW_UID:
            self._tell_seldom(peer.uid, "was refused at control.sock")
            return _FOREIGN
        connected = self._acceptor.connected
        of_others = connected.total() - connected[0]
        if connected[peer.uid] >= MAX_OF_ONE_UID:
            return _TOO_MANY
        if of_others < MAX_CONNECTIONS or self._end_oldest_idle():
            return None
        return _TOO_MANY

    def _tell_seldom(self, uid: int, what: str) -> None:
        if self._seldom.may_tell(uid, asyncio.get_running_loop().time()):
            log.warning("uid %d %s; no more of it this minute", uid, what)

    def _end_oldest_idle(self) -> bool:
        """Make a place; False if everybody who has one is being served.

        Attack: one person has thousands of uids (subuid(5)), each with its own share,
        and asks nothing. Whoever asks at once is never the oldest.
        """
        if not self._idle:
            return False
        caller, _ = self._idle.popitem(last=False)
        caller.leave(_TOO_MANY)
        return True

    async def _serve(self, connection: socket.socket, peer: Peer) -> None:
        reader = asyncio.StreamReader(limit=MAX_LINE)
        protocol = asyncio.StreamReaderProtocol(reader)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
        # So that drain waits until all is written: then the end loses nothing, and
        # what a caller does not take is not kept.
        transport.set_write_buffer_limits(high=0)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        caller = Caller(reader, writer)
        try:
            self._note_idle(caller, peer)
            await self._converse(caller, peer)
        finally:
            self._idle.pop(caller, None)
            transport.abort()

    def _note_idle(self, caller: "Caller", peer: Peer) -> None:
        if peer.uid != 0:
            self._idle[caller] = None

    async def _converse(self, caller: "Caller", peer: Peer) -> None:
        try:
            async with asyncio.timeout(REQUEST_DEADLINE):
                request = await caller.receive()
            self._idle.pop(caller, None)
            reply = await caller.unless_gone(
                self._commands.run(request, peer.uid, caller)
            )
        except (CallerGoneError, TimeoutError):
            return
        except MalformedError as error:
            # Attack: a name in a request that forges a line of the log.
            said = make_harmless(str(error))
            self._tell_seldom(peer.uid, f"sent no request: {said}")
            reply = Failure(
                kind=FailureKind.USAGE,
                message="the request is malformed",
                hint="Are pushmfa's command and daemon of the same version?",
            )
        except PushmfaError as error:
            reply = failure_of(error)
        # A caller who does not take its reply is idle as well.
        self._note_idle(caller, peer)
        await caller.send(reply)


class Caller(Exchange):
    """One connection of a caller: requests in, events and one reply out."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(1)

    def leave(self, said: bytes) -> None:
        """End the connection, with last words."""
        self._writer.write(said)
        self._writer.transport.abort()

    async def receive(self) -> Request:
        """Return the first request, before `unless_gone`."""
        return decode_request((await self._line()).rstrip(b"\n"))

    async def next_request(self) -> Request:
        """Return a later request, inside of `unless_gone`."""
        return decode_request((await self._lines.get()).rstrip(b"\n"))

    async def tell(self, event: Event) -> None:
        """Send an event."""
        await self.send(event)

    async def send(self, message: Event | Reply) -> None:
        """Send a message; a caller that has gone hears nothing."""
        self._writer.write(encode_line(message))
        try:
            async with asyncio.timeout(REQUEST_DEADLINE):
                await self._writer.drain()
        except (OSError, TimeoutError):
            log.debug("a caller does not take its reply")

    async def unless_gone(self, work: Coroutine[None, None, Reply]) -> Reply:
        """Return what work returns; cancel it if the caller closes the connection."""
        working = asyncio.ensure_future(work)
        reading = asyncio.ensure_future(self._read_on())
        try:
            await asyncio.wait({working, reading}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise CallerGoneError
        finally:
            reading.cancel()
            working.cancel()
            await asyncio.gather(reading, working, return_exceptions=True)

    async def _read_on(self) -> None:
        """Keep lines for `next_request`; return when there can be no more.

        Attack: lines that nobody asked for, behind which a caller that has gone would
        not be seen. One may wait; whoever sends more is treated as gone.
        """
        with suppress(CallerGoneError, MalformedError, asyncio.QueueFull):
            while True:
                self._lines.put_nowait(await self._line())

    async def _line(self) -> bytes:
        try:
            return await self._reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            raise CallerGoneError from error
        except OSError as error:
            raise CallerGoneError from error
        except asyncio.LimitOverrunError as error:
            raise MalformedError("a line that is too long") from error
