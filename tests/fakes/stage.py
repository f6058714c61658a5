"""The real daemon and the real devices, on a stage of memory and virtual time.

Real: everything of `pushmfa`, from the PAM module's datagrams to the frames of the
link. Not real: sockets, the clock, the user database, the disk (SQLite in memory),
and randomness, which comes from the seed.
"""

import asyncio
import functools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, Final, cast
from unittest import mock

from pushmfa.config.model import HostConfig, HostRelays
from pushmfa.crypto import keys as key_making
from pushmfa.daemon import front, logins, pam_server, post, requests, standing
from pushmfa.daemon.audit import Record, decode_record
from pushmfa.daemon.identity import _new_identity, host_of
from pushmfa.daemon.main import Daemon
from pushmfa.daemon.peer import Peer
from pushmfa.daemon.post import Host
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.sockets import Listeners
from pushmfa.daemon.waiting import Waiting
from pushmfa.device import links
from pushmfa.device.session import Session, Unlocked, Watcher
from pushmfa.errors import DiskFullError
from pushmfa.link import link as link_module
from pushmfa.link.dialing import Network
from pushmfa.login.attempt import End
from pushmfa.login.policy import Account
from pushmfa.store.credential_rows import CounterRow
from pushmfa.store.database import Database
from pushmfa.store.host_rows import AuditRow, HostStore
from pushmfa.store.host_schema import MIGRATIONS
from pushmfa.terms import (
    DeviceId,
    UserName,
    VerificationRequired,
)
from pushmfa.wire.codec import encode
from tests.fakes.hostile_relay import HostileRelay
from tests.fakes.ledger import Ledger, now
from tests.fakes.observer import observe
from tests.fakes.pipe import MemoryModule, make_dialer
from tests.fakes.virtual_time import SeededSecrets, VirtualClock
from tests.integration.daemon_device import TestDevice

RELAY: Final = "ws://localhost:8300"
UIDS: Final = {"root": 0, "alice": 1001, "mallory": 1003}

_secrets = SeededSecrets()
_relay: list[HostileRelay] = []


@contextmanager
def on_stage() -> Iterator[None]:
    """Replace what is not real while the block runs: once for many runs."""

    async def accounts_of_login(
        name: str | None, uid: int | None, loginuid: int | None
    ) -> tuple[Account | None, Account | None, Account | None]:
        names = {uid: name for name, uid in UIDS.items()}
        found = [
            names.get(each) if each is not None else None for each in (uid, loginuid)
        ]
        return (_account(name), _account(found[0]), _account(found[1]))

    dialer = make_dialer(lambda wire: _relay[-1].serve(wire))
    with ExitStack() as stack:
        patch = functools.partial(mock.patch.object)
        for module in (logins, standing, post, front, links, key_making):
            stack.enter_context(patch(module, "secrets", _secrets))
        stack.enter_context(patch(link_module, "random", _secrets))
        stack.enter_context(patch(link_module, "make_dialer", dialer))
        stack.enter_context(patch(requests, "accounts_of_login", accounts_of_login))
        stack.enter_context(
            patch(pam_server, "ModuleConnection", lambda connection: connection)
        )
        yield


def _account(name: str | None) -> Account | None:
    uid = None if name is None else UIDS.get(name)
    return None if name is None or uid is None else Account(UserName(name), uid)


def new_host(name: str) -> Host:
    """Return a host with new keys."""
    return host_of(encode(_new_identity()), name, Path("memory"))


@functools.cache
def _empty_database() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for migration in MIGRATIONS:
        for statement in migration:
            connection.execute(statement)
    return connection.serialize()


class Stage:
    """One host, its devices and one relay, until `close`."""

    def __init__(self, rng: Random) -> None:
        _secrets.rng = Random(rng.getrandbits(64))  # noqa: S311  a seed is what is wanted
        self.ledger = Ledger()
        self.clock = VirtualClock()
        self.relay = HostileRelay(Random(rng.getrandbits(64)))  # noqa: S311  a seed is what is wanted
        _relay[:] = [self.relay]
        self.host = new_host("web1")
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(_empty_database())
        self.store = HostStore(Database(connection, Path("memory")))
        self._append_audit = self.store.append_audit
        self.store.append_audit = self._append  # type: ignore[method-assign]  # a disk that may be full
        self.config = HostConfig(
            relay=HostRelays(urls=(RELAY,)), web_origin="http://localhost"
        )
        self.is_verification_asked = False
        self.restarting = asyncio.Lock()
        self._tasks: list[asyncio.Task[Any]] = []
        self._conversations: set[asyncio.Task[Any]] = set()
        self._linking: asyncio.Task[None] | None = None

    # --- the host -------------------------------------------------------------------

    def enroll(self, device: TestDevice) -> None:
        """Record a device before the daemon starts."""
        Registry(self.store).add(device.as_recorded(), 0)

    def device(self, user: str, label: str, uid: int | None = None) -> TestDevice:
        """Return a device with new keys; it is not recorded yet."""
        number = UIDS[user] if uid is None else uid
        return TestDevice(self.host, RELAY, user, number, label)

    def start(self) -> None:
        """Start the daemon."""
        nothing = Listeners(cast("Any", _NoListener()), cast("Any", _NoListener()))
        self.daemon = Daemon(self.config, self.host, self.store, nothing, self.clock)
        self.daemon._build()
        self.daemon._health.probe = self._probe
        observe(self.daemon._logins, self.clock, self.ledger)
        self._ask_for_verification(self.daemon._logins)
        self._linking = asyncio.ensure_future(self.daemon._link.run())

    async def stop(self) -> None:
        """Stop the daemon as SIGTERM does."""
        await _cancel(self._conversations)
        self.daemon._logins.cancel_all()
        if self._linking is None:
            return
        if self._linking.done() and not self._linking.cancelled():
            error = self._linking.exception()
            self.ledger.troubles.append(f"the daemon's link died: {_name(error)}")
        await _cancel([self._linking])

    async def restart(self) -> None:
        """Stop and start."""
        async with self.restarting:
            self.ledger.restarts.append(now())
            await self.stop()
            self.start()

    async def log_in(self, datagram: bytes) -> MemoryModule:
        """Return a module that sent its request."""
        module = MemoryModule()
        module.say(datagram)
        serve = self.daemon._pam._serve(cast("Any", module), Peer(pid=1, uid=0))
        task = asyncio.ensure_future(serve)
        self._conversations.add(task)
        task.add_done_callback(self._note_end)
        return module

    def _note_end(self, task: asyncio.Task[None]) -> None:
        self._conversations.discard(task)
        if not task.cancelled() and task.exception() is not None:
            error = _name(task.exception())
            self.ledger.troubles.append(f"a conversation died: {error}")

    def revoke(self, device_id: DeviceId, *, is_lost: bool) -> None:
        """Revoke a device, or report it lost, as the control socket does."""
        registry = self.daemon._logins._registry
        device = registry.by_id(device_id)
        if device is None or not device.is_active():
            return
        self.ledger.gone[device_id] = now()
        act = registry.report_lost if is_lost else registry.revoke
        act(device, 0, self.clock.now())
        self.daemon._logins.device_gone(device_id)

    def records(self) -> list[Record]:
        """Return the audit, oldest first."""
        rows = reversed(self.store.load_audit(1_000_000))
        return [decode_record(row.record) for row in rows]

    def _append(self, *rows: AuditRow, counters: Sequence[CounterRow] = ()) -> None:
        self._probe()
        self._append_audit(*rows, counters=counters)

    def _probe(self) -> None:
        if not self.ledger.has_room(now()):
            error = DiskFullError("the disk is full")
            self.daemon._health.note(error)
            raise error

    def _ask_for_verification(self, mine: logins.Logins) -> None:
        ask = mine._ask

        def asking(*args: Any) -> Waiting | End:
            context, approver, devices, terms, number = args
            if self.is_verification_asked:
                # What a later version's policy will ask.
                asked = VerificationRequired.REQUIRED
                terms = replace(terms, verification=asked)
            return ask(context, approver, devices, terms, number)

        mine._ask = asking  # type: ignore[method-assign, assignment]  # asks for more

    # --- the devices ----------------------------------------------------------------

    def switch_on(self, device: TestDevice, watcher: Watcher) -> Session:
        """Return the real session of a device, with its link."""
        session = session_of(device, watcher)
        self._tasks.append(asyncio.ensure_future(keep(session)))
        return session

    async def close(self) -> None:
        """End everything but the database, which is still to be looked at."""
        await self.stop()
        for task in self._tasks:
            if task.done():
                self.ledger.troubles.append("the link of a device died")
        await _cancel(self._tasks)


class _NoListener:
    """Stands for a socket on which nobody ever calls."""

    def setblocking(self, _is_blocking: bool) -> None:
        """Do nothing."""


class _NoKeyring:
    """Stands for the files of a device."""

    def __init__(self) -> None:
        self._counter = 0

    def reserve_counters(self, _device_id: DeviceId, count: int) -> range:
        self._counter += count
        return range(self._counter - count + 1, self._counter + 1)

    def note_epoch(self, _device_id: DeviceId, _epoch: int) -> None:
        """Note nothing: a run is short."""

    def forget_keys(self, _device_id: DeviceId) -> None:
        """Forget nothing: a run is short."""


def session_of(device: TestDevice, watcher: Watcher) -> Session:
    """Return the real session of a device; only its files are none."""
    return Session(
        cast("Any", _NoKeyring()),
        [Unlocked(device.enrollment, device.keys)],
        watcher,
        network=Network(),
        acknowledges=True,
        clock=now,
    )


async def keep(session: Session) -> None:
    """Run session until canceled."""
    async with session.running():
        while True:
            await asyncio.sleep(5)
            session.expire()


async def _cancel(
    tasks: "Sequence[asyncio.Task[Any]] | set[asyncio.Task[Any]]",
) -> None:
    ending = list(tasks)
    for task in ending:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)


def _name(error: BaseException | None) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
