"""One push message, one connection, one POST: all that goes to a push service.

    what                                 bound
    -----------------------------------  ------------------------------------------
    lookup, connections, TLS             5 s
    all of it, up to the answer's head   10 s, and never beyond the lifetime
    addresses that are tried             4
    the answer's head                    8 KiB, with all 1xx answers before it
    the answer's body                    not read: the connection is cut off
    redirects, proxies, cookies          none

Not by a whole HTTP client: a push service is whoever a device names. What such
clients do for a peer that means well (read the rest, close in order, keep the
connection) keeps a relay busy for as long as another wants; see
docs/decisions/0016-web-push.md. The messages themselves are h11's.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

import h11

from pushmfa.errors import LimitError, NotPermittedError
from pushmfa.relay.addresses import Address
from pushmfa.relay.push_places import (
    EndPoint,
    Lookup,
    SystemLookup,
    is_public,
    verify_public,
)

CONNECT_TIMEOUT: Final = 5.0
TOTAL_TIMEOUT: Final = 10.0
MAX_ADDRESSES: Final = 4
MAX_HEAD: Final = 8_192
MAX_RETRY_AFTER: Final = 86_400.0
"""Seconds; more than any push lives for whom it matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom push messages can reach; no configuration says this, only a test.

    The names are looked up by `lookup`, every address must be permitted, and the
    certificate must be good to `tls`.
    """

    lookup: Lookup = field(default_factory=SystemLookup)
    is_permitted: Callable[[Address], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)


class Outcome(Enum):
    """What a push service said."""

    SENT = auto()
    GONE = auto()
    """The subscription is no more."""
    AGAIN = auto()
    """Not now: 429, 5xx, or nothing that could be understood."""
    FAILED = auto()
    """Never: what we sent is not what it wants, or may not be sent there."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The outcome, the HTTP status if there was one, seconds to wait if it said so."""

    outcome: Outcome
    status: int | None = None
    retry_after: float | None = None


class PushClient:
    """Sends push messages to whom it may reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def post(
        self, endpoint: EndPoint, headers: Mapping[str, str], body: bytes, limit: float
    ) -> Reply:
        """Send one message, within limit seconds at most; every mishap is a reply."""
        try:
            async with asyncio.timeout(min(TOTAL_TIMEOUT, limit)):
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    reader, writer = await self._connect(endpoint.host)
                try:
                    head = await post_on(
                        reader, writer, endpoint.host, endpoint.target, headers, body
                    )
                finally:
                    # Not close(): TLS would go on reading until the peer ends it,
                    # which one that sends without end never does.
                    writer.transport.abort()
        except NotPermittedError:
            return Reply(Outcome.FAILED)
        except (OSError, TimeoutError, LimitError, h11.RemoteProtocolError):
            return Reply(Outcome.AGAIN)
        return _reply_to(head)

    async def _connect(
        self, host: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        places = await self._reach.lookup(host)
        verify_public(places, self._reach.is_permitted)
        return await connect(places[:MAX_ADDRESSES], self._reach.tls, host)


async def connect(
    places: Sequence[tuple[Address, int]], tls: ssl.SSLContext | None, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the first place that has one; OSError of the last.

    The certificate, if tls is given, must be host's. To addresses and no name.
    Attack: DNS rebinding, a name that leads elsewhere once it was checked.
    """
    failure = OSError("no address")
    for address, port in places:
        try:
            return await asyncio.open_connection(
                str(address),
                port,
                limit=MAX_HEAD,
                ssl=tls,
                server_hostname=host if tls else None,
                ssl_handshake_timeout=CONNECT_TIMEOUT if tls else None,
            )
        except OSError as error:
            failure = error
    raise failure


async def post_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    target: str,
    headers: Mapping[str, str],
    body: bytes,
) -> h11.Response:
    """POST body on a new connection and return the answer's head, nothing after it.

    OSError or h11.RemoteProtocolError. host is as the header has it, target begins
    with a slash. Whoever called cuts the connection off.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    fixed = {"Host": host, "Content-Length": str(len(body)), "Connection": "close"}
    request = h11.Request(
        method="POST", target=target, headers=[*fixed.items(), *headers.items()]
    )
    parts = [request, h11.Data(data=body), h11.EndOfMessage()]
    writer.write(b"".join(connection.send(part) or b"" for part in parts))
    await writer.drain()
    taken = 0
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return event
        if isinstance(event, h11.InformationalResponse):
            continue
        if event is not h11.NEED_DATA:
            raise ConnectionError("no answer")
        data = await reader.read(MAX_HEAD)
        taken += len(data)
        # Attack: 1xx answers without end.
        if not data or taken > 2 * MAX_HEAD:
            raise ConnectionError("no answer")
        connection.receive_data(data)


def _reply_to(head: h11.Response) -> Reply:
    # RFC 8030, sections 5 and 8.4; of what services say beyond it: 404 and 410.
    status = head.status_code
    if status in (HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        return Reply(Outcome.SENT, status)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return Reply(Outcome.GONE, status)
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
        said = dict(head.headers).get(b"retry-after", b"")
        return Reply(Outcome.AGAIN, status, _seconds(said.decode("latin-1")))
    return Reply(Outcome.FAILED, status)


def _seconds(retry_after: str) -> float | None:
    """Return the seconds of RFC 9110, section 10.2.3, or None if there are none."""
    if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10:
        return min(float(retry_after), MAX_RETRY_AFTER)
    try:
        at = parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(at - time.time(), 0.0), MAX_RETRY_AFTER)
