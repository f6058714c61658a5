"""One SQLite file: opened safely, migrated with a copy kept, its errors translated.

Used by the daemon (`synchronous="FULL"`: what was told to anybody survives a power
failure) and by the relay (`"NORMAL"`: a power failure may lose the last moments,
never the file). Migrations are numbered from 1 and counted in `user_version`; a
migration that was released is never changed, only followed by another.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

from pushmfa.errors import DiskFullError, LostError, StoreError
from pushmfa.store.failures import translated

T = TypeVar("T")

Migration: TypeAlias = tuple[str, ...]
"""The SQL statements that lead from one version of a schema to the next."""

Synchronous: TypeAlias = Literal["FULL", "NORMAL"]
Row: TypeAlias = tuple[Any, ...]
MakeRoom: TypeAlias = Callable[[], bool]
"""Makes room on a full disk; False if there is none left to make."""

BUSY_TIMEOUT: Final = 5.0
"""Seconds to wait for another process that holds the file."""

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class Database:
    """An open SQLite file; every method raises StoreError and no other error.

    Statements outside of `transaction()` commit by themselves. One connection, so
    one thread at a time; `open_database(any_thread=True)` lets the caller move it
    between threads, behind the caller's own lock. On a full disk what was to be
    written is tried again for as long as `make_room` makes some.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        make_room: MakeRoom | None = None,
    ) -> None:
        self._connection = connection
        self._make_room = make_room
        self.path = path
        self.on_failure: Callable[[StoreError], None] = lambda _: None
        """Hears of every error before it is raised."""
        self._file = _file_at(path)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""

        def work() -> int:
            with translated(self.path):
                return self._connection.execute(sql, values).rowcount

        return self._again(work)

    def change(self, work: Callable[[], T]) -> T:
        """Return what work returns, all that it does being one change or none.

        It may run more than once: it has no effect but on this database.
        """

        def whole() -> T:
            with self.transaction():
                return work()

        return self._again(whole)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run one statement for each of rows and return how many rows it changed."""
        with translated(self.path):
            return self._connection.executemany(sql, rows).rowcount

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query, each a tuple in the order of its columns."""

        def work() -> list[Row]:
            with translated(self.path):
                return self._connection.execute(sql, values).fetchall()

        return self._again(work)

    def query_one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""

        def work() -> Row | None:
            with translated(self.path):
                row: Row | None = self._connection.execute(sql, values).fetchone()
                return row

        return self._again(work)

    def _again(self, work: Callable[[], T]) -> T:
        """Return what work returns, which is tried again while room can be made."""
        with translated(self.path):
            is_inside = self._connection.in_transaction
        if is_inside:
            # SQLite may have undone all of it: whoever began it begins anew.
            return work()
        while True:
            try:
                return work()
            except StoreError as error:
                is_full = isinstance(error, DiskFullError)
                if is_full and self._make_room is not None and self._make_room():
                    continue
                self.on_failure(error)
                raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what happens inside one change: all of it, or by any error nothing."""
        with translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk has rolled back by itself, and then there is nothing left.
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def verify_in_place(self) -> None:
        """Return if the file is still where it was opened, else LostError.

        What is written into a file that was removed or replaced is gone with the
        process, and nobody would notice.
        """
        if _file_at(self.path) != self._file:
            error = LostError(
                f"{self.path} was removed or replaced",
                hint="Put the file back; nothing that is written now would stay.",
            )
            self.on_failure(error)
            raise error

    def back_up(self, target: Path) -> None:
        """Write a consistent copy to target, mode 0600, over what was there."""
        unfinished = target.with_name(target.name + ".tmp")
        with translated(target):
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
        with translated(self.path):
            self._connection.close()


def open_database(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Synchronous,
    any_thread: bool = False,
    make_room: MakeRoom | None = None,
) -> Database:
    """Return the database at path, made or migrated to len(migrations).

    Its folder is made with mode 0700 and the file with 0600. Before a migration of
    a file that holds data, a copy is kept beside it as `NAME.v<N>.bak`. StoreError
    for a file or folder that others may write, that is not a database, or that a
    newer release wrote. make_room is asked for room on a full disk.
    """

    def attempt() -> Database:
        return _open(path, migrations, synchronous, any_thread, make_room)

    while True:
        try:
            return attempt()
        except DiskFullError:
            # Opening makes files too: a full disk must not stop the next start.
            if make_room is None or not make_room():
                raise


def _open(
    path: Path,
    migrations: Sequence[Migration],
    synchronous: Synchronous,
    any_thread: bool,
    make_room: MakeRoom | None,
) -> Database:
    with translated(path):
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
    database = Database(connection, path, make_room)
    try:
        _prepare(database, synchronous)
        _migrate(database, migrations)
    except BaseException:
        database.close()
        raise
    return database


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(database: Database, synchronous: Synchronous) -> None:
    if database.query_one("PRAGMA journal_mode=WAL") != ("wal",):
        raise StoreError(
            f"{database.path}: SQLite cannot keep a write-ahead log there",
            hint="Put the state on a local file system.",
        )
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("PRAGMA foreign_keys=ON")
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("PRAGMA cache_size=-256")


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
