"""Room that is kept for a full disk: a file that becomes smaller when room is needed.

A full disk must lock nobody out. The file has real blocks (posix_fallocate), not a
hole; each step that is cut off is room for a few writes. Steps are small, so that
whoever fills the disk cannot take much of the reserve each time that we need some.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pushmfa.store.failures import translated

RESERVE_SIZE: Final = 16 * 2**20
STEP: Final = 128 * 2**10
"""Bytes; ten logins or more, each some 12 KiB in SQLite's log."""


class Reserve:
    """The reserve beside a database; `left` bytes of `size` are there."""

    def __init__(self, path: Path, size: int = RESERVE_SIZE) -> None:
        """Take what is there; `refill` makes the rest."""
        self.path = path
        self.size = size
        self.left = self._measure()

    def _measure(self) -> int:
        try:
            return min(self.path.lstat().st_size, self.size)
        except OSError:
            return 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is in use."""
        return self.left >= self.size

    def make_room(self) -> bool:
        """Give one step to the disk; False if nothing is left to give."""
        if self.left <= 0:
            return False
        left = max(self.left - STEP, 0)
        try:
            with self._opened() as descriptor:
                os.ftruncate(descriptor, left)
        except OSError:
            return False
        self.left = left
        return True

    def refill(self) -> None:
        """Take back what is missing if the disk has twice as much; StoreError."""
        missing = self.size - self.left
        if missing <= 0:
            return
        with translated(self.path):
            disk = os.statvfs(self.path.parent)
            # Attack: take all that is free, and the next write needs it back.
            if disk.f_bavail * disk.f_frsize < 2 * missing:
                return
            with self._opened() as descriptor:
                os.posix_fallocate(descriptor, 0, self.size)
                os.fsync(descriptor)
        self.left = self.size

    @contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self.path, flags, 0o600)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
