"""A reserve of real blocks, given in small steps, and a database that goes on in it."""

import os
import sqlite3
from pathlib import Path

import pytest

from pushmfa.errors import DiskFullError, StoreError
from pushmfa.store.database import Database, open_database
from pushmfa.store.reserve import RESERVE_SIZE, STEP, Reserve

TABLE = ("CREATE TABLE people (name TEXT NOT NULL PRIMARY KEY)",)


def test_the_reserve_is_real_blocks_that_nobody_else_reads(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve")
    assert not reserve.is_whole
    reserve.refill()
    found = reserve.path.stat()
    assert found.st_size == RESERVE_SIZE == 16 * 2**20
    assert found.st_blocks * 512 >= RESERVE_SIZE, "no hole"
    assert found.st_mode & 0o777 == 0o600
    assert reserve.is_whole


def test_it_gives_step_by_step_until_nothing_is_left(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 2 * STEP + 1)
    reserve.refill()
    sizes = []
    while reserve.make_room():
        sizes.append(reserve.path.stat().st_size)
    assert sizes == [STEP + 1, 1, 0]
    assert not reserve.make_room()
    assert reserve.left == 0
    assert Reserve(reserve.path, 2 * STEP).left == 0, "also for the next start"
    reserve.refill()
    assert reserve.is_whole


def test_it_does_not_take_the_last_room_of_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = Reserve(tmp_path / "reserve", STEP)
    real = os.statvfs(tmp_path)
    little = [*real[:4], 1, *real[5:]]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(little))
    reserve.refill()
    assert reserve.left == 0
    assert not reserve.path.exists()


def test_attack_a_link_in_the_place_of_the_reserve(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"x" * 2 * STEP)
    (tmp_path / "reserve").symlink_to(victim)
    reserve = Reserve(tmp_path / "reserve", STEP)
    with pytest.raises(StoreError):
        reserve.refill()
    assert not reserve.make_room()
    assert victim.stat().st_size == 2 * STEP


class FullDisk:
    """A connection on a disk that has room for so many writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.room = 0
        self.undoes = False

    @property
    def in_transaction(self) -> bool:
        return self.connection.in_transaction

    def close(self) -> None:
        self.connection.close()

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        if sql.startswith(("INSERT", "COMMIT")):
            if self.room == 0:
                if self.undoes and self.in_transaction:
                    self.connection.execute("ROLLBACK")
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
            self.room -= 1
        return self.connection.execute(sql, values)


@pytest.fixture
def disk(tmp_path: Path) -> FullDisk:
    database = open_database(tmp_path / "s" / "x.db", [TABLE], synchronous="FULL")
    return FullDisk(database._connection)


def on(disk: FullDisk, rooms: list[int], tmp_path: Path) -> Database:
    """Return a database on disk; each cry for help makes the next of rooms."""

    def make_room() -> bool:
        if not rooms:
            return False
        disk.room = rooms.pop(0)
        return True

    return Database(disk, tmp_path / "s" / "x.db", make_room)  # type: ignore[arg-type]  # does what a connection does


@pytest.mark.parametrize("undoes", [False, True])
def test_a_change_begins_anew_when_there_is_room(
    disk: FullDisk, tmp_path: Path, undoes: bool
) -> None:
    # The first room is enough for one of three writes, and the second for two.
    database = on(disk, [1, 2, 3], tmp_path)
    tries: list[int] = []
    disk.undoes = undoes

    def work() -> str:
        tries.append(1)
        database.execute("INSERT INTO people VALUES ('alice')")
        database.execute("INSERT INTO people VALUES ('bob')")
        return "done"

    assert database.change(work) == "done"
    assert len(tries) == 4
    assert database.query("SELECT count(*) FROM people") == [(2,)], "and only once"
    disk.close()


def test_a_statement_alone_is_tried_again(disk: FullDisk, tmp_path: Path) -> None:
    database = on(disk, [0, 0, 1], tmp_path)
    assert database.execute("INSERT INTO people VALUES ('alice')") == 1
    disk.close()


@pytest.mark.parametrize("undoes", [False, True])
def test_without_room_nothing_is_changed_and_the_error_says_so(
    disk: FullDisk, tmp_path: Path, undoes: bool
) -> None:
    database = on(disk, [1], tmp_path)
    heard: list[StoreError] = []
    disk.undoes = undoes
    database.on_failure = heard.append

    def work() -> None:
        database.execute("INSERT INTO people VALUES ('alice')")
        database.execute("INSERT INTO people VALUES ('bob')")

    with pytest.raises(DiskFullError, match="full"):
        database.change(work)
    assert [type(error) for error in heard] == [DiskFullError]
    assert database.query("SELECT * FROM people") == []
    assert not disk.in_transaction
    disk.close()
