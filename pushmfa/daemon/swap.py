"""Puts one state in the place of another, file by file; a kill may come at any step.

Keys without a database mean that it was lost, and then nobody is let in; without both
the next start makes a new host. So the keys are never away while anything else is:
they are linked into the folder that keeps what was, and replaced in one step. The
database goes before all that belongs to it, and comes back after it: without its log
it would be an older one.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.state import COPY_NAME, DAMAGED_NAME, DATABASE_NAME
from pushmfa.errors import UsageError
from pushmfa.store.failures import translated
from pushmfa.store.files import make_private_folder, save_private
from pushmfa.store.files import sync_folder as sync

UNFINISHED_BACKUP: Final = "backup-*.tmp"
"""Copies that a backup is sent from."""

NEW_STATE: Final = "restore.new"
"""The folder in which `restore` makes a state ready."""

NEW_DATABASE: Final = f"{DATABASE_NAME}.new"
"""The file in which `repair` makes a database ready."""

_LOGS: Final = (f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm")
_MOVED: Final = (COPY_NAME, DATABASE_NAME, *_LOGS, DAMAGED_NAME)
_LEFT: Final = (
    UNFINISHED_BACKUP,
    NEW_STATE,
    f"{NEW_DATABASE}*",
    f"{DATABASE_NAME}.salvage*",
    f"{COPY_NAME}.tmp*",
    # Of `save_private`.
    *(f".{name}.*" for name in (FILE_NAME, DATABASE_NAME, DAMAGED_NAME)),
)
_KEPT: Final = "before-{act}-{stamp}"
_NO_KEYS: Final = b"{}"
"""Keys of nobody: logins are refused, and `pushmfa host restore` named."""


def sweep(folder: Path) -> None:
    """Remove what was left unfinished, some of it with private keys; StoreError.

    The lock of the state is held.
    """
    with translated(folder):
        for pattern in _LEFT:
            for path in folder.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)


def new_folder(folder: Path, act: str, wall: float) -> Path:
    """Make a folder in a state's for what act replaces, and return it."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(wall))
    kept = folder / _KEPT.format(act=act, stamp=stamp)
    with translated(kept):
        if kept.exists():
            raise UsageError(f"{kept} is there already", hint="Wait a second.")
    make_private_folder(kept)
    return kept


def exchange(folder: Path, new: Path, kept: Path) -> None:
    """Put the state in new in the place of that in folder, which goes into kept.

    If that fails, put back what was.
    """
    had = frozenset(name for name in (*_MOVED, FILE_NAME) if (folder / name).exists())
    try:
        with translated(folder):
            if FILE_NAME in had:
                _link(folder / FILE_NAME, kept)
            else:
                # Never a moment without this file and without a database.
                save_private(folder / FILE_NAME, _NO_KEYS)
            _move_all(folder, kept)
            for name in (FILE_NAME, COPY_NAME):
                os.replace(new / name, folder / name)
            sync(folder)
            os.replace(new / DATABASE_NAME, folder / DATABASE_NAME)
            sync(folder)
    except BaseException:
        _put_back(folder, kept, had)
        raise


def exchange_database(folder: Path, kept: Path) -> None:
    """Put the new database in the place of the damaged one, which goes into kept.

    Until that is done the state is marked as damaged.
    """
    mark = folder / DAMAGED_NAME
    if not mark.exists():
        save_private(mark, b"a repair was not finished")
    with translated(folder):
        # Linked, not moved: a repair that was killed finds it again.
        for name in (DATABASE_NAME, _LOGS[0]):
            _link(folder / name, kept)
        sync(kept)
        # SQLite would write an old log into the new database.
        for name in _LOGS:
            (folder / name).unlink(missing_ok=True)
        sync(folder)
        os.replace(folder / NEW_DATABASE, folder / DATABASE_NAME)
        sync(folder)
        os.replace(mark, kept / DAMAGED_NAME)
        sync(folder)


def take_away(folder: Path, kept: Path) -> None:
    """Move the state into kept, but for the keys: those are no more, nowhere."""
    with translated(folder):
        _move_all(folder, kept)
        # On a copy of a host: nobody may go on as the other one.
        for keys in folder.glob(f"{_KEPT.format(act='*', stamp='*')}/{FILE_NAME}"):
            keys.unlink(missing_ok=True)
        (folder / FILE_NAME).unlink(missing_ok=True)
        sync(folder)


def _move_all(folder: Path, kept: Path) -> None:
    for name in _MOVED:
        with suppress(FileNotFoundError):
            os.replace(folder / name, kept / name)
    sync(kept)
    sync(folder)


def _link(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept / path.name)
    except FileNotFoundError:
        return
    except OSError:
        # A file system without links.
        shutil.copyfile(path, kept / path.name)


def _put_back(folder: Path, kept: Path, had: frozenset[str]) -> None:
    for name in (DATABASE_NAME, *_LOGS, COPY_NAME):
        if name not in had or (kept / name).exists():
            (folder / name).unlink(missing_ok=True)
    for name in (*_LOGS, COPY_NAME, DAMAGED_NAME, FILE_NAME, DATABASE_NAME):
        with suppress(FileNotFoundError):
            os.replace(kept / name, folder / name)
        # Two links to one file are both still there.
        (kept / name).unlink(missing_ok=True)
    if FILE_NAME not in had:
        (folder / FILE_NAME).unlink(missing_ok=True)
    kept.rmdir()
