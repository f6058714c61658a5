"""A database of ours: modes, migrations, and errors that say what to do."""

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pushmfa.errors import StoreError
from pushmfa.store.database import Database, Migration, open_database

FIRST: Migration = ("CREATE TABLE people (name TEXT NOT NULL PRIMARY KEY)",)
SECOND: Migration = (
    "ALTER TABLE people ADD COLUMN age INTEGER NOT NULL DEFAULT 0",
    "UPDATE people SET age = 1",
)
BROKEN: Migration = ("DELETE FROM people", "INSERT INTO nowhere VALUES (1)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "x.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = open_database(path, [FIRST], synchronous="FULL")
    yield database
    database.close()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def add(database: Database, name: str) -> None:
    database.execute("INSERT INTO people (name) VALUES (?)", (name,))


def test_folder_and_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        database = open_database(path, [FIRST], synchronous="FULL")
        add(database, "alice")
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["x.db", "x.db-shm", "x.db-wal"]
        assert {mode_of(file) for file in files} == {0o600}
        assert mode_of(path.parent) == 0o700
        database.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize(("name", "number"), [("FULL", 2), ("NORMAL", 1)])
def test_pragmas_are_as_asked(path: Path, name: str, number: int) -> None:
    database = open_database(path, [FIRST], synchronous=name)  # type: ignore[arg-type]  # one of the two
    assert database.query("PRAGMA journal_mode") == [("wal",)]
    assert database.query("PRAGMA synchronous") == [(number,)]
    assert database.query("PRAGMA foreign_keys") == [(1,)]
    database.close()


def test_transaction_is_undone_by_any_error(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            add(database, "alice")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert database.query("SELECT * FROM people") == []
    with database.transaction():
        add(database, "bob")
    assert database.query_one("SELECT name FROM people") == ("bob",)


def test_error_of_sqlite_is_a_store_error_with_a_hint(database: Database) -> None:
    add(database, "alice")
    with pytest.raises(StoreError, match="UNIQUE") as caught:
        add(database, "alice")
    assert caught.value.hint
    with pytest.raises(StoreError, match="no such table"):
        database.query("SELECT * FROM nowhere")


def test_closed_database_gives_a_store_error(path: Path) -> None:
    database = open_database(path, [FIRST], synchronous="FULL")
    database.close()
    database.close()
    with pytest.raises(StoreError, match="closed"):
        database.query("SELECT 1")


def test_migration_keeps_a_private_copy_of_what_was(path: Path) -> None:
    database = open_database(path, [FIRST], synchronous="FULL")
    add(database, "alice")
    database.close()
    database = open_database(path, [FIRST, SECOND], synchronous="FULL")
    assert database.query("SELECT * FROM people") == [("alice", 1)]
    assert database.query("PRAGMA user_version") == [(2,)]
    database.close()
    copy = path.with_name("x.db.v1.bak")
    assert mode_of(copy) == 0o600
    old = open_database(copy, [FIRST], synchronous="FULL")
    assert old.query("SELECT * FROM people") == [("alice",)]
    old.close()


def test_new_database_has_all_migrations_and_no_copy(path: Path) -> None:
    database = open_database(path, [FIRST, SECOND], synchronous="FULL")
    assert database.query("PRAGMA user_version") == [(2,)]
    assert not list(path.parent.glob("*.bak*"))
    database.close()


def test_failed_migration_changes_nothing(path: Path) -> None:
    database = open_database(path, [FIRST], synchronous="FULL")
    add(database, "alice")
    database.close()
    with pytest.raises(StoreError, match="nowhere"):
        open_database(path, [FIRST, BROKEN], synchronous="FULL")
    database = open_database(path, [FIRST], synchronous="FULL")
    assert database.query("SELECT * FROM people") == [("alice",)]
    database.close()


def test_file_of_a_newer_release_is_refused(path: Path) -> None:
    open_database(path, [FIRST, SECOND], synchronous="FULL").close()
    with pytest.raises(StoreError, match="version 2; this release knows 1") as caught:
        open_database(path, [FIRST], synchronous="FULL")
    assert "x.db.v1.bak" in caught.value.hint


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_attack_state_file_that_others_may_write(path: Path, mode: int) -> None:
    open_database(path, [FIRST], synchronous="FULL").close()
    path.chmod(mode)
    with pytest.raises(StoreError, match="may be written by others") as caught:
        open_database(path, [FIRST], synchronous="FULL")
    assert f"chmod 0600 {path}" in caught.value.hint


def test_attack_state_folder_that_others_may_write(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(StoreError, match="may be written by others"):
        open_database(path, [FIRST], synchronous="FULL")
    assert not path.exists()


def test_attack_link_in_the_place_of_the_state_file(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    target = path.with_name("elsewhere")
    for exists in (False, True):
        if exists:
            target.touch()
        path.unlink(missing_ok=True)
        path.symlink_to(target)
        with pytest.raises(StoreError, match="not a regular file"):
            open_database(path, [FIRST], synchronous="FULL")
    assert target.read_bytes() == b""


def test_file_that_is_no_database_is_a_store_error(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"garbage " * 512)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="not a database") as caught:
        open_database(path, [FIRST], synchronous="FULL")
    assert "damaged" in caught.value.hint


def test_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="File exists"):
        open_database(tmp_path / "file" / "x.db", [FIRST], synchronous="FULL")


def test_full_disk_is_a_store_error_and_undoes_the_change(database: Database) -> None:
    (pages,) = database.query("PRAGMA page_count")
    database.query(f"PRAGMA max_page_count={pages[0]}")

    def fill() -> None:
        with database.transaction():
            database.execute_many(
                "INSERT INTO people VALUES (?)", [(f"{n:0500}",) for n in range(200)]
            )

    with pytest.raises(StoreError, match="full") as caught:
        fill()
    assert "make room" in caught.value.hint
    assert database.query("SELECT count(*) FROM people") == [(0,)]


def test_copy_replaces_an_older_one(database: Database, path: Path) -> None:
    copy = path.with_name("copy")
    database.back_up(copy)
    add(database, "alice")
    database.back_up(copy)
    assert mode_of(copy) == 0o600
    other = sqlite3.connect(copy)
    assert other.execute("SELECT name FROM people").fetchall() == [("alice",)]
    other.close()


def test_database_moves_between_threads_only_if_asked(path: Path) -> None:
    open_database(path, [FIRST], synchronous="FULL").close()
    with ThreadPoolExecutor(1) as pool:
        for any_thread in (True, False):
            database = open_database(
                path, [FIRST], synchronous="FULL", any_thread=any_thread
            )
            rows = pool.submit(database.query, "SELECT 1")
            if any_thread:
                assert rows.result() == [(1,)]
            else:
                with pytest.raises(StoreError, match="thread"):
                    rows.result()
            database.close()
