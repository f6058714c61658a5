"""Registry, tickets, standing and the host's keys: what the daemon keeps."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from pushmfa.daemon.clock import Clock
from pushmfa.daemon.identity import FILE_NAME, load_host
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.standing import Lane, Standing
from pushmfa.daemon.tickets import Tickets, digest_of_ticket
from pushmfa.errors import RefusedError, StoreError
from pushmfa.login.attempt import Attempt, End
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.store.credential_rows import CounterRow
from pushmfa.store.host_rows import AuditRow, EventRow, HostRow, HostStore
from pushmfa.terms import (
    AttemptId,
    Cause,
    ChallengeId,
    DeviceId,
    DeviceKind,
    Kind,
    MailboxId,
    SealingKey,
    UserName,
    Verdict,
    VerificationRequired,
    VerifyKey,
)
from tests.fakes.proofs import credential_of
from tests.vectors.authenticator import Authenticator

ALICE = Account(UserName("alice"), 1001)
CREDENTIAL = credential_of(Authenticator("of the phone"))
NOW = Moment(boot=100.0, wall=1_000_000.0)


def device(letter: bytes = b"d", account: Account = ALICE) -> Device:
    return Device(
        device_id=DeviceId(letter * 32),
        user=account.name,
        uid=account.uid,
        label=f"phone {letter.decode()}",
        kind=DeviceKind.APP,
        capabilities=("passphrase",),
        verify_key=VerifyKey(letter * 32),
        sealing_key=SealingKey(letter * 65),
        mailbox=MailboxId(letter * 16),
        version=1,
        enrolled_at=1_000,
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[HostStore]:
    opened = HostStore.open(tmp_path / "state" / "pushmfa.db")
    yield opened
    opened.close()


# --- registry -------------------------------------------------------------------------


def test_memory_and_disk_are_equal(store: HostStore) -> None:
    registry = Registry(store)
    for letter in (b"a", b"b", b"c"):
        registry.add(device(letter), 0)
    registry.rename(device(b"a"), "Mine", 1001, NOW)
    registry.revoke(device(b"b"), 0, NOW)
    registry.report_lost(device(b"c"), 1001, NOW)
    registry.note_answer(device(b"a"), 4, NOW)
    registry.write_seen()
    again = Registry(store)
    assert set(again.all_devices()) == set(registry.all_devices())
    assert [d.label for d in again.active_devices_of(ALICE)] == ["Mine"]
    assert len(again.devices_of(ALICE)) == 3
    assert again.count_accounts() == 1


def test_attack_an_account_that_got_anothers_uid_or_name(store: HostStore) -> None:
    registry = Registry(store)
    registry.add(device(), 0)
    for account in (Account(UserName("mallory"), 1001), replace(ALICE, uid=1002)):
        assert registry.devices_of(account) == ()


def test_attack_the_keys_of_a_revoked_device_are_known_for_ever(
    store: HostStore,
) -> None:
    registry = Registry(store)
    registry.add(device(), 0)
    registry.revoke(device(), 0, NOW)
    known = Registry(store).known_keys()
    assert device().verify_key in known
    assert device().mailbox in known
    assert b"x" * 32 not in known


def test_attack_a_credential_is_enrolled_for_a_second_account(
    store: HostStore,
) -> None:
    mine = replace(device(), credential=CREDENTIAL)
    Registry(store).add(mine, 0)
    assert CREDENTIAL.public_key in Registry(store).known_keys()


def test_a_counter_counts_at_once_and_is_written_with_its_attempt(
    store: HostStore,
) -> None:
    registry = Registry(store)
    mine = replace(device(), credential=CREDENTIAL)
    registry.add(mine, 0)
    assert registry.note_counter(mine, 0) is None, "it keeps none"
    row = registry.note_counter(mine, 7)
    assert row == CounterRow(7, mine.device_id)
    assert registry.note_counter(mine, 7) is None
    now = registry.by_id(mine.device_id)
    assert now is not None
    assert now.credential is not None
    assert now.credential.counter == 7
    assert registry.note_counter(device(), 8) is not None, "what it is now counts"
    store.append_audit(AuditRow(1, b"{}", bytes(32), b"h" * 32), counters=[row])
    again = Registry(store).by_id(mine.device_id)
    assert again is not None
    assert again.credential == msgspec.structs.replace(CREDENTIAL, counter=7)


def test_attack_a_new_name_makes_an_authenticator_count_anew(store: HostStore) -> None:
    registry = Registry(store)
    mine = replace(device(), credential=CREDENTIAL)
    registry.add(mine, 0)
    registry.note_counter(mine, 7)
    # Whoever renames, or reports it lost, looked it up before that login.
    renamed = registry.rename(mine, "Mine", 0, NOW)
    lost = registry.report_lost(mine, 0, NOW)
    for now in (renamed, lost, registry.by_id(mine.device_id)):
        assert now is not None
        assert now.credential is not None
        assert now.credential.counter == 7
    assert lost.label == "Mine"


def test_a_device_without_a_credential_counts_nothing(store: HostStore) -> None:
    registry = Registry(store)
    registry.add(device(), 0)
    assert registry.note_counter(device(), 7) is None


def test_a_device_that_is_not_on_the_disk_is_not_there(
    store: HostStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "add_device", fail)
    registry = Registry(store)
    with pytest.raises(StoreError):
        registry.add(device(), 0)
    assert registry.by_id(device().device_id) is None
    assert registry.by_mailbox(device().mailbox) is None
    assert device().verify_key not in registry.known_keys()


def test_a_revocation_counts_even_if_the_disk_refuses_it(
    store: HostStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    registry = Registry(store)
    registry.add(device(), 0)
    monkeypatch.setattr(store, "set_device_time", fail)
    with pytest.raises(StoreError):
        registry.revoke(device(), 0, NOW)
    assert registry.active_devices_of(ALICE) == ()
    with pytest.raises(StoreError):
        registry.write_again()
    assert registry._unwritten.count() == 1
    # There is room again: also a restart does not forget it.
    monkeypatch.undo()
    registry.write_again()
    assert registry._unwritten.count() == 0
    assert Registry(store).active_devices_of(ALICE) == ()


def test_what_a_failing_disk_kept_after_all_holds_up_nothing(
    store: HostStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.set_device_time

    def keep_and_fail(column: str, at: int, event: EventRow) -> int:
        real(column, at, event)
        raise StoreError("an error of the disk")

    def fail(*_: object) -> None:
        raise StoreError("the disk is full")

    registry = Registry(store)
    for letter, broken in ((b"a", keep_and_fail), (b"b", fail)):
        registry.add(device(letter), 0)
        monkeypatch.setattr(store, "set_device_time", broken)
        with pytest.raises(StoreError):
            registry.revoke(device(letter), 0, NOW)
        monkeypatch.undo()
    registry.write_again()
    assert registry._unwritten.count() == 0
    assert Registry(store).active_devices_of(ALICE) == ()


def test_the_epoch_counts_every_change_of_who_may_approve(store: HostStore) -> None:
    store.save_host(HostRow(b"h" * 32, None, epoch=1, seen=0))
    registry = Registry(store)
    assert registry.counter == 1
    registry.add(device(b"a"), 0)
    assert (registry.counter, Registry(store).counter) == (2, 2)
    lost = registry.report_lost(device(b"a"), 0, NOW)
    assert (registry.counter, Registry(store).counter) == (3, 3)
    registry.revoke(lost, 0, NOW)
    assert (registry.counter, Registry(store).counter) == (4, 4)
    registry.rename(device(b"a"), "Mine", 0, NOW)
    assert (registry.counter, Registry(store).counter) == (4, 4)


def test_a_row_that_makes_no_sense_stops_the_start(store: HostStore) -> None:
    registry = Registry(store)
    registry.add(device(), 0)
    store._database.execute("UPDATE devices SET kind = 'toaster'")
    with pytest.raises(StoreError, match="cannot be understood"):
        Registry(store)


# --- tickets --------------------------------------------------------------------------


def test_a_ticket_is_80_bits_and_only_its_digest_is_kept(store: HostStore) -> None:
    tickets = Tickets(store)
    made = {tickets.make(ALICE, NOW)[0] for _ in range(50)}
    assert len(made) == 50
    for ticket in made:
        prefix, *groups = ticket.split("-")
        assert prefix == "B"
        assert [len(group) for group in groups] == [4, 4, 4, 4]
        assert set("".join(groups)) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        assert ticket.encode() not in store._database.path.read_bytes()


@pytest.mark.parametrize(
    "typed",
    [
        "B-0123-4567-89AB-CDEF",
        "b-o1z3-4567-89ab-cdef".replace("z", "2"),
        " B 0L23 4567 89AB CDEF ",
        "B0I23456789abcdef",
        "B-0123-4567-89AB-CDEF\n",
    ],
)
def test_a_ticket_however_it_is_written(typed: str) -> None:
    assert digest_of_ticket(typed) == digest_of_ticket("B0123456789ABCDEF")


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "B",
        "0123456789ABCDEF",
        "B0123456789ABCDE",
        "B0123456789ABCDEFG",
        "B0123456789ABCDEU",
        "\uff220123456789ABCDEF",
        "B\u0660123456789ABCDEF",
        "8-0123-4567-89AB-CDEF",
    ],
)
def test_what_is_no_ticket_has_no_digest(typed: str) -> None:
    assert digest_of_ticket(typed) == b""


def test_a_ticket_lives_a_day_by_a_clock_that_may_be_set(store: HostStore) -> None:
    tickets = Tickets(store)
    ticket, expires_at = tickets.make(ALICE, NOW)
    assert expires_at == int(NOW.wall) + 86_400
    assert not tickets.admit(ALICE, ticket, NOW.after(-1)), "made in the future"
    assert not tickets.admit(ALICE, ticket, NOW.after(86_400))
    assert tickets.admit(ALICE, ticket, NOW.after(86_399))
    assert not tickets.admit(ALICE, ticket, NOW.after(86_399))


def test_a_ticket_that_enrolled_admits_nobody(store: HostStore) -> None:
    tickets = Tickets(store)
    ticket, _ = tickets.make(ALICE, NOW)
    digest = tickets.check_enroll(ALICE, ticket, NOW)
    assert tickets.use_enroll(digest, NOW)
    assert not tickets.use_enroll(digest, NOW)
    assert not tickets.is_out(ALICE, NOW)
    assert not tickets.admit(ALICE, ticket, NOW)
    with pytest.raises(RefusedError):
        tickets.check_enroll(ALICE, ticket, NOW)


# --- attempts at the same time, numbers that rest ------------------------------------


class FixedClock(Clock):
    """A clock that a test sets."""

    moment = NOW

    def now(self) -> Moment:
        """Return what the test said."""
        return self.moment


def attempt_of(name: str, number: str, end: End | None) -> Attempt:
    return Attempt(
        attempt_id=AttemptId(name),
        challenge_id=ChallengeId(b"c" * 32),
        kind=Kind.LOGIN,
        approver=ALICE.name,
        approver_uid=ALICE.uid,
        number=number,
        digests={},
        verification=VerificationRequired.NONE,
        grant_offered=0,
        started=NOW,
        expires=NOW.after(60),
        end=end,
    )


DENIED = End(Verdict.DENIED, Cause.CANCEL)
APPROVED = End(Verdict.APPROVED, Cause.DEVICE)


def test_every_lane_has_its_own_budget() -> None:
    standing = Standing(FixedClock(), max_pending=3, digits=2)
    until = NOW.after(60)

    def admit(lane: Lane, name: str) -> bool:
        admitted = standing.admit((1001, lane), AttemptId(name), until, ())
        return isinstance(admitted, str)

    assert [admit(Lane.CONTROL, f"c{n}") for n in range(2)] == [True, False]
    assert [admit(Lane.PAM, f"p{n}") for n in range(4)] == [True, True, True, False]
    assert isinstance(
        standing.admit((1002, Lane.PAM), AttemptId("x"), until, ()), str
    ), "another account"


def test_numbers_run_out_before_one_comes_twice() -> None:
    clock = FixedClock()
    standing = Standing(clock, max_pending=3, digits=2)
    given = []
    for count in range(90):
        number = standing.admit(
            (1001, Lane.PAM), AttemptId(str(count)), clock.now().after(60), ()
        )
        assert isinstance(number, str)
        given.append(number)
        standing.release(attempt_of(str(count), number, DENIED), Lane.PAM)
    assert sorted(given) == [str(number) for number in range(10, 100)]
    end = standing.admit((1001, Lane.PAM), AttemptId("x"), NOW.after(60), ())
    assert end == End(Verdict.THROTTLED, Cause.LIMIT)
    clock.moment = NOW.after(121)
    assert isinstance(
        standing.admit((1001, Lane.PAM), AttemptId("y"), clock.moment.after(60), ()),
        str,
    )


def test_the_number_of_an_approved_attempt_does_not_rest() -> None:
    standing = Standing(FixedClock(), max_pending=3, digits=2)
    for count in range(200):
        name = AttemptId(str(count))
        number = standing.admit((1001, Lane.PAM), name, NOW.after(60), ())
        assert isinstance(number, str)
        standing.release(attempt_of(str(count), number, APPROVED), Lane.PAM)


def test_a_number_on_another_screen_is_not_given() -> None:
    standing = Standing(FixedClock(), max_pending=100, digits=2)
    shown = [str(number) for number in range(10, 99)]
    for count in range(20):
        number = standing.admit(
            (1001, Lane.PAM), AttemptId(str(count)), NOW.after(60), shown
        )
        assert number == "99"


# --- the keys of the host -------------------------------------------------------------


def test_the_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    first, again = load_host(tmp_path, "web1"), load_host(tmp_path, "renamed")
    assert first.host_id == again.host_id
    assert first.mailbox == again.mailbox
    assert first.sealing_key == again.sealing_key
    assert again.name == "renamed"
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"{}", b"x" * 5_000, b'{"type":"other"}'])
def test_keys_that_cannot_be_read_are_not_replaced(
    tmp_path: Path, content: bytes
) -> None:
    # New keys would make every device enroll again, and nobody would know why.
    load_host(tmp_path, "web1")
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(StoreError):
        load_host(tmp_path, "web1")
    assert (tmp_path / FILE_NAME).read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_attack_keys_that_others_may_read(tmp_path: Path, mode: int) -> None:
    load_host(tmp_path, "web1")
    (tmp_path / FILE_NAME).chmod(mode)
    with pytest.raises(StoreError):
        load_host(tmp_path, "web1")
