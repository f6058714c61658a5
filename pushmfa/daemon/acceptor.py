"""Accepts local connections on a listening socket without calling listen() again.

listen() on an inherited socket rewrites the credentials that SO_PEERCRED shows at the
other end: root becomes pushmfa, and the PAM module refuses (measured). asyncio's own
servers do it.
"""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from pushmfa.daemon.peer import Peer, peer_of
from pushmfa.loop import end_if_out_of_memory

log = logging.getLogger("pushmfa.daemon")

_ACCEPTED_AT_ONCE: Final = 16
"""Fewer than it takes to end a caller of control.sock who has just come: what he asked
is read some turns of the loop after."""

Serve = Callable[[socket.socket, Peer], Awaitable[None]]
RefusalOf = Callable[[Peer], bytes | None]
"""Returns None to serve a peer, else what it is told: nothing, where it is empty."""


class Acceptor:
    """Serves every connection of one listening socket in a task of its own."""

    def __init__(
        self, name: str, listener: socket.socket, refusal_of: RefusalOf, serve: Serve
    ) -> None:
        self._name = name
        self._listener = listener
        self._refusal_of = refusal_of
        self._serve = serve
        self._tasks: set[asyncio.Task[None]] = set()
        self.connected: Counter[int] = Counter()
        """The connections that are served now, by uid; refusal_of looks at it."""
        self._is_stopped = False
        listener.setblocking(False)

    def start(self) -> None:
        """Accept from now on."""
        if self._is_stopped:
            return
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def stop(self) -> None:
        """Accept no more and end what is being served."""
        self._is_stopped = True
        asyncio.get_running_loop().remove_reader(self._listener)
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                # Out of descriptors: wait, or the loop spins on the same event.
                log.critical("%s accepts no connection: %s", self._name, error)
                self._pause()
                return
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            peer = peer_of(connection)
        except OSError:
            connection.close()
            return
        refusal = self._refusal_of(peer)
        if refusal is not None:
            # A peer that has gone already hears nothing.
            with suppress(OSError):
                if refusal:
                    connection.send(refusal)
            connection.close()
            return
        # Counted here, not in the task: those that come at once have not begun yet.
        self.connected[peer.uid] += 1
        task = asyncio.ensure_future(self._guard(connection, peer))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._forget(task, connection, peer))

    async def _guard(self, connection: socket.socket, peer: Peer) -> None:
        try:
            await self._serve(connection, peer)
        except Exception as error:
            # A mistake of ours in one connection must not end the others.
            end_if_out_of_memory(error)
            log.exception("%s: a connection ended by an error of ours", self._name)

    def _forget(
        self, task: asyncio.Task[None], connection: socket.socket, peer: Peer
    ) -> None:
        connection.close()
        self._tasks.discard(task)
        self.connected[peer.uid] -= 1
        if not self.connected[peer.uid]:
            del self.connected[peer.uid]

    def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(0.2, self.start)
