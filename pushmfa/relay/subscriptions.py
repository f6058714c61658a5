"""Push subscriptions of mailboxes, and when the device of one is woken up.

A device is woken up once for an envelope of a host: at once if no link has its
mailbox open, else after WATCH_TIME if nobody has received the envelope by then.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from pushmfa.crypto.webpush import verify_subscriber_key
from pushmfa.errors import (
    KeyRejectedError,
    LimitError,
    MalformedError,
    StoreError,
)
from pushmfa.relay.limits import Buckets, RelayLimits
from pushmfa.relay.other_ways import Way
from pushmfa.relay.push_client import Outcome
from pushmfa.relay.push_places import decode_endpoint
from pushmfa.relay.webpush import WebPush
from pushmfa.store.push_rows import KeptPush
from pushmfa.terms import EnvelopeId, MailboxId, WakeUp
from pushmfa.wire.link import PushPoint, PushSubscription, WakeUpResult

WATCH_TIME: Final = 2.0
"""Seconds that a link has to acknowledge an envelope."""

_RESULTS: Final = {
    Outcome.SENT: WakeUpResult.SENT,
    Outcome.GONE: WakeUpResult.GONE,
    Outcome.AGAIN: WakeUpResult.FAILED,
    Outcome.FAILED: WakeUpResult.FAILED,
}


class PushShelf(Protocol):
    """What survives a restart (store/push_rows.py); all of it raises StoreError."""

    def mailboxes(self) -> set[MailboxId]:
        """Return all that have, or had, a subscription."""

    def get(self, mailbox: MailboxId) -> KeptPush | None:
        """Return what is kept of mailbox, or None."""

    def keep(self, mailbox: MailboxId, push: PushSubscription) -> bool:
        """Replace what is kept; False, and nothing, for a mailbox without a list."""

    def mark_gone(self, mailbox: MailboxId, endpoint: str) -> None:
        """Forget this end point of mailbox, and know that it is gone."""

    def remove(self, mailbox: MailboxId) -> None:
        """Forget all of mailbox."""


class WakeUps:
    """A `Waker` and a `Pusher`: by Web Push, and in the operator's own ways."""

    def __init__(
        self,
        shelf: PushShelf,
        web_push: WebPush | None,
        ways: Sequence[Way],
        *,
        limits: RelayLimits,
        clock: Callable[[], float],
        on_trouble: Callable[[StoreError], None],
    ) -> None:
        """Begin with what the shelf keeps; on_trouble hears what nobody is told.

        web_push is None if that is off. StoreError.
        """
        self._shelf = shelf
        self._web_push = web_push
        self._ways = ways
        self._clock = clock
        self._on_trouble = on_trouble
        # Which mailboxes it is worth to look up: a login of all others costs nothing.
        self._known = shelf.mailboxes() if web_push else set()
        self._wakeups: Buckets[MailboxId] = Buckets(limits.wakeups)
        self._changes: Buckets[str] = Buckets(limits.changed_subscriptions)
        self._tests: Buckets[str] = Buckets(limits.test_pushes)

    @property
    def key(self) -> PushPoint | None:
        """The relay's key for push services; None: it sends no push messages."""
        return PushPoint(self._web_push.public_key) if self._web_push else None

    def purge(self, now: float) -> None:
        """Forget limits that are full again."""
        for buckets in (self._wakeups, self._changes, self._tests):
            buckets.purge(now)

    async def stop(self) -> None:
        """End what is on its way."""
        await asyncio.gather(*(way.stop() for way in self._ways))
        if self._web_push:
            await self._web_push.stop()

    # --- what devices say ------------------------------------------------------------

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
        if self._web_push is None:
            return WakeUpResult.NONE
        if push is not None and not _is_acceptable(push):
            return WakeUpResult.REFUSED
        kept = self._kept(mailbox)
        is_same = kept is None if push is None else kept == KeptPush(push)
        if not is_same and not self._changes.take(address, now):
            raise LimitError("too many changed subscriptions")
        if push is None:
            self._shelf.remove(mailbox)
            self._known.discard(mailbox)
            return WakeUpResult.REMOVED
        if not is_same and not self._shelf.keep(mailbox, push):
            return WakeUpResult.REFUSED
        self._known.add(mailbox)
        return WakeUpResult.KEPT

    async def try_out(
        self, mailbox: MailboxId, address: str, now: float
    ) -> WakeUpResult:
        """Send a test push to the device of mailbox, and say what came of it."""
        try:
            kept = self._kept(mailbox)
        except StoreError as error:
            self._on_trouble(error)
            return WakeUpResult.FAILED
        if self._web_push is None or kept is None:
            return WakeUpResult.NONE
        if kept.push is None:
            return WakeUpResult.GONE
        # Attack: the relay as a hammer, on a push service or on whatever poses as one.
        if not self._tests.take(address, now):
            return WakeUpResult.FAILED
        outcome = await self._web_push.try_out(kept.push)
        if outcome is Outcome.GONE:
            self._mark_gone(mailbox, kept.push.endpoint)
        return _RESULTS[outcome]

    # --- what hosts send -------------------------------------------------------------

    def wake(
        self, mailbox: MailboxId, envelope_id: EnvelopeId, expires_at: float
    ) -> WakeUp:
        """Start to wake the device of mailbox up; what happened is a hint."""
        if mailbox not in self._known and not self._ways:
            return WakeUp.NONE
        # Attack: a host that a device allows keeps it awake, and its push service
        # busy, until that one takes no more of this relay's.
        if not self._wakeups.take(mailbox, self._clock()):
            return WakeUp.NONE
        begun = [way.start(mailbox, envelope_id) for way in self._ways]
        result = self._push(mailbox, envelope_id, expires_at)
        return WakeUp.SENT if any(begun) else result

    def watch(
        self,
        mailbox: MailboxId,
        envelope_id: EnvelopeId,
        expires_at: float,
        *,
        acknowledges: bool,
        is_waiting: Callable[[], bool],
    ) -> None:
        """Wake the device up if an envelope that went to its links is not received."""
        if mailbox not in self._known and not (self._ways and acknowledges):
            return

        def look() -> None:
            if is_waiting() and self._clock() < expires_at:
                self.wake(mailbox, envelope_id, expires_at)

        asyncio.get_running_loop().call_later(WATCH_TIME, look)

    def _push(
        self, mailbox: MailboxId, envelope_id: EnvelopeId, expires_at: float
    ) -> WakeUp:
        try:
            kept = self._kept(mailbox)
        except StoreError as error:
            self._on_trouble(error)
            return WakeUp.NONE
        if self._web_push is None or kept is None:
            return WakeUp.NONE
        push = kept.push
        if push is None:
            return WakeUp.GONE

        def on_gone() -> None:
            self._mark_gone(mailbox, push.endpoint)

        is_begun = self._web_push.start(push, envelope_id, expires_at, on_gone)
        return WakeUp.SENT if is_begun else WakeUp.NONE

    def _kept(self, mailbox: MailboxId) -> KeptPush | None:
        if mailbox not in self._known:
            return None
        kept = self._shelf.get(mailbox)
        if kept is None:
            # It went with the allow list of the mailbox.
            self._known.discard(mailbox)
        return kept

    def _mark_gone(self, mailbox: MailboxId, endpoint: str) -> None:
        try:
            self._shelf.mark_gone(mailbox, endpoint)
        except StoreError as error:
            self._on_trouble(error)


def _is_acceptable(push: PushSubscription) -> bool:
    try:
        decode_endpoint(push.endpoint)
        verify_subscriber_key(push.p256dh)
    except (MalformedError, KeyRejectedError):
        return False
    return True
