"""pam.sock: where the PAM module asks; root to root."""

import logging
import os
import socket
from typing import Final

from pushmfa.daemon.acceptor import Acceptor
from pushmfa.daemon.conversation import Conversation
from pushmfa.daemon.front import Front
from pushmfa.daemon.module import ModuleConnection
from pushmfa.daemon.peer import Peer
from pushmfa.daemon.sources import MAX_PLACES
from pushmfa.daemon.terminal import HangUpError
from pushmfa.errors import MalformedError, PushmfaError
from pushmfa.terms import Verdict
from pushmfa.wire.local import encode_verdict

log = logging.getLogger("pushmfa.daemon")

MAX_CONNECTIONS: Final = MAX_PLACES + 100
"""Also those that have not said yet whose login it is; more are refused at once."""

_REFUSED: Final = "pushmfa: not available; this login is refused."
_NOTHING_SAID: Final = b""
"""A module refuses when the connection ends before a verdict."""


class PamServer:
    """Serves the PAM module's connections."""

    def __init__(self, listener: socket.socket, front: Front) -> None:
        self._front = front
        self._acceptor = Acceptor("pam.sock", listener, self._refusal_of, self._serve)

    def start(self) -> None:
        """Serve from now on."""
        self._acceptor.start()

    async def stop(self) -> None:
        """End every conversation; their modules refuse."""
        await self._acceptor.stop()

    def _refusal_of(self, peer: Peer) -> bytes | None:
        refusal = may_speak(peer)
        if refusal is not None:
            return refusal
        if self._acceptor.connected.total() >= MAX_CONNECTIONS:
            log.critical("%d logins wait: no more are taken", MAX_CONNECTIONS)
            return _NOTHING_SAID
        return None

    async def _serve(self, connection: socket.socket, peer: Peer) -> None:
        module = ModuleConnection(connection)
        try:
            await Conversation(module, self._front).hold()
        except HangUpError:
            log.debug("the module of pid %d has gone", peer.pid)
        except MalformedError as error:
            log.error("the module of pid %d spoke out of turn: %s", peer.pid, error)
        except PushmfaError as error:
            log.error("a login was refused: %s", error)
            module.send(encode_verdict(Verdict.UNAVAILABLE, _REFUSED))
        except Exception:
            module.send(encode_verdict(Verdict.UNAVAILABLE, _REFUSED))
            raise
        finally:
            module.close()


def may_speak(peer: Peer) -> bytes | None:
    """Return None if peer can be the PAM module, else what it is told.

    Attack: an unprivileged user speaks to the socket as if it were the module.
    """
    if peer.uid in (0, os.geteuid()):
        return None
    log.warning("uid %d spoke to pam.sock and was refused", peer.uid)
    return _NOTHING_SAID
