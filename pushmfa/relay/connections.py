"""What the relay needs of a server of websockets, whichever library it is."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pushmfa.relay.addresses import Network
from pushmfa.relay.gate import Gate
from pushmfa.relay.http import Front
from pushmfa.relay.limits import RelayLimits
from pushmfa.wire.link import CloseCode


class Connection(Protocol):
    """A peer's connection, of which the handshake is done."""

    @property
    def address(self) -> str:
        """The key under which its limits are counted; never logged."""

    def end_waiting(self) -> None:
        """Say that its hello was accepted."""

    def send(self, text: str) -> None:
        """Send one message, without waiting; a peer that does not read is cut off."""

    async def send_paced(self, text: str) -> None:
        """Send one message and wait until the peer has read most of what is due."""

    async def receive(self) -> str | None:
        """Return the next message, or None when the connection has ended.

        MalformedError for a message that is not text.
        """

    async def close(self, code: CloseCode, reason: str) -> None:
        """End the connection, by force if the peer does not answer in time."""


class Listener(Protocol):
    """The open port."""

    @property
    def port(self) -> int:
        """The port, also where 0 was asked for."""

    async def close(self) -> None:
        """Take no more connections and end those there are, with code 1001."""


Handler = Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Door:
    """What stands between the port and a link."""

    front: Front
    gate: Gate
    limits: RelayLimits
    trusted_proxies: Sequence[Network]
    clock: Callable[[], float] = time.monotonic
