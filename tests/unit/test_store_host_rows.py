"""The daemon's file: rows that stay, and files that nobody else reads."""

import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.errors import StoreError
from pushmfa.store.host_rows import (
    AuditRow,
    DeviceRow,
    EventRow,
    HostStore,
    TicketRow,
)
from pushmfa.store.host_schema import MIGRATIONS


def device_row(letter: bytes = b"d", **changes: object) -> DeviceRow:
    row = DeviceRow(
        device_id=letter * 32,
        user="alice",
        uid=1001,
        label="Pixel",
        kind="app",
        capabilities="[]",
        verify_key=letter * 32,
        sealing_key=letter * 65,
        mailbox=letter * 16,
        version=1,
        counter=0,
        enrolled_at=1_000,
        last_seen_at=None,
        lost_at=None,
        revoked_at=None,
    )
    return row._replace(**changes)  # type: ignore[arg-type]  # fields by name


def event_row(event: str = "enrolled", letter: bytes = b"d") -> EventRow:
    return EventRow(1_000, letter * 32, event, 0, "")


def ticket_row(letter: bytes = b"t", **changes: object) -> TicketRow:
    row = TicketRow(letter * 32, "alice", 1001, 1_000, 2_000, None, None)
    return row._replace(**changes)  # type: ignore[arg-type]  # fields by name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "pushmfa.db"


@pytest.fixture
def store(path: Path) -> Iterator[HostStore]:
    opened = HostStore.open(path)
    yield opened
    opened.close()


def test_an_empty_file_is_migrated_to_the_newest_version(
    path: Path, store: HostStore
) -> None:
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        names = {name for (name,) in tables}
    finally:
        database.close()
    assert {"devices", "device_events", "tickets", "audit"} <= names
    assert store.load_devices() == []
    assert store.last_audit() is None


def test_folder_and_files_are_private(path: Path, store: HostStore) -> None:
    store.add_device(device_row(), event_row())
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.parametrize("table", ["audit", "device_events"])
@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM {}", "UPDATE {} SET seq = 99", "REPLACE INTO {0} SELECT * FROM {0}"],
)
def test_attack_history_is_rewritten(
    path: Path, store: HostStore, table: str, statement: str
) -> None:
    store.add_device(device_row(), event_row())
    store.append_audit(AuditRow(1, b"{}", bytes(32), b"h" * 32))
    database = sqlite3.connect(path, isolation_level=None)
    try:
        before = database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608  two names above
        with pytest.raises(sqlite3.IntegrityError):
            database.execute(statement.format(table))
        assert database.execute(f"SELECT * FROM {table}").fetchall() == before  # noqa: S608  a name of ours
    finally:
        database.close()


def test_devices_and_events_are_there_after_a_restart(path: Path) -> None:
    store = HostStore.open(path)
    later = device_row(b"e", enrolled_at=2_000)
    store.add_device(later, event_row(letter=b"e"))
    store.add_device(device_row(), event_row())
    store.set_device_label("Mine", event_row("renamed"))
    store.set_devices_seen([(1_500, 7, b"d" * 32)])
    store.set_devices_seen([(1_600, 3, b"d" * 32)])
    store.set_device_time("revoked_at", 1_700, event_row("revoked"))
    store.close()
    store = HostStore.open(path)
    try:
        expected = device_row(
            label="Mine", last_seen_at=1_600, counter=7, revoked_at=1_700
        )
        assert store.load_devices() == [expected, later], "oldest first"
        events = [event.event for event in store.load_events(b"d" * 32)]
        assert events == ["enrolled", "renamed", "revoked"]
    finally:
        store.close()


@pytest.mark.parametrize("same", ["device_id", "verify_key", "mailbox"])
def test_attack_a_key_of_another_device(store: HostStore, same: str) -> None:
    store.add_device(device_row(), event_row())
    double = device_row(b"e", **{same: getattr(device_row(), same)})
    with pytest.raises(StoreError):
        store.add_device(double, event_row(letter=b"e"))
    assert len(store.load_devices()) == 1
    assert store.load_events(b"e" * 32) == [], "not the event alone"


def test_a_device_is_revoked_once(store: HostStore) -> None:
    store.add_device(device_row(), event_row())
    store.set_device_time("revoked_at", 5, event_row("revoked"))
    with pytest.raises(StoreError):
        store.set_device_time("revoked_at", 6, event_row("revoked"))
    assert store.load_devices()[0].revoked_at == 5
    assert len(store.load_events(b"d" * 32)) == 2


def test_only_columns_of_times_are_set(store: HostStore) -> None:
    with pytest.raises(ValueError, match="uid"):
        store.set_device_time("uid", 0, event_row())
    with pytest.raises(ValueError, match="uid"):
        store.use_ticket(b"t" * 32, "uid", 0)


def test_a_ticket_is_used_once_for_each_purpose(store: HostStore) -> None:
    store.add_ticket(ticket_row())
    assert store.has_ticket("alice", 1001, 1_500)
    assert not store.has_ticket("alice", 1001, 2_000), "expired"
    assert not store.has_ticket("mallory", 1001, 1_500), "the uid has a new name"
    assert store.use_ticket(b"t" * 32, "admitted_at", 1_500)
    assert not store.use_ticket(b"t" * 32, "admitted_at", 1_500)
    assert not store.has_ticket("alice", 1001, 1_500)
    assert store.use_ticket(b"t" * 32, "enrolled_at", 1_600)
    assert not store.use_ticket(b"t" * 32, "enrolled_at", 1_600)
    assert store.find_ticket(b"t" * 32) == ticket_row(
        admitted_at=1_500, enrolled_at=1_600
    )
    assert not store.use_ticket(b"u" * 32, "admitted_at", 1_500)


def test_a_new_ticket_makes_the_accounts_older_ones_void(store: HostStore) -> None:
    store.add_ticket(ticket_row(b"o", uid=1002))
    store.add_ticket(ticket_row())
    store.add_ticket(ticket_row(b"n"))
    assert store.find_ticket(b"t" * 32) is None
    assert store.find_ticket(b"n" * 32) is not None
    assert store.find_ticket(b"o" * 32) is not None


def test_the_audit_has_no_two_rows_of_one_place(store: HostStore) -> None:
    store.append_audit(AuditRow(1, b"{}", bytes(32), b"h" * 32))
    for row in (
        AuditRow(1, b"{}", b"h" * 32, b"i" * 32),
        AuditRow(2, b"{}", b"h" * 32, b"h" * 32),
    ):
        with pytest.raises(StoreError):
            store.append_audit(row)
    assert len(store.load_audit(10)) == 1


def test_the_newest_rows_come_first(store: HostStore) -> None:
    for seq in range(1, 6):
        store.append_audit(AuditRow(seq, b"{}", bytes(32), bytes([seq]) * 32))
    assert [row.seq for row in store.load_audit(3)] == [5, 4, 3]
    last = store.last_audit()
    assert last is not None
    assert last.seq == 5


def test_a_closed_store_says_so(path: Path) -> None:
    store = HostStore.open(path)
    store.close()
    with pytest.raises(StoreError):
        store.load_devices()
