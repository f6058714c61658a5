"""Who wakes a device up, and when."""

from collections.abc import Callable
from typing import Protocol

from pushmfa.terms import EnvelopeId, MailboxId, WakeUp
from pushmfa.wire.link import PushPoint, PushSubscription, WakeUpResult


class Waker(Protocol):
    """Tells devices that an envelope of a host is there for them.

    `expires_at` is in seconds of the relay's clock.
    """

    def wake(
        self, mailbox: MailboxId, envelope_id: EnvelopeId, expires_at: float
    ) -> WakeUp:
        """Start to wake the device of mailbox up, without waiting for it.

        What it returns is a hint for the sender; it decides nothing.
        """
        ...

    def watch(
        self,
        mailbox: MailboxId,
        envelope_id: EnvelopeId,
        expires_at: float,
        *,
        acknowledges: bool,
        is_waiting: Callable[[], bool],
    ) -> None:
        """Wake the device up if an envelope that went to its links is not received.

        acknowledges says whether one of them named `wakeup`; is_waiting, asked
        later, whether nobody has received the envelope.
        """
        ...


class Pusher(Protocol):
    """What devices say about waking them up."""

    @property
    def key(self) -> PushPoint | None:
        """The relay's key for push services; None: it sends no push messages."""
        ...

    def subscribe(
        self,
        mailbox: MailboxId,
        push: PushSubscription | None,
        address: str,
        now: float,
    ) -> WakeUpResult:
        """Replace the subscription of a mailbox that a link of address has open.

        LimitError if that changes too often, StoreError if it cannot be kept.
        """
        ...

    async def try_out(
        self, mailbox: MailboxId, address: str, now: float
    ) -> WakeUpResult:
        """Send a test push to the device of mailbox, and say what came of it."""
        ...
