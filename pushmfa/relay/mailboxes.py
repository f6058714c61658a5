"""Mailboxes: who gets an envelope now, which ones wait, and what is refused.

Plain and synchronous: the time is an argument (seconds of a clock that only goes
forward), what survives a restart is behind `Shelf`, and what is to be sent is
returned. The rules, each held by tests/property/test_mailboxes.py:

 - an envelope goes to links of the other role only;
 - a host sends only to a device that allows it, a device only to a known host;
   where both hold one key (`to` equals `from`, the enrollment) neither is asked;
 - nothing is delivered after it was withdrawn, received or expired;
 - what is not delivered waits or is refused, and never makes room for another;
 - an id that was seen is dropped without a word.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from pushmfa.errors import LimitError, MalformedError, StoreError
from pushmfa.relay.limits import Buckets, RelayLimits
from pushmfa.relay.remembered import Box, Remembered, Totals
from pushmfa.relay.shelf import Shelf
from pushmfa.relay.wakeups import Waker
from pushmfa.terms import EnvelopeId, MailboxId, Role, WakeUp
from pushmfa.wire.link import (
    FEATURE_ACCEPTED,
    FEATURE_WAKEUP,
    Accepted,
    Allow,
    Envelope,
    Received,
    RefusalReason,
    Refused,
    RelayFrame,
    Stored,
    Withdraw,
)

SHORT_LIFETIME = 120
"""Seconds; an envelope that lives longer survives a restart of the relay."""


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """One peer that said its hello; two links are never equal."""

    role: Role
    mailboxes: frozenset[MailboxId]
    features: frozenset[str]
    address: str


class Send(NamedTuple):
    """A frame to send to a link."""

    link: Link
    frame: RelayFrame


class Waiting(NamedTuple):
    """One envelope that waits in a mailbox."""

    mailbox: MailboxId
    id: EnvelopeId


class Mailboxes:
    """All mailboxes of a relay."""

    def __init__(
        self, shelf: Shelf, limits: RelayLimits, waker: Waker, now: float
    ) -> None:
        """Begin with what the shelf kept; StoreError if it cannot be read."""
        self._shelf = shelf
        self._limits = limits
        self._waker = waker
        self._totals = Totals(limits)
        self._boxes: dict[MailboxId, Box[Link]] = {}
        self._answers: Buckets[tuple[str, MailboxId]] = Buckets(limits.answers)
        self._rates: dict[Role, Buckets[MailboxId]] = {
            Role.HOST: Buckets(limits.host_envelopes),
            Role.DEVICE: Buckets(limits.device_envelopes),
        }
        self._changed_lists: Buckets[str] = Buckets(limits.changed_lists)
        self.trouble: StoreError | None = None
        """The last error of the shelf that kept nobody from going on."""
        for envelope, role in shelf.load():
            expires_at = now + envelope.lifetime
            entry = Remembered(envelope, role, expires_at, delivered=False, kept=True)
            self._box(envelope.to).add(entry)

    @property
    def open_count(self) -> int:
        """How many mailboxes are open."""
        return sum(1 for box in self._boxes.values() if box.links)

    @property
    def remembered_count(self) -> int:
        """How many envelopes are remembered."""
        return self._totals.envelopes

    def open(self, link: Link, now: float) -> list[Waiting]:
        """Open the mailboxes of link; return what waits there, to be sent by `stored`.

        Whoever sends it asks again before each, since it may be gone by then.
        """
        self._try(lambda: self._shelf.opened(link.role, link.mailboxes))
        waiting = []
        for mailbox in sorted(link.mailboxes):
            box = self._box(mailbox)
            self._drop_expired(box, now)
            box.links.append(link)
            entries = [entry for entry in box if entry.role is not link.role]
            waiting += [Waiting(mailbox, entry.envelope.id) for entry in entries]
        return waiting

    def stored(self, link: Link, waiting: Waiting, now: float) -> Stored | None:
        """Return the frame that delivers what waits, or None if it no longer does."""
        box = self._boxes.get(waiting.mailbox)
        entry = box.get(waiting.id) if box else None
        if box is None or entry is None or entry.role is link.role:
            return None
        left = entry.lifetime_left(now)
        if left < 1:
            self._forget(box, entry)
            return None
        entry.delivered = True
        envelope = entry.envelope
        return Stored(
            id=envelope.id,
            to=envelope.to,
            sender=envelope.sender,
            lifetime=left,
            sealed=envelope.sealed,
        )

    def close(self, link: Link) -> None:
        """Close the mailboxes of link."""
        for mailbox in link.mailboxes:
            box = self._boxes[mailbox]
            box.links.remove(link)
            if box.is_idle:
                del self._boxes[mailbox]

    def allow(self, link: Link, frame: Allow, now: float) -> None:
        """Replace an allow list; what waits from others is forgotten.

        MalformedError if link may not say this, LimitError if lists change too fast
        or are too many, StoreError if it cannot be kept.
        """
        if link.role is not Role.DEVICE:
            raise MalformedError("only a device sends an allow list")
        self._check_open(link, frame.mailbox)
        senders = frozenset(frame.senders)
        box = self._boxes[frame.mailbox]
        if senders == self._shelf.senders_of(frame.mailbox):
            box.senders = senders
            return
        if not self._changed_lists.take(link.address, now):
            raise LimitError("too many changed allow lists")
        self._shelf.allow(frame.mailbox, senders)
        box.senders = senders
        for entry in list(box):
            of_host = entry.role is Role.HOST
            if of_host and not self._is_welcome(entry.envelope, senders):
                self._forget(box, entry)

    def take(
        self, link: Link, envelope: Envelope, now: float, *, wakes: bool = True
    ) -> list[Send]:
        """Take an envelope from link; return what is to be sent to whom.

        wakes: whether the device is to be woken up for it, if it is a host's.
        StoreError if it cannot be found out whether link may send it.
        """
        reason = self._reason_to_refuse(link, envelope, now)
        if reason is not None:
            return [Send(link, Refused(id=envelope.id, reason=reason))]
        box = self._box(envelope.to)
        self._drop_expired(box, now)
        if box.has_seen(envelope.id):
            return []
        readers = [other for other in box.links if other.role is not link.role]
        entry = Remembered(
            envelope,
            link.role,
            now + envelope.lifetime,
            delivered=bool(readers),
            # Not the address itself: that is not kept longer than its link.
            origin=hash(link.address),
        )
        is_remembered = self._remember(box, entry)
        # A meeting mailbox is nobody's who could be woken up.
        is_meeting = envelope.to == envelope.sender
        may_wake = wakes and link.role is Role.HOST and not is_meeting
        if readers:
            if may_wake and is_remembered:
                self._watch(box, entry, readers)
            return [Send(reader, envelope) for reader in readers]
        if not is_remembered:
            return [Send(link, _full(envelope))]
        wakeup = WakeUp.NONE
        if may_wake:
            wakeup = self._waker.wake(envelope.to, envelope.id, entry.expires_at)
        if FEATURE_ACCEPTED not in link.features:
            return []
        return [Send(link, Accepted(id=envelope.id, wakeup=wakeup))]

    def _watch(self, box: Box[Link], entry: Remembered, readers: list[Link]) -> None:
        # A phone's link may be dead without anybody knowing: then nobody says
        # `received`, and the envelope is still remembered after a while.
        envelope = entry.envelope
        self._waker.watch(
            envelope.to,
            envelope.id,
            entry.expires_at,
            acknowledges=any(FEATURE_WAKEUP in one.features for one in readers),
            is_waiting=lambda: box.get(envelope.id) is entry,
        )

    def received(self, link: Link, frame: Received) -> bool:
        """Forget what link has; return whether there was something to forget.

        MalformedError if the mailbox is not link's.
        """
        self._check_open(link, frame.mailbox)
        box = self._boxes[frame.mailbox]
        entry = box.get(frame.id)
        # In an enrollment both roles hold the mailbox: only the reader acknowledges.
        if entry is None or entry.role is link.role:
            return False
        self._forget(box, entry)
        return True

    def withdraw(self, link: Link, frame: Withdraw) -> None:
        """Forget an envelope of link; what was delivered stays so.

        MalformedError if the sender is not link's.
        """
        self._check_open(link, frame.sender)
        box = self._boxes.get(frame.to)
        entry = box.get(frame.id) if box else None
        if box is None or entry is None or entry.role is not link.role:
            return
        if entry.envelope.sender == frame.sender:
            self._forget(box, entry)

    def purge(self, now: float) -> None:
        """Forget what expired; StoreError if the shelf does not work."""
        for mailbox, box in list(self._boxes.items()):
            self._drop_expired(box, now)
            if box.is_idle:
                del self._boxes[mailbox]
        self._answers.purge(now)
        for rates in self._rates.values():
            rates.purge(now)
        self._changed_lists.purge(now)
        self._shelf.purge()

    def _reason_to_refuse(
        self, link: Link, envelope: Envelope, now: float
    ) -> RefusalReason | None:
        if envelope.sender not in link.mailboxes:
            return RefusalReason.NOT_OPEN
        if not self._rates[link.role].take(envelope.sender, now):
            return RefusalReason.TOO_MANY
        if envelope.to == envelope.sender:
            return None
        if link.role is Role.HOST:
            permitted = self._is_allowed(envelope.to, envelope.sender)
        else:
            permitted = self._is_host(envelope.to)
            # Attack: who once learned a host's mailbox, a revoked device for one,
            # buries its answers under envelopes from many mailboxes of his.
            if permitted and not self._answers.take((link.address, envelope.to), now):
                return RefusalReason.TOO_MANY
        return None if permitted else RefusalReason.NOT_ALLOWED

    def _is_allowed(self, mailbox: MailboxId, sender: MailboxId) -> bool:
        box = self._boxes.get(mailbox)
        if box is None or box.senders is None:
            return self._shelf.is_allowed(mailbox, sender)
        return sender in box.senders

    def _is_host(self, mailbox: MailboxId) -> bool:
        box = self._boxes.get(mailbox)
        if box and any(link.role is Role.HOST for link in box.links):
            return True
        return self._shelf.is_host(mailbox)

    @staticmethod
    def _is_welcome(envelope: Envelope, senders: frozenset[MailboxId]) -> bool:
        return envelope.sender == envelope.to or envelope.sender in senders

    @staticmethod
    def _check_open(link: Link, mailbox: MailboxId) -> None:
        if mailbox not in link.mailboxes:
            raise MalformedError("this mailbox is not open on this link")

    def _box(self, mailbox: MailboxId) -> Box[Link]:
        box = self._boxes.get(mailbox)
        if box is None:
            box = self._boxes[mailbox] = Box(self._totals)
        return box

    def _drop_expired(self, box: Box[Link], now: float) -> None:
        if not box.may_have_expired(now):
            return
        for entry in list(box):
            if entry.lifetime_left(now) < 1:
                self._forget(box, entry)
        box.drop_seen(now)

    def _remember(self, box: Box[Link], entry: Remembered) -> bool:
        surplus = box.surplus_with(entry.size, self._limits)
        if surplus is None or not self._totals.has_room_for(entry):
            # Delivered or refused by the caller; a second copy is known all the same.
            if entry.delivered:
                box.mark_seen(entry)
            return False
        for old in surplus:
            self._forget(box, old)
        if entry.envelope.lifetime > SHORT_LIFETIME:
            entry.kept = self._try(lambda: self._shelf.keep(entry.envelope, entry.role))
        box.add(entry)
        return True

    def _forget(self, box: Box[Link], entry: Remembered) -> None:
        box.remove(entry)
        if entry.kept:
            envelope = entry.envelope
            self._try(lambda: self._shelf.forget(envelope.to, envelope.id))

    def _try(self, write: Callable[[], None]) -> bool:
        # A full disk must not end links that work without it: `trouble` tells of it.
        try:
            write()
        except StoreError as error:
            self.trouble = error
            return False
        return True


def _full(envelope: Envelope) -> Refused:
    return Refused(id=envelope.id, reason=RefusalReason.MAILBOX_FULL)
