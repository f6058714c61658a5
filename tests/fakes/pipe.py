"""Both ends of a link and of the module's socket, in memory.

The link's end is what `websockets` gives to `pushmfa.link`: recv, send, close, and
ConnectionClosed at the end. The relay's end is a `Wire`, which a real websocket can
stand for as well.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Close

from pushmfa.daemon.module import Datagrams


class Wire(Protocol):
    """A link, seen from the relay."""

    async def recv(self) -> str | bytes:
        """Return the next message, or raise ConnectionClosed."""
        raise NotImplementedError

    async def send(self, message: str | bytes) -> None:
        """Send a message, or raise ConnectionClosed."""
        raise NotImplementedError

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the link."""
        raise NotImplementedError


class End:
    """One end of a pipe; messages and the close go to the other."""

    def __init__(self) -> None:
        self.other = self
        self.closed: Close | None = None
        self._why: Close | None = None
        self._queue: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def recv(self) -> str | bytes:
        """Return the next message, or raise ConnectionClosed."""
        message = None if self.closed else await self._queue.get()
        if message is None:
            self.closed = self.closed or self._why
            raise self._error()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send a message, or raise ConnectionClosed."""
        if self.closed or self.other.closed:
            raise self._error()
        self.other._queue.put_nowait(message)

    def write(self, text: str) -> None:
        """Send a message; to a link that has ended it is lost."""
        if not self.closed and not self.other.closed:
            self.other._queue.put_nowait(text)

    unsent = 0

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End both ends; what was sent before still arrives."""
        for end in (self, self.other):
            if end.closed is None:
                end._queue.put_nowait(None)
        self.closed = self.closed or Close(code, reason)
        self.other._why = self.closed

    def _error(self) -> ConnectionClosed:
        return ConnectionClosedError(self._why or self.closed, None)


def make_dialer(
    serve: Callable[[Wire], Awaitable[None]],
) -> Callable[..., Callable[[str], object]]:
    """Return what stands for `pushmfa.link.dialing.make_dialer`."""

    @asynccontextmanager
    async def dial(_name: str) -> AsyncIterator[End]:
        ours, theirs = End(), End()
        ours.other, theirs.other = theirs, ours
        serving = asyncio.ensure_future(serve(theirs))
        try:
            yield ours
        finally:
            await ours.close()
            serving.cancel()

    return lambda _network, _names: dial


class MemoryModule:
    """pam.sock's two ends: to the daemon a ModuleConnection, to a test a Module."""

    def __init__(self) -> None:
        self._to_daemon = Datagrams()
        self._to_module: asyncio.Queue[bytes] = asyncio.Queue()
        self._has_left = self._is_ended = False

    # --- as the daemon sees it ------------------------------------------------------

    async def receive(self) -> bytes | None:
        """Return the module's next datagram, None at the end."""
        return await self._to_daemon.get()

    async def has_more_before(self, end: asyncio.Future[Any]) -> bool:
        """Wait for a datagram or for end; say whether a datagram is there."""
        return await self._to_daemon.has_one_before(end)

    def send(self, datagram: bytes) -> bool:
        """Send a datagram; False if the module has left."""
        if not self._has_left:
            self._to_module.put_nowait(datagram)
        return not self._has_left

    def has_left(self) -> bool:
        """Whether the module has left."""
        return self._has_left

    def close(self) -> None:
        """End the connection from the daemon's side."""
        self._is_ended = True
        self._to_module.put_nowait(b"")

    # --- as the module sees it ------------------------------------------------------

    def say(self, datagram: bytes) -> None:
        """Send a datagram to the daemon."""
        self._to_daemon.put(datagram)

    def type(self) -> None:
        """Press Enter."""
        self.say(b"A")

    async def hear(self, seconds: float) -> bytes:
        """Return the daemon's next datagram, b"" at the end."""
        async with asyncio.timeout(seconds):
            return await self._to_module.get()

    def leave(self) -> None:
        """Go away."""
        self._has_left = True
        self._to_daemon.put(None)
