"""What the mailboxes want of whatever survives a restart."""

from collections.abc import Iterable
from typing import Protocol

from pushmfa.terms import EnvelopeId, MailboxId, Role
from pushmfa.wire.link import Envelope


class Shelf(Protocol):
    """What survives a restart (store/relay_rows.py); all of it raises StoreError."""

    def opened(self, role: Role, mailboxes: Iterable[MailboxId]) -> None:
        """Remember that a peer of this role opened these."""

    def is_host(self, mailbox: MailboxId) -> bool:
        """Say whether a host opened this mailbox, now or before."""

    def is_allowed(self, mailbox: MailboxId, sender: MailboxId) -> bool:
        """Say whether the allow list of mailbox names sender."""

    def senders_of(self, mailbox: MailboxId) -> frozenset[MailboxId]:
        """Return the allow list of mailbox."""

    def allow(self, mailbox: MailboxId, senders: frozenset[MailboxId]) -> None:
        """Replace the allow list of mailbox; LimitError if that is one too many."""

    def keep(self, envelope: Envelope, role: Role) -> None:
        """Keep an envelope of a sender of this role."""

    def forget(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> None:
        """Forget it."""

    def load(self) -> list[tuple[Envelope, Role]]:
        """Return what is kept, oldest first, with the lifetime that is left."""

    def purge(self) -> None:
        """Forget what expired."""
