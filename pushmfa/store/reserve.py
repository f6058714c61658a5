"""Room for a full disk that stays ours: free pages in the database, a log in full.

SQLite takes a new page from its free pages first, and these have their blocks in the
file. A commit goes into the log, which has its blocks too, and a checkpoint writes over
what is there: as long as free pages are left, nothing asks the disk for anything.
Attack: a local user takes every block in the moment in which somebody frees it; no
block is ever freed here, and the next start needs none either (see `kept_log`).
"""

import os
from pathlib import Path
from typing import Final

from pushmfa.errors import DiskFullError
from pushmfa.store import kept_log
from pushmfa.store.database import Database
from pushmfa.store.failures import translated

RESERVE_SIZE: Final = 16 * 2**20
LEAST_LEFT: Final = RESERVE_SIZE * 3 // 4
"""Bytes; refilled when less is left. Refilling writes all of it: not too often."""

LEAST_FREE: Final = 2**20
"""Bytes; a disk with less than that is full."""

_PAGE: Final = 4096
_PAYLOAD: Final = _PAGE - 4
"""Bytes of a value in one overflow page (fileformat2, 1.6)."""

_CHUNK: Final = 256
"""Pages that are written in one change: the log stays small."""


class Reserve:
    """The free pages and the log of an open database that was opened to keep room."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.folder: Path = database.path.parent
        self.found_none = False
        """The last `refill` found no room on the disk."""

    def left(self) -> int:
        """Return how many bytes can still be written on a full disk; StoreError."""
        # Without its whole log a commit may ask the disk for blocks.
        return 0 if kept_log.missing(self._database.path) else self._free_bytes()

    def _free_bytes(self) -> int:
        row = self._database.query_one("PRAGMA freelist_count")
        return min(row[0] * _PAGE, RESERVE_SIZE) if row else 0

    def is_short(self) -> bool:
        """Whether the disk is full, or was too full for the last `refill`."""
        with translated(self.folder):
            return self.found_none or _free_on(self.folder) < LEAST_FREE

    def refill(self) -> None:
        """Take what is missing if the disk has twice as much; StoreError.

        Not in steps: nobody else writes while the free pages are in use.
        """
        path = self._database.path
        log, free = kept_log.missing(path), self._free_bytes()
        if free < LEAST_LEFT or self._is_unfinished():
            # Those of a refill that a crash has ended.
            self._free_pages()
            free = self._free_bytes()
        pages = RESERVE_SIZE - free if free < LEAST_LEFT else 0
        with translated(path):
            missing = log + pages
            self.found_none = _free_on(self.folder) < 2 * missing
        if self.found_none or not missing or not self._is_log_idle():
            return
        try:
            if log:
                kept_log.grow(path)
            if pages:
                self._make_pages()
        except DiskFullError:
            # Somebody was quicker. Nothing is lost: see `_make_pages`.
            self.found_none = True

    def _is_unfinished(self) -> bool:
        return self._database.query_one("SELECT 1 FROM spare LIMIT 1") is not None

    def _is_log_idle(self) -> bool:
        """Whether the log begins anew; else a backup is being made, for example."""
        row = self._database.query_one("PRAGMA wal_checkpoint(PASSIVE)")
        return row is not None and row[1] == row[2]

    def _make_pages(self) -> None:
        """Fill the free pages and as many new ones as are missing, and free them all.

        Attack: the disk is filled meanwhile. A page that was committed and has no block
        would keep every later checkpoint from its end, so the blocks come first.
        """
        try:
            for _ in range(0, RESERVE_SIZE, _CHUNK * _PAGE):
                with self._database.transaction():
                    self._database.execute(
                        "INSERT INTO spare VALUES (zeroblob(?))", (_CHUNK * _PAYLOAD,)
                    )
                    self._database.take_blocks()
        finally:
            self._free_pages()

    def _free_pages(self) -> None:
        # Zeros need not be overwritten with zeros.
        before = self._database.query_one("PRAGMA secure_delete")
        self._database.query("PRAGMA secure_delete=OFF")
        try:
            self._database.execute("DELETE FROM spare")
        finally:
            if before is not None:
                self._database.query(f"PRAGMA secure_delete={before[0]}")


def _free_on(folder: Path) -> int:
    """Return how many bytes the file system of folder has for us; OSError."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
