"""What the relay keeps on disk: who may send to whom, and envelopes that can wait.

No names, no addresses, no keys: mailbox ids, days, and sealed bytes; and what devices
gave to be woken up (store/push_rows.py).
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pushmfa.errors import LimitError
from pushmfa.store import push_rows
from pushmfa.store.database import Database, Migration, open_database
from pushmfa.store.push_rows import PushRows
from pushmfa.terms import EnvelopeId, MailboxId, Role
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope

DAY: Final = 86_400

MIGRATIONS: Final[tuple[Migration, ...]] = (
    (
        # A mailbox that a host opened, and the last day (days since 1970) it did.
        "CREATE TABLE host_mailboxes ("
        " mailbox BLOB NOT NULL PRIMARY KEY, last_seen INTEGER NOT NULL"
        ") WITHOUT ROWID",
        # A mailbox whose device sent an allow list that is not empty.
        "CREATE TABLE device_mailboxes ("
        " mailbox BLOB NOT NULL PRIMARY KEY, last_seen INTEGER NOT NULL"
        ") WITHOUT ROWID",
        "CREATE TABLE allowed_senders ("
        " mailbox BLOB NOT NULL"
        "  REFERENCES device_mailboxes(mailbox) ON DELETE CASCADE,"
        " sender BLOB NOT NULL,"
        " PRIMARY KEY (mailbox, sender)"
        ") WITHOUT ROWID",
        # An envelope that waits; role is its sender's, expires_at Unix seconds.
        "CREATE TABLE envelopes ("
        " mailbox BLOB NOT NULL, id BLOB NOT NULL,"
        " sender BLOB NOT NULL, role TEXT NOT NULL,"
        " lifetime INTEGER NOT NULL, expires_at REAL NOT NULL,"
        " sealed BLOB NOT NULL,"
        " PRIMARY KEY (mailbox, id)"
        ")",
        "CREATE INDEX envelopes_by_expiry ON envelopes (expires_at)",
    ),
    push_rows.MIGRATION,
)


class RelayRows:
    """The relay's rows; methods raise StoreError, `now` is the wall clock's."""

    def __init__(
        self,
        database: Database,
        *,
        max_mailboxes: int,
        keep_days: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Keep at most max_mailboxes of each role, each for keep_days unused days."""
        self._database = database
        self._max_mailboxes = max_mailboxes
        self._keep_days = keep_days
        self._now = now
        self._hosts = self._count("host_mailboxes")
        self._devices = self._count("device_mailboxes")

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        max_mailboxes: int,
        keep_days: int,
        now: Callable[[], float] = time.time,
    ) -> "RelayRows":
        """Return the rows of the file at path, made if it is not there."""
        database = open_database(path, MIGRATIONS, synchronous="NORMAL")
        return cls(database, max_mailboxes=max_mailboxes, keep_days=keep_days, now=now)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def pushes(self, key: bytes) -> PushRows:
        """Return the subscriptions that were made with this key of the relay."""
        return PushRows(self._database, key)

    def opened(self, role: Role, mailboxes: Iterable[MailboxId]) -> None:
        """Remember that these were opened today; at most one write a day for each.

        A host's mailbox becomes known by this, unless there are too many of them;
        a device's only by its allow list, so that a passer-by leaves nothing.
        """
        today = self._today()
        table = "host_mailboxes" if role is Role.HOST else "device_mailboxes"
        seen = {m: self._last_seen(table, m) for m in mailboxes}
        stale = [m for m, day in seen.items() if day is not None and day != today]
        new = [m for m, day in seen.items() if day is None and role is Role.HOST]
        new = new[: max(self._max_mailboxes - self._hosts, 0)]
        if not stale and not new:
            return
        with self._database.transaction():
            self._database.execute_many(
                f"UPDATE {table} SET last_seen = ? WHERE mailbox = ?",  # noqa: S608  one of two names above
                [(today, mailbox) for mailbox in stale],
            )
            self._database.execute_many(
                "INSERT INTO host_mailboxes VALUES (?, ?)", [(m, today) for m in new]
            )
        self._hosts += len(new)

    def is_host(self, mailbox: MailboxId) -> bool:
        """Say whether a host is known to have opened this mailbox."""
        return self._last_seen("host_mailboxes", mailbox) is not None

    def is_allowed(self, mailbox: MailboxId, sender: MailboxId) -> bool:
        """Say whether the allow list of mailbox names sender."""
        sql = "SELECT 1 FROM allowed_senders WHERE mailbox = ? AND sender = ?"
        return self._database.query_one(sql, (mailbox, sender)) is not None

    def senders_of(self, mailbox: MailboxId) -> frozenset[MailboxId]:
        """Return the allow list of mailbox."""
        sql = "SELECT sender FROM allowed_senders WHERE mailbox = ?"
        return frozenset(
            MailboxId(row[0]) for row in self._database.query(sql, (mailbox,))
        )

    def allow(self, mailbox: MailboxId, senders: frozenset[MailboxId]) -> None:
        """Replace the allow list of mailbox; an empty one leaves no row behind.

        LimitError if this would be one known mailbox too many.
        """
        known = self._last_seen("device_mailboxes", mailbox) is not None
        if not known and senders and self._devices >= self._max_mailboxes:
            raise LimitError("the relay knows as many devices as it may")
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM device_mailboxes WHERE mailbox = ?", (mailbox,)
            )
            if senders:
                self._database.execute(
                    "INSERT INTO device_mailboxes VALUES (?, ?)",
                    (mailbox, self._today()),
                )
            else:
                self._database.execute(
                    "DELETE FROM push_subscriptions WHERE mailbox = ?", (mailbox,)
                )
            self._database.execute_many(
                "INSERT INTO allowed_senders VALUES (?, ?)",
                [(mailbox, sender) for sender in sorted(senders)],
            )
        self._devices += bool(senders) - known

    def keep(self, envelope: Envelope, role: Role) -> None:
        """Keep an envelope that a sender of this role sent, until it expires.

        It replaces one of the same id, whose last second may not have been loaded.
        """
        self._database.execute(
            "INSERT OR REPLACE INTO envelopes VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                envelope.to,
                envelope.id,
                envelope.sender,
                role.value,
                envelope.lifetime,
                self._now() + envelope.lifetime,
                envelope.sealed,
            ),
        )

    def forget(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> None:
        """Forget a kept envelope."""
        self._database.execute(
            "DELETE FROM envelopes WHERE mailbox = ? AND id = ?", (mailbox, envelope_id)
        )

    def load(self) -> list[tuple[Envelope, Role]]:
        """Return what is kept, oldest first, each with the lifetime it has left.

        Never more than it began with: a clock that was set back extends nothing.
        """
        now = self._now()
        return [
            (
                Envelope(
                    id=EnvelopeId(id_),
                    to=MailboxId(mailbox),
                    sender=MailboxId(sender),
                    lifetime=min(int(expires_at - now), lifetime),
                    sealed=Sealed(sealed),
                ),
                Role(role),
            )
            for mailbox, id_, sender, role, lifetime, expires_at, sealed in (
                self._database.query(
                    "SELECT * FROM envelopes WHERE expires_at >= ? ORDER BY rowid",
                    (now + 1,),
                )
            )
        ]

    def purge(self) -> None:
        """Forget envelopes that expired and mailboxes that nobody used for long."""
        oldest = self._today() - self._keep_days
        with self._database.transaction():
            self._database.execute(
                "DELETE FROM envelopes WHERE expires_at < ?", (self._now(),)
            )
            hosts = self._database.execute(
                "DELETE FROM host_mailboxes WHERE last_seen < ?", (oldest,)
            )
            devices = self._database.execute(
                "DELETE FROM device_mailboxes WHERE last_seen < ?", (oldest,)
            )
            if devices:
                self._database.execute(
                    "DELETE FROM push_subscriptions WHERE mailbox NOT IN"
                    " (SELECT mailbox FROM device_mailboxes)"
                )
        self._hosts -= hosts
        self._devices -= devices

    def _today(self) -> int:
        return int(self._now() // DAY)

    def _last_seen(self, table: str, mailbox: MailboxId) -> int | None:
        sql = f"SELECT last_seen FROM {table} WHERE mailbox = ?"  # noqa: S608  a name of ours
        row = self._database.query_one(sql, (mailbox,))
        return None if row is None else int(row[0])

    def _count(self, table: str) -> int:
        row = self._database.query_one(f"SELECT count(*) FROM {table}")  # noqa: S608  a name of ours
        return int(row[0]) if row else 0
