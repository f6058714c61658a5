"""Credentials on the disk: with their device, with its digest, in every copy."""

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from pushmfa.errors import DamagedError, StoreError
from pushmfa.store.credential_rows import CounterRow, CredentialRow
from pushmfa.store.database import open_database
from pushmfa.store.host_rows import AuditRow, HostRow, HostStore
from pushmfa.store.host_schema import MIGRATIONS
from pushmfa.store.salvage import salvage, write_new
from tests.unit.test_store_host_rows import device_row, event_row

BEFORE = 4
"""Migrations of the last state without credentials."""

ROW = CredentialRow(b"d" * 32, b"an id", b"a key", -7, 5)
AUDIT = AuditRow(1, b"{}", bytes(32), b"h" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "pushmfa.db"


@pytest.fixture
def store(path: Path) -> Iterator[HostStore]:
    opened = HostStore.open(path)
    opened.save_host(HostRow(b"h" * 32, None, 1, 0))
    opened.add_device(device_row(), event_row(), credential=ROW)
    yield opened
    opened.close()


def test_a_credential_comes_with_its_device(store: HostStore) -> None:
    assert store.load_credentials() == [ROW]
    store.add_device(device_row(b"e"), event_row(letter=b"e"))
    assert store.load_credentials() == [ROW]


def test_one_credential_is_of_one_device(store: HostStore) -> None:
    double = ROW._replace(device_id=b"e" * 32)
    with pytest.raises(StoreError):
        store.add_device(device_row(b"e"), event_row(letter=b"e"), credential=double)
    assert len(store.load_devices()) == 1, "neither of them"


def test_a_counter_is_written_with_its_row_and_never_goes_back(
    store: HostStore,
) -> None:
    store.append_audit(AUDIT, counters=[CounterRow(9, ROW.device_id)])
    assert store.load_credentials() == [ROW._replace(counter=9)]
    store.verify()
    double = AUDIT._replace(seq=2)
    with pytest.raises(StoreError):
        store.append_audit(double, counters=[CounterRow(10, ROW.device_id)])
    assert store.load_credentials() == [ROW._replace(counter=9)], "or neither"
    again = AuditRow(2, b"{}", b"h" * 32, b"i" * 32)
    store.append_audit(again, counters=[CounterRow(3, ROW.device_id)])
    assert store.load_credentials() == [ROW._replace(counter=9)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE credentials SET public_key = x'00'",
        "UPDATE credentials SET algorithm = -8",
        "UPDATE credentials SET credential_id = x'00'",
        "DELETE FROM credentials",
    ],
)
def test_attack_a_credential_is_changed_on_the_disk(
    path: Path, store: HostStore, change: str
) -> None:
    store.verify()
    store.close()
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(change)
    database.close()
    with pytest.raises(DamagedError, match="not as it was written"):
        HostStore.open(path).verify()


def test_a_copy_and_what_is_made_of_it_have_credentials(
    path: Path, store: HostStore, tmp_path: Path
) -> None:
    copy, new = tmp_path / "copy.db", tmp_path / "new.db"
    store.copy_registry(copy)
    assert store.is_copied(copy)
    store.close()
    found = salvage(tmp_path / "none.db", copy)
    write_new(new, found)
    made = HostStore.open(new)
    made.verify()
    assert made.load_credentials() == [ROW]
    made.close()


def test_a_state_from_before_is_as_it_was_written(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    device = device_row()
    line = repr(tuple(device._replace(counter=0, last_seen_at=None)))
    database = open_database(path, MIGRATIONS[:BEFORE], synchronous="FULL")
    marks = ", ".join("?" * len(device))
    database.execute(f"INSERT INTO devices VALUES ({marks})", device)  # noqa: S608  only question marks
    digest = sha256(line.encode()).digest()
    host = (b"h" * 32, None, 1, 0, digest)
    database.execute("INSERT INTO host VALUES (1, ?, ?, ?, ?, ?)", host)
    database.close()
    store = HostStore.open(path)
    store.verify()
    assert store.load_credentials() == []
    assert store.load_devices() == [device]
    store.close()
