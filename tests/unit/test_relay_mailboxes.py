"""Each refusal and each rule of the mailboxes, one by one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pushmfa.errors import LimitError, MalformedError, StoreError
from pushmfa.relay import remembered
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.relay.mailboxes import Link, Mailboxes, Send, Waiting
from pushmfa.relay.remembered import MAX_SEEN
from pushmfa.store.relay_rows import RelayRows
from pushmfa.terms import EnvelopeId, MailboxId, Role, WakeUp
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    Allow,
    Envelope,
    Received,
    RefusalReason,
    Refused,
    Stored,
    Withdraw,
)

HOST, DEVICE, OTHER, BOTH = (MailboxId(bytes([n]) * 16) for n in (1, 2, 3, 4))
NOW = 1000.0


class FakeWaker:
    """Says that it sent, and remembers what."""

    def __init__(self) -> None:
        self.woken: list[tuple[MailboxId, EnvelopeId]] = []
        self.watched: list[Watched] = []

    def wake(
        self, mailbox: MailboxId, envelope_id: EnvelopeId, expires_at: float
    ) -> WakeUp:
        """Pretend to send."""
        assert expires_at > NOW
        self.woken.append((mailbox, envelope_id))
        return WakeUp.SENT

    def watch(
        self,
        mailbox: MailboxId,
        envelope_id: EnvelopeId,
        expires_at: float,
        *,
        acknowledges: bool,
        is_waiting: Callable[[], bool],
    ) -> None:
        """Remember whom to look after."""
        assert mailbox == DEVICE
        assert expires_at > NOW
        self.watched.append(Watched(envelope_id, acknowledges, is_waiting))


class Watched(NamedTuple):
    """An envelope that went to a link."""

    id: EnvelopeId
    acknowledges: bool
    is_waiting: Callable[[], bool]


class World:
    """Mailboxes on a real file, with a host and a device that know each other."""

    def __init__(self, folder: Path, limits: RelayLimits) -> None:
        self.limits = limits
        self.waker = FakeWaker()
        self.rows = RelayRows.open(
            folder / "relay.db", max_mailboxes=100, keep_days=30, now=lambda: NOW
        )
        self.restart()
        self.host = self.open(Role.HOST, HOST, BOTH)
        device = self.open(Role.DEVICE, DEVICE)
        self.mailboxes.allow(device, allow_of(HOST), NOW)
        self.mailboxes.close(device)

    def restart(self) -> None:
        self.mailboxes = Mailboxes(self.rows, self.limits, self.waker, NOW)

    def open(self, role: Role, *mailboxes: MailboxId) -> Link:
        link = link_of(role, *mailboxes)
        self.mailboxes.open(link, NOW)
        return link

    def take(self, link: Link, envelope: Envelope, now: float = NOW) -> list[Send]:
        return self.mailboxes.take(link, envelope, now)

    def reason(self, link: Link, envelope: Envelope, now: float = NOW) -> RefusalReason:
        [send] = self.take(link, envelope, now)
        assert send.link is link
        assert isinstance(send.frame, Refused)
        assert send.frame.id == envelope.id
        return send.frame.reason

    def waiting(self, role: Role, mailbox: MailboxId, now: float = NOW) -> list[Stored]:
        link = link_of(role, mailbox)
        waiting = self.mailboxes.open(link, now)
        frames = [self.mailboxes.stored(link, one, now) for one in waiting]
        self.mailboxes.close(link)
        return [frame for frame in frames if frame is not None]


@pytest.fixture
def limits() -> RelayLimits:
    return RelayLimits()


@pytest.fixture
def world(tmp_path: Path, limits: RelayLimits) -> Iterator[World]:
    world = World(tmp_path, limits)
    yield world
    world.rows.close()


def small(**changes: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("limits", [replace(RelayLimits(), **changes)])


def link_of(role: Role, *mailboxes: MailboxId, hears: bool = True) -> Link:
    features = frozenset({"accepted"} if hears else ())
    return Link(role, frozenset(mailboxes), features, "192.0.2.1")


def allow_of(*senders: MailboxId) -> Allow:
    return Allow(mailbox=DEVICE, senders=senders)


def envelope_of(number: int, **changes: Any) -> Envelope:
    fields: dict[str, Any] = {
        "id": EnvelopeId(number.to_bytes(16)),
        "to": DEVICE,
        "sender": HOST,
        "lifetime": 60,
        "sealed": Sealed(bytes(100)),
    }
    return Envelope(**fields | changes)


def ids(frames: Iterable[Stored]) -> list[int]:
    return [int.from_bytes(frame.id) for frame in frames]


def test_sender_that_is_not_open_is_refused(world: World) -> None:
    for to in (DEVICE, HOST, OTHER):
        envelope = envelope_of(1, sender=OTHER, to=to)
        assert world.reason(world.host, envelope) is RefusalReason.NOT_OPEN


def test_device_takes_only_from_whom_it_allows(world: World) -> None:
    stranger = world.open(Role.HOST, OTHER)
    envelope = envelope_of(1, sender=OTHER)
    assert world.reason(stranger, envelope) is RefusalReason.NOT_ALLOWED
    # Nor does being open make a device take it.
    world.open(Role.DEVICE, DEVICE)
    assert world.reason(stranger, envelope) is RefusalReason.NOT_ALLOWED


def test_mailbox_without_a_list_takes_nothing_from_hosts(world: World) -> None:
    envelope = envelope_of(1, to=OTHER)
    assert world.reason(world.host, envelope) is RefusalReason.NOT_ALLOWED
    assert (
        world.reason(world.host, envelope_of(2, to=BOTH)) is RefusalReason.NOT_ALLOWED
    )


def test_device_sends_only_to_known_hosts(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    envelope = envelope_of(1, sender=DEVICE, to=OTHER)
    assert world.reason(device, envelope) is RefusalReason.NOT_ALLOWED
    world.mailboxes.close(world.host)
    [send] = world.take(device, envelope_of(2, sender=DEVICE, to=HOST))
    assert isinstance(send.frame, Accepted)
    assert ids(world.waiting(Role.HOST, HOST)) == [2]


def test_both_who_hold_one_key_meet_without_a_list(world: World) -> None:
    # The host's link has it open: the device's greeting goes there at once.
    device = world.open(Role.DEVICE, BOTH)
    greeting = envelope_of(1, sender=BOTH, to=BOTH)
    assert world.take(device, greeting) == [Send(world.host, greeting)]
    answer = envelope_of(2, sender=BOTH, to=BOTH)
    assert world.take(world.host, answer) == [Send(device, answer)]


def test_attack_envelope_never_goes_to_the_role_of_its_sender(world: World) -> None:
    # Whoever else holds the enrollment's key as a host hears nothing of the host's.
    thief = world.open(Role.HOST, BOTH)
    [send] = world.take(world.host, envelope_of(1, sender=BOTH, to=BOTH))
    assert send.link is world.host
    assert isinstance(send.frame, Accepted)
    assert world.waiting(Role.HOST, BOTH) == []
    waiting = Waiting(BOTH, envelope_of(1).id)
    assert world.mailboxes.stored(thief, waiting, NOW) is None
    assert ids(world.waiting(Role.DEVICE, BOTH)) == [1]


def test_every_link_of_the_other_role_gets_it_and_a_later_one_too(world: World) -> None:
    tabs = [world.open(Role.DEVICE, DEVICE) for _ in range(2)]
    envelope = envelope_of(1)
    assert world.take(world.host, envelope) == [Send(tab, envelope) for tab in tabs]
    assert world.waker.woken == []
    # A phone whose link is half open gets it when it dials again.
    assert ids(world.waiting(Role.DEVICE, DEVICE, NOW + 59)) == [1]
    assert world.waiting(Role.DEVICE, DEVICE, NOW + 60) == []


def test_nobody_there_means_accepted_and_woken(world: World) -> None:
    envelope = envelope_of(1)
    accepted = Accepted(id=envelope.id, wakeup=WakeUp.SENT)
    assert world.take(world.host, envelope) == [Send(world.host, accepted)]
    assert world.waker.woken == [(DEVICE, envelope.id)]


def test_only_an_envelope_of_a_host_wakes_anybody_up(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    world.mailboxes.close(world.host)
    answer = envelope_of(1, sender=DEVICE, to=HOST)
    accepted = Accepted(id=answer.id, wakeup=WakeUp.NONE)
    assert world.take(device, answer) == [Send(device, accepted)]
    world.open(Role.HOST, HOST)
    world.take(device, envelope_of(2, sender=DEVICE, to=HOST))
    assert (world.waker.woken, world.waker.watched) == ([], [])


def test_a_meeting_mailbox_is_not_woken_up(world: World) -> None:
    [send] = world.take(world.host, envelope_of(1, sender=BOTH, to=BOTH))
    assert send.frame == Accepted(id=envelope_of(1).id, wakeup=WakeUp.NONE)
    assert world.waker.woken == []


@pytest.mark.parametrize("features", [(), ("wakeup",)])
def test_what_goes_to_a_link_is_watched_until_it_is_received(
    world: World, features: tuple[str, ...]
) -> None:
    device = Link(Role.DEVICE, frozenset({DEVICE}), frozenset(features), "192.0.2.1")
    world.mailboxes.open(device, NOW)
    envelope = envelope_of(1)
    assert world.take(world.host, envelope) == [Send(device, envelope)]
    [watched] = world.waker.watched
    assert (watched.id, watched.acknowledges) == (envelope.id, bool(features))
    assert watched.is_waiting()
    assert world.mailboxes.received(device, Received(mailbox=DEVICE, id=envelope.id))
    assert not watched.is_waiting()
    # A copy wakes nobody a second time.
    assert world.take(world.host, envelope) == []
    assert (len(world.waker.watched), world.waker.woken) == (1, [])


def test_what_is_to_wake_nobody_waits_all_the_same(world: World) -> None:
    accepted = Accepted(id=envelope_of(1).id, wakeup=WakeUp.NONE)
    taken = world.mailboxes.take(world.host, envelope_of(1), NOW, wakes=False)
    assert taken == [Send(world.host, accepted)]
    device = world.open(Role.DEVICE, DEVICE)
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [1]
    taken = world.mailboxes.take(world.host, envelope_of(2), NOW, wakes=False)
    assert Send(device, envelope_of(2)) in taken
    assert (world.waker.woken, world.waker.watched) == ([], [])


def test_what_is_withdrawn_or_expired_wakes_nobody(world: World) -> None:
    world.open(Role.DEVICE, DEVICE)
    for number in (1, 2):
        world.take(world.host, envelope_of(number))
    withdraw = Withdraw(id=envelope_of(1).id, to=DEVICE, sender=HOST)
    world.mailboxes.withdraw(world.host, withdraw)
    assert [one.is_waiting() for one in world.waker.watched] == [False, True]
    world.mailboxes.purge(NOW + 60)
    assert [one.is_waiting() for one in world.waker.watched] == [False, False]


@small(total_envelopes=1)
def test_what_could_not_be_remembered_is_not_watched(world: World) -> None:
    world.take(world.host, envelope_of(1, sender=BOTH, to=BOTH))
    device = world.open(Role.DEVICE, DEVICE)
    assert world.take(world.host, envelope_of(2)) == [Send(device, envelope_of(2))]
    assert world.waker.watched == []


def test_accepted_is_not_told_to_whom_it_means_nothing(world: World) -> None:
    deaf = link_of(Role.HOST, HOST, hears=False)
    world.mailboxes.open(deaf, NOW)
    assert world.take(deaf, envelope_of(1)) == []
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [1]


def test_copy_is_dropped_without_a_word(world: World) -> None:
    world.take(world.host, envelope_of(1))
    assert world.take(world.host, envelope_of(1, sealed=Sealed(bytes(99)))) == []
    device = world.open(Role.DEVICE, DEVICE)
    assert world.take(world.host, envelope_of(1)) == []
    received = Received(mailbox=DEVICE, id=envelope_of(1).id)
    assert world.mailboxes.received(device, received)
    assert not world.mailboxes.received(device, received)
    world.mailboxes.purge(NOW + 59)
    assert world.take(world.host, envelope_of(1), NOW + 59) == []
    # Its lifetime is over: whoever sends this id now means another envelope.
    assert len(world.take(world.host, envelope_of(1), NOW + 60)) == 1


def test_known_ids_of_a_mailbox_are_bounded(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    for number in range(MAX_SEEN + 10):
        now = NOW + number / 10
        world.take(world.host, envelope_of(number), now)
        received = Received(mailbox=DEVICE, id=envelope_of(number).id)
        assert world.mailboxes.received(device, received)
    box = world.mailboxes._boxes[DEVICE]
    assert len(box._seen) == MAX_SEEN
    assert world.mailboxes._totals.seen == MAX_SEEN


def test_attack_ids_in_mailboxes_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MAX_SEEN_OF_ALL", 3)
    for number in range(1, 6):
        mailbox = MailboxId(number.to_bytes(16))
        link = world.open(Role.HOST, mailbox)
        envelope = envelope_of(number, to=mailbox, sender=mailbox, lifetime=7 * 86_400)
        world.take(link, envelope)
        withdraw = Withdraw(id=envelope.id, to=mailbox, sender=mailbox)
        world.mailboxes.withdraw(link, withdraw)
        world.mailboxes.close(link)
    assert world.mailboxes._totals.seen == 3
    # Nothing but those three ids, and what the world began with.
    assert len(world.mailboxes._boxes) == 5
    world.mailboxes.purge(NOW + 7 * 86_400)
    assert len(world.mailboxes._boxes) == 2


def test_stored_says_the_lifetime_that_is_left(world: World) -> None:
    world.take(world.host, envelope_of(1))
    [frame] = world.waiting(Role.DEVICE, DEVICE, NOW + 12.3)
    assert frame.lifetime == 47
    [frame] = world.waiting(Role.DEVICE, DEVICE, NOW + 58.9)
    assert frame.lifetime == 1
    assert world.waiting(Role.DEVICE, DEVICE, NOW + 59.1) == []


def test_withdrawn_is_not_delivered_not_even_by_a_link_that_waits(world: World) -> None:
    world.take(world.host, envelope_of(1))
    device = link_of(Role.DEVICE, DEVICE)
    waiting = world.mailboxes.open(device, NOW)
    withdraw = Withdraw(id=envelope_of(1).id, to=DEVICE, sender=HOST)
    world.mailboxes.withdraw(world.host, withdraw)
    assert [world.mailboxes.stored(device, one, NOW) for one in waiting] == [None]


def test_attack_withdraw_of_what_another_sent(world: World) -> None:
    world.take(world.host, envelope_of(1))
    other = world.open(Role.HOST, OTHER)
    id_ = envelope_of(1).id
    world.mailboxes.withdraw(other, Withdraw(id=id_, to=DEVICE, sender=OTHER))
    with pytest.raises(MalformedError):
        world.mailboxes.withdraw(other, Withdraw(id=id_, to=DEVICE, sender=HOST))
    world.mailboxes.withdraw(other, Withdraw(id=id_, to=BOTH, sender=OTHER))
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [1]


def test_attack_received_from_whoever_does_not_own_the_mailbox(world: World) -> None:
    world.take(world.host, envelope_of(1))
    received = Received(mailbox=DEVICE, id=envelope_of(1).id)
    with pytest.raises(MalformedError):
        world.mailboxes.received(world.host, received)
    # In an enrollment both own it; the sender does not acknowledge for the reader.
    world.take(world.host, envelope_of(2, sender=BOTH, to=BOTH))
    received = Received(mailbox=BOTH, id=envelope_of(2).id)
    assert not world.mailboxes.received(world.host, received)
    assert ids(world.waiting(Role.DEVICE, BOTH)) == [2]


def test_allow_list_is_for_devices_and_their_own_mailboxes(world: World) -> None:
    with pytest.raises(MalformedError):
        world.mailboxes.allow(world.host, Allow(mailbox=HOST, senders=()), NOW)
    other = world.open(Role.DEVICE, OTHER)
    with pytest.raises(MalformedError):
        world.mailboxes.allow(other, allow_of(OTHER), NOW)


def test_host_that_is_allowed_no_longer_is_not_delivered(world: World) -> None:
    world.take(world.host, envelope_of(1))
    device = link_of(Role.DEVICE, DEVICE)
    waiting = world.mailboxes.open(device, NOW)
    world.mailboxes.allow(device, allow_of(OTHER), NOW)
    assert [world.mailboxes.stored(device, one, NOW) for one in waiting] == [None]
    assert world.reason(world.host, envelope_of(2)) is RefusalReason.NOT_ALLOWED


@small(changed_lists=Rate(2, 1))
def test_lists_may_not_change_without_end(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    world.mailboxes.allow(device, allow_of(OTHER), NOW)
    with pytest.raises(LimitError):
        world.mailboxes.allow(device, allow_of(HOST), NOW)
    # To say the same again, as at every hello, costs nothing.
    for _ in range(10):
        world.mailboxes.allow(device, allow_of(OTHER), NOW)
    world.mailboxes.allow(device, allow_of(HOST), NOW + 1)


@small(host_envelopes=Rate(2, 1), device_envelopes=Rate(1, 1))
def test_envelopes_of_a_mailbox_are_counted(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    for link, sender, to, burst in (
        (world.host, HOST, DEVICE, 2),
        (device, DEVICE, HOST, 1),
    ):
        for number in range(burst):
            world.take(link, envelope_of(number, sender=sender, to=to))
        refused = envelope_of(9, sender=sender, to=to)
        assert world.reason(link, refused) is RefusalReason.TOO_MANY
        assert len(world.take(link, refused, NOW + 1)) == 1


@small(mailbox_envelopes=3)
def test_what_nobody_has_seen_makes_no_room(world: World) -> None:
    for number in range(3):
        world.take(world.host, envelope_of(number))
    assert world.reason(world.host, envelope_of(3)) is RefusalReason.MAILBOX_FULL
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [0, 1, 2]
    # Now all were delivered once: the oldest makes room.
    assert len(world.take(world.host, envelope_of(4))) == 1
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [1, 2, 4]


@small(mailbox_bytes=350)
def test_mailbox_is_bounded_in_bytes_too(world: World) -> None:
    for number in range(3):
        world.take(world.host, envelope_of(number))
    refused = envelope_of(3)
    assert world.reason(world.host, refused) is RefusalReason.MAILBOX_FULL
    assert len(world.take(world.host, envelope_of(4, sealed=Sealed(bytes(50))))) == 1
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [0, 1, 2, 4]
    big = envelope_of(5, sealed=Sealed(bytes(300)))
    assert len(world.take(world.host, big)) == 1
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [4, 5]


@small(total_envelopes=40)
def test_attack_a_stranger_uses_up_the_room_of_all(world: World) -> None:
    stranger = world.open(Role.HOST, OTHER)
    for number in range(100, 110):
        world.take(stranger, envelope_of(number, sender=OTHER, to=OTHER))
    one_more = envelope_of(110, sender=OTHER, to=OTHER)
    assert world.reason(stranger, one_more) is RefusalReason.MAILBOX_FULL
    elsewhere = Link(Role.HOST, frozenset({HOST}), frozenset(), "198.51.100.1")
    world.mailboxes.open(elsewhere, NOW)
    assert world.take(elsewhere, envelope_of(1)) == []
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [1]
    world.mailboxes.purge(NOW + 60)
    assert not world.mailboxes._totals._envelopes_from
    assert not world.mailboxes._totals._bytes_from


@small(total_bytes=400)
def test_attack_a_stranger_sends_few_and_large(world: World) -> None:
    stranger = world.open(Role.HOST, OTHER)
    big = envelope_of(1, sender=OTHER, to=OTHER, sealed=Sealed(bytes(101)))
    assert world.reason(stranger, big) is RefusalReason.MAILBOX_FULL


@small(total_envelopes=1)
def test_attack_relay_filled_by_strangers_still_delivers_to_who_is_there(
    world: World,
) -> None:
    stranger = world.open(Role.HOST, OTHER)
    world.take(stranger, envelope_of(1, sender=OTHER, to=OTHER))
    assert world.reason(world.host, envelope_of(2)) is RefusalReason.MAILBOX_FULL
    device = world.open(Role.DEVICE, DEVICE)
    envelope = envelope_of(3)
    assert world.take(world.host, envelope) == [Send(device, envelope)]
    assert world.take(world.host, envelope) == []
    world.mailboxes.purge(NOW + 60)
    assert world.mailboxes.remembered_count == 0


def test_restart_keeps_lists_hosts_and_long_lived_envelopes(world: World) -> None:
    world.take(world.host, envelope_of(1, lifetime=120))
    world.take(world.host, envelope_of(2, lifetime=121))
    world.take(world.host, envelope_of(3, lifetime=500))
    device = world.open(Role.DEVICE, DEVICE)
    received = Received(mailbox=DEVICE, id=envelope_of(3).id)
    assert world.mailboxes.received(device, received)
    world.restart()
    device = world.open(Role.DEVICE, DEVICE)
    assert ids(world.waiting(Role.DEVICE, DEVICE)) == [2]
    [send] = world.take(device, envelope_of(4, sender=DEVICE, to=HOST))
    assert isinstance(send.frame, Accepted)
    host = world.open(Role.HOST, HOST)
    envelope = envelope_of(5)
    assert world.take(host, envelope) == [Send(device, envelope)]


def test_broken_disk_stops_no_login_that_needs_none(world: World) -> None:
    device = world.open(Role.DEVICE, DEVICE)
    world.rows._database.query("PRAGMA query_only=ON")
    other = world.open(Role.HOST, OTHER)
    trouble: StoreError | None = world.mailboxes.trouble
    assert trouble is not None
    envelope = envelope_of(1, lifetime=600)
    assert world.take(world.host, envelope) == [Send(device, envelope)]
    answer = envelope_of(2, sender=DEVICE, to=OTHER)
    assert world.take(device, answer) == [Send(other, answer)]
    with pytest.raises(StoreError):
        world.mailboxes.allow(device, allow_of(OTHER), NOW)
    with pytest.raises(StoreError):
        world.mailboxes.purge(NOW)


def test_counts_name_nobody_and_are_right(world: World) -> None:
    assert world.mailboxes.open_count == 2
    world.take(world.host, envelope_of(1))
    assert world.mailboxes.remembered_count == 1
    world.mailboxes.close(world.host)
    assert world.mailboxes.open_count == 0


@small(answers=Rate(10, 1))
def test_attack_a_host_is_buried_from_one_address(world: World) -> None:
    mailboxes = [MailboxId(bytes([100 + n]) * 16) for n in range(20)]
    links = [world.open(Role.DEVICE, mailbox) for mailbox in mailboxes]
    taken = [
        world.take(link, envelope_of(n, to=HOST, sender=mailboxes[n]))
        for n, link in enumerate(links)
    ]
    assert sum(isinstance(sends[0].frame, Envelope) for sends in taken) == 10
    refused = world.reason(links[0], envelope_of(99, to=HOST, sender=mailboxes[0]))
    assert refused is RefusalReason.TOO_MANY
    # From elsewhere, and to another host, it goes on; time heals.
    other = replace(links[1], address="192.0.2.2")
    world.mailboxes.open(other, NOW)
    elsewhere = envelope_of(98, to=HOST, sender=mailboxes[1])
    assert isinstance(world.take(other, elsewhere)[0].frame, Envelope)
    to_another = envelope_of(97, to=BOTH, sender=mailboxes[2])
    assert isinstance(world.take(links[2], to_another)[0].frame, Envelope)
    later = envelope_of(96, to=HOST, sender=mailboxes[3])
    assert isinstance(world.take(links[3], later, NOW + 2)[0].frame, Envelope)
