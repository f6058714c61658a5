"""One connection of the PAM module: datagrams in and out.

asyncio's transports refuse SOCK_SEQPACKET, and its sock_recv cuts a datagram that is
too long without a word; so this reads with recvmsg, which says so.
"""

import asyncio
import select
import socket
from typing import Final

from pushmfa.errors import MalformedError
from pushmfa.wire.local import MAX_DATAGRAM

_MAX_WAITING: Final = 16
"""Datagrams that wait to be looked at; a module sends one and then one a prompt."""


class ModuleConnection:
    """A connected, non-blocking SOCK_SEQPACKET socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._is_ended = False
        self._loop.add_reader(connection, self._read)

    async def receive(self) -> bytes | None:
        """Return the next datagram, None at the end; MalformedError if it was cut."""
        datagram = await self._queue.get()
        if datagram is not None and len(datagram) > MAX_DATAGRAM:
            raise MalformedError("a datagram longer than a module may send")
        return datagram

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
        try:
            # One byte more than allowed: a datagram that fills it was too long.
            datagram, _, flags, _ = self._socket.recvmsg(MAX_DATAGRAM + 1)
        except BlockingIOError:
            return
        except ConnectionResetError:
            # Said once if the module left something of ours unread; what it sent
            # before, a typed line above all, still comes (measured).
            return
        except OSError:
            datagram, flags = b"", 0
        if flags & socket.MSG_TRUNC:
            datagram = bytes(MAX_DATAGRAM + 1)
        if not datagram or self._queue.qsize() >= _MAX_WAITING:
            # The end, or an endless talker: nothing more is read.
            self._loop.remove_reader(self._socket)
            self._queue.put_nowait(None)
            return
        self._queue.put_nowait(datagram)
