"""The backup of a host: one file with everything, its private keys too.

    pushmfa-backup line     JSON: who, when, keys, size and digest of the database
    database                as SQLite has it

or the same under a passphrase (`crypto.keys.protect`) behind a line that says so.
"""

import hashlib
from typing import Annotated, Final

import msgspec

from pushmfa.crypto.keys import protect, unprotect
from pushmfa.errors import MalformedError, SealError, UsageError
from pushmfa.terms import Binary, Digest
from pushmfa.wire.codec import Message, encode, make_decoder
from pushmfa.wire.payload import ShortText, UnixTime

PROTECTED: Final = b"pushmfa-backup-protected 1\n"
_MAX_HEAD: Final = 16_384


class Keys(Binary):
    """The content of the file with the host's keys; its repr shows nothing."""

    MIN, MAX = 2, 4_096

    def __repr__(self) -> str:
        return "Keys(...)"


class Head(Message, frozen=True, tag="pushmfa-backup"):
    """The first line."""

    schema: Annotated[int, msgspec.Meta(ge=1, le=1)]
    made_at: UnixTime
    made_by: ShortText
    host_name: ShortText
    keys: Keys
    size: Annotated[int, msgspec.Meta(ge=1)]
    digest: Digest


class Backup(msgspec.Struct, frozen=True):
    """A backup that was read."""

    head: Head
    database: bytes


_decode_head = make_decoder(Head, _MAX_HEAD)


def head_line(head: Head) -> bytes:
    """Return the first line; size bytes of the database follow it."""
    return encode(head) + b"\n"


def lock_up(backup: bytes, passphrase: bytes) -> bytes:
    """Return a backup under a passphrase."""
    return PROTECTED + protect(passphrase, backup)


def needs_passphrase(raw: bytes) -> bool:
    """Whether a backup is under a passphrase."""
    return raw.startswith(PROTECTED)


def read_backup(raw: bytes, passphrase: bytes | None) -> Backup:
    """Return the backup in raw, every byte of it as it was written.

    UsageError if it is none, is damaged, or if the passphrase is wrong or missing.
    """
    if needs_passphrase(raw):
        if passphrase is None:
            raise UsageError(
                "this backup is under a passphrase",
                hint="Name a file that holds it: --passphrase-file FILE",
            )
        try:
            raw = unprotect(passphrase, raw[len(PROTECTED) :])
        except SealError as error:
            raise UsageError(
                "the passphrase is wrong, or the file damaged",
                hint="Try again with the passphrase that the backup was made with. "
                "If that is right, only another copy of the file helps.",
            ) from error
    line, _, database = raw.partition(b"\n")
    try:
        head = _decode_head(line)
    except MalformedError as error:
        raise UsageError(
            "this is no backup of a pushmfa host, or one of a newer release",
            hint="`pushmfa host backup FILE` makes one.",
        ) from error
    if len(database) != head.size or hashlib.sha256(database).digest() != head.digest:
        raise UsageError(
            "the backup is damaged, or its end is missing",
            hint="Nothing of it can be used. Take another copy of it, or an older one.",
        )
    return Backup(head, database)
