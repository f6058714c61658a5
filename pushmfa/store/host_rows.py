"""The daemon's state: devices, their events, tickets and the audit.

Rows and bytes; what they mean is the daemon's to say. Two tables only grow: triggers
refuse to change or delete a row, so that a mistake in the program cannot rewrite what
happened (root can, and the chain of hashes shows it).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.errors import StoreError
from pushmfa.store.database import Database, Migration, open_database

MIGRATIONS: Final[Sequence[Migration]] = (
    (
        # One device of one account; a revoked one stays, so that its keys are never
        # taken again.
        """CREATE TABLE devices (
            device_id    BLOB PRIMARY KEY,
            user         TEXT NOT NULL,
            uid          INTEGER NOT NULL,
            label        TEXT NOT NULL,
            kind         TEXT NOT NULL,
            capabilities TEXT NOT NULL,
            verify_key   BLOB NOT NULL UNIQUE,
            sealing_key  BLOB NOT NULL,
            mailbox      BLOB NOT NULL UNIQUE,
            version      INTEGER NOT NULL,
            counter      INTEGER NOT NULL DEFAULT 0,
            enrolled_at  INTEGER NOT NULL,
            last_seen_at INTEGER,
            lost_at      INTEGER,
            revoked_at   INTEGER
        ) STRICT""",
        # Everything that ever happened to a device (NIST SP 800-63B: a record of all
        # authenticators ever bound).
        """CREATE TABLE device_events (
            seq       INTEGER PRIMARY KEY AUTOINCREMENT,
            at        INTEGER NOT NULL,
            device_id BLOB NOT NULL,
            event     TEXT NOT NULL,
            actor_uid INTEGER NOT NULL,
            detail    TEXT NOT NULL
        ) STRICT""",
        # Enrollment tickets, by the digest of what was printed.
        """CREATE TABLE tickets (
            digest      BLOB PRIMARY KEY,
            user        TEXT NOT NULL,
            uid         INTEGER NOT NULL,
            made_at     INTEGER NOT NULL,
            expires_at  INTEGER NOT NULL,
            admitted_at INTEGER,
            enrolled_at INTEGER
        ) STRICT""",
        # hash = SHA-256(previous || record); the first previous is 32 zero bytes.
        """CREATE TABLE audit (
            seq      INTEGER PRIMARY KEY,
            record   BLOB NOT NULL,
            previous BLOB NOT NULL,
            hash     BLOB NOT NULL UNIQUE
        ) STRICT""",
        """CREATE TRIGGER device_events_stay BEFORE UPDATE ON device_events
           BEGIN SELECT RAISE(ABORT, 'device_events only grow'); END""",
        """CREATE TRIGGER device_events_remain BEFORE DELETE ON device_events
           BEGIN SELECT RAISE(ABORT, 'device_events only grow'); END""",
        """CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END""",
        """CREATE TRIGGER audit_remains BEFORE DELETE ON audit
           BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END""",
        # REPLACE deletes without asking the triggers above.
        """CREATE TRIGGER device_events_keep BEFORE INSERT ON device_events
           WHEN EXISTS (SELECT 1 FROM device_events WHERE seq = NEW.seq)
           BEGIN SELECT RAISE(ABORT, 'device_events only grow'); END""",
        """CREATE TRIGGER audit_keeps BEFORE INSERT ON audit
           WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq OR hash = NEW.hash)
           BEGIN SELECT RAISE(ABORT, 'the audit only grows'); END""",
    ),
    (
        # Accounts whose devices are not asked until then.
        """CREATE TABLE mutes (
            user  TEXT NOT NULL,
            uid   INTEGER NOT NULL,
            until INTEGER NOT NULL,
            PRIMARY KEY (user, uid)
        ) STRICT""",
    ),
)


class DeviceRow(NamedTuple):
    """A row of devices, in the order of its columns."""

    device_id: bytes
    user: str
    uid: int
    label: str
    kind: str
    capabilities: str
    verify_key: bytes
    sealing_key: bytes
    mailbox: bytes
    version: int
    counter: int
    enrolled_at: int
    last_seen_at: int | None
    lost_at: int | None
    revoked_at: int | None


class EventRow(NamedTuple):
    """A row of device_events without its number."""

    at: int
    device_id: bytes
    event: str
    actor_uid: int
    detail: str


class TicketRow(NamedTuple):
    """A row of tickets."""

    digest: bytes
    user: str
    uid: int
    made_at: int
    expires_at: int
    admitted_at: int | None
    enrolled_at: int | None


class AuditRow(NamedTuple):
    """A row of the audit: exact bytes, and the hashes that chain them."""

    seq: int
    record: bytes
    previous: bytes
    hash: bytes


class HostStore:
    """The daemon's database; every method raises StoreError and no other error."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, path: Path) -> "HostStore":
        """Open or make the file; what was told to anybody survives a power failure."""
        return cls(open_database(path, MIGRATIONS, synchronous="FULL"))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- devices ---

    def load_devices(self) -> list[DeviceRow]:
        """Return every device that was ever enrolled, oldest first."""
        columns = ", ".join(DeviceRow._fields)
        rows = self._database.query(
            f"SELECT {columns} FROM devices ORDER BY enrolled_at, device_id"  # noqa: S608  names of our own columns
        )
        return [DeviceRow(*row) for row in rows]

    def add_device(self, row: DeviceRow, event: EventRow) -> None:
        """Write a new device and its first event."""
        marks = ", ".join("?" * len(row))
        with self._database.transaction():
            self._database.execute(f"INSERT INTO devices VALUES ({marks})", row)  # noqa: S608  only question marks
            self._add_event(event)

    def set_device_time(self, column: str, at: int, event: EventRow) -> None:
        """Set lost_at or revoked_at of event's device, once, with its event."""
        if column not in ("lost_at", "revoked_at"):
            raise ValueError(column)
        with self._database.transaction():
            changed = self._database.execute(
                f"UPDATE devices SET {column} = ? WHERE device_id = ? AND {column} IS NULL",  # noqa: S608, E501  one of two names, checked above; splitting SQL hides it
                (at, event.device_id),
            )
            if changed != 1:
                raise StoreError("the device has that state already")
            self._add_event(event)

    def set_device_label(self, label: str, event: EventRow) -> None:
        """Rename event's device, with its event."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE devices SET label = ? WHERE device_id = ?",
                (label, event.device_id),
            )
            self._add_event(event)

    def set_device_seen(self, device_id: bytes, at: int, counter: int) -> None:
        """Note when a device last answered, and its counter."""
        self._database.execute(
            "UPDATE devices SET last_seen_at = ?, counter = max(counter, ?)"
            " WHERE device_id = ?",
            (at, counter, device_id),
        )

    def load_events(self, device_id: bytes) -> list[EventRow]:
        """Return all that happened to a device, oldest first."""
        rows = self._database.query(
            "SELECT at, device_id, event, actor_uid, detail FROM device_events"
            " WHERE device_id = ? ORDER BY seq",
            (device_id,),
        )
        return [EventRow(*row) for row in rows]

    def _add_event(self, event: EventRow) -> None:
        self._database.execute(
            "INSERT INTO device_events (at, device_id, event, actor_uid, detail)"
            " VALUES (?, ?, ?, ?, ?)",
            event,
        )

    # --- tickets ---

    def add_ticket(self, row: TicketRow) -> None:
        """Write a new ticket in place of the account's older ones."""
        with self._database.transaction():
            self._database.execute("DELETE FROM tickets WHERE uid = ?", (row.uid,))
            self._database.execute("INSERT INTO tickets VALUES (?,?,?,?,?,?,?)", row)

    def find_ticket(self, digest: bytes) -> TicketRow | None:
        """Return the ticket with this digest, if there is one."""
        row = self._database.query_one(
            "SELECT * FROM tickets WHERE digest = ?", (digest,)
        )
        return None if row is None else TicketRow(*row)

    def has_ticket(self, user: str, uid: int, now: int) -> bool:
        """Whether the account has a ticket that can still admit a login."""
        row = self._database.query_one(
            "SELECT 1 FROM tickets WHERE user = ? AND uid = ? AND expires_at > ?"
            " AND admitted_at IS NULL AND enrolled_at IS NULL",
            (user, uid, now),
        )
        return row is not None

    def use_ticket(self, digest: bytes, column: str, at: int) -> bool:
        """Mark a ticket used for a login or for an enrollment; False if it was."""
        if column not in ("admitted_at", "enrolled_at"):
            raise ValueError(column)
        changed = self._database.execute(
            f"UPDATE tickets SET {column} = ? WHERE digest = ? AND {column} IS NULL",  # noqa: S608  one of two names, checked above
            (at, digest),
        )
        return changed == 1

    # --- audit ---

    def append_audit(self, row: AuditRow) -> None:
        """Write the next row of the audit; it is on disk when this returns."""
        self._database.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", row)

    def last_audit(self) -> AuditRow | None:
        """Return the newest row of the audit."""
        row = self._database.query_one("SELECT * FROM audit ORDER BY seq DESC LIMIT 1")
        return None if row is None else AuditRow(*row)

    def load_audit(self, limit: int) -> list[AuditRow]:
        """Return the newest rows of the audit, newest first."""
        rows = self._database.query(
            "SELECT * FROM audit ORDER BY seq DESC LIMIT ?", (limit,)
        )
        return [AuditRow(*row) for row in rows]

    def load_audit_after(self, seq: int, limit: int) -> list[AuditRow]:
        """Return the rows of the audit that follow row seq, oldest first."""
        rows = self._database.query(
            "SELECT * FROM audit WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [AuditRow(*row) for row in rows]

    # --- mutes ---

    def load_mutes(self) -> list[tuple[str, int, int]]:
        """Return user, uid and end, in Unix seconds, of every mute."""
        return [
            (user, uid, until)
            for user, uid, until in self._database.query(
                "SELECT user, uid, until FROM mutes"
            )
        ]

    def set_mute(self, user: str, uid: int, until: int) -> None:
        """Mute an account, in place of its present mute."""
        self._database.execute(
            "INSERT OR REPLACE INTO mutes VALUES (?, ?, ?)", (user, uid, until)
        )

    def end_mute(self, user: str, uid: int) -> None:
        """End the mute of an account; without one nothing happens."""
        self._database.execute(
            "DELETE FROM mutes WHERE user = ? AND uid = ?", (user, uid)
        )
