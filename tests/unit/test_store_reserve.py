"""Blocks that stay ours: free pages, a whole log, and what befalls them."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushmfa.errors import DiskFullError, StoreError
from pushmfa.store import kept_log
from pushmfa.store import reserve as module
from pushmfa.store.database import Database, open_database
from pushmfa.store.host_copy import copy_whole
from pushmfa.store.host_rows import AuditRow, HostRow, HostStore
from pushmfa.store.host_schema import MIGRATIONS
from pushmfa.store.kept_log import LOG_SIZE
from pushmfa.store.reserve import LEAST_LEFT, RESERVE_SIZE

TABLE = ("CREATE TABLE people (name TEXT NOT NULL PRIMARY KEY)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "pushmfa.db"


@pytest.fixture
def store(path: Path) -> Iterator[HostStore]:
    opened = HostStore.open(path)
    opened.reserve.refill()
    yield opened
    opened.close()


def append(store: HostStore, *numbers: int) -> None:
    for seq in numbers:
        store.append_audit(AuditRow(seq, b"r" * 700, bytes(32), os.urandom(32)))


def free_pages(store: HostStore) -> int:
    ((count,),) = store._database.query("PRAGMA freelist_count")
    assert isinstance(count, int)
    return count


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def kept(path: Path) -> Path:
    return path.with_name(path.name + kept_log.KEPT)


def use_up(store: HostStore) -> None:
    """Have so little left that it is time to refill."""
    seq = 0
    while store.reserve.left() >= LEAST_LEFT:
        with store._database.transaction():
            append(store, *range(seq + 1, seq + 501))
        seq += 500


# --- what is kept ---------------------------------------------------------------------


def test_every_page_and_the_whole_log_have_blocks(store: HostStore, path: Path) -> None:
    assert store.reserve.left() == RESERVE_SIZE == 16 * 2**20
    assert not store.reserve.is_short()
    assert path.stat().st_blocks * 512 >= RESERVE_SIZE
    assert log_of(path).stat().st_size == LOG_SIZE
    assert log_of(path).stat().st_blocks * 512 >= LOG_SIZE
    assert store._database.query("PRAGMA auto_vacuum") == [(0,)]
    assert not path.with_name(path.name + "-shm").exists(), "made anew at each start"
    store.verify_pages()


def test_what_is_written_takes_of_it_and_neither_file_grows(
    store: HostStore, path: Path
) -> None:
    sizes = path.stat().st_size, log_of(path).stat().st_size
    pages = free_pages(store)
    append(store, *range(1, 1001))
    assert free_pages(store) < pages
    assert (path.stat().st_size, log_of(path).stat().st_size) == sizes


def test_it_is_refilled_only_when_much_is_used(store: HostStore, path: Path) -> None:
    with store._database.transaction():
        append(store, *range(1, 501))
    size, left = path.stat().st_size, store.reserve.left()
    store.reserve.refill()
    assert store.reserve.left() == left < RESERVE_SIZE
    assert not store.reserve.is_short(), "in use, and that is all"
    with store._database.transaction():
        append(store, *range(501, 8001))
    store.reserve.refill()
    assert store.reserve.left() == RESERVE_SIZE
    assert path.stat().st_size > size
    assert log_of(path).stat().st_size <= 2 * LOG_SIZE
    store.verify_pages()


def test_it_does_not_take_the_last_room_of_a_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = HostStore.open(path)
    size = path.stat().st_size
    needed = 2 * (RESERVE_SIZE + LOG_SIZE)
    monkeypatch.setattr(module, "_free_on", lambda _: needed - 2**20)
    store.reserve.refill()
    assert store.reserve.is_short()
    assert store.reserve.left() == 0
    assert path.stat().st_size == size
    monkeypatch.setattr(module, "_free_on", lambda _: needed)
    store.reserve.refill()
    assert not store.reserve.is_short()
    assert store.reserve.left() == RESERVE_SIZE
    monkeypatch.setattr(module, "_free_on", lambda _: 1000)
    assert store.reserve.is_short(), "it is full, also while all of it is left"
    store.close()


@pytest.mark.parametrize("works", [0, 1, 3])
def test_attack_the_disk_is_filled_in_the_middle_of_a_refill(
    store: HostStore, path: Path, works: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_up(store)
    left, real, calls = store.reserve.left(), os.posix_fallocate, []

    def fill(descriptor: int, offset: int, length: int) -> None:
        calls.append(length)
        if len(calls) > works:
            # As some file systems do: a part of it is there.
            os.ftruncate(descriptor, offset + length // 2)
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fill)
    store.reserve.refill()
    assert len(calls) == works + 1
    assert store.reserve.is_short()
    assert store.reserve.left() >= left, "what was there is free again"
    ((pages,),) = store._database.query("PRAGMA page_count")
    # Else every later checkpoint would ask the full disk for a block.
    assert path.stat().st_size >= pages * 4096
    monkeypatch.setattr(os, "posix_fallocate", real)
    store.reserve.refill()
    assert store.reserve.left() >= LEAST_LEFT
    assert not store.reserve.is_short()
    store.verify_pages()


def test_a_refill_waits_for_whoever_reads_an_old_state(
    store: HostStore, path: Path
) -> None:
    use_up(store)
    reader = sqlite3.connect(f"{path.as_uri()}?vfs=unix-excl", uri=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM audit").fetchone()
    append(store, 1_000_000)
    size = log_of(path).stat().st_size
    left = store.reserve.left()
    store.reserve.refill()
    assert store.reserve.left() == left
    assert log_of(path).stat().st_size == size, "else it would grow and grow"
    reader.close()
    store.reserve.refill()
    assert store.reserve.left() == RESERVE_SIZE


def test_a_backup_is_made_without_the_free_pages(store: HostStore, path: Path) -> None:
    append(store, *range(1, 101))
    copy_whole(path, path.with_name("copy"))
    assert path.with_name("copy").stat().st_size < 2**20
    with sqlite3.connect(path.with_name("copy")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert copy.execute("SELECT count(*) FROM audit").fetchone() == (100,)
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    copy.close()


# --- the next start -------------------------------------------------------------------


def test_an_orderly_close_keeps_the_blocks_of_the_log(path: Path) -> None:
    store = HostStore.open(path)
    store.reserve.refill()
    append(store, *range(1, 11))
    file = log_of(path).stat().st_ino
    store.close()
    assert not log_of(path).exists()
    assert kept(path).stat().st_ino == file
    assert kept(path).stat().st_mode & 0o777 == 0o600
    for last in range(10, 13):
        store = HostStore.open(path)
        assert log_of(path).stat().st_ino == file, "nobody could take them"
        assert not kept(path).exists()
        assert store.reserve.left() > LEAST_LEFT
        found = store.last_audit()
        assert found is not None
        assert found.seq == last
        append(store, last + 1)
        store.verify_pages()
        store.close()


CHILD = """
import os, sys
from pathlib import Path
from tests.unit.test_store_reserve import append
from pushmfa.store.host_rows import HostStore
store = HostStore.open(Path(sys.argv[1]))
store.reserve.refill()
print("ready", flush=True)
seq = 0
while True:
    seq += 1
    append(store, seq)
    if seq % 50 == 0:
        {then}
        print(seq, flush=True)
"""
REFILL = (
    "store.reserve._make_pages() if store.reserve._is_log_idle() else sys.exit('busy')"
)


@pytest.mark.parametrize("then", ["pass", REFILL])
@pytest.mark.parametrize("wait", [0.1, 0.35])
def test_what_was_written_survives_a_kill(path: Path, then: str, wait: float) -> None:
    program = CHILD.replace("{then}", then)
    child = subprocess.Popen(
        [sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [child.stdout.readline()]
    assert told == ["ready\n"]
    told.append(child.stdout.readline())
    time.sleep(wait)
    child.send_signal(signal.SIGKILL)
    told += child.communicate()[0].splitlines()
    assert log_of(path).stat().st_size >= LOG_SIZE
    store = HostStore.open(path)
    last = store.last_audit()
    assert last is not None
    assert last.seq >= int(told[-1]) >= 50
    store.verify_pages()
    store.reserve.refill()
    assert store.reserve.left() >= LEAST_LEFT
    assert store._database.query("SELECT count(*) FROM spare") == [(0,)]
    append(store, last.seq + 1)
    store.verify_pages()
    store.close()


def test_an_old_log_says_nothing_about_another_database(path: Path) -> None:
    store = HostStore.open(path)
    store.reserve.refill()
    store.save_host(HostRow(b"h" * 32, None, epoch=1, seen=0))
    store.close()
    before = path.read_bytes()
    store = HostStore.open(path)
    append(store, *range(1, 21))
    store.close()
    # A backup is put back: the kept log still holds the pages of what came after.
    path.write_bytes(before)
    store = HostStore.open(path)
    assert store.last_audit() is None
    store.verify_pages()
    store.close()


def symlink(kept_file: Path, victim: Path) -> None:
    kept_file.symlink_to(victim)


def hard_link(kept_file: Path, victim: Path) -> None:
    os.link(victim, kept_file)


@pytest.mark.parametrize("link", [symlink, hard_link])
def test_attack_a_link_in_the_place_of_the_kept_log(
    path: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    HostStore.open(path).close()
    victim = tmp_path / "victim"
    victim.write_bytes(b"x" * 2 * LOG_SIZE)
    kept(path).unlink(missing_ok=True)
    link(kept(path), victim)
    if link is symlink:
        with pytest.raises(StoreError):
            HostStore.open(path)
    else:
        HostStore.open(path).close()
    assert victim.read_bytes() == b"x" * 2 * LOG_SIZE


def test_nobody_else_opens_it_meanwhile(store: HostStore, path: Path) -> None:
    append(store, 1)
    program = (
        "import sqlite3, sys; sqlite3.connect(sys.argv[1], 0.1).execute(sys.argv[2])"
    )
    for statement in ("SELECT * FROM audit", "VACUUM"):
        other = subprocess.run(
            [sys.executable, "-c", program, path, statement],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "database is locked" in other.stderr


def test_a_log_that_another_keeps_is_not_taken(path: Path) -> None:
    store = HostStore.open(path)
    store.reserve.refill()
    append(store, 1)
    # A crash between the second name and the close, and then a copy of the evidence.
    kept_log.hold(path)
    evidence = path.with_name("evidence")
    log_of(path).rename(evidence)
    before = evidence.read_bytes()
    kept_log.put_in_place(path)
    assert not log_of(path).exists()
    assert evidence.read_bytes() == before
    evidence.rename(log_of(path))
    store.close()


# --- nothing is left ------------------------------------------------------------------


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


@pytest.mark.parametrize("undoes", [False, True])
@pytest.mark.parametrize("room", [0, 1, 2])
def test_without_room_nothing_is_changed_and_the_error_says_so(
    tmp_path: Path, undoes: bool, room: int
) -> None:
    path = tmp_path / "s" / "x.db"
    opened = open_database(path, [TABLE], synchronous="FULL")
    disk = FullDisk(opened._connection)
    database = Database(disk, path)  # type: ignore[arg-type]  # does what a connection does
    heard: list[StoreError] = []
    disk.undoes, disk.room = undoes, room
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
