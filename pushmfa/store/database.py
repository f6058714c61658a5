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

from pushmfa.errors import LostError, StoreError
from pushmfa.store import kept_log
from pushmfa.store.failures import translated

T = TypeVar("T")

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

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        descriptor: int | None = None,
    ) -> None:
        """Take a connection, and a descriptor of its file if room is to be kept."""
        self._connection = connection
        self._descriptor = descriptor
        self.path = path
        self.on_failure: Callable[[StoreError], None] = lambda _: None
        """Hears of every error before it is raised."""
        self._file = _file_at(path)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement and return how many rows it changed."""

        def work() -> int:
            with translated(self.path):
                return self._connection.execute(sql, values).rowcount

        return self._telling(work)

    def change(self, work: Callable[[], T]) -> T:
        """Return what work returns, all that it does being one change or none."""

        def whole() -> T:
            with self.transaction():
                return work()

        return self._telling(whole)

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run one statement for each of rows and return how many rows it changed."""
        with translated(self.path):
            return self._connection.executemany(sql, rows).rowcount

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query, each a tuple in the order of its columns."""

        def work() -> list[Row]:
            with translated(self.path):
                return self._connection.execute(sql, values).fetchall()

        return self._telling(work)

    def query_one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        """Return the first row of a query, or None."""

        def work() -> Row | None:
            with translated(self.path):
                row: Row | None = self._connection.execute(sql, values).fetchone()
                return row

        return self._telling(work)

    def _telling(self, work: Callable[[], T]) -> T:
        """Return what work returns; of its error `on_failure` hears."""
        with translated(self.path):
            is_inside = self._connection.in_transaction
        if is_inside:
            # Whoever began the transaction tells.
            return work()
        try:
            return work()
        except StoreError as error:
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

    def take_blocks(self) -> None:
        """Give blocks to the pages that the transaction adds, or raise DiskFullError.

        Only of a database that keeps room. Behind the COMMIT it would be too late: a
        checkpoint that finds no block for a page is never done.
        """
        if self._descriptor is None:
            raise ValueError("this database keeps no room")
        ((pages,),) = self.query("PRAGMA page_count")
        ((page_size,),) = self.query("PRAGMA page_size")
        with translated(self.path):
            size = os.fstat(self._descriptor).st_size
            try:
                if size < pages * page_size:
                    more = pages * page_size - size
                    os.posix_fallocate(self._descriptor, size, more)
            except OSError:
                # Some of them may be there: SQLite knows nothing of them.
                os.ftruncate(self._descriptor, size)
                raise

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and _file_at(self.path) == self._file:
            kept_log.hold(self.path)
        try:
            with translated(self.path):
                self._connection.close()
        finally:
            if descriptor is not None:
                kept_log.let_go(self.path)
                # Last: closing any descriptor of a file ends the locks on it.
                os.close(descriptor)


def open_database(
    path: Path,
    migrations: Sequence[Migration],
    *,
    synchronous: Synchronous,
    any_thread: bool = False,
    keeps_room: bool = False,
) -> Database:
    """Return the database at path, made or migrated to len(migrations).

    Its folder is made with mode 0700 and the file with 0600. Before a migration of
    a file that holds data, a copy is kept beside it as `NAME.v<N>.bak`. StoreError
    for a file or folder that others may write, that is not a database, or that a
    newer release wrote.

    With keeps_room nothing that opens or writes it needs more than the blocks that it
    has (see `reserve`), and no other process can open it.
    """
    with translated(path):
        _make_folder(path.parent)
        if not path.exists() and not path.is_symlink():
            _create_private(path)
        _check_file(path)
        descriptor = None
        if keeps_room:
            kept_log.put_in_place(path)
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            connection = connect(path, any_thread=any_thread, is_exclusive=keeps_room)
        except BaseException:
            if descriptor is not None:
                os.close(descriptor)
            raise
    database = Database(connection, path, descriptor)
    try:
        _prepare(database, synchronous)
        _migrate(database, migrations)
    except BaseException:
        database.close()
        raise
    return database


def connect(
    path: Path, *, any_thread: bool = False, is_exclusive: bool = False
) -> sqlite3.Connection:
    """Return a connection to a file, exclusively to this process if told so.

    The index of the log is then in memory and not in a file, which every start would
    make anew, and for which a full disk has no room.
    """
    name = "unix-excl" if is_exclusive else "unix"
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?vfs={name}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,  # we say BEGIN and COMMIT, the driver never does
        check_same_thread=not any_thread,
    )


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(database: Database, synchronous: Synchronous) -> None:
    # Free pages stay in the file, whatever this SQLite was built with.
    database.query("PRAGMA auto_vacuum=NONE")
    if database.query_one("PRAGMA journal_mode=WAL") != ("wal",):
        raise StoreError(
            f"{database.path}: SQLite cannot keep a write-ahead log there",
            hint="Put the state on a local file system.",
        )
    database.execute(f"PRAGMA synchronous={synchronous}")
    database.execute("PRAGMA foreign_keys=ON")
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("PRAGMA cache_size=-256")
    # The log is written over, never made shorter; and sorting needs no disk.
    database.query("PRAGMA journal_size_limit=-1")
    database.query("PRAGMA wal_autocheckpoint=1000")
    database.execute("PRAGMA temp_store=MEMORY")


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
