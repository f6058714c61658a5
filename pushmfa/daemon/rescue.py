"""`pushmfa host adopt | reset | restore | repair`: with the lock of the state held.

Nothing is thrown away but the keys of a host that is no more, and tickets: what was
there before goes into a folder beside it. Killed at any step, a command leaves the host
as it was, or as it will be, or refusing (`swap`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

from pushmfa.daemon.audit import SCHEMA, Audit, StateRecord
from pushmfa.daemon.backups import Backup
from pushmfa.daemon.identity import FILE_NAME, load_host
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.state import (
    COPY_NAME,
    DAMAGED_NAME,
    DATABASE_NAME,
    Place,
    open_unjudged,
)
from pushmfa.daemon.swap import (
    NEW_DATABASE,
    NEW_STATE,
    exchange,
    exchange_database,
    new_folder,
    sweep,
    take_away,
)
from pushmfa.daemon.trouble import TroubleError, lost_database, lost_keys, mixed
from pushmfa.errors import DamagedError, StoreError, UnwritableError, UsageError
from pushmfa.login.devices import Device
from pushmfa.login.epoch import above
from pushmfa.store.files import make_private_folder, save_private
from pushmfa.store.host_rows import HostRow, HostStore
from pushmfa.store.salvage import Salvage, counted_in, is_whole, salvage, write_new


@dataclass(frozen=True)
class Rescued:
    """What was done, and who can approve now."""

    devices: tuple[Device, ...]
    """All that are active."""
    epoch: int = 0
    kept: Path | None = None
    """The folder with what was there before."""
    lost_rows: tuple[str, ...] = ()
    """Rows of the audit that could not be read, as "3-7"."""
    is_from_copy: bool = False
    is_changed: bool = True


def active_devices(place: Place) -> tuple[Device, ...]:
    """Return the devices that would be active if this state is adopted."""
    _verify_there(place)
    state = open_unjudged(place)
    try:
        return _active(state.store)
    finally:
        state.store.close()


def adopt(place: Place, wall: float) -> Rescued:
    """Bind the state to this machine, and go above every epoch that was seen."""
    _verify_there(place)
    return _finish(place, 0, wall, "adopt", "adopted on this machine, as it is")


def restore(place: Place, backup: Backup, wall: float) -> Rescued:
    """Put a backup in the place of the state; if that fails nothing is changed.

    UsageError if no whole state is in the backup.
    """
    folder = place.folder
    known = max(_known_epoch(place), counted_in(folder / COPY_NAME))
    sweep(folder)
    new = folder / NEW_STATE
    make_private_folder(new)
    try:
        save_private(new / FILE_NAME, bytes(backup.head.keys))
        save_private(new / DATABASE_NAME, backup.database)
        # All of it beforehand: half of a restored state must never be in place.
        detail = f"from a backup of {int(backup.head.made_at)}"
        ready = place._replace(folder=new)
        done = _finish(ready, known, wall, "restore", detail, is_moved=True)
        kept = new_folder(folder, "restore", wall)
        exchange(folder, new, kept)
    except TroubleError as error:
        if isinstance(error.__cause__, UnwritableError):
            # Not the backup's fault.
            raise
        raise UsageError(
            f"the state in this backup is of no use: {error.trouble.what}",
            hint="Nothing was changed. Take an older backup.",
        ) from error
    finally:
        sweep(folder)
    return replace(done, kept=kept)


def reset(place: Place, wall: float) -> Rescued:
    """Forget everything: the next start makes a new host without devices."""
    sweep(place.folder)
    kept = new_folder(place.folder, "reset", wall)
    take_away(place.folder, kept)
    return Rescued((), 0, kept)


def repair(place: Place, wall: float) -> Rescued:
    """Make a whole database of what can be read; DamagedError if too little can.

    What was damaged is kept as it was. Nothing changes if nothing is damaged.
    """
    folder = place.folder
    if not (folder / FILE_NAME).exists():
        raise UsageError(
            "the keys of this host are lost: there is nothing to repair",
            hint="Put back a backup: pushmfa host restore FILE; without one, begin"
            " anew: pushmfa host reset",
        )
    if not (folder / DAMAGED_NAME).exists() and _is_whole(place):
        return Rescued(active_devices(place), is_changed=False)
    sweep(folder)
    found = salvage(folder / DATABASE_NAME, folder / COPY_NAME)
    _verify_own(place, found)
    try:
        done = _rebuild(folder, found, wall)
        kept = new_folder(folder, "repair", wall)
        exchange_database(folder, kept)
    finally:
        sweep(folder)
    return replace(done, kept=kept)


# --------------------------------------------------------------------------------------


def _finish(
    place: Place,
    known: int,
    wall: float,
    act: str,
    detail: str,
    *,
    is_moved: bool = False,
) -> Rescued:
    """Bind the state at place to this machine; is_moved: it is one file then."""
    state = open_unjudged(place)
    store = state.store
    try:
        row = HostRow(state.host.host_id, place.machine, epoch=known, seen=0)
        done = _take_over(store, row, wall, act, detail)
        store.copy_registry(place.folder / COPY_NAME)
        if is_moved:
            store.gather()
        return done
    finally:
        store.close()


def _rebuild(folder: Path, found: Salvage, wall: float) -> Rescued:
    """Make a new database, and the automatic copy, of what was found."""
    gaps = tuple(found.gaps())
    source = "the automatic copy" if found.is_from_copy else "the damaged file"
    lost = f"rows of the audit lost: {', '.join(gaps)}" if gaps else ""
    if not found.audit:
        lost = "the whole audit before this row is lost"
    detail = f"repaired; devices from {source}; {lost or 'no row in between is lost'}"
    write_new(folder / NEW_DATABASE, found)
    store = HostStore.open(folder / NEW_DATABASE)
    try:
        row = store.load_host()
        if row is None:
            raise DamagedError("the new database is of no host", hint="Try again.")
        # The same machine as before: a repair adopts nothing.
        row = row._replace(epoch=found.counted)
        done = _take_over(store, row, wall, "repair", detail)
        store.copy_registry(folder / COPY_NAME)
        store.gather()
    finally:
        store.close()
    return replace(done, lost_rows=gaps, is_from_copy=found.is_from_copy)


def _take_over(
    store: HostStore, row: HostRow, wall: float, act: str, detail: str
) -> Rescued:
    """Have the state be row's, above its epoch and all that this state knows.

    The state may be an older one than the last that devices have seen, however it
    came here: their answers must not say so from now on.
    """
    old = store.load_host()
    counted = max(row.epoch, old.epoch, old.seen) if old else row.epoch
    epoch = above(counted, wall)
    record = StateRecord(
        schema=SCHEMA,
        at=int(wall),
        act=act,
        detail=detail,
        epoch=epoch,
        seen=None,
        device_id=None,
    )
    bound = row._replace(epoch=epoch, seen=0)
    store.take_over(bound, lambda: Audit(store).append(record))
    return Rescued(_active(store), epoch)


def _active(store: HostStore) -> tuple[Device, ...]:
    devices = Registry(store).all_devices()
    return tuple(device for device in devices if device.is_active())


def _known_epoch(place: Place) -> int:
    """Return the highest epoch that the present state knows, 0 if it tells none."""
    try:
        state = open_unjudged(place)
    except StoreError:
        return 0
    try:
        row = state.store.load_host()
        return max(row.epoch, row.seen) if row else 0
    except StoreError:
        return 0
    finally:
        state.store.close()


def _is_whole(place: Place) -> bool:
    try:
        state = open_unjudged(place)
    except DamagedError:
        return False
    except TroubleError as error:
        if error.trouble.damage or error.trouble == lost_database():
            return False
        raise
    try:
        return is_whole(state.store)
    finally:
        state.store.close()


def _verify_there(place: Place) -> None:
    """Return if something is there: to look at nothing would make a new host."""
    folder = place.folder
    if not any((folder / name).exists() for name in (FILE_NAME, DATABASE_NAME)):
        raise UsageError(
            f"no state of a host is in {folder}",
            hint="Put back a backup: pushmfa host restore FILE; without one the start"
            " of the daemon makes a new host.",
        )


def _verify_own(place: Place, found: Salvage) -> None:
    """Return if what was found is of the host whose keys are here."""
    path = place.folder / FILE_NAME
    try:
        host = load_host(place.folder, place.name)
    except DamagedError as error:
        raise TroubleError(lost_keys(path, "is damaged")) from error
    if found.host_id != host.host_id:
        raise TroubleError(mixed(path))
