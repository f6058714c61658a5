"""The backup of this host, asked for over control.sock; it is streamed to root."""

import asyncio
import hashlib
import secrets
import threading
from pathlib import Path
from typing import BinaryIO

from pushmfa.daemon.backups import Head, Keys, head_line
from pushmfa.daemon.calls import Exchange, Parts, write_state_act
from pushmfa.daemon.identity import FILE_NAME, MAX_FILE
from pushmfa.daemon.swap import UNFINISHED_BACKUP
from pushmfa.errors import StoreError
from pushmfa.store.failures import translated
from pushmfa.store.files import load_private
from pushmfa.store.host_copy import copy_whole
from pushmfa.terms import VERSION, Digest
from pushmfa.wire.control_host import BackupBytes, BackupDone, BackupPiece


async def back_up(parts: Parts, exchange: Exchange) -> BackupDone:
    """Stream keys and database to the caller, who is root."""
    folder = parts.database.parent
    copy = folder / UNFINISHED_BACKUP.replace("*", secrets.token_hex(8))
    is_over = threading.Event()
    write_state_act(parts, "backup", "a backup was made, with the private keys")
    try:
        await asyncio.to_thread(_copy, parts.database, copy, is_over)
        digest = await asyncio.to_thread(_digest_of, copy)
        with translated(copy):
            size = copy.stat().st_size
            head = _head(parts, folder, size, digest)
            with copy.open("rb") as database:
                return await _send(exchange, head_line(head), database)
    finally:
        # Whoever asked may be gone before the copy is made: then its maker removes it.
        is_over.set()
        copy.unlink(missing_ok=True)


def _copy(path: Path, copy: Path, is_over: threading.Event) -> None:
    """Write a copy of the database at path, unless nobody wants it any more."""
    try:
        if not is_over.is_set():
            copy_whole(path, copy)
    finally:
        if is_over.is_set():
            copy.unlink(missing_ok=True)


def _head(parts: Parts, folder: Path, size: int, digest: bytes) -> Head:
    return Head(
        schema=1,
        made_at=int(parts.clock.now().wall),
        made_by=f"pushmfa {VERSION}",
        host_name=parts.host.name,
        keys=Keys(load_private(folder / FILE_NAME, MAX_FILE)),
        size=size,
        digest=Digest(digest),
    )


async def _send(exchange: Exchange, first: bytes, database: BinaryIO) -> BackupDone:
    whole, size, piece = hashlib.sha256(), 0, first
    while piece:
        await exchange.tell(BackupPiece(data=BackupBytes(piece)))
        whole.update(piece)
        size += len(piece)
        piece = database.read(BackupBytes.MAX)
    return BackupDone(size=size, sha256=Digest(whole.digest()))


def _digest_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
