"""The files of `pushmfa host`: backups, and what protects them."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pushmfa.cli.options import has_terminal
from pushmfa.errors import UsageError

if TYPE_CHECKING:
    from pushmfa.daemon.backups import Backup

_MAX_BACKUP: Final = 4 * 2**30


def write_new(file: Path, raw: bytes) -> None:
    """Write a new file that only its owner reads; UsageError if it is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(file, flags, 0o600), "wb") as target:
            target.write(raw)
            target.flush()
            os.fsync(target.fileno())
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already", hint="Name a file that is not."
        ) from error
    except OSError as error:
        # Half of a backup is none.
        file.unlink(missing_ok=True)
        raise UsageError(f"cannot write {file}: {error.strerror}") from error


def load_backup(file: Path, passphrase_file: Path | None) -> "Backup":
    """Return the backup in file; asks for the passphrase that it needs."""
    from pushmfa.daemon.backups import needs_passphrase, read_backup

    raw = _read(file, _MAX_BACKUP)
    passphrase = _from_file(passphrase_file)
    if passphrase is None and needs_passphrase(raw):
        if not has_terminal():
            raise UsageError(
                "this backup is under a passphrase, and there is no terminal to ask",
                hint="Name a file that holds it: --passphrase-file FILE",
            )
        text: str = click.prompt("Passphrase of the backup", hide_input=True, err=True)
        passphrase = text.encode()
    return read_backup(raw, passphrase)


def new_passphrase(protect: bool, passphrase_file: Path | None) -> bytes | None:
    """Return the passphrase for a new backup, None to leave it open."""
    given = _from_file(passphrase_file)
    if given is not None or not protect:
        return given
    text: str = click.prompt(
        "Passphrase for the backup", hide_input=True, confirmation_prompt=True, err=True
    )
    return text.encode()


def _from_file(file: Path | None) -> bytes | None:
    if file is None:
        return None
    passphrase = _read(file, 4_096).split(b"\n")[0]
    if not passphrase:
        raise UsageError(f"the first line of {file} is empty")
    return passphrase


def _read(file: Path, most: int) -> bytes:
    try:
        with file.open("rb") as source:
            raw = source.read(most + 1)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if len(raw) > most:
        raise UsageError(f"{file} is too long")
    return raw
