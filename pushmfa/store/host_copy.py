"""The automatic copy of the registry: what is left when the database is not."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from pushmfa.store.database import Database, connect, open_database
from pushmfa.store.failures import translated
from pushmfa.store.host_schema import MIGRATIONS, REGISTRY_TABLES


def copy_registry(source: Database, target: Path) -> None:
    """Write all tables but the audit to target, over what was there.

    A file of the same form, whole or not at all. SQLite's own backup would copy the
    audit too, which can be a thousand times as long.
    """
    unfinished = target.with_name(target.name + ".tmp")
    with translated(unfinished):
        unfinished.unlink(missing_ok=True)
    copy = open_database(unfinished, MIGRATIONS, synchronous="FULL")
    try:
        with copy.transaction():
            for table in REGISTRY_TABLES:
                rows = source.query(f"SELECT * FROM {table}")  # noqa: S608  names of ours
                put_rows(copy, table, rows)
        # One file, without a log beside it.
        copy.query("PRAGMA journal_mode=DELETE")
    except BaseException:
        # On a full disk what was begun would take the last room.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    finally:
        copy.close()
    with translated(target):
        os.replace(unfinished, target)


def is_copy(source: Database, target: Path) -> bool:
    """Whether target was written after the last change of a device in source."""
    told = "SELECT host_id, machine, epoch, registry FROM host"
    if not target.exists():
        return False
    try:
        with closing(sqlite3.connect(target)) as copy:
            row = copy.execute(told).fetchone()
    except sqlite3.Error:
        return False
    return bool(row == source.query_one(told))


def copy_whole(path: Path, target: Path) -> None:
    """Write a consistent copy of the database at path to target; any thread may.

    On a connection of its own, so that the daemon's goes on meanwhile. Free pages are
    left out: the reserve belongs to this disk, not into every backup.
    """
    with translated(path):
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        with closing(connect(path, is_exclusive=True)) as source:
            source.execute("VACUUM INTO ?", (str(target),))


def put_rows(target: Database, table: str, rows: list[tuple[object, ...]]) -> None:
    """Insert rows of all columns into a table of ours."""
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        target.execute_many(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608  a name of ours and question marks
