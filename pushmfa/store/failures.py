"""What SQLite and the kernel say when a file fails, as our errors with a hint."""

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pushmfa.errors import DamagedError, DiskFullError, StoreError, UnwritableError


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise StoreError, or the subclass that says more, for what goes wrong inside."""
    try:
        yield
    except sqlite3.Error as error:
        kind, hint = _meaning_of(error)
        what = str(error)
        if kind is UnwritableError and _is_read_only(path):
            # SQLite says "unable to open database file", which helps nobody.
            what, hint = "the file system is read-only", _READ_ONLY[1]
        raise kind(f"{path}: {what}", hint=hint) from error
    except OSError as error:
        kind, hint = _OS_MEANINGS.get(error.errno or 0, (StoreError, _OS_HINT))
        raise kind(f"{path}: {error.strerror}", hint=hint) from error


def _is_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


_OS_HINT: Final = "Check that the folder exists, is ours, and that the disk works."
_FULL: Final = (DiskFullError, "The disk is full: make room.")
_READ_ONLY: Final = (
    UnwritableError,
    "Look why it is read-only (dmesg), and mount it writable.",
)
_FAILING: Final = (
    UnwritableError,
    "Check the disk (dmesg), and the rights of the file and its folder.",
)
_DAMAGED: Final = (
    DamagedError,
    "The file is damaged: put back a copy of it (a host: pushmfa host repair).",
)
_BUSY: Final = (
    StoreError,
    "Another program holds the file: is pushmfa running twice?",
)
_Meaning = tuple[type[StoreError], str]

_OS_MEANINGS: Final[Mapping[int, _Meaning]] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EIO: _FAILING,
}
_MEANINGS: Final[Mapping[int, _Meaning]] = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _FAILING,
    sqlite3.SQLITE_CANTOPEN: _FAILING,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
}
_EXTENDED: Final[Mapping[int, _Meaning]] = {
    # The index of the log, which has a code of its own.
    sqlite3.SQLITE_IOERR_SHMSIZE: _FULL,
    sqlite3.SQLITE_IOERR_SHORT_READ: _DAMAGED,
}


def _meaning_of(error: sqlite3.Error) -> _Meaning:
    # Errors of the driver itself (wrong thread, closed) carry no code.
    code = getattr(error, "sqlite_errorcode", 0)
    other = (StoreError, "Check the disk and the rights of the state file.")
    return _EXTENDED.get(code, _MEANINGS.get(code & 0xFF, other))
