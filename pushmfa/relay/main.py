"""Starts, runs and stops a relay."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Final

from pushmfa.errors import NotReachableError, StoreError
from pushmfa.loop import run_service
from pushmfa.notify import keep_alive, notify
from pushmfa.relay.connections import Door, Listener
from pushmfa.relay.gate import Gate
from pushmfa.relay.http import Front, Health
from pushmfa.relay.limits import WEB_CONNECTIONS
from pushmfa.relay.links import Links
from pushmfa.relay.mailboxes import Mailboxes
from pushmfa.relay.open_files import fit_to_files, raise_file_limit
from pushmfa.relay.other_ways import Command, Hook, Way
from pushmfa.relay.push_client import PushClient, Reach
from pushmfa.relay.push_key import load_push_key
from pushmfa.relay.settings import RelaySettings
from pushmfa.relay.subscriptions import WakeUps
from pushmfa.relay.tls import Certificate
from pushmfa.relay.visitors import Visitors
from pushmfa.relay.web import start_web
from pushmfa.relay.webpush import Counts, WebPush
from pushmfa.relay.websocket_server import listen
from pushmfa.store.relay_rows import RelayRows

PURGE_INTERVAL: Final = 60.0
"""Seconds."""

logger = logging.getLogger(__name__)


def run(settings: RelaySettings, reach: Reach | None = None) -> int:
    """Run a relay until SIGTERM or SIGINT; return the exit code.

    reach is for tests, whose push service is on this machine.
    ConfigError, StoreError or NotReachableError (the port) if it cannot start.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    visitors = WEB_CONNECTIONS if settings.web else 0
    limits = fit_to_files(settings.limits, raise_file_limit(), visitors)
    settings = replace(settings, limits=limits)
    run_service(serve(settings, reach))
    return 0


async def serve(settings: RelaySettings, reach: Reach | None = None) -> None:
    """Run a relay on this loop until SIGTERM or SIGINT; SIGHUP reads TLS again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Before it listens: who sees that it does may already want it to end.
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    async with running(settings, reach) as relay:
        loop.add_signal_handler(signal.SIGHUP, relay.reload)
        living = asyncio.ensure_future(keep_alive())
        notify("READY=1")
        await stop.wait()
        living.cancel()
        notify("STOPPING=1")
        logger.info("the relay stops, %d links", relay.health().links)


@asynccontextmanager
async def running(
    settings: RelaySettings, reach: Reach | None = None
) -> "AsyncIterator[Relay]":
    """Give a relay that runs on this loop, also to tests and to the demo."""
    limits = settings.limits
    rows = RelayRows.open(
        settings.state_path,
        max_mailboxes=limits.known_mailboxes,
        keep_days=limits.mailbox_days,
    )
    try:
        rows.purge()
        relay = Relay(settings, rows, reach or Reach())
        try:
            await relay.start()
            yield relay
        finally:
            await relay.stop()
    finally:
        rows.close()


class Relay:
    """A relay that runs."""

    def __init__(self, settings: RelaySettings, rows: RelayRows, reach: Reach) -> None:
        self._settings = settings
        self._clock = _boot_clock
        self._gate = Gate(settings.limits)
        self._web_push = _web_push_of(settings, reach, self._clock)
        self._wakeups = WakeUps(
            rows.pushes(self._web_push.public_key if self._web_push else b""),
            self._web_push,
            _ways_of(settings),
            limits=settings.limits,
            clock=self._clock,
            on_trouble=self._note_trouble,
        )
        self._mailboxes = Mailboxes(rows, settings.limits, self._wakeups, self._clock())
        self._is_well = True
        self._visitors = Visitors(settings.limits)
        self._tls = Certificate.of(settings.tls_cert, settings.tls_key, "listen")
        self._web_tls = _web_tls_of(settings)
        self._listener: Listener | None = None
        self._web: Listener | None = None
        self._purging: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._listener is None:
            raise NotReachableError("the relay does not listen")
        return self._listener.port

    @property
    def web_port(self) -> int:
        """The port of the phone app."""
        if self._web is None:
            raise NotReachableError("the relay does not serve the phone app")
        return self._web.port

    @property
    def visitors(self) -> int:
        """How many connections the listener of the phone app has."""
        return self._visitors.connections

    def health(self) -> Health:
        """Return how it is."""
        pushes = self._web_push.counts if self._web_push else Counts()
        return Health(
            ok=self._is_well,
            links=self._gate.links,
            mailboxes=self._mailboxes.open_count,
            envelopes=self._mailboxes.remembered_count,
            pushes_sent=pushes.sent,
            pushes_failed=pushes.failed,
        )

    async def start(self) -> None:
        """Open the ports; NotReachableError if that cannot be."""
        settings = self._settings
        links = Links(
            self._mailboxes,
            self._gate,
            self._wakeups,
            names=settings.public_urls,
            limits=settings.limits,
            clock=self._clock,
        )
        door = Door(
            front=Front(self._gate, self.health, settings.origins),
            gate=self._gate,
            limits=settings.limits,
            trusted_proxies=settings.trusted_proxies,
            clock=self._clock,
        )
        with _telling_of_port(settings.address, settings.port, "listen"):
            self._listener = await listen(
                links.handle,
                door,
                address=settings.address,
                port=settings.port,
                tls=self._tls.context if self._tls else None,
            )
        if web := settings.web:
            with _telling_of_port(web.address, web.port, "web"):
                self._web = await start_web(
                    settings, web, self._web_tls, self._visitors, self._clock
                )
        self._purging = asyncio.create_task(self._purge())
        self._tell_start()

    async def stop(self) -> None:
        """End all links (code 1001) and close the ports."""
        if self._purging is not None:
            self._purging.cancel()
        listeners = [one for one in (self._web, self._listener) if one is not None]
        await asyncio.gather(*(listener.close() for listener in listeners))
        await self._wakeups.stop()

    def reload(self) -> None:
        """Read the certificates again; one that is wrong changes nothing."""
        for certificate in (self._tls, self._web_tls):
            if certificate is not None:
                certificate.read_again()

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(PURGE_INTERVAL)
            self.purge()

    def purge(self) -> None:
        """Forget what is over, and find out whether the state can be written."""
        now = self._clock()
        self._gate.purge(now)
        self._visitors.purge(now)
        self._wakeups.purge(now)
        try:
            self._mailboxes.purge(now)
        except StoreError as error:
            self._mailboxes.trouble = error
        trouble, self._mailboxes.trouble = self._mailboxes.trouble, None
        self._is_well = trouble is None
        if trouble is not None:
            logger.error("state: %s (%s)", trouble, trouble.hint)

    def _note_trouble(self, error: StoreError) -> None:
        self._mailboxes.trouble = error

    def _tell_start(self) -> None:
        how = "with TLS" if self._tls else "without TLS"
        logger.info(
            "the relay listens on %s port %d %s, as %s",
            self._settings.address,
            self.port,
            how,
            ", ".join(sorted(self._settings.public_urls)),
        )


def _web_push_of(
    settings: RelaySettings, reach: Reach, clock: Callable[[], float]
) -> WebPush | None:
    push = settings.push
    if not push.enabled:
        return None
    key = load_push_key(settings.state_path.parent)
    return WebPush(key, PushClient(reach), contact=push.contact, clock=clock)


def _ways_of(settings: RelaySettings) -> list[Way]:
    ways: list[Way] = []
    if settings.push.hook_url is not None:
        ways.append(Hook(settings.push.hook_url))
    if settings.push.command:
        ways.append(Command(settings.push.command))
    return ways


def _boot_clock() -> float:
    # Goes on while a machine sleeps: an envelope does not live longer for it.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _web_tls_of(settings: RelaySettings) -> Certificate | None:
    web = settings.web
    return Certificate.of(web.tls_cert, web.tls_key, "web") if web else None


@contextmanager
def _telling_of_port(address: str, port: int, table: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # asyncio's own text names address and port again.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error
        raise NotReachableError(
            f"cannot listen on {address} port {port}: {reason}",
            hint=f"Is another program on that port? See [{table}] in relay.toml.",
        ) from error
