"""The server of the library `aiohttp`, for the phone app's files.

What the library leaves open is closed here (3.14): a client that does not read keeps
its connection, with what was written to it, also after the server has closed it; an
error's page quotes the request; and its log names addresses.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

from pushmfa.relay.addresses import (
    UNKNOWN,
    Network,
    client_address,
    is_trusted,
    warn_of_proxy,
)
from pushmfa.relay.app_files import App, HttpAnswer, refusal
from pushmfa.relay.connections import Listener
from pushmfa.relay.limits import CLOSE_TIMEOUT, HANDSHAKE_TIMEOUT
from pushmfa.relay.visitors import Visitors

BACKLOG: Final = 128
PATIENCE: Final = 15.0
"""Seconds from the connection, or the last answer, to the end of a request's head."""
ANSWER_TIMEOUT: Final = 30.0
"""Seconds that a client may take to read an answer."""
HESITATION: Final = 1.0
"""Seconds before a request beyond the limits is refused."""
OLD: Final = 60.0
"""Seconds after which a connection is closed with its next answer."""
LIFETIME: Final = OLD + ANSWER_TIMEOUT + PATIENCE
"""Seconds after which it is cut off, whatever it does."""
SWEEP_INTERVAL: Final = 5.0
MAX_LINE: Final = 2_048
MAX_FIELD: Final = 4_096
MAX_FIELDS: Final = 64
SERVER: Final = "pushmfa"
"""In place of the library's own name and version."""

logger = logging.getLogger(__name__)

# The library tells of every malformed request, with its address.
_library_logger = logging.getLogger(f"{__name__}.library")
_library_logger.setLevel(logging.CRITICAL)


async def listen(
    app: App,
    visitors: Visitors,
    *,
    address: str,
    port: int,
    tls: ssl.SSLContext | None,
    trusted_proxies: tuple[Network, ...],
    clock: Callable[[], float],
) -> Listener:
    """Return the open port, or raise OSError; app answers."""
    loop = asyncio.get_running_loop()
    factory = _Factory(app, visitors, trusted_proxies, clock)
    wait = HANDSHAKE_TIMEOUT if tls else None
    server = await loop.create_server(
        factory, address, port, ssl=tls, backlog=BACKLOG, ssl_handshake_timeout=wait
    )
    return _Listener(server, factory)


class _Factory(web.Server):
    """Makes a `_Client` of each connection, and answers its requests."""

    def __init__(
        self,
        app: App,
        visitors: Visitors,
        trusted_proxies: tuple[Network, ...],
        clock: Callable[[], float],
    ) -> None:
        super().__init__(self._handle)
        self.clients: set[_Client] = set()
        self.visitors = visitors
        self.trusted_proxies = trusted_proxies
        self.clock = clock
        self._app = app

    def __call__(self) -> "_Client":
        return _Client(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=PATIENCE,
            logger=_library_logger,
            access_log=None,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            max_headers=MAX_FIELDS,
            lingering_time=0,
        )

    def make_room(self) -> None:
        """Cut off who has waited longest without asking for anything."""
        # Attack: connections from many addresses that ask nothing, as many as may be.
        waiting = [one for one in self.clients if one.waiting_since is not None]
        if waiting:
            min(waiting, key=lambda one: one.waiting_since or 0.0).cut_off()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        client = cast(_Client, request.protocol)
        client.waiting_since = None
        try:
            return await self._respond(client, request)
        finally:
            client.waiting_since = self.clock()

    async def _respond(
        self, client: "_Client", request: web.BaseRequest
    ) -> web.StreamResponse:
        answer = self._answer(client, request)
        response = _response(answer)
        if answer.status is HTTPStatus.TOO_MANY_REQUESTS:
            # Attack: requests without end on one connection. To refuse costs, too;
            # the next one is not even read before this one is answered.
            await asyncio.sleep(HESITATION)
        if request.body_exists or client.is_old:
            response.force_close()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                # The library writes without a bound of time after this method.
                with suppress(ConnectionError):
                    await response.prepare(request)
                    await response.write_eof()
        except TimeoutError:
            client.cut_off()
        return response

    def _answer(self, client: "_Client", request: web.BaseRequest) -> HttpAnswer:
        given = request.headers
        forwarded = given.getall("X-Forwarded-For", [])
        if forwarded and not is_trusted(client.host, self.trusted_proxies):
            warn_of_proxy()
        address = client_address(client.host, forwarded, self.trusted_proxies)
        if not self.visitors.admit(address, self.clock()):
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "30"})
        # Attack: a body that never ends. No request has a reason to bring one.
        if request.body_exists:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self._app.answer(
            request.method,
            request.raw_path,
            given.get("Accept-Encoding"),
            given.get("If-None-Match"),
        )


class _Client(web.RequestHandler):
    """A connection that also bounds what the library does not."""

    def __init__(self, factory: _Factory, **options: Any) -> None:
        super().__init__(factory, **options)
        self._factory = factory
        self._wire: asyncio.Transport | None = None
        self._is_counted = False
        self._was_closing = False
        self._since = factory.clock()
        self.waiting_since: float | None = self._since
        self._address = UNKNOWN
        self.host = ""

    @property
    def is_old(self) -> bool:
        """Whether it should make room after its next answer."""
        return self._factory.clock() - self._since > OLD

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wire = cast(asyncio.Transport, transport)
        name = transport.get_extra_info("peername")
        self.host = str(name[0]) if name else ""
        self._address = client_address(self.host, (), ())
        is_proxy = is_trusted(self.host, self._factory.trusted_proxies)
        if self._factory.visitors.is_full:
            self._factory.make_room()
        self._is_counted = self._factory.visitors.begin(
            self._address, is_proxy=is_proxy
        )
        self._factory.clients.add(self)
        # Attack: connections that are opened and then say nothing.
        if not self._is_counted:
            self.cut_off()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _forget(self) -> None:
        self._factory.clients.discard(self)
        if self._is_counted:
            self._factory.visitors.end(self._address)
            self._is_counted = False

    def cut_off(self) -> None:
        """End the connection at once, and forget what it has not read."""
        self._forget()
        if self._wire is not None:
            self._wire.abort()

    def sweep(self) -> None:
        """Cut it off if it is over and does not end, or lives too long."""
        is_closing = self._wire is not None and self._wire.is_closing()
        # Attack: a client that asks and never reads; closing waits for it for ever.
        if (is_closing and self._was_closing) or (
            self._factory.clock() - self._since > LIFETIME
        ):
            self.cut_off()
        self._was_closing = is_closing

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return a page that says nothing of the request, and close."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.error("a request for the phone app failed", exc_info=exc)
        response = _response(refusal(HTTPStatus(status)))
        response.force_close()
        return response


class _Listener:
    """A `Listener`."""

    def __init__(self, server: asyncio.Server, factory: _Factory) -> None:
        self._server = server
        self._factory = factory
        self._sweeping = asyncio.create_task(self._sweep())

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._sweeping.cancel()
        self._server.close()
        # Else shutdown() waits for those that only wait for their next request.
        self._factory.pre_shutdown()
        await self._factory.shutdown(CLOSE_TIMEOUT)
        for client in list(self._factory.clients):
            client.cut_off()
        await self._server.wait_closed()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            for client in list(self._factory.clients):
                client.sweep()


def _response(answer: HttpAnswer) -> web.Response:
    headers = {**answer.headers, "Server": SERVER}
    return web.Response(status=answer.status, headers=headers, body=answer.body)
