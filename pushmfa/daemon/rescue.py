"""`pushmfa host adopt | reset | restore | repair`: with the lock of the state held.

Nothing is thrown away but the keys of a host that is no more: what was there before
goes into a folder beside it.
"""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pushmfa.daemon.audit import SCHEMA, Audit, StateRecord
from pushmfa.daemon.backups import Backup
from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.state import (
    COPY_NAME,
    DAMAGED_NAME,
    DATABASE_NAME,
    Place,
    State,
    open_unjudged,
)
from pushmfa.daemon.trouble import TroubleError, lost_database
from pushmfa.errors import DamagedError, StoreError, UsageError
from pushmfa.login.devices import Device
from pushmfa.login.epoch import above
from pushmfa.store.failures import translated
from pushmfa.store.files import make_private_folder, save_private
from pushmfa.store.host_rows import HostRow
from pushmfa.store.salvage import is_whole, salvage, write_new

_DATABASE: Final = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
_NEW: Final = "pushmfa.db.new"


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
    state = open_unjudged(place)
    try:
        return _active(state)
    finally:
        state.store.close()


def adopt(place: Place, wall: float) -> Rescued:
    """Bind the state to this machine, and go above every epoch that was seen."""
    return _finish(place, 0, wall, "adopt", "adopted on this machine, as it is")


def restore(place: Place, backup: Backup, wall: float) -> Rescued:
    """Put a backup in the place of the state; if that fails, put back what was."""
    known = _known_epoch(place)
    kept = _keep(place, "restore", wall, (*_DATABASE, COPY_NAME, FILE_NAME))
    made = f"from a backup of {int(backup.head.made_at)}"
    try:
        save_private(place.folder / FILE_NAME, bytes(backup.head.keys))
        save_private(place.folder / DATABASE_NAME, backup.database)
        with suppress(FileNotFoundError):
            (place.folder / DAMAGED_NAME).rename(kept / DAMAGED_NAME)
        done = _finish(place, known, wall, "restore", made)
    except BaseException:
        _put_back(place, kept)
        raise
    return Rescued(done.devices, done.epoch, kept)


def reset(place: Place, wall: float) -> Rescued:
    """Forget everything: the next start makes a new host without devices."""
    names = (*_DATABASE, COPY_NAME, DAMAGED_NAME)
    kept = _keep(place, "reset", wall, names)
    with translated(place.folder):
        # On a copy of a host: nobody may go on as the other one.
        (place.folder / FILE_NAME).unlink(missing_ok=True)
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
    found = salvage(folder / DATABASE_NAME, folder / COPY_NAME)
    write_new(folder / _NEW, found)
    kept = _keep(place, "repair", wall, (*_DATABASE, DAMAGED_NAME))
    with translated(folder):
        os.replace(folder / _NEW, folder / DATABASE_NAME)
    gaps = tuple(found.gaps())
    source = "the automatic copy" if found.is_from_copy else "the damaged file"
    lost = f"rows of the audit lost: {', '.join(gaps)}" if gaps else ""
    if not found.audit:
        lost = "the whole audit before this row is lost"
    detail = f"repaired; devices from {source}; {lost or 'no row in between is lost'}"
    state = open_unjudged(place)
    try:
        _write(state, "repair", detail, wall)
        row = state.store.load_host()
        epoch = row.epoch if row else 0
        state.store.copy_registry(folder / COPY_NAME)
        return Rescued(_active(state), epoch, kept, gaps, found.is_from_copy)
    finally:
        state.store.close()


# --------------------------------------------------------------------------------------


def _finish(place: Place, known: int, wall: float, act: str, detail: str) -> Rescued:
    state = open_unjudged(place)
    try:
        old = state.store.load_host()
        counted = max(known, old.epoch, old.seen) if old else known
        epoch = above(counted, wall)
        host_id = state.host.host_id
        state.store.save_host(HostRow(host_id, place.machine, epoch=epoch, seen=0))
        _write(state, act, detail, wall)
        state.store.copy_registry(place.folder / COPY_NAME)
        return Rescued(_active(state), epoch)
    finally:
        state.store.close()


def _write(state: State, act: str, detail: str, wall: float) -> None:
    row = state.store.load_host()
    record = StateRecord(
        schema=SCHEMA,
        at=int(wall),
        act=act,
        detail=detail,
        epoch=row.epoch if row else 0,
        seen=None,
        device_id=None,
    )
    Audit(state.store).append(record)


def _active(state: State) -> tuple[Device, ...]:
    devices = Registry(state.store).all_devices()
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


def _keep(place: Place, act: str, wall: float, names: tuple[str, ...]) -> Path:
    """Move files of the state into a new folder beside them, and return it."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall))
    folder = place.folder / f"before-{act}-{stamp}"
    with translated(folder):
        if folder.exists():
            raise UsageError(f"{folder} is there already", hint="Wait a second.")
    make_private_folder(folder)
    for name in names:
        with translated(folder), suppress(FileNotFoundError):
            os.replace(place.folder / name, folder / name)
    return folder


def _put_back(place: Place, kept: Path) -> None:
    for name in (*_DATABASE, FILE_NAME):
        (place.folder / name).unlink(missing_ok=True)
    for path in kept.iterdir():
        path.rename(place.folder / path.name)
    kept.rmdir()
