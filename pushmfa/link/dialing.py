"""Dialing a relay: TLS, proxy, limits; and what went wrong, in words for people.

Everything is said explicitly here, since the library's defaults are not ours: it
would take a proxy from the environment, follow a redirect to another relay, compress,
and read messages of 1 MiB.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import broadcast
from websockets.exceptions import (
    ConnectionClosed,
    InvalidStatus,
    ProxyError,
    WebSocketException,
)

from pushmfa.config.names import parse_place
from pushmfa.errors import ConfigError, PushmfaError
from pushmfa.link.endpoints import is_local, link_url
from pushmfa.text import make_harmless
from pushmfa.wire.link import HELLO_LATE, HELLO_REFUSED, MALFORMED, MAX_FRAME, TOO_MANY

OPEN_SECONDS: Final = 10.0
PING_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 2.0
GOING_AWAY: Final = 1001

# The library logs every frame at level debug, sealed bytes included; those must not
# reach a log whatever level somebody sets.
_library_log = logging.getLogger("pushmfa.link.websocket")
_library_log.setLevel(logging.CRITICAL)

FAILURES: Final = (OSError, WebSocketException, PushmfaError)
"""What dialing and talking to a relay may raise; all else is an error of ours."""

_CLOSE_TEXTS: Final = {
    GOING_AWAY: "the relay is going away",
    int(MALFORMED): "the relay says that we sent something malformed",
    int(HELLO_REFUSED): "the relay refused the hello",
    int(HELLO_LATE): "the relay says that the hello came too late",
    int(
        TOO_MANY
    ): "the relay says that we sent too many frames or opened too many links",
}


@dataclass(frozen=True, slots=True)
class Network:
    """How to reach relays: a CA file instead of the system's, an HTTP proxy."""

    ca: Path | None = None
    proxy: str | None = None


class RelaySocket(ClientConnection):
    """A connection that is written to without waiting, and without a task for it."""

    def write(self, text: str) -> None:
        """Write one message now; to a connection that ends it is lost."""
        # broadcast() to one: the library has no other way.
        broadcast((self,), text)

    @property
    def unsent(self) -> int:
        """Bytes that wait because the relay reads slowly; 0 if it never will."""
        if self.transport.is_closing():
            return 0
        return self.transport.get_write_buffer_size()


class _Connect(connect):
    """Dials one relay, and only that one."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Refuse redirects: whoever answers must not choose whom we talk to."""
        return exc


def make_dialer(
    network: Network, names: tuple[str, ...]
) -> Callable[[str], AbstractAsyncContextManager[RelaySocket]]:
    """Return a function that dials a relay by its name, one of names.

    It reads the CA file here, once: ConfigError if it cannot be read, or if the
    proxy's URL is none.
    """
    proxy = network.proxy
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise ConfigError(
            "the proxy's URL must start with http:// or https://",
            hint="Correct [relay] proxy, or leave it out.",
        )
    needs_tls = any(name.startswith("wss:") for name in names)
    context = _tls_context(network.ca) if needs_tls else None

    @asynccontextmanager
    async def dial(name: str) -> AsyncIterator[RelaySocket]:
        options: dict[str, Any] = {}
        if name.startswith("wss:"):
            options["ssl"] = context
        # A proxy's localhost is another machine than ours.
        through = None if is_local(name) else proxy
        if through is not None and through.startswith("https:"):
            options["proxy_ssl"] = context
        # A proxy looks the relay's name up by itself.
        hosts = [None] if through else await _addresses(name)
        opened = await _open_first(link_url(name), hosts, proxy=through, **options)
        try:
            yield opened
        finally:
            await opened.close()

    return dial


async def _addresses(name: str) -> Sequence[str]:
    """Return the addresses of a relay.

    In a thread of the loop's executor. uvloop would take one of libuv's, which no end
    of the loop or of the program goes by while a name server hangs (measured).
    """
    place = parse_place(name, ("wss", "ws"))
    host = place.host.strip("[]")

    def look_up() -> Sequence[str]:
        found = socket.getaddrinfo(host, place.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    async with asyncio.timeout(OPEN_SECONDS):
        return await asyncio.get_running_loop().run_in_executor(None, look_up)


async def _open_first(
    url: str, hosts: Sequence[str | None], **options: Any
) -> RelaySocket:
    """Return a connection to the first of hosts that answers; None is url's own."""
    failure: OSError | None = None
    for host in hosts:
        try:
            opened = await _Connect(
                url,
                create_connection=RelaySocket,
                compression=None,
                max_size=MAX_FRAME,
                open_timeout=OPEN_SECONDS,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                close_timeout=CLOSE_SECONDS,
                user_agent_header=None,
                logger=_library_log,
                **options | ({"host": host} if host else {}),
            )
        except OSError as error:
            failure = error
        else:
            return cast(RelaySocket, opened)
    raise failure or OSError("no address")


def _tls_context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot load certificates from {ca}: {error.strerror or error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def describe(error: Exception) -> str:
    """Return what happened to a link, on one line, harmless, for log and status."""
    return make_harmless(_describe(error), 200)


def _describe(error: Exception) -> str:
    match error:
        case ConnectionClosed():
            return _describe_close(error)
        case InvalidStatus():
            return f"no relay there: HTTP status {error.response.status_code}"
        case ProxyError():
            return f"the proxy does not let us through: {error}"
        case WebSocketException():
            return f"no relay there: {error}"
        case OSError():
            return _describe_os(error)
        case _:
            return str(error)


def _describe_os(error: OSError) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the certificate is not valid: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS does not work: {error.reason or error}"
        case TimeoutError():
            return f"no answer within {OPEN_SECONDS:g} seconds"
        case _:
            return f"cannot connect: {error.strerror or error}"


def _describe_close(error: ConnectionClosed) -> str:
    if error.rcvd is None:
        return "the link broke"
    what = _CLOSE_TEXTS.get(error.rcvd.code, "the relay ended the link")
    reason = f": {error.rcvd.reason}" if error.rcvd.reason else ""
    return f"{what} ({error.rcvd.code}){reason}"
