"""The blocks of a write-ahead log, which are ours also while the database is closed.

SQLite writes over a log from its start and reads no further than its last whole
transaction: what is behind that does no harm (fileformat2, 4). So the log gets, once,
all the blocks that it will need, and on a full disk a commit needs none. An orderly
close removes the log; a second name keeps its blocks until the next start.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from pushmfa.store.failures import translated

LOG_SIZE: Final = 8 * 2**20
"""Bytes. A checkpoint begins at 1000 pages (4 MiB); the rest is for a large change."""

KEPT: Final = "-kept"
"""Behind the name of the database: the name of its log while it is closed."""

_HEADER: Final = 32
_FLAGS: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def put_in_place(database: Path) -> None:
    """Have the kept blocks be the log of a database that nobody has open; StoreError.

    Without kept blocks, or with a log that a crash left, nothing happens.
    """
    kept, log = _kept_of(database), _log_of(database)
    with translated(kept):
        if not _size_of(database) or log.exists() or not _size_of(kept):
            # SQLite removes the log of an empty database.
            return
        descriptor = os.open(kept, _FLAGS)
        try:
            found = os.fstat(descriptor)
            if found.st_nlink != 1 or not stat.S_ISREG(found.st_mode):
                # The other name is that of a log that somebody keeps.
                return
            # Without its header no frame in it counts (fileformat2, 4.1), also if the
            # database has been replaced meanwhile by another one.
            os.pwrite(descriptor, bytes(_HEADER), 0)
            os.ftruncate(descriptor, min(found.st_size, LOG_SIZE))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        kept.rename(log)


def missing(database: Path) -> int:
    """Return how many bytes the log of an open database lacks."""
    return max(LOG_SIZE - _size_of(_log_of(database)), 0)


def grow(database: Path) -> None:
    """Give the log of an open database all its blocks; StoreError."""
    log = _log_of(database)
    with translated(log):
        # SQLite locks nothing in this file: closing it here loses no lock.
        descriptor = os.open(log, _FLAGS)
        try:
            os.posix_fallocate(descriptor, 0, LOG_SIZE)
        finally:
            os.close(descriptor)


def hold(database: Path) -> None:
    """Give the log a second name, before the database is closed."""
    kept = _kept_of(database)
    # Without it the next start needs room, that is all.
    with suppress(OSError):
        if _log_of(database).exists():
            kept.unlink(missing_ok=True)
            os.link(_log_of(database), kept, follow_symlinks=False)


def let_go(database: Path) -> None:
    """Take the second name away after the close, if SQLite left the log."""
    with suppress(OSError):
        if _log_of(database).exists():
            _kept_of(database).unlink(missing_ok=True)


def _log_of(database: Path) -> Path:
    return database.with_name(database.name + "-wal")


def _kept_of(database: Path) -> Path:
    return database.with_name(database.name + KEPT)


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
