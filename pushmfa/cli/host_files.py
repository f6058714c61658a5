"""The files of `pushmfa host`: backups, and what protects them."""

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pushmfa.cli.options import ask_secret
from pushmfa.errors import UsageError

if TYPE_CHECKING:
    from pushmfa.daemon.backups import Backup

_MAX_BACKUP: Final = 4 * 2**30
_FILE_HINT: Final = "Name a file that holds it: --passphrase-file FILE"


def verify_new(file: Path) -> None:
    """Raise UsageError if file cannot be a new one, as far as can be seen before."""
    if os.path.lexists(file):
        raise _is_there(file)
    # Not Path.is_dir, which raises where the folder may not be looked at.
    if not os.path.isdir(file.parent):
        raise UsageError(
            f"cannot write {file}: there is no folder {file.parent}",
            hint="Make the folder, or name a file in another one.",
        )


def write_new(file: Path, raw: bytes) -> None:
    """Write a new file that only its owner reads; UsageError if it is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(file, flags, 0o600)
    except FileExistsError as error:
        raise _is_there(file) from error
    except OSError as error:
        raise _not_written(file, error) from error
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(raw)
            target.flush()
            os.fsync(target.fileno())
    except BaseException as error:
        # Half of a backup is none, also after Ctrl-C.
        with contextlib.suppress(OSError):
            file.unlink()
        if isinstance(error, OSError):
            raise _not_written(file, error) from error
        raise


def load_backup(file: Path, passphrase_file: Path | None) -> "Backup":
    """Return the backup in file; asks for the passphrase that it needs."""
    from pushmfa.daemon.backups import needs_passphrase, read_backup

    raw = _read(file, _MAX_BACKUP)
    passphrase = _from_file(passphrase_file)
    if passphrase is None and needs_passphrase(raw):
        passphrase = ask_secret(
            "Passphrase of the backup",
            why="this backup is under a passphrase",
            hint=_FILE_HINT,
        )
    return read_backup(raw, passphrase)


def new_passphrase(protect: bool, passphrase_file: Path | None) -> bytes | None:
    """Return the passphrase for a new backup, None to leave it open."""
    given = _from_file(passphrase_file)
    if given is not None or not protect:
        return given
    return ask_secret(
        "Passphrase for the backup",
        why="--protect needs a passphrase",
        hint=_FILE_HINT,
        twice=True,
    )


def _from_file(file: Path | None) -> bytes | None:
    if file is None:
        return None
    passphrase = _read(file, 4_096).split(b"\n")[0]
    if not passphrase:
        raise UsageError(
            f"the first line of {file} is empty",
            hint="Write the passphrase into its first line.",
        )
    return passphrase


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as source:
            raw = source.read(most + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}",
            hint="Check the name: it must be a file that can be read.",
        ) from error
    if len(raw) > most:
        raise UsageError(
            f"{file} is too long",
            hint=f"It may have {most} bytes: check that it is the right file.",
        )
    return raw


def _is_there(file: Path) -> UsageError:
    return UsageError(f"{file} is there already", hint="Name a file that is not.")


def _not_written(file: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot write {file}: {error.strerror}",
        hint="No backup was made. Check the folder and the room on its disk, or name "
        "a file elsewhere.",
    )
