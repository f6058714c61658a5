"""What can still be read of a damaged database, and a new one made of it.

Works on a copy: the damaged file is evidence and stays as it is.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.errors import DamagedError, StoreError
from pushmfa.store.database import Database, open_database
from pushmfa.store.failures import translated
from pushmfa.store.host_copy import put_rows
from pushmfa.store.host_rows import AuditRow, HostStore
from pushmfa.store.host_schema import MIGRATIONS, REGISTRY_TABLES
from pushmfa.terms import MAX_EPOCH

Rows = list[tuple[object, ...]]
HEADER: Final = 100
"""Bytes of the header of an SQLite file (fileformat2, 1.3)."""

_MOST_PROBED: Final = 100_000
"""Rows of a hole in the audit that are looked for one by one."""


class Salvage(NamedTuple):
    """What a new database is made of."""

    registry: dict[str, Rows]
    audit: list[AuditRow]
    is_from_copy: bool
    """The registry is that of the automatic copy."""
    counted: int
    """The highest epoch that the database or the copy knows."""

    @property
    def host_id(self) -> object:
        """Whose devices these are."""
        return self.registry["host"][0][1]

    def gaps(self) -> list[str]:
        """Return the numbers of the rows of the audit that are lost, as "3-7"."""
        found, expected = [], 1
        for row in self.audit:
            if row.seq > expected:
                found.append(f"{expected}-{row.seq - 1}")
            expected = row.seq + 1
        return found


def salvage(path: Path, copy: Path) -> Salvage:
    """Return what is left of the database at path, or of the automatic copy.

    DamagedError if neither holds a registry that is as it was written.
    """
    work = path.with_name(path.name + ".salvage")
    _remove(work)
    audit: list[AuditRow] = []
    counted = counted_in(copy)
    try:
        if path.exists():
            with translated(work):
                _copy_for_work(path, work)
            audit = _read_audit(work)
            counted = max(counted, counted_in(work))
            registry = _read_registry(work)
            if registry is not None:
                return Salvage(registry, audit, is_from_copy=False, counted=counted)
        if copy.exists():
            with translated(work):
                _remove(work)
                shutil.copyfile(copy, work)
                work.chmod(0o600)
            registry = _read_registry(work)
            if registry is not None:
                return Salvage(registry, audit, is_from_copy=True, counted=counted)
    finally:
        _remove(work)
    raise DamagedError(
        "neither the database nor its automatic copy holds devices that are as they"
        " were written",
        hint="Put back a backup: pushmfa host restore FILE; without one, begin anew:"
        " pushmfa host reset",
    )


def write_new(path: Path, found: Salvage) -> None:
    """Make a new database at path of what was found; StoreError."""
    _remove(path)
    database = open_database(path, MIGRATIONS, synchronous="FULL")
    try:
        with database.transaction():
            for table in REGISTRY_TABLES:
                put_rows(database, table, found.registry[table])
            put_rows(database, "audit", [tuple(row) for row in found.audit])
    finally:
        database.close()


def counted_in(path: Path) -> int:
    """Return the highest epoch that a database tells of, 0 if it tells none."""
    if not path.exists():
        return 0
    try:
        with closing(sqlite3.connect(path)) as connection:
            row = connection.execute("SELECT epoch, seen FROM host").fetchone()
    except sqlite3.Error:
        return 0
    told = [n for n in row or () if isinstance(n, int) and 0 <= n <= MAX_EPOCH]
    return max(told, default=0)


def is_whole(store: HostStore) -> bool:
    """Whether every page is as SQLite wrote it, and the devices as we did."""
    try:
        store.verify()
        store.verify_pages()
    except StoreError:
        return False
    return True


def _copy_for_work(path: Path, work: Path) -> None:
    shutil.copyfile(path, work)
    work.chmod(0o600)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        shutil.copyfile(log, work.with_name(work.name + "-wal"))
    with work.open("r+b") as file:
        if not file.read(HEADER).startswith(b"SQLite format 3\0"):
            file.seek(0)
            file.write(_header(work.stat().st_size, work))


def _header(size: int, beside: Path) -> bytes:
    """Return the header of a database of ours with so many bytes, page size 4096."""
    model = beside.with_name(beside.name + ".model")
    open_database(model, MIGRATIONS, synchronous="FULL").close()
    header = bytearray(model.read_bytes()[:HEADER])
    _remove(model)
    header[24:28] = header[92:96] = (1).to_bytes(4)
    header[28:32] = (size // 4096).to_bytes(4)
    # No free pages are known: a few are wasted in a copy that nobody writes to.
    header[32:40] = bytes(8)
    return bytes(header)


def _read_registry(path: Path) -> dict[str, Rows] | None:
    """Return the rows of all tables but the audit, None unless they are whole."""
    try:
        database = open_database(path, MIGRATIONS, synchronous="FULL")
    except StoreError:
        return None
    try:
        store = HostStore(database)
        store.verify()
        if store.load_host() is None:
            return None
        return {table: _all_of(database, table) for table in REGISTRY_TABLES}
    except StoreError:
        return None
    finally:
        with suppress(StoreError):
            database.close()


def _all_of(database: Database, table: str) -> Rows:
    return database.query(f"SELECT * FROM {table}")  # noqa: S608  a name of ours


def _read_audit(path: Path) -> list[AuditRow]:
    """Return every row of the audit that can be read, oldest first."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            first = list(_until_damage(connection, "ASC"))
            last = list(_until_damage(connection, "DESC"))
            rows = {row.seq: row for row in (*first, *last)}
            if first and last:
                hole = range(first[-1].seq + 1, last[-1].seq)
                rows |= _probe(connection, hole[:_MOST_PROBED])
    except sqlite3.Error:
        return []
    return [rows[seq] for seq in sorted(rows)]


def _until_damage(connection: sqlite3.Connection, order: str) -> Iterator[AuditRow]:
    with suppress(sqlite3.Error):
        for row in connection.execute(f"SELECT * FROM audit ORDER BY seq {order}"):  # noqa: S608  one of two words
            if _is_row(row):
                yield AuditRow(*row)


def _probe(connection: sqlite3.Connection, hole: range) -> dict[int, AuditRow]:
    found = {}
    for seq in hole:
        with suppress(sqlite3.Error):
            row = connection.execute(
                "SELECT * FROM audit WHERE seq = ?", (seq,)
            ).fetchone()
            if row is not None and _is_row(row):
                found[seq] = AuditRow(*row)
    return found


def _is_row(row: tuple[object, ...]) -> bool:
    return isinstance(row[0], int) and all(isinstance(part, bytes) for part in row[1:])


def _remove(path: Path) -> None:
    for name in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + name).unlink(missing_ok=True)
