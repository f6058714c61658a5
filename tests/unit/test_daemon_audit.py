"""The audit: a chain that shows what was changed, in the file and in the log."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.daemon.audit import (
    SCHEMA,
    ActRecord,
    AttemptRecord,
    Audit,
    DeliveryRecord,
    decode_record,
)
from pushmfa.errors import MalformedError, StoreError
from pushmfa.login.chain import FIRST, chain
from pushmfa.login.policy import Account
from pushmfa.store.host_rows import AuditRow, HostStore
from pushmfa.terms import Cause, Kind, UserName, Verdict


def delivery(number: int) -> DeliveryRecord:
    return DeliveryRecord(
        schema=SCHEMA, at=1_000 + number, attempt_id=f"{number:016x}", delivered=True
    )


ALICE = Account(UserName("alice"), 1_001)


def attempt(
    approver: str | None, *, service: str = "sshd", approver_uid: int = 1_001
) -> AttemptRecord:
    return AttemptRecord(
        schema=SCHEMA,
        at=1_000,
        attempt_id="0" * 16,
        kind=Kind.LOGIN,
        service=service,
        user=approver,
        uid=1001,
        approver=approver,
        approver_uid=None if approver is None else approver_uid,
        requesting_user=None,
        remote_address=None,
        tty=None,
        first_factor=None,
        verdict=Verdict.DENIED,
        cause=Cause.CANCEL,
        device_id=None,
        device_label=None,
        latency_ms=1,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "pushmfa.db"


@pytest.fixture
def store(path: Path) -> Iterator[HostStore]:
    opened = HostStore.open(path)
    yield opened
    opened.close()


def first_broken(rows: list[AuditRow]) -> int | None:
    """Return the seq of the first row that does not fit, as an auditor finds it."""
    previous, expected = FIRST, 1
    for row in rows:
        if (row.seq, row.previous) != (expected, previous):
            return row.seq
        if row.hash != chain(previous, row.record):
            return row.seq
        previous, expected = row.hash, expected + 1
    return None


def oldest_first(store: HostStore) -> list[AuditRow]:
    return store.load_audit(1_000)[::-1]


def test_the_chain_fits_and_goes_on_after_a_restart(path: Path) -> None:
    rows: list[AuditRow] = []
    for start in (0, 5):
        store = HostStore.open(path)
        audit = Audit(store)
        for number in range(start, start + 5):
            audit.append(delivery(number))
        rows = oldest_first(store)
        store.close()
    assert len(rows) == 10
    assert first_broken(rows) is None
    assert [decode_record(row.record) for row in rows] == [
        delivery(number) for number in range(10)
    ]


@pytest.mark.parametrize("column", ["record", "previous", "hash"])
def test_attack_one_byte_of_the_audit_is_changed(
    path: Path, store: HostStore, column: str
) -> None:
    """Root can take the triggers away; the chain shows it, at the right row."""
    audit = Audit(store)
    for number in range(9):
        audit.append(delivery(number))
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("DROP TRIGGER audit_stays")
        row = database.execute("SELECT * FROM audit WHERE seq = 4").fetchone()
        raw = row[AuditRow._fields.index(column)]
        changed = raw[:-3] + bytes([raw[-3] ^ 1]) + raw[-2:]
        database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 4", (changed,))  # noqa: S608  three names above
    finally:
        database.close()
    assert first_broken(oldest_first(store)) == 4


def test_attack_a_row_is_removed(path: Path, store: HostStore) -> None:
    audit = Audit(store)
    for number in range(9):
        audit.append(delivery(number))
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("DROP TRIGGER audit_remains")
        database.execute("DELETE FROM audit WHERE seq = 4")
    finally:
        database.close()
    assert first_broken(oldest_first(store)) == 5


def test_a_row_that_was_not_written_is_not_in_the_chain(
    store: HostStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = Audit(store)
    audit.append(delivery(0))

    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "append_audit", fail)
    with pytest.raises(StoreError):
        audit.append(delivery(1))
    monkeypatch.undo()
    audit.append(delivery(2))
    rows = oldest_first(store)
    assert [row.seq for row in rows] == [1, 2]
    assert first_broken(rows) is None


def test_last_attempts_are_the_accounts_own_newest_first(store: HostStore) -> None:
    audit = Audit(store)
    for number in range(12):
        audit.append(attempt("alice", service=f"s{number}"))
        audit.append(attempt("bob"))
        audit.append(attempt(None))
        audit.append(delivery(number))
        audit.append(attempt("alice", approver_uid=2_000))
    found = audit.last_attempts(ALICE, 10)
    assert [record.service for record in found] == [f"s{n}" for n in range(11, 1, -1)]
    assert audit.last_attempts(Account(UserName("nobody"), 1), 10) == []


def test_a_damaged_record_hides_no_other(store: HostStore) -> None:
    audit = Audit(store)
    audit.append(attempt("alice"))
    store.append_audit(AuditRow(2, b"\xff{", b"x" * 32, b"y" * 32))
    assert len(audit.last_attempts(ALICE, 10)) == 1


def test_what_is_no_record_is_malformed() -> None:
    for raw in (b"", b"{}", b'{"type":"attempt"}', b"x" * 70_000):
        with pytest.raises(MalformedError):
            decode_record(raw)


@pytest.mark.parametrize(
    "label",
    ["a\nCRITICAL b", "\x1b[2J", "\x9b2J", "\u2028", "\u202eabc", "\x7f", "Zoë"],
)
def test_attack_a_label_forges_the_log(
    store: HostStore, caplog: pytest.LogCaptureFixture, label: str
) -> None:
    caplog.set_level(logging.INFO)
    record = ActRecord(
        schema=SCHEMA,
        at=1_000,
        actor_uid=0,
        act="enroll",
        user="alice",
        uid=1001,
        device_id=None,
        device_label=label,
        attempt_id=None,
    )
    Audit(store).append(record)
    (line,) = (entry.getMessage() for entry in caplog.records)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["device_label"] == label, "still JSON, nothing lost"
    assert decode_record(store.load_audit(1)[0].record) == record


def test_the_log_hears_of_every_row_once_and_in_order(
    store: HostStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    audit = Audit(store)
    audit.append_quietly(delivery(1))
    audit.append_quietly(delivery(2))
    assert len(store.load_audit(9)) == 2, "the rows do not wait for the log"
    assert not caplog.records
    audit.append(delivery(3))
    audit.log_rows()
    logged = [entry.getMessage().encode() for entry in caplog.records]
    assert [decode_record(line) for line in logged] == [
        delivery(number) for number in (1, 2, 3)
    ]
