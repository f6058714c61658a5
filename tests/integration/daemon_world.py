"""A relay, a daemon and devices in one loop: all real, but for the accounts.

The daemon asks a table instead of the user database, and takes the uid of who calls
control.sock from the test: both need several accounts, and tests run as anybody.
"""

import asyncio
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from unittest import mock

from pushmfa.client import Client
from pushmfa.config.model import HostConfig, HostPaths, HostRelays, LoginSettings
from pushmfa.daemon import acceptor, names
from pushmfa.daemon.audit import AttemptRecord, Record, decode_record
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.identity import load_host
from pushmfa.daemon.main import Daemon
from pushmfa.daemon.peer import Peer, peer_of
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.sockets import Listeners, open_listeners
from pushmfa.daemon.state import DATABASE_NAME
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.relay.main import Relay, running
from pushmfa.relay.settings import RelaySettings
from pushmfa.store.files import make_private_folder
from pushmfa.store.host_rows import HostStore
from pushmfa.terms import DeviceKind, UserName, Verdict
from pushmfa.wire import control
from tests.integration.daemon_device import PATIENCE, TestDevice
from tests.integration.daemon_module import Module, close_all, request
from tests.vectors.authenticator import Authenticator

P = ParamSpec("P")
T = TypeVar("T")

ACCOUNTS = {"root": 0, "alice": 1001, "bob": 1002, "carol": 1003}

ROOMY = RelayLimits(
    connections=Rate(10_000, 1000),
    refused_hellos=Rate(10_000, 1000),
    host_frames=Rate(10_000, 1000),
    host_envelopes=Rate(10_000, 1000),
    max_waiting=1000,
)
"""All connections of a test come from one address."""


def scene(play: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a test of a coroutine function."""

    @functools.wraps(play)
    def test(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(play(*args, **kwargs))

    return test


class MovableClock(Clock):
    """The real clocks, and what a test adds to them."""

    def __init__(self) -> None:
        self.boot = 0.0
        self.wall = 0.0

    def now(self) -> Moment:
        """Return both clocks as they would be."""
        real = super().now()
        return Moment(real.boot + self.boot, real.wall + self.wall)

    def advance(self, seconds: float) -> None:
        """Let time go by, for both clocks."""
        self.boot += seconds
        self.wall += seconds


class RunningHost:
    """One host: its state, its sockets, and the daemon while it runs."""

    def __init__(self, folder: Path, relay: str, config: HostConfig | None) -> None:
        self.run = folder / "run"
        self.state = folder / "state"
        self.clock = MovableClock()
        base = config or HostConfig(
            relay=HostRelays(urls=(relay,)), web_origin="http://localhost"
        )
        self.config = replace(base, paths=HostPaths(state=self.state, run=self.run))
        make_private_folder(folder)
        make_private_folder(self.state)
        self.keys = load_host(self.state, "web1")
        self.numbers: asyncio.Queue[control.NumberShown] = asyncio.Queue()
        """What control.sock shows to callers."""
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, is_ready: bool = True) -> None:
        """Start the daemon; wait for its link unless told otherwise."""
        self.listeners: Listeners = open_listeners(self.run)
        self.store = HostStore.open(self.state / DATABASE_NAME)
        self._stop = asyncio.Event()
        self.daemon = Daemon(
            self.config, self.keys, self.store, self.listeners, self.clock
        )
        self._task = asyncio.create_task(self.daemon.serve(self._stop))
        if is_ready:
            await within(self.daemon.is_relay_ready.wait())
        else:
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Stop the daemon as SIGTERM does."""
        if self._task is None:
            return
        self._stop.set()
        await within(self._task)
        self._task = None
        self.listeners.pam.close()
        self.listeners.control.close()
        self.store.close()

    # --- pam.sock -------------------------------------------------------------------

    async def log_in(self, **items: str | bytes | int | None) -> Module:
        """Return a module that sent its request; see `daemon_module.request`."""
        return await Module.begin(self.run, request(**items))

    # --- control.sock ---------------------------------------------------------------

    async def ask(self, call: Callable[[Client], T], uid: int = 1001) -> T:
        """Return what a program of the user uid gets by call, in a thread."""
        caller_uid.append(uid)
        with Client(self.run, timeout=PATIENCE) as client:
            return await asyncio.to_thread(call, client)

    def on_number(self) -> Callable[[control.NumberShown], None]:
        """Return what a call gives to its client as `on_number`."""
        loop = asyncio.get_running_loop()
        return lambda shown: _put(loop, self.numbers, shown)

    async def shown(self) -> control.NumberShown:
        """Return the next number that control.sock shows."""
        return await within(self.numbers.get())

    # --- state ----------------------------------------------------------------------

    def records(self) -> list[Record]:
        """Return all records of the audit, oldest first."""
        rows = reversed(self.store.load_audit(100_000))
        return [decode_record(row.record) for row in rows]

    def verdicts(self) -> list[tuple[str, str]]:
        """Return verdict and cause of every attempt in the audit, oldest first."""
        return [
            (record.verdict.value, record.cause.value)
            for record in self.records()
            if isinstance(record, AttemptRecord)
        ]

    def approvals(self) -> int:
        """Return how many attempts were approved."""
        return [verdict for verdict, _ in self.verdicts()].count(Verdict.APPROVED)


def _put(
    loop: asyncio.AbstractEventLoop,
    queue: "asyncio.Queue[T]",
    value: T,
) -> None:
    loop.call_soon_threadsafe(queue.put_nowait, value)


class World:
    """One relay, one host, its devices."""

    def __init__(
        self,
        folder: Path,
        relay_url: str,
        config: HostConfig | None,
        kind: type[RunningHost],
    ) -> None:
        self.folder = folder
        self.relay_url = relay_url
        self.host = kind(folder / "host", relay_url, config)
        self.devices: list[TestDevice] = []
        self.relay: Relay | None = None

    def enroll(
        self,
        user: str,
        label: str,
        kind: DeviceKind = DeviceKind.APP,
        authenticator: Authenticator | None = None,
    ) -> TestDevice:
        """Enroll a device before the daemon starts, by writing its row."""
        device = TestDevice(self.host.keys, self.relay_url, user, accounts[user], label)
        device.authenticator = authenticator
        store = HostStore.open(self.host.state / DATABASE_NAME)
        try:
            Registry(store).add(device.as_recorded(kind), 0)
        finally:
            store.close()
        self.devices.append(device)
        return device


accounts: dict[str, int] = dict(ACCOUNTS)
"""The user database of the host that runs now."""

caller_uid: list[int] = [1001]
"""The last is the uid of who calls control.sock."""


@asynccontextmanager
async def world(
    folder: Path,
    *devices: tuple[str, str],
    login: LoginSettings | None = None,
    config: Callable[[HostConfig], HostConfig] = lambda config: config,
    relay: Callable[[RelaySettings], RelaySettings] = lambda settings: settings,
    people: Iterable[str] = (),
    has_relay: bool = True,
    starts: bool = True,
    kind: type[RunningHost] = RunningHost,
) -> AsyncIterator[World]:
    """Give a host with devices, each (user, label), whose links are ready.

    people are more accounts, without devices.
    """
    accounts.clear()
    accounts.update(ACCOUNTS)
    caller_uid[:] = [ACCOUNTS["alice"]]
    for number, name in enumerate([*people, *(user for user, _ in devices)]):
        accounts.setdefault(name, 2000 + number)
    port = free_port()
    url = f"ws://127.0.0.1:{port}"
    base = HostConfig(
        relay=HostRelays(urls=(url,)),
        web_origin="http://localhost",
        login=login or LoginSettings(),
    )
    it = World(folder, url, config(base), kind)
    for user, label in devices:
        it.enroll(user, label)
    with _accounts_patched():
        if not has_relay:
            await it.host.start(is_ready=False)
            try:
                yield it
            finally:
                await it.host.stop()
                close_all()
            return
        async with running(relay(relay_settings(folder, port))) as it.relay:
            try:
                await asyncio.gather(*(device.start() for device in it.devices))
                if starts:
                    await it.host.start()
                yield it
            finally:
                await it.host.stop()
                close_all()
                await asyncio.gather(*(device.stop() for device in it.devices))


def relay_settings(folder: Path, port: int) -> RelaySettings:
    """Return the settings of a relay on this port of this machine."""
    return RelaySettings(
        public_urls=frozenset({f"ws://127.0.0.1:{port}"}),
        state_path=folder / "relay" / "relay.db",
        address="127.0.0.1",
        port=port,
        limits=ROOMY,
    )


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accounts_patched() -> Any:
    def by_name(name: str) -> Account | None:
        uid = accounts.get(name)
        return None if uid is None else Account(UserName(name), uid)

    def by_uid(uid: int) -> Account | None:
        found = [name for name, each in accounts.items() if each == uid]
        return Account(UserName(found[0]), uid) if found else None

    def peer(connection: socket.socket) -> Peer:
        real = peer_of(connection)
        if connection.type != socket.SOCK_STREAM:
            return real
        return Peer(pid=real.pid, uid=caller_uid[-1])

    stack = mock.patch.multiple(names, _by_name=by_name, _by_uid=by_uid)
    return _Both(stack, mock.patch.object(acceptor, "peer_of", peer))


class _Both:
    def __init__(self, *patches: Any) -> None:
        self._patches = patches

    def __enter__(self) -> None:
        for patch in self._patches:
            patch.start()

    def __exit__(self, *error: object) -> None:
        for patch in self._patches:
            patch.stop()


async def within(wait: Awaitable[T], seconds: float = PATIENCE) -> T:
    """Return what wait returns, or fail after a while."""
    async with asyncio.timeout(seconds):
        return await wait


async def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  what it waits for has no event
            await asyncio.sleep(0.01)
