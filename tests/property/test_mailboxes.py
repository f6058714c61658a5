"""Whatever links do, in whatever order: the rules of the mailboxes hold.

The machine drives `Mailboxes` beside a model that only knows what was permitted
and what became of each envelope.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pushmfa.relay.limits import SHARE, Rate, RelayLimits
from pushmfa.relay.mailboxes import SHORT_LIFETIME, Link, Mailboxes, Send, Waiting
from pushmfa.terms import EnvelopeId, MailboxId, Role, WakeUp
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    Allow,
    Envelope,
    Received,
    RefusalReason,
    Refused,
    Withdraw,
)

PLENTY = Rate(10**9, 10**9)
LIMITS = RelayLimits(
    host_envelopes=PLENTY,
    device_envelopes=PLENTY,
    changed_lists=PLENTY,
    mailbox_envelopes=3,
    mailbox_bytes=300,
    total_envelopes=8,
    total_bytes=1000,
)

MAILBOXES = [MailboxId(bytes([number]) * 16) for number in range(3)]
"""Any of them may be opened by either role: whoever holds the key decides."""

mailbox = st.sampled_from(MAILBOXES)
some_mailboxes = st.frozensets(mailbox, min_size=1, max_size=3)
envelope_id = st.integers(0, 15).map(lambda number: EnvelopeId(number.to_bytes(16)))
lifetime = st.sampled_from([1, 5, 60, SHORT_LIFETIME, SHORT_LIFETIME + 1, 5000])
role = st.sampled_from(Role)


class NoWaker:
    """Wakes nobody up."""

    def wake(
        self, mailbox: MailboxId, envelope_id: EnvelopeId, expires_at: float
    ) -> WakeUp:
        """Do nothing."""
        return WakeUp.NONE

    def watch(
        self,
        mailbox: MailboxId,
        envelope_id: EnvelopeId,
        expires_at: float,
        *,
        acknowledges: bool,
        is_waiting: Callable[[], bool],
    ) -> None:
        """Do nothing."""


@dataclass
class FakeShelf:
    """Keeps in memory what the relay keeps on disk."""

    now: float = 0.0
    hosts: set[MailboxId] = field(default_factory=set)
    lists: dict[MailboxId, frozenset[MailboxId]] = field(default_factory=dict)
    kept: dict[tuple[MailboxId, EnvelopeId], tuple[Envelope, Role, float]] = field(
        default_factory=dict
    )

    def opened(self, role: Role, mailboxes: Iterable[MailboxId]) -> None:
        """Remember hosts."""
        if role is Role.HOST:
            self.hosts.update(mailboxes)

    def is_host(self, mailbox: MailboxId) -> bool:
        """Say whether a host opened it."""
        return mailbox in self.hosts

    def is_allowed(self, mailbox: MailboxId, sender: MailboxId) -> bool:
        """Say whether it is on the list."""
        return sender in self.senders_of(mailbox)

    def senders_of(self, mailbox: MailboxId) -> frozenset[MailboxId]:
        """Return the list."""
        return self.lists.get(mailbox, frozenset())

    def allow(self, mailbox: MailboxId, senders: frozenset[MailboxId]) -> None:
        """Replace the list."""
        self.lists[mailbox] = senders

    def keep(self, envelope: Envelope, role: Role) -> None:
        """Keep it."""
        key = (envelope.to, envelope.id)
        # A restart does not load the last second of one.
        assert key not in self.kept or self.kept[key][2] - self.now < 1
        self.kept[key] = (envelope, role, self.now + envelope.lifetime)

    def forget(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> None:
        """Forget it."""
        del self.kept[mailbox, envelope_id]

    def load(self) -> list[tuple[Envelope, Role]]:
        """Return what is kept."""
        return [
            (
                Envelope(
                    id=envelope.id,
                    to=envelope.to,
                    sender=envelope.sender,
                    lifetime=int(expires_at - self.now),
                    sealed=envelope.sealed,
                ),
                role,
            )
            for envelope, role, expires_at in self.kept.values()
            if expires_at - self.now >= 1
        ]

    def purge(self) -> None:
        """Forget what expired."""
        for key, (_, _, expires_at) in list(self.kept.items()):
            if expires_at <= self.now:
                del self.kept[key]


@dataclass
class Sent:
    """What became of one envelope that the relay took."""

    envelope: Envelope
    role: Role
    taken_at: float
    delivered: bool = False
    must_be_there: bool = True
    """Taken, never delivered, and nobody gave it up: it has to be there."""
    may_be_there: bool = True
    """Not withdrawn, not received, not from a sender who is no longer allowed."""
    is_gone: bool = False
    """Withdrawn, received or unwelcome while it lived."""

    def go(self, now: float) -> None:
        if self.may_be_there and self.is_alive(now):
            self.is_gone = True
        self.must_be_there = self.may_be_there = False

    def is_alive(self, now: float) -> bool:
        return self.taken_at + self.envelope.lifetime - now >= 1


class MailboxMachine(RuleBasedStateMachine):
    """Links come and go, send, withdraw, acknowledge; time passes; relays restart."""

    @initialize()
    def begin(self) -> None:
        self.now = 1000.0
        self.shelf = FakeShelf(now=self.now)
        self.mailboxes = Mailboxes(self.shelf, LIMITS, NoWaker(), self.now)
        self.links: list[Link] = []
        self.waiting: list[tuple[Link, Waiting]] = []
        self.sent: dict[tuple[MailboxId, EnvelopeId], Sent] = {}
        # Some who may speak to each other, so that not all is refused.
        host, device, both = MAILBOXES
        self.open_link(Role.HOST, frozenset({host, both}), hears=True)
        self.shelf.lists[device] = frozenset({host})

    @rule(role=role, mailboxes=some_mailboxes, hears=st.booleans())
    def open_link(
        self, role: Role, mailboxes: frozenset[MailboxId], hears: bool
    ) -> None:
        features = frozenset({"accepted"} if hears else ())
        # An address has a share only; several together use up all there is.
        link = Link(role, mailboxes, features, f"192.0.2.{len(self.links)}")
        waiting = self.mailboxes.open(link, self.now)
        self.links.append(link)
        self.waiting += [(link, one) for one in waiting]
        assert all(self.sent[one].role is not role for one in waiting)
        # Nothing that was taken and not delivered is ever missing ...
        for (to, id_), sent in self.sent.items():
            if to in mailboxes and sent.role is not role and sent.must_be_there:
                assert Waiting(to, id_) in waiting or not sent.is_alive(self.now)
        # ... and no mailbox holds more than it may.
        for one in mailboxes:
            entries = [self.sent[key] for key in waiting if key.mailbox == one]
            assert len(entries) <= LIMITS.mailbox_envelopes
            size = sum(len(sent.envelope.sealed) for sent in entries)
            assert size <= LIMITS.mailbox_bytes

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def close_link(self, data: st.DataObject) -> None:
        link = data.draw(st.sampled_from(self.links))
        self.mailboxes.close(link)
        self.links.remove(link)
        self.waiting = [pair for pair in self.waiting if pair[0] is not link]

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 6))
    def deliver_what_waits(self, count: int) -> None:
        due, self.waiting = self.waiting[:count], self.waiting[count:]
        for link, waiting in due:
            self._deliver(link, waiting)

    def _deliver(self, link: Link, waiting: Waiting) -> None:
        sent = self.sent[waiting]
        frame = self.mailboxes.stored(link, waiting, self.now)
        if frame is None:
            assert not sent.must_be_there or not sent.is_alive(self.now)
            return
        assert sent.may_be_there
        self._check_delivery(link, sent.envelope, sent.role)
        left = sent.taken_at + sent.envelope.lifetime - self.now
        assert 1 <= frame.lifetime <= left + 0.001
        assert frame.sealed == sent.envelope.sealed
        sent.delivered, sent.must_be_there = True, False

    @precondition(lambda self: self.links)
    @rule(
        data=st.data(),
        to=mailbox,
        id_=envelope_id,
        lifetime=lifetime,
        size=st.sampled_from([28, 100, 200]),
    )
    def send(
        self,
        data: st.DataObject,
        to: MailboxId,
        id_: EnvelopeId,
        lifetime: int,
        size: int,
    ) -> None:
        link = data.draw(st.sampled_from(self.links))
        # Mostly one of its own, else all would be refused.
        own = sorted(link.mailboxes)
        sender = data.draw(st.sampled_from([*own, *own, *own, *MAILBOXES]))
        envelope = Envelope(
            id=id_, to=to, sender=sender, lifetime=lifetime, sealed=Sealed(bytes(size))
        )
        expected = self._reason(link, envelope)
        is_copy = self._is_copy(envelope)
        sends = self.mailboxes.take(link, envelope, self.now)
        if expected is not None:
            assert sends == [Send(link, Refused(id=id_, reason=expected))]
        elif is_copy:
            assert sends == []
        elif readers := self._readers(link.role, to):
            assert sends == [Send(reader, envelope) for reader in readers]
            for reader in readers:
                self._check_delivery(reader, envelope, link.role)
            self._take(envelope, link.role, delivered=True)
        elif sends and isinstance(sends[0].frame, Refused):
            full = Refused(id=id_, reason=RefusalReason.MAILBOX_FULL)
            assert sends == [Send(link, full)]
            assert self._is_full(link, to, size)
        else:
            self._take(envelope, link.role, delivered=False)
            hears = "accepted" in link.features
            assert [send.link for send in sends] == [link] * hears
            assert all(isinstance(send.frame, Accepted) for send in sends)

    @precondition(lambda self: self.sent and self.links)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        (to, id_), sent = data.draw(st.sampled_from(sorted(self.sent.items())))
        owners = [
            link
            for link in self.links
            if sent.envelope.sender in link.mailboxes and link.role is sent.role
        ]
        link = data.draw(st.sampled_from([*owners, *owners, *self.links]))
        sender = data.draw(st.sampled_from(sorted(link.mailboxes)))
        self.mailboxes.withdraw(link, Withdraw(id=id_, to=to, sender=sender))
        if sender == sent.envelope.sender and link.role is sent.role:
            sent.go(self.now)

    @precondition(lambda self: self.sent and self.links)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        (to, id_), sent = data.draw(st.sampled_from(sorted(self.sent.items())))
        links = [link for link in self.links if to in link.mailboxes]
        if not links:
            return
        link = data.draw(st.sampled_from(links))
        self.mailboxes.received(link, Received(mailbox=to, id=id_))
        if link.role is not sent.role:
            sent.go(self.now)

    @precondition(lambda self: self.links)
    @rule(data=st.data(), senders=st.frozensets(mailbox, max_size=3))
    def allow(self, data: st.DataObject, senders: frozenset[MailboxId]) -> None:
        devices = [link for link in self.links if link.role is Role.DEVICE]
        if not devices:
            return
        link = data.draw(st.sampled_from(devices))
        to = data.draw(st.sampled_from(sorted(link.mailboxes)))
        frame = Allow(mailbox=to, senders=tuple(senders))
        self.mailboxes.allow(link, frame, self.now)
        for sent in self.sent.values():
            envelope = sent.envelope
            if envelope.to != to or sent.role is not Role.HOST:
                continue
            if envelope.sender not in senders and envelope.sender != to:
                sent.go(self.now)

    @rule(seconds=st.sampled_from([0.3, 0.3, 1, 1, 4, 4, 60, 300, 5000]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.shelf.now = self.now

    @rule()
    def purge(self) -> None:
        self.mailboxes.purge(self.now)

    @rule()
    def restart(self) -> None:
        self.links, self.waiting = [], []
        self.mailboxes = Mailboxes(self.shelf, LIMITS, NoWaker(), self.now)
        for sent in self.sent.values():
            # It no longer knows what was delivered: better twice than never.
            sent.is_gone = sent.delivered = False
            if sent.envelope.lifetime <= SHORT_LIFETIME:
                sent.must_be_there = sent.may_be_there = False

    @invariant()
    def totals_are_bounded(self) -> None:
        assert 0 <= self.mailboxes.remembered_count <= LIMITS.total_envelopes
        assert len(self.shelf.kept) <= LIMITS.total_envelopes

    @invariant()
    def no_mailbox_lingers(self) -> None:
        """An open mailbox is counted as long as a link has it, and no longer."""
        opened = {mailbox for link in self.links for mailbox in link.mailboxes}
        assert self.mailboxes.open_count == len(opened)

    def teardown(self) -> None:
        """After everybody left and time went by, nothing is remembered."""
        for link in self.links:
            self.mailboxes.close(link)
        self.now += 10_000
        self.shelf.now = self.now
        self.mailboxes.purge(self.now)
        assert self.mailboxes.remembered_count == 0
        assert not self.shelf.kept
        # Attack: a memory that grows by one mailbox for each passer-by.
        assert not self.mailboxes._boxes

    def _readers(self, role: Role, to: MailboxId) -> list[Link]:
        return [
            link
            for link in self.links
            if link.role is not role and to in link.mailboxes
        ]

    def _check_delivery(self, link: Link, envelope: Envelope, role: Role) -> None:
        assert link in self.links
        assert link.role is not role
        assert envelope.to in link.mailboxes
        if role is Role.HOST and envelope.to != envelope.sender:
            assert envelope.sender in self.shelf.lists[envelope.to]

    def _reason(self, link: Link, envelope: Envelope) -> RefusalReason | None:
        if envelope.sender not in link.mailboxes:
            return RefusalReason.NOT_OPEN
        if envelope.to == envelope.sender:
            return None
        if link.role is Role.HOST:
            listed = self.shelf.lists.get(envelope.to, frozenset())
            permitted = envelope.sender in listed
        else:
            permitted = envelope.to in self.shelf.hosts
        return None if permitted else RefusalReason.NOT_ALLOWED

    def _is_copy(self, envelope: Envelope) -> bool:
        box = self.mailboxes._boxes.get(envelope.to)
        entry = box.get(envelope.id) if box else None
        until = box._seen.get(envelope.id, 0.0) if box else 0.0
        known = (entry.expires_at if entry else until) > self.now
        sent = self.sent.get((envelope.to, envelope.id))
        # What has to be there is known to be there, and so is what just was.
        if sent is not None and sent.must_be_there and sent.is_alive(self.now):
            assert known
        if sent is not None and sent.is_gone and sent.is_alive(self.now):
            assert known
        return known

    def _is_full(self, link: Link, to: MailboxId, size: int) -> bool:
        sizes = [
            len(sent.envelope.sealed)
            for sent in self.sent.values()
            if sent.envelope.to == to
            and sent.may_be_there
            and not sent.delivered
            and sent.is_alive(self.now)
        ]
        totals, origin = self.mailboxes._totals, hash(link.address)
        return (
            len(sizes) >= LIMITS.mailbox_envelopes
            or sum(sizes) + size > LIMITS.mailbox_bytes
            or totals.envelopes >= LIMITS.total_envelopes
            or totals.bytes + size > LIMITS.total_bytes
            or totals._envelopes_from[origin] >= LIMITS.total_envelopes / SHARE
            or totals._bytes_from[origin] + size > LIMITS.total_bytes / SHARE
        )

    def _take(self, envelope: Envelope, role: Role, *, delivered: bool) -> None:
        key = (envelope.to, envelope.id)
        self.sent[key] = Sent(
            envelope, role, self.now, delivered, must_be_there=not delivered
        )
        self.waiting = [pair for pair in self.waiting if pair[1] != key]


TestMailboxes = MailboxMachine.TestCase
TestMailboxes.settings = settings(
    max_examples=300, stateful_step_count=60, deadline=None
)
