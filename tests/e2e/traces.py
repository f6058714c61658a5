"""What of the machine a sandbox could change, before and after."""

import ctypes
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pushmfa.demo.processes import children_of

_HASHED = 8 << 20
"""Bytes up to which a file's contents are compared; above, its time must do."""


def _describe(path: str) -> tuple[object, ...]:
    at = os.lstat(path)
    seen: tuple[object, ...] = (at.st_mode, at.st_uid, at.st_gid)
    if stat.S_ISLNK(at.st_mode):
        return (*seen, os.readlink(path))
    if stat.S_ISREG(at.st_mode):
        seen += (at.st_size, at.st_mtime_ns)
        if at.st_size <= _HASHED:
            seen += (hashlib.sha256(Path(path).read_bytes()).hexdigest(),)
    elif stat.S_ISDIR(at.st_mode):
        seen += (at.st_mtime_ns,)
    return seen


def _listing(*folders: str) -> dict[str, tuple[object, ...]]:
    """Every path below folders, with all that a change of it would change."""
    found = {folder: _describe(folder) for folder in folders}
    for folder in folders:
        for parent, below, files in os.walk(folder):
            for name in (*below, *files):
                path = os.path.join(parent, name)
                found[path] = _describe(path)
    return found


def _adopt_orphans() -> None:
    """Have what outlives its parent become a child of ours, so that it is found."""
    set_child_subreaper = 36
    ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def _descendants(pid: int) -> Iterator[int]:
    """The processes below pid that run; who has ended and waits for us does not."""
    for child in children_of(pid):
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state[0] != "Z":
            yield child
            yield from _descendants(child)


class Machine:
    """The machine at the moment when this is made."""

    def __init__(self, temporary: Path, *, with_files: bool = True) -> None:
        """Look at everything; with_files: at /etc and /var too.

        temporary: the folder for temporary files of what is looked at alone; another
        demo may run at the same time. So may other processes: those below this one
        count, and every orphan of them comes back to it.
        """
        _adopt_orphans()
        self._temporary = temporary
        self._with_files = with_files
        self._seen = self._look()

    def _look(self) -> dict[str, set[object]]:
        mounts = Path("/proc/self/mountinfo").read_text()
        files = _listing("/etc", "/var") if self._with_files else {}
        return {
            "files": set(files.items()),
            "mounts": set(mounts.splitlines()),
            "descendants": set(_descendants(os.getpid())),
            "temporary": set(os.listdir(self._temporary)),
        }

    def difference(self) -> dict[str, set[object]]:
        """Return what is not now as it was; {} if nothing has changed."""
        now = self._look()
        changed = {name: now[name] ^ seen for name, seen in self._seen.items()}
        # What a test before this one left to end by itself may do so.
        changed["descendants"] &= now["descendants"]
        return {name: found for name, found in changed.items() if found}
