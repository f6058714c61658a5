"""Waking a device up; for now nothing does, the place for it is here."""

from typing import Protocol

from pushmfa.terms import EnvelopeId, MailboxId, WakeUp


class Waker(Protocol):
    """Tells a device that an envelope waits for it."""

    def wake(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> WakeUp:
        """Start to wake the device of mailbox up, without waiting for it.

        What it returns is a hint for the sender; it decides nothing.
        """
        ...


class NoWaker:
    """Wakes nobody up."""

    def wake(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> WakeUp:
        """Return that nothing was sent."""
        return WakeUp.NONE
