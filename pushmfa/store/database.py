"""One SQLite file: opened safely, migrated with a copy kept, its errors translated.

Used by the daemon (`synchronous="FULL"`: what was told to anybody survives a power
failure) and by the relay (`"NORMAL"`: a power failure may lose the last moments,
never the file). Migrations are numbered from 1 and counted in `user_version`; a
migration that was released is never changed, only followed by another.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pushmfa.errors import StoreError

Migration: TypeAlias = tuple[str, ...]
"""The SQL statements that lead from one version of a schema to the next."""

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
Row: TypeAlias = tuple[Any, ...]

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process that holds the file."""

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class Database:
    """An open SQLite file; every method raises StoreError and no other error.

    Statements outside of `transaction()` commit by themselves. One connection, so
    one thread at a time; `open_database(any_thread=True)` lets the caller move it
    between threads, behind the caller's own lock.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run one statement for each of rows and return how many rows it changed."""
        with _translated(self.path):
            return self._connection.executemany(sql, rows).rowcount

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query, each a tuple in the order of its columns."""
        with _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def query_one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""
        with _translated(self.path):
            row: Row | None = self._connection.execute(sql, values).fetchone()
            return row

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside one change: all of it, or by any error nothing."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back by itself, and then there is nothing left.
            with suppress(StoreError):
                self.execute("ROLLBACK")
            raise

    def back_up(self, target: Path) -> None:
        """Write a consistent copy to target, mode 0600, over what was there."""
        unfinished = target.with_name(target.name + ".tmp")
        with _translated(target):
            unfinished.unlink(missing_ok=True)
            _create_private(unfinished)
            copy = sqlite3.connect(unfinished)
            try:
                self._connection.backup(copy)
            finally:
                copy.close()
            os.replace(unfinished, target)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        with _translated(self.path):
            self._connection.close()


def open_database(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Synchronous,
    any_thread: bool = False,
) -> Database:
    """Return the database at path, made or migrated to len(migrations).

    Its folder is made with mode 0700 and the file with 0600. Before a migration of
    a file that holds data, a copy is kept beside it as `NAME.v<N>.bak`. StoreError
    for a file or folder that others may write, that is not a database, or that a
    newer release wrote.
    """
    with _translated(path):
        _make_folder(path.parent)
        if not path.exists() and not path.is_symlink():
            _create_private(path)
        _check_file(path)
        connection = sqlite3.connect(
            path,
            timeout=BUSY_TIMEOUT,
            isolation_level=None,  # we say BEGIN and COMMIT, the driver never does
            check_same_thread=not any_thread,
        )
    database = Database(connection, path)
    try:
        _prepare(database, synchronous)
        _migrate(database, migrations)
    except StoreError:
        database.close()
        raise
    return database


def _prepare(database: Database, synchronous: Synchronous) -> None:
    if database.query_one("PRAGMA journal_mode=WAL") != ("wal",):
        raise StoreError(
            f"{database.path}: SQLite cannot keep a write-ahead log there",
            hint="Put the state on a local file system.",
        )
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("PRAGMA foreign_keys=ON")
    database.execute("PRAGMA trusted_schema=OFF")


def _migrate(database: Database, migrations: Sequence[Migration]) -> None:
    version = _version_of(database)
    known = len(migrations)
    if version > known:
        raise StoreError(
            f"{database.path} is of version {version}; this release knows {known}",
            hint="Upgrade pushmfa, or put back the copy "
            f"{database.path.name}.v{known}.bak.",
        )
    if 0 < version < known:
        name = f"{database.path.name}.v{version}.bak"
        database.back_up(database.path.with_name(name))
    for number, statements in enumerate(migrations[version:], version + 1):
        with database.transaction():
            # Two programs that start at once: the second finds the work done.
            if _version_of(database) >= number:
                continue
            for statement in statements:
                database.execute(statement)
            database.execute(f"PRAGMA user_version={number}")


def _version_of(database: Database) -> int:
    row = database.query_one("PRAGMA user_version")
    return int(row[0]) if row else 0


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_owner_and_mode(folder, folder.stat(), "0700")


def _check_file(path: Path) -> None:
    # Attack: whoever may write the state enrolls a device of his own.
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(
            f"{path} is not a regular file",
            hint="Remove what stands in the place of the state file.",
        )
    _check_owner_and_mode(path, status, "0600")


def _check_owner_and_mode(path: Path, status: os.stat_result, wanted: str) -> None:
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise StoreError(
            f"{path} may be written by others (mode {status.st_mode & 0o7777:04o})",
            hint=f"Look who changed it, then: chmod {wanted} {path}",
        )
    if os.geteuid() not in (0, status.st_uid):
        raise StoreError(
            f"{path} belongs to user {status.st_uid}",
            hint="Run pushmfa as the owner of its state.",
        )


def _create_private(path: Path) -> None:
    # SQLite gives its -wal and -shm the mode of the file that it finds.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, 0o600))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}", hint=_hint_for(error)) from error
    except OSError as error:
        raise StoreError(
            f"{path}: {error.strerror}",
            hint="Check that the folder exists, is ours, and that the disk works.",
        ) from error


_HINTS: Final = {
    sqlite3.SQLITE_FULL: "The disk is full: make room.",
    sqlite3.SQLITE_READONLY: "The file system or the file is read-only.",
    sqlite3.SQLITE_NOTADB: "The file is damaged: put back a copy of it.",
    sqlite3.SQLITE_CORRUPT: "The file is damaged: put back a copy of it.",
    sqlite3.SQLITE_BUSY: "Another program holds the file: is pushmfa running twice?",
    sqlite3.SQLITE_LOCKED: "Another program holds the file: is pushmfa running twice?",
}


def _hint_for(error: sqlite3.Error) -> str:
    # Errors of the driver itself (wrong thread, closed) carry no code.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _HINTS.get(code, "Check the disk and the rights of the state file.")
