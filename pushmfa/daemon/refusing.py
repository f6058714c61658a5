"""What a host does whose state cannot be used: refuses everybody, and says why.

It stays there, so that `pushmfa status` and every terminal can tell the reason, and so
that systemd does not start it in a loop. It opens no link: a copy of a host must not
take the envelopes of the other. As soon as the state is in order again it ends.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pushmfa.daemon.acceptor import Acceptor
from pushmfa.daemon.calls import Exchange
from pushmfa.daemon.control_server import ControlServer
from pushmfa.daemon.module import ModuleConnection
from pushmfa.daemon.pam_server import may_speak
from pushmfa.daemon.peer import Peer
from pushmfa.daemon.post import Host
from pushmfa.daemon.sockets import Listeners
from pushmfa.daemon.trouble import Trouble
from pushmfa.errors import MalformedError, PushmfaError
from pushmfa.login import authority
from pushmfa.login.authority import Command, Permission
from pushmfa.notify import keep_alive, notify
from pushmfa.terms import VERSION, Verdict
from pushmfa.wire import control
from pushmfa.wire.local import encode_verdict

log = logging.getLogger("pushmfa.daemon")

LOOK_EVERY: Final = 2.0
"""Seconds between two looks whether the state is in order again."""

_COUNT_EVERY: Final = 30
"""Looks between two lines in the log that count what was refused."""


class Refusing:
    """Serves both sockets with nothing but the reason."""

    def __init__(
        self,
        listeners: Listeners,
        trouble: Trouble,
        is_over: Callable[[], bool],
        host: Host | None,
    ) -> None:
        self._trouble = trouble
        self._is_over = is_over
        self._refused = 0
        self._pam = Acceptor("pam.sock", listeners.pam, may_speak, self._refuse)
        self._control = ControlServer(listeners.control, _Commands(trouble, host))

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until stop is set or the trouble is over."""
        log.critical("%s. %s", self._trouble.what, self._trouble.hint)
        self._pam.start()
        self._control.start()
        notify("READY=1")
        living = asyncio.ensure_future(keep_alive())
        await self._wait(stop)
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        self._tell_count()
        await self._pam.stop()
        await self._control.stop()

    async def _wait(self, stop: asyncio.Event) -> None:
        looks = 0
        while not stop.is_set() and not self._is_over():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY)
            looks += 1
            if looks % _COUNT_EVERY == 0:
                self._tell_count()

    def _tell_count(self) -> None:
        if self._refused:
            log.error("%d logins were refused: %s", self._refused, self._trouble.what)
        self._refused = 0

    async def _refuse(self, connection: socket.socket, peer: Peer) -> None:
        module = ModuleConnection(connection)
        try:
            async with asyncio.timeout(5):
                await module.receive()
            module.send(encode_verdict(Verdict.UNAVAILABLE, self._trouble.said))
            self._refused += 1
        except (MalformedError, TimeoutError):
            log.warning("the module of pid %d sent no request", peer.pid)
        finally:
            module.close()


class _Commands:
    """What control.sock can answer without a state: who this is, what is wrong."""

    def __init__(self, trouble: Trouble, host: Host | None) -> None:
        self._trouble = trouble
        self._host = host

    async def run(
        self, request: control.Request, uid: int, exchange: Exchange
    ) -> control.Reply:
        """Return the reply to request, or raise PushmfaError with the reason."""
        host = self._host
        if isinstance(request, control.GetHost) and host is not None:
            return control.Host(
                host_id=host.host_id, host_name=host.name, version=VERSION
            )
        owner = None if getattr(request, "user", None) else uid
        caller = authority.caller_of(uid, owner, is_monitor=False)
        permitted = authority.decide(Command.HEALTH, caller) is Permission.YES
        is_status = isinstance(request, control.GetStatus)
        if not is_status or host is None or not permitted:
            raise PushmfaError(self._trouble.what, hint=self._trouble.hint)
        return control.Status(
            version=VERSION,
            host_id=host.host_id,
            host_name=host.name,
            healthy=False,
            problems=(self._trouble.line(),),
            relays=(),
            pending_attempts=0,
            enrolled_accounts=0,
            user=None,
            devices=None,
            attempts=None,
            muted_until=None,
        )
