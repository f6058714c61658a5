"""Push subscriptions: of each device's mailbox how to wake the device up.

The end point is a secret (whoever has it can wake the device up), so it stands in
the relay's own file only, mode 0600, as long as the device wants it.
"""

from typing import Final, NamedTuple

from pushmfa.store.database import Database, Migration
from pushmfa.terms import MailboxId
from pushmfa.wire.link import PushAuth, PushPoint, PushSubscription

MIGRATION: Final[Migration] = (
    # key is the relay's, by which the push service knows it; endpoint is null when
    # the push service said that the subscription is no more.
    "CREATE TABLE push_subscriptions ("
    " mailbox BLOB NOT NULL PRIMARY KEY,"
    " endpoint TEXT, p256dh BLOB, auth BLOB, key BLOB NOT NULL"
    ") WITHOUT ROWID",
)


class KeptPush(NamedTuple):
    """What is known of a mailbox that has, or had, a subscription."""

    push: PushSubscription | None
    """None: the push service said that it is gone."""


class PushRows:
    """The subscriptions that were made with one key of the relay; StoreError."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    def mailboxes(self) -> set[MailboxId]:
        """Return all that have, or had, a subscription."""
        sql = "SELECT mailbox FROM push_subscriptions WHERE key = ?"
        rows = self._database.query(sql, (self._key,))
        return {MailboxId(row[0]) for row in rows}

    def get(self, mailbox: MailboxId) -> KeptPush | None:
        """Return what is kept of mailbox, or None."""
        row = self._database.query_one(
            "SELECT endpoint, p256dh, auth FROM push_subscriptions"
            " WHERE mailbox = ? AND key = ?",
            (mailbox, self._key),
        )
        if row is None:
            return None
        if row[0] is None:
            return KeptPush(None)
        endpoint, p256dh, auth = row
        push = PushSubscription(
            endpoint=endpoint, p256dh=PushPoint(p256dh), auth=PushAuth(auth)
        )
        return KeptPush(push)

    def keep(self, mailbox: MailboxId, push: PushSubscription) -> bool:
        """Replace what is kept; False, and nothing, for a mailbox without a list.

        Attack: mailboxes that nobody uses, each with an end point, until the disk is
        full. What is kept is bounded by the allow lists, which are.
        """
        changed = self._database.execute(
            "INSERT OR REPLACE INTO push_subscriptions"
            " SELECT mailbox, ?, ?, ?, ? FROM device_mailboxes WHERE mailbox = ?",
            (push.endpoint, push.p256dh, push.auth, self._key, mailbox),
        )
        return changed > 0

    def mark_gone(self, mailbox: MailboxId, endpoint: str) -> None:
        """Forget this end point of mailbox, and know that it is gone."""
        self._database.execute(
            "UPDATE push_subscriptions SET endpoint = NULL, p256dh = NULL, auth = NULL"
            " WHERE mailbox = ? AND endpoint = ?",
            (mailbox, endpoint),
        )

    def remove(self, mailbox: MailboxId) -> None:
        """Forget all of mailbox."""
        self._database.execute(
            "DELETE FROM push_subscriptions WHERE mailbox = ?", (mailbox,)
        )
