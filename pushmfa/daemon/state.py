"""The state of this host, opened: only if it is whole, this machine's, and the newest.

    STATE/identity.json      the keys
    STATE/pushmfa.db         devices, tickets, audit; and what all this is of
    STATE/registry-copy.db   the automatic copy of all but the audit
    STATE/pushmfa.db-kept    the blocks of its log while it is closed
    STATE/lock               held by whoever uses the state: daemon or `pushmfa host`
    STATE/damaged            the daemon found damage; `pushmfa host repair` removes it

At the very first start the database is made before the keys: keys without a database
mean that it was lost, and not that nobody is enrolled.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.daemon import trouble
from pushmfa.daemon.health import Health
from pushmfa.daemon.identity import FILE_NAME, load_host
from pushmfa.daemon.post import Host
from pushmfa.daemon.trouble import TroubleError
from pushmfa.errors import DamagedError, StoreError, UsageError
from pushmfa.store.files import load_private, save_private, try_lock
from pushmfa.store.host_rows import HostRow, HostStore

DATABASE_NAME: Final = "pushmfa.db"
COPY_NAME: Final = "registry-copy.db"
LOCK_NAME: Final = "lock"
DAMAGED_NAME: Final = "damaged"

LOCK_PATIENCE: Final = 5.0
"""Seconds to wait for the lock; a daemon that refuses holds it for moments only."""

_MAX_MARK: Final = 4_096


class Place(NamedTuple):
    """Where a state is, and what it must be of."""

    folder: Path
    name: str
    """What this host calls itself."""
    machine: bytes | None
    """What stands for this machine (see `machine`)."""


class State(NamedTuple):
    """A state that can be used."""

    host: Host
    store: HostStore


@contextmanager
def locked(folder: Path, patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the state's lock while the block runs; UsageError if another does.

    patience: seconds to wait for it.
    """
    descriptor = _wait_for_lock(folder / LOCK_NAME, patience)
    try:
        yield
    finally:
        os.close(descriptor)


def _wait_for_lock(path: Path, patience: float) -> int:
    deadline = time.monotonic() + patience
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            raise UsageError(
                "the state of this host is in use",
                hint="Stop the daemon first: systemctl stop pushmfa-pam.socket"
                " pushmfa-control.socket pushmfa.service"
                " (or wait for the other `pushmfa host`).",
            )
        time.sleep(0.05)
    return descriptor


def open_state(place: Place, health: Health) -> State:
    """Return the state at place, made if nothing is there yet; the lock is held.

    TroubleError if no login may be taken with it; StoreError if others may read or
    write it, or if it is of a newer release.
    """
    return _open(place, health, _judge)


def open_unjudged(place: Place) -> State:
    """Return a whole state, also of another machine, or one that was set back."""
    return _open(place, Health(), lambda _place, _state: None)


def _open(place: Place, health: Health, judge: Callable[[Place, State], None]) -> State:
    _verify_whole(place.folder)
    try:
        store = HostStore.open(place.folder / DATABASE_NAME)
    except StoreError as error:
        raise _as_trouble(error) from error
    health.reserve = store.reserve
    try:
        state = State(_load(place, store), store)
        judge(place, state)
    except StoreError as error:
        store.close()
        raise _as_trouble(error) from error
    except BaseException:
        store.close()
        raise
    return state


def mark_damaged(folder: Path, detail: str) -> None:
    """Have every later start refuse until the state is repaired."""
    # The disk that is damaged may also be full; then the next start finds out itself.
    with suppress(StoreError):
        if not (folder / DAMAGED_NAME).exists():
            save_private(folder / DAMAGED_NAME, detail.encode()[:_MAX_MARK])


def is_lost(path: Path) -> bool:
    """Whether nothing is at path, or nothing but an empty file."""
    try:
        return path.lstat().st_size == 0
    except FileNotFoundError:
        return True
    except OSError:
        # What cannot be looked at is not lost; whoever opens it says why.
        return False


def _verify_whole(folder: Path) -> None:
    if (folder / FILE_NAME).exists() and is_lost(folder / DATABASE_NAME):
        # Attack, or a slip: without its database everybody is "not enrolled yet".
        raise TroubleError(trouble.lost_database())
    mark = folder / DAMAGED_NAME
    if mark.exists():
        detail = load_private(mark, _MAX_MARK).decode("utf-8", "replace")
        raise TroubleError(trouble.damaged(detail))


def _load(place: Place, store: HostStore) -> Host:
    """Return the host whose state this is, its keys made at the first start."""
    store.verify()
    row = store.load_host()
    path = place.folder / FILE_NAME
    if not path.exists() and (row is not None or store.load_devices()):
        raise TroubleError(trouble.lost_keys(path, "is lost"))
    try:
        host = load_host(place.folder, place.name)
    except DamagedError as error:
        raise TroubleError(trouble.lost_keys(path, "is damaged")) from error
    if row is None:
        # The first start, or the first with this release.
        store.save_host(HostRow(host.host_id, place.machine, epoch=1, seen=0))
    elif row.host_id != host.host_id:
        raise TroubleError(trouble.mixed(path))
    return host


def _judge(place: Place, state: State) -> None:
    """Return if the state is this machine's, and not known to be an old one."""
    row, machine = state.store.load_host(), place.machine
    if row is None:
        return
    if row.machine is None and machine is not None:
        state.store.save_host(row._replace(machine=machine))
    elif row.machine != machine:
        raise TroubleError(trouble.other_machine(has_id=machine is not None))
    if row.seen > row.epoch:
        raise TroubleError(trouble.rolled_back(row.seen, row.epoch))


def _as_trouble(error: StoreError) -> StoreError:
    found = trouble.of_error(error)
    return error if found is None else TroubleError(found)
