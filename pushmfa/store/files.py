"""Private files: mode 0600 in a folder of mode 0700, replaced as a whole.

Keys of a terminal authenticator and of a host lie in such files. A reader sees the
old content or the new, never half of one, also after a loss of power; and it refuses
a file that somebody else can read, own or has replaced by a link.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pushmfa.errors import DiskFullError, StoreError, UnwritableError

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
_OTHERS: Final = 0o077
_KINDS: Final = {
    errno.ENOSPC: DiskFullError,
    errno.EDQUOT: DiskFullError,
    errno.EROFS: UnwritableError,
    errno.EIO: UnwritableError,
}


def make_private_folder(path: Path) -> None:
    """Create path with mode 0700 where it is missing; parents as the umask says.

    StoreError if it cannot be made, is no folder, or if others may enter it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=PRIVATE_FOLDER)
        found = path.lstat()
    except OSError as error:
        raise _failure("cannot make", path, error) from error
    if not stat.S_ISDIR(found.st_mode):
        raise StoreError(
            f"{path} is not a folder", hint="Move away what stands in its place."
        )
    _check_private(path, found, "700")


def load_private(path: Path, max_bytes: int) -> bytes:
    """Return the content of a private file.

    StoreError if it is missing, longer than max_bytes, not a plain file (a link is
    not followed, a pipe not waited for), owned by another user than us or root, or
    open to group or others.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise _failure("cannot read", path, error) from error
    try:
        # Of what was opened, not of the name: it may be another file by now.
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StoreError(f"{path} is not a plain file")
        _check_private(path, found, "600")
        if found.st_size > max_bytes:
            raise StoreError(f"{path} has more than {max_bytes} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    except OSError as error:
        raise _failure("cannot read", path, error) from error
    finally:
        os.close(descriptor)


def save_private(path: Path, content: bytes) -> None:
    """Replace the content of path, mode 0600, or leave it as it was.

    When this returns the new content is on the disk. StoreError if it cannot be.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write_new(temporary, content)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise _failure("cannot write", path, error) from error


def remove_private(path: Path) -> None:
    """Remove path if it is there; StoreError if it cannot be."""
    try:
        path.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise _failure("cannot remove", path, error) from error


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on path while the block runs; other processes wait.

    For reading, changing and writing one file as one step. StoreError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, PRIVATE_FILE)
    except OSError as error:
        raise _failure("cannot lock", path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Return a descriptor that holds an exclusive lock on path until it is closed.

    None if another process holds it. StoreError; also on a read-only disk the lock
    can be had where the file is there.
    """
    flags = os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        try:
            descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            descriptor = os.open(path, flags | os.O_RDONLY)
    except OSError as error:
        raise _failure("cannot lock", path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise _failure("cannot lock", path, error) from error
    return descriptor


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk; OSError.

    Without it a new name may be lost with the power, and the keys with it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        # The umask may have taken bits away, which would lock ourselves out.
        os.fchmod(descriptor, PRIVATE_FILE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _check_private(path: Path, found: os.stat_result, mode: str) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise StoreError(
            f"{path} belongs to another user",
            hint="Run the command as the user who owns it.",
        )
    if found.st_mode & _OTHERS:
        raise StoreError(
            f"others may read {path}",
            hint=f"If nobody else did: chmod {mode} {path}; else enroll again.",
        )


def _failure(what: str, path: Path, error: OSError) -> StoreError:
    kind = _KINDS.get(error.errno or 0, StoreError)
    return kind(
        f"{what} {path}: {error.strerror or error}",
        hint="Check who owns it and the folders above, and that the disk has room.",
    )
