"""What the relay keeps on disk, for how long, and what it leaves out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.errors import LimitError
from pushmfa.store.database import open_database
from pushmfa.store.push_rows import KeptPush
from pushmfa.store.relay_rows import DAY, MIGRATIONS, RelayRows
from pushmfa.terms import EnvelopeId, MailboxId, Role
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope, PushAuth, PushPoint, PushSubscription

HOST, DEVICE, OTHER = (MailboxId(bytes([n]) * 16) for n in (1, 2, 3))


class Time:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0 * DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def rows(tmp_path: Path, time: Time) -> Iterator[RelayRows]:
    rows = open_rows(tmp_path, time)
    yield rows
    rows.close()


def open_rows(folder: Path, time: Time, max_mailboxes: int = 3) -> RelayRows:
    return RelayRows.open(
        folder / "relay.db", max_mailboxes=max_mailboxes, keep_days=30, now=time
    )


def envelope_of(number: int, lifetime: int = 600) -> Envelope:
    return Envelope(
        id=EnvelopeId(number.to_bytes(16)),
        to=DEVICE,
        sender=HOST,
        lifetime=lifetime,
        sealed=Sealed(bytes([number]) * 100),
    )


def test_host_is_known_once_it_opened_its_mailbox(rows: RelayRows) -> None:
    assert not rows.is_host(HOST)
    rows.opened(Role.HOST, [HOST])
    assert rows.is_host(HOST)


def test_device_that_only_opens_leaves_no_row(rows: RelayRows) -> None:
    rows.opened(Role.DEVICE, [DEVICE])
    rows.allow(DEVICE, frozenset({HOST}))
    rows.allow(DEVICE, frozenset())
    assert rows._count("host_mailboxes") == 0
    assert rows._count("device_mailboxes") == 0
    assert rows._count("allowed_senders") == 0


def test_allow_list_is_replaced_and_survives(
    rows: RelayRows, tmp_path: Path, time: Time
) -> None:
    rows.allow(DEVICE, frozenset({HOST}))
    rows.allow(DEVICE, frozenset({OTHER}))
    again = open_rows(tmp_path, time)
    assert again.senders_of(DEVICE) == {OTHER}
    assert again.is_allowed(DEVICE, OTHER)
    assert not again.is_allowed(DEVICE, HOST)
    assert not again.is_allowed(OTHER, OTHER)
    again.close()


def test_envelopes_survive_with_the_lifetime_that_is_left(
    rows: RelayRows, tmp_path: Path, time: Time
) -> None:
    for number, lifetime in ((1, 600), (2, 130), (3, 7000)):
        rows.keep(envelope_of(number, lifetime), Role.HOST)
    rows.forget(DEVICE, envelope_of(3).id)
    time.now += 129.5
    again = open_rows(tmp_path, time)
    assert again.load() == [(envelope_of(1, 470), Role.HOST)]
    again.close()


def test_same_id_in_the_last_second_of_an_envelope_is_kept_anew(
    rows: RelayRows, time: Time
) -> None:
    rows.keep(envelope_of(1, 600), Role.HOST)
    time.now += 599.5
    assert rows.load() == []
    rows.keep(envelope_of(1, 500), Role.HOST)
    assert rows.load() == [(envelope_of(1, 500), Role.HOST)]


def test_clock_set_back_does_not_lengthen_a_lifetime(
    rows: RelayRows, time: Time
) -> None:
    rows.keep(envelope_of(1, 600), Role.HOST)
    time.now -= 5000
    assert rows.load() == [(envelope_of(1, 600), Role.HOST)]


def test_purge_forgets_what_expired_and_who_stayed_away(
    rows: RelayRows, time: Time
) -> None:
    rows.opened(Role.HOST, [HOST, OTHER])
    rows.allow(DEVICE, frozenset({HOST}))
    rows.keep(envelope_of(1), Role.HOST)
    time.now += 20 * DAY
    rows.opened(Role.HOST, [HOST])
    rows.opened(Role.DEVICE, [DEVICE])
    time.now += 11 * DAY
    rows.purge()
    assert rows.is_host(HOST)
    assert not rows.is_host(OTHER)
    assert rows.senders_of(DEVICE) == {HOST}
    assert rows._count("envelopes") == 0
    time.now += 20 * DAY
    rows.purge()
    assert not rows.is_host(HOST)
    assert rows.senders_of(DEVICE) == frozenset()


def test_opening_again_on_the_same_day_writes_nothing(rows: RelayRows) -> None:
    rows.opened(Role.HOST, [HOST])
    before = rows._database.query("SELECT total_changes()")
    rows.opened(Role.HOST, [HOST])
    assert rows._database.query("SELECT total_changes()") == before


def test_attack_keys_without_end_fill_no_disk(
    rows: RelayRows, tmp_path: Path, time: Time
) -> None:
    ids = [MailboxId(n.to_bytes(16)) for n in range(1, 7)]
    rows.opened(Role.HOST, ids)
    assert rows._count("host_mailboxes") == 3
    for mailbox in ids[:3]:
        rows.allow(mailbox, frozenset({HOST}))
    with pytest.raises(LimitError):
        rows.allow(ids[3], frozenset({HOST}))
    # Who is known may still change its list, and one who leaves makes room.
    rows.allow(ids[0], frozenset({OTHER}))
    rows.allow(ids[1], frozenset())
    rows.allow(ids[3], frozenset({HOST}))
    again = open_rows(tmp_path, time)
    with pytest.raises(LimitError):
        again.allow(ids[4], frozenset({HOST}))
    again.close()


def test_hosts_that_were_forgotten_make_room(rows: RelayRows, time: Time) -> None:
    rows.opened(Role.HOST, [MailboxId(n.to_bytes(16)) for n in range(1, 4)])
    rows.opened(Role.HOST, [HOST])
    assert not rows.is_host(HOST)
    time.now += 31 * DAY
    rows.purge()
    rows.opened(Role.HOST, [HOST])
    assert rows.is_host(HOST)


KEY, OTHER_KEY = b"a key of the relay", b"another"


def push_of(number: int) -> PushSubscription:
    return PushSubscription(
        endpoint=f"https://push.example/{number}",
        p256dh=PushPoint(bytes([number]) * 65),
        auth=PushAuth(bytes([number]) * 16),
    )


def test_subscription_is_kept_replaced_and_removed(
    rows: RelayRows, tmp_path: Path, time: Time
) -> None:
    rows.allow(DEVICE, frozenset({HOST}))
    pushes = rows.pushes(KEY)
    assert pushes.get(DEVICE) is None
    for number in (1, 2):
        assert pushes.keep(DEVICE, push_of(number))
    # A changed list changes nothing of it.
    rows.allow(DEVICE, frozenset({HOST, OTHER}))
    again = open_rows(tmp_path, time)
    assert again.pushes(KEY).get(DEVICE) == KeptPush(push_of(2))
    assert again.pushes(KEY).mailboxes() == {DEVICE}
    again.close()
    pushes.remove(DEVICE)
    assert pushes.get(DEVICE) is None
    assert pushes.mailboxes() == set()


def test_subscription_of_another_key_of_the_relay_is_none(rows: RelayRows) -> None:
    rows.allow(DEVICE, frozenset({HOST}))
    assert rows.pushes(KEY).keep(DEVICE, push_of(1))
    other = rows.pushes(OTHER_KEY)
    assert other.mailboxes() == set()
    assert other.get(DEVICE) is None
    assert other.keep(DEVICE, push_of(2))
    assert rows.pushes(KEY).get(DEVICE) is None
    assert rows._count("push_subscriptions") == 1


def test_subscription_that_is_gone_leaves_no_end_point(rows: RelayRows) -> None:
    rows.allow(DEVICE, frozenset({HOST}))
    pushes = rows.pushes(KEY)
    pushes.keep(DEVICE, push_of(2))
    # The one that is gone was replaced meanwhile.
    pushes.mark_gone(DEVICE, push_of(1).endpoint)
    assert pushes.get(DEVICE) == KeptPush(push_of(2))
    pushes.mark_gone(DEVICE, push_of(2).endpoint)
    assert pushes.get(DEVICE) == KeptPush(None)
    assert pushes.keep(DEVICE, push_of(3))
    assert pushes.get(DEVICE) == KeptPush(push_of(3))


def test_subscription_needs_an_allow_list_and_goes_with_it(
    rows: RelayRows, time: Time
) -> None:
    pushes = rows.pushes(KEY)
    assert not pushes.keep(DEVICE, push_of(1))
    for end in ("emptied", "unused"):
        rows.allow(DEVICE, frozenset({HOST}))
        assert pushes.keep(DEVICE, push_of(1))
        if end == "emptied":
            rows.allow(DEVICE, frozenset())
        else:
            time.now += 31 * DAY
            rows.purge()
        assert rows._count("push_subscriptions") == 0


def test_state_of_the_first_form_is_taken_over(tmp_path: Path, time: Time) -> None:
    path = tmp_path / "relay.db"
    database = open_database(path, MIGRATIONS[:1], synchronous="NORMAL")
    database.execute("INSERT INTO device_mailboxes VALUES (?, ?)", (DEVICE, 1000))
    database.close()
    rows = open_rows(tmp_path, time)
    assert rows.pushes(KEY).keep(DEVICE, push_of(1))
    rows.close()
    assert (tmp_path / "relay.db.v1.bak").exists()
