"""One connection of the PAM module: datagrams in and out.

asyncio's transports refuse SOCK_SEQPACKET, and its sock_recv cuts a datagram that is
too long without a word; so this reads with recvmsg, which says so.
"""

import asyncio
import select
import socket
from collections import deque
from typing import Any, Final

from pushmfa.errors import MalformedError
from pushmfa.wire.local import MAX_DATAGRAM

_MAX_WAITING: Final = 16
"""Datagrams that wait to be looked at; a module sends one and then one a prompt."""


class Datagrams:
    """What a module has sent and nobody has looked at yet; None is the end.

    Not an asyncio.Queue, which would need a task to be waited for beside something
    else: a verdict is on its way as soon as there is one.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes | None] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, datagram: bytes | None) -> None:
        """Add a datagram."""
        self._waiting.append(datagram)
        self._wake()

    async def get(self) -> bytes | None:
        """Return the next datagram, None at the end."""
        while not self._waiting:
            await self._wait()
        return self._waiting.popleft()

    async def has_one_before(self, end: asyncio.Future[Any]) -> bool:
        """Wait for a datagram or for end; say whether a datagram is there."""
        end.add_done_callback(self._wake)
        try:
            while not self._waiting and not end.done():
                await self._wait()
        finally:
            end.remove_done_callback(self._wake)
        return bool(self._waiting)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ModuleConnection:
    """A connected, non-blocking SOCK_SEQPACKET socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._datagrams = Datagrams()
        self._loop.add_reader(connection, self._read)

    async def receive(self) -> bytes | None:
        """Return the next datagram, None at the end; MalformedError if it was cut."""
        datagram = await self._datagrams.get()
        if datagram is not None and len(datagram) > MAX_DATAGRAM:
            raise MalformedError("a datagram longer than a module may send")
        return datagram

    async def has_more_before(self, end: asyncio.Future[Any]) -> bool:
        """Wait for a datagram or for end; say whether a datagram is there."""
        return await self._datagrams.has_one_before(end)

    def send(self, datagram: bytes) -> bool:
        """Send a datagram; False if the module is not there any more."""
        try:
            self._socket.send(datagram, socket.MSG_NOSIGNAL)
        except OSError:
            # Full or gone: a module that does not read is one that hears nothing.
            return False
        return True

    def has_left(self) -> bool:
        """Say whether the module has ended the connection, whatever it sent before."""
        poll = select.poll()
        poll.register(self._socket, 0)
        return bool(poll.poll(0))

    def close(self) -> None:
        """End the connection; the module still gets what was sent."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        # All that is there. Attack: an endless talker is one who is faster than this.
        while self._read_one():
            pass

    def _read_one(self) -> bool:
        """Take one datagram; say whether there may be another."""
        try:
            # One byte more than allowed: a datagram that fills it was too long.
            datagram, _, flags, _ = self._socket.recvmsg(MAX_DATAGRAM + 1)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            # Said once if the module left something of ours unread; what it sent
            # before, a typed line above all, still comes (measured).
            return True
        except OSError:
            datagram, flags = b"", 0
        if flags & socket.MSG_TRUNC:
            datagram = bytes(MAX_DATAGRAM + 1)
        if not datagram or len(self._datagrams) >= _MAX_WAITING:
            # The end, or too much: nothing more is read.
            self._loop.remove_reader(self._socket)
            self._datagrams.put(None)
            return False
        self._datagrams.put(datagram)
        return True
