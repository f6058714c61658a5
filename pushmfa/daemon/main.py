"""Starts, runs and stops the daemon; here the clock enters."""

import asyncio
import logging
import os
import signal
import socket
from pathlib import Path
from typing import Any, Final

from pushmfa.config.model import HostConfig
from pushmfa.daemon import words
from pushmfa.daemon.audit import Audit
from pushmfa.daemon.calls import Parts
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.control_commands import Commands
from pushmfa.daemon.control_server import ControlServer
from pushmfa.daemon.front import Front
from pushmfa.daemon.health import Health
from pushmfa.daemon.logins import Logins
from pushmfa.daemon.machine import read_machine
from pushmfa.daemon.mutes import Mutes
from pushmfa.daemon.notices import Notices
from pushmfa.daemon.offers import Offers
from pushmfa.daemon.pam_server import PamServer
from pushmfa.daemon.places import Places
from pushmfa.daemon.post import Host, Post
from pushmfa.daemon.refusals import Refusals
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.serving import serve
from pushmfa.daemon.sockets import Listeners, give_up_root, open_listeners
from pushmfa.daemon.state import COPY_NAME, Place, State
from pushmfa.daemon.swap import sweep
from pushmfa.daemon.threads import Threads
from pushmfa.daemon.tickets import Tickets
from pushmfa.errors import StoreError
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.login.verification import VerificationRule, locked_out
from pushmfa.loop import end_if_out_of_memory, run_service
from pushmfa.notify import keep_alive, notify
from pushmfa.store.files import make_private_folder
from pushmfa.store.host_rows import HostStore
from pushmfa.terms import VERSION, Role
from pushmfa.text import make_harmless
from pushmfa.wire.control import RelayInfo

log = logging.getLogger("pushmfa.daemon")

LATELY_SECONDS: Final = 10.0
"""So long after a link was lost, a login dials until its time for that is over."""

COUNT_INTERVAL: Final = 60.0
"""Seconds between the rows of refusals that were only counted."""


def run(config: HostConfig, config_path: Path) -> int:
    """Run the daemon until SIGTERM or SIGINT; return the exit code.

    ConfigError, StoreError or UsageError if it cannot start.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    # Nothing that this process makes is for others.
    os.umask(0o077)
    listeners = open_listeners(config.paths.run)
    give_up_root(config.paths.state)
    make_private_folder(config.paths.state)
    name = host_name(config)
    log.info("pushmfa %s, %s, configured by %s", VERSION, name, config_path)
    run_service(_serve_until_told(config, name, listeners))
    return 0


def host_name(config: HostConfig) -> str:
    """Return what this host calls itself."""
    return make_harmless(config.host_name or socket.gethostname(), 255) or "host"


async def _serve_until_told(
    config: HostConfig, name: str, listeners: Listeners
) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # asyncio's own, for the names of relays, would be waited for at the end.
    loop.set_default_executor(Threads("pushmfa-dns"))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)

    async def run_daemon(state: State, health: Health) -> None:
        host, store = state
        daemon = Daemon(config, host, store, listeners, Clock(), health)
        await daemon.serve(stop)

    def place() -> Place:
        # A machine may get its id after the start, early at boot.
        return Place(config.paths.state, name, read_machine())

    await serve(place, listeners, stop, run_daemon)


class Daemon:
    """All parts of the daemon, put together."""

    def __init__(
        self,
        config: HostConfig,
        host: Host,
        store: HostStore,
        listeners: Listeners,
        clock: Clock,
        health: Health | None = None,
    ) -> None:
        self._health = health or Health()
        self._config = config
        self._host = host
        self._store = store
        self._listeners = listeners
        self._clock = clock
        self.is_relay_ready = asyncio.Event()
        """Set while at least one relay takes envelopes."""
        self._lost_at = 0.0
        """When the last link was lost, or this daemon was started (loop time)."""

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until stop is set or the state is in lasting trouble.

        Raise what ended the link if that came first.
        """
        # Where both are started at once, by a boot or a crash, the relay may be later.
        self._lost_at = asyncio.get_running_loop().time()
        self._build()
        self._tend()
        # What an earlier state could not take is on this one's disk before any login.
        self._write_counts()
        linking = asyncio.ensure_future(self._link.run())
        counting = asyncio.ensure_future(self._count())
        living = asyncio.ensure_future(keep_alive())
        self._pam.start()
        self._control.start()
        notify("READY=1")
        await self._until_end(stop, linking)
        log.info("stopping; %d logins wait", self._logins.count_pending())
        await self._pam.stop()
        await self._control.stop()
        # Outcomes of what was canceled are told before the link goes.
        self._logins.cancel_all()
        await self._link.flush(2.0)
        for task in (counting, linking, living):
            task.cancel()
        linked, *_ = await asyncio.gather(
            linking, counting, living, return_exceptions=True
        )
        self._write_counts()
        if isinstance(linked, Exception):
            raise linked

    async def _until_end(
        self, stop: asyncio.Event, linking: "asyncio.Future[None]"
    ) -> None:
        """Wait for the stop, for lasting trouble, or for the end of the link.

        A daemon whose link has died can only refuse: better it ends, loudly, and
        systemd starts it again.
        """
        ends = (stop, self._health.found)
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(event.wait()) for event in ends
        ]
        await asyncio.wait([linking, *waits], return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        if stop.is_set():
            notify("STOPPING=1")

    def _tend(self) -> None:
        """Have the store and its health know each other."""
        store, health = self._store, self._health
        copy = store.path.with_name(COPY_NAME)
        store.watch(health.note)
        store.after_change = health.copy_registry
        health.probe = store.probe
        health.copy = lambda: store.copy_registry(copy)
        # Also what changed just before something was killed.
        if not store.is_copied(copy):
            health.copy_registry()
        try:
            sweep(store.path.parent)
        except StoreError as error:
            log.warning("what was left unfinished cannot be removed: %s", error)
        health.refill()

    def _build(self) -> None:
        config, host, clock = self._config, self._host, self._clock
        rule = VerificationRule(
            is_required=config.login.verification == "required",
            users=frozenset(config.login.verification_users),
        )
        self._link = Link(
            urls=config.relay.urls,
            role=Role.HOST,
            mailboxes=[OpenMailbox(host.relay_signer)],
            on_envelope=lambda envelope: self._logins.receive(envelope),
            on_state=self._note_link,
            ca=config.relay.ca,
            proxy=config.relay.proxy,
        )
        unwritten = self._health.unwritten
        registry = self._registry = Registry(self._store, unwritten)
        audit = Audit(self._store)
        tickets = Tickets(self._store)
        mutes = self._mutes = Mutes(self._store, clock, unwritten)
        refusals = Refusals(audit, clock)
        post = Post(host, self._link)
        self._logins = Logins(
            settings=config.login,
            verification=rule,
            origin=config.web_origin,
            clock=clock,
            host=host,
            registry=registry,
            audit=audit,
            post=post,
            health=self._health,
        )
        self._front = Front(
            config=config,
            clock=clock,
            registry=registry,
            refusals=refusals,
            logins=self._logins,
            tickets=tickets,
            mutes=mutes,
            health=self._health,
            is_relay_ready=self.is_relay_ready,
            reach_relay=self._reach_relay,
        )
        self._pam = PamServer(self._listeners.pam, self._front)
        parts = Parts(
            host=host,
            clock=clock,
            registry=registry,
            audit=audit,
            refusals=refusals,
            logins=self._logins,
            tickets=tickets,
            mutes=mutes,
            offers=Offers(registry, mutes),
            notices=Notices(host, registry, post, clock),
            places=Places(
                origin=config.web_origin,
                relays=config.relay.urls,
                ca=config.relay.ca,
                proxy=config.relay.proxy,
            ),
            lifetime=config.login.lifetime,
            verification=rule,
            is_ticket_enough=config.enroll.first_device == "ticket",
            reach_relay=self._reach_relay,
            relays=self._relays,
            health=self._health,
            database=self._store.path,
        )
        self._control = ControlServer(self._listeners.control, Commands(parts))
        for name in locked_out(rule, registry.all_devices()):
            log.warning("%s", words.locked_out(name))

    def _note_link(self, state: LinkState) -> None:
        if any(each.is_ready for each in self._link.states()):
            self.is_relay_ready.set()
        elif self.is_relay_ready.is_set():
            self.is_relay_ready.clear()
            self._lost_at = asyncio.get_running_loop().time()
        if state.is_ready:
            self._logins.send_again()

    async def _reach_relay(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time
        until = now() + seconds
        while not await self._link.hurry(until - now()):
            # A relay that was there a moment ago is being started again, as a rule.
            if now() >= until or now() - self._lost_at > LATELY_SECONDS:
                return
            await asyncio.sleep(0.1)

    def _relays(self) -> tuple[RelayInfo, ...]:
        return tuple(
            RelayInfo(
                url=state.relay,
                connected=state.is_ready,
                problem=make_harmless(state.problem) or None,
            )
            for state in self._link.states()
        )

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(COUNT_INTERVAL)
            self._write_counts()
            self._health.refill()

    def _write_counts(self) -> None:
        for write in (
            self._registry.write_again,
            self._mutes.write_again,
            self._front.write_counts,
        ):
            try:
                write()
            except StoreError as error:
                log.critical("the state cannot be written: %s", error)
            except Exception as error:
                # A mistake of ours must not end what is done each minute.
                end_if_out_of_memory(error)
                log.exception("the state was not written")
