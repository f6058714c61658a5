"""The tables of the daemon's state, and how each release's became the next's.

Two tables only grow: triggers refuse to change or delete a row, so that a mistake in
the program cannot rewrite what happened (root can, and the chain of hashes shows it).
"""

from collections.abc import Sequence
from typing import Final

from pushmfa.store.database import Migration

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
    (
        # What this state is of: which host, which machine, and how old it is. One
        # row; `registry` is the digest of all devices (see registry_digest).
        """CREATE TABLE host (
            one      INTEGER PRIMARY KEY CHECK (one = 1),
            host_id  BLOB NOT NULL,
            machine  BLOB,
            epoch    INTEGER NOT NULL,
            seen     INTEGER NOT NULL,
            registry BLOB NOT NULL
        ) STRICT""",
    ),
    (
        # Filled and emptied at once: its pages are then free ones (see `reserve`).
        """CREATE TABLE spare (
            room BLOB NOT NULL
        ) STRICT""",
    ),
    (
        # What verifies the holder of a device (WebAuthn), and how far its
        # authenticator has counted.
        """CREATE TABLE credentials (
            device_id     BLOB PRIMARY KEY,
            credential_id BLOB NOT NULL,
            public_key    BLOB NOT NULL UNIQUE,
            algorithm     INTEGER NOT NULL,
            counter       INTEGER NOT NULL
        ) STRICT""",
    ),
)

REGISTRY_TABLES: Final = (
    "host",
    "devices",
    "credentials",
    "device_events",
    "tickets",
    "mutes",
)
"""All tables that say anything but the audit, which alone grows with every login."""
