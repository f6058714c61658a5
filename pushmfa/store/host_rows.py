"""The daemon's state: devices, their events, tickets and the audit.

Rows and bytes; what they mean is the daemon's to say. The tables: `host_schema`.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pushmfa.errors import DamagedError, StoreError
from pushmfa.store.credential_rows import (
    CounterRow,
    CredentialRow,
    add_credential,
    load_credentials,
    raise_counters,
)
from pushmfa.store.database import Database, open_database
from pushmfa.store.host_copy import copy_registry, is_copy
from pushmfa.store.host_schema import MIGRATIONS, REGISTRY_TABLES
from pushmfa.store.reserve import Reserve
from pushmfa.terms import MAX_EPOCH


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


class HostRow(NamedTuple):
    """What this state is of."""

    host_id: bytes
    machine: bytes | None
    """What stands for the machine (16 bytes); None if it had no id."""
    epoch: int
    """How often the devices changed; it never goes back."""
    seen: int
    """The highest epoch that a device proved to have seen."""


class HostStore:
    """The daemon's database; every method raises StoreError and no other error."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.path = database.path
        self.reserve = Reserve(database)
        self.after_change: Callable[[], None] = lambda: None
        """Is called when the devices have changed, after it is on the disk."""

    @classmethod
    def open(cls, path: Path) -> "HostStore":
        """Open or make the file; what was told to anybody survives a power failure.

        No other process can open it meanwhile. On a full disk it goes on in what the
        reserve had when the file was last open; `reserve.refill` makes the rest.
        """
        return cls(open_database(path, MIGRATIONS, synchronous="FULL", keeps_room=True))

    def watch(self, on_failure: Callable[[StoreError], None]) -> None:
        """Have on_failure hear of every error before it is raised."""
        self._database.on_failure = on_failure

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # --- the state as a whole ---

    def load_host(self) -> HostRow | None:
        """Return what this state is of, None if it was never bound to a host."""
        row = self._database.query_one("SELECT host_id, machine, epoch, seen FROM host")
        return None if row is None else HostRow(*row)

    def save_host(self, row: HostRow) -> None:
        """Bind this state to a host, a machine and an epoch."""

        def work() -> None:
            self._database.execute(
                "INSERT OR REPLACE INTO host VALUES (1, ?, ?, ?, ?, ?)",
                (*row, self._registry_digest()),
            )

        self._database.change(work)

    def take_over(self, row: HostRow, also: Callable[[], None]) -> None:
        """Bind this state as `save_host` does, void all tickets, and do also; or none.

        In an old state a ticket that was used since is a new one.
        """

        def work() -> None:
            self._database.execute("DELETE FROM tickets")
            self._database.execute(
                "INSERT OR REPLACE INTO host VALUES (1, ?, ?, ?, ?, ?)",
                (*row, self._registry_digest()),
            )
            also()

        self._database.change(work)

    def gather(self) -> None:
        """Have all in one file, that can be moved, without a log beside it."""
        if self._database.query_one("PRAGMA journal_mode=DELETE") != ("delete",):
            raise StoreError(
                f"{self.path}: SQLite keeps its log",
                hint="Another program holds the file; try again.",
            )

    def note_seen(self, seen: int) -> None:
        """Note the highest epoch that a device proved to have seen."""
        self._database.execute("UPDATE host SET seen = max(seen, ?)", (seen,))

    def verify(self) -> None:
        """Return if what a login depends on is as it was written, else DamagedError.

        SQLite finds broken pages, the digest a changed bit in a device (attack or
        bad memory: a revoked one would be active again).
        """
        for table in REGISTRY_TABLES:
            found = self._database.query(f"PRAGMA integrity_check({table})")
            if found != [("ok",)]:
                raise DamagedError(f"{self.path}: {table}: {found[0][0]}")
        row = self._database.query_one("SELECT registry FROM host")
        if row is not None and row[0] != self._registry_digest():
            raise DamagedError(f"{self.path}: a device is not as it was written")
        # The end of the audit too: the next row is written behind it.
        self.last_audit()

    def verify_pages(self) -> None:
        """Return if every page is as SQLite wrote it, the audit too; DamagedError."""
        found = self._database.query("PRAGMA integrity_check(1)")
        if found != [("ok",)]:
            raise DamagedError(f"{self.path}: {found[0][0]}")

    def probe(self) -> None:
        """Write something, or raise what keeps the disk from taking it."""
        self._database.execute("UPDATE host SET one = one")

    def copy_registry(self, target: Path) -> None:
        """Write all but the audit to target, over what was there."""
        copy_registry(self._database, target)

    def is_copied(self, target: Path) -> bool:
        """Whether target is `copy_registry`'s, of these very devices."""
        return is_copy(self._database, target)

    def _registry_digest(self) -> bytes:
        return registry_digest(self.load_devices(), self.load_credentials())

    def _change_devices(self, work: Callable[[], None], *, is_factor: bool) -> int:
        """Do work, raise the epoch if it changed factors, and renew the digest.

        Returns the epoch (0 if the state was never bound to a host): with the change,
        since what is on the disk must not look as if it had failed.
        """

        def whole() -> int:
            work()
            self._database.execute(
                "UPDATE host SET registry = ?, epoch = min(epoch + ?, ?)",
                (self._registry_digest(), int(is_factor), MAX_EPOCH),
            )
            row = self._database.query_one("SELECT epoch FROM host")
            return int(row[0]) if row else 0

        self._database.verify_in_place()
        epoch = self._database.change(whole)
        self.after_change()
        return epoch

    # --- devices ---

    def load_devices(self) -> list[DeviceRow]:
        """Return every device that was ever enrolled, oldest first."""
        columns = ", ".join(DeviceRow._fields)
        rows = self._database.query(
            f"SELECT {columns} FROM devices ORDER BY enrolled_at, device_id"  # noqa: S608  names of our own columns
        )
        return [DeviceRow(*row) for row in rows]

    def load_credentials(self) -> list[CredentialRow]:
        """Return the credentials of all devices that have one."""
        return load_credentials(self._database)

    def add_device(
        self,
        row: DeviceRow,
        event: EventRow,
        audit: Sequence[AuditRow] = (),
        credential: CredentialRow | None = None,
    ) -> int:
        """Write a new device, its first event and the next rows of the audit.

        All of it or nothing; returns the epoch, as whatever changes devices does.
        """
        marks = ", ".join("?" * len(row))

        def work() -> None:
            self._database.execute(f"INSERT INTO devices VALUES ({marks})", row)  # noqa: S608  only question marks
            if credential is not None:
                add_credential(self._database, credential)
            self._add_event(event)
            self._add_audit(audit)

        return self._change_devices(work, is_factor=True)

    def set_device_time(self, column: str, at: int, event: EventRow) -> int:
        """Set lost_at or revoked_at of event's device, once, with its event."""
        if column not in ("lost_at", "revoked_at"):
            raise ValueError(column)

        def work() -> None:
            changed = self._database.execute(
                f"UPDATE devices SET {column} = ? WHERE device_id = ? AND {column} IS NULL",  # noqa: S608, E501  one of two names, checked above; splitting SQL hides it
                (at, event.device_id),
            )
            if changed != 1:
                raise StoreError("the device has that state already")
            self._add_event(event)

        return self._change_devices(work, is_factor=True)

    def set_device_label(
        self, label: str, event: EventRow, audit: Sequence[AuditRow] = ()
    ) -> None:
        """Rename event's device, with its event and the next rows of the audit."""

        def work() -> None:
            self._database.execute(
                "UPDATE devices SET label = ? WHERE device_id = ?",
                (label, event.device_id),
            )
            self._add_event(event)
            self._add_audit(audit)

        self._change_devices(work, is_factor=False)

    def set_devices_seen(self, seen: Sequence[tuple[int, int, bytes]]) -> None:
        """Note when devices last answered: time, counter and id of each."""
        update = (
            "UPDATE devices SET last_seen_at = ?, counter = max(counter, ?)"
            " WHERE device_id = ?"
        )

        def work() -> None:
            for one in seen:
                self._database.execute(update, one)

        self._database.change(work)

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

    def add_ticket(self, row: TicketRow, audit: Sequence[AuditRow] = ()) -> None:
        """Write a new ticket in place of the account's older ones, and audit rows."""

        def work() -> None:
            self._database.execute("DELETE FROM tickets WHERE uid = ?", (row.uid,))
            self._database.execute("INSERT INTO tickets VALUES (?,?,?,?,?,?,?)", row)
            self._add_audit(audit)

        self._database.verify_in_place()
        self._database.change(work)

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

    def append_audit(
        self, *rows: AuditRow, counters: Sequence[CounterRow] = ()
    ) -> None:
        """Write the next rows of the audit; they are on disk when this returns.

        With them what authenticators have counted: an approval that somebody heard of
        must not be forgotten by the counter that shows a copy.
        """
        self._database.verify_in_place()

        def work() -> None:
            self._add_audit(rows)
            raise_counters(self._database, counters)

        # One row is a change by itself, with half the statements.
        is_one = len(rows) == 1 and not counters
        work() if is_one else self._database.change(work)

    def _add_audit(self, rows: Sequence[AuditRow]) -> None:
        for row in rows:
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
        self._database.verify_in_place()
        self._database.execute(
            "INSERT OR REPLACE INTO mutes VALUES (?, ?, ?)", (user, uid, until)
        )

    def end_mute(self, user: str, uid: int, audit: Sequence[AuditRow] = ()) -> None:
        """End the mute of an account, if there is one, and write audit rows."""

        def work() -> None:
            self._database.execute(
                "DELETE FROM mutes WHERE user = ? AND uid = ?", (user, uid)
            )
            self._add_audit(audit)

        self._database.verify_in_place()
        self._database.change(work)


def registry_digest(
    devices: Iterable[DeviceRow], credentials: Iterable[CredentialRow] = ()
) -> bytes:
    """Return the digest (32 bytes) of all devices and of what verifies their holders.

    But for when they last answered, and for counters: those change with every login.
    """
    lines = sorted(
        repr(tuple(row._replace(counter=0, last_seen_at=None))) for row in devices
    )
    lines += sorted(repr(tuple(row._replace(counter=0))) for row in credentials)
    return hashlib.sha256("\n".join(lines).encode()).digest()
