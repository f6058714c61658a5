"""Cards, what is typed for them, and how commands and outcomes are shown."""

from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.device.authenticator import Choice, Verified
from pushmfa.device.cards import LETTERS, MAX_WAITING, Card, Cards, CardState
from pushmfa.device.command_text import command_text
from pushmfa.device.keyring import Enrollment
from pushmfa.device.typed import parse_line
from pushmfa.device.words import outcome_text
from pushmfa.errors import UsageError
from pushmfa.terms import (
    Cause,
    ChallengeId,
    DenialReason,
    Digest,
    EnvelopeId,
    Verdict,
)
from pushmfa.text import make_harmless
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import Command, CommandPiece, Outcome
from tests.unit.enrollment_peer import HostPeer, enroll_at

HOST = HostPeer()
ENROLLMENT, KEYS = enroll_at(HOST)
OTHER, OTHER_KEYS = enroll_at(HOST)


def challenge_id(number: int) -> ChallengeId:
    return ChallengeId(number.to_bytes(32))


def add(
    cards: Cards,
    number: int = 1,
    *,
    now: float = 0,
    lifetime: int = 60,
    enrollment: Enrollment = ENROLLMENT,
    **changes: Any,
) -> Card | None:
    challenge = HOST.challenge(
        enrollment.device_id, challenge_id=challenge_id(number), **changes
    )
    verified = Verified(challenge, encode(challenge))
    return cards.add(enrollment, verified, lifetime=lifetime, now=now)


def added(cards: Cards, number: int = 1, **how: Any) -> Card:
    card = add(cards, number, **how)
    assert card is not None
    return card


def outcome(number: int = 1, **changes: Any) -> Outcome:
    return HOST.outcome(
        ENROLLMENT.device_id, challenge_id=challenge_id(number), **changes
    )


ENVELOPE = Envelope(
    id=EnvelopeId(b"e" * 16),
    to=HOST.mailbox,
    sender=KEYS.mailbox,
    lifetime=60,
    sealed=Sealed(b"x" * 28),
)


def test_a_card_goes_from_waiting_to_ended() -> None:
    cards = Cards()
    card = added(cards)
    assert cards.waiting() == [card]
    sent = cards.mark_sent(card, Choice(number="42"), ENVELOPE)
    assert (cards.waiting(), cards.sent()) == ([], [sent])
    ended = cards.end(ENROLLMENT, outcome())
    assert ended is not None
    assert ended.state is CardState.ENDED
    assert cards.end(ENROLLMENT, outcome()) is None, "told once"
    assert cards.expire(1_000) == []


def test_attack_a_newer_card_replaces_no_older_one() -> None:
    cards = Cards()
    first, second = added(cards, 1), added(cards, 2)
    assert cards.waiting() == [first, second]
    assert first.letter != second.letter


def test_attack_a_replayed_challenge_asks_once() -> None:
    cards = Cards()
    card = added(cards)
    assert add(cards, now=1) is None
    cards.end(ENROLLMENT, outcome())
    assert add(cards, now=2) is None
    assert cards.now(card).state is CardState.ENDED


def test_an_outcome_before_its_challenge_keeps_it_from_asking() -> None:
    cards = Cards()
    assert cards.end(ENROLLMENT, outcome()) is None
    assert add(cards) is None


def test_attack_the_outcome_of_one_enrollment_ends_no_card_of_another() -> None:
    cards = Cards()
    card = added(cards)
    assert cards.end(OTHER, outcome()) is None
    assert cards.waiting() == [card]


def test_lifetime_counts_from_receipt_and_the_shorter_one_holds() -> None:
    cards = Cards()
    card = added(cards, 1, now=100, lifetime=20)
    assert card.expires_at == 120
    assert added(cards, 2, now=100, lifetime=600).expires_at == 160
    assert card.seconds_left(110.5) == 9
    assert card.seconds_left(500) == 0
    assert cards.expire(119.9) == []
    assert [over.letter for over in cards.expire(120)] == [card.letter]
    assert cards.expire(121) == []


def test_an_answered_card_waits_a_little_longer_for_its_outcome() -> None:
    cards = Cards()
    cards.mark_sent(added(cards), Choice(number="42"), ENVELOPE)
    assert cards.expire(62) == []
    assert len(cards.expire(65)) == 1


def test_expired_is_told_once_and_another_end_still() -> None:
    cards = Cards()
    added(cards, 1)
    added(cards, 2)
    cards.expire(60)
    assert cards.end(ENROLLMENT, outcome(1, verdict=Verdict.EXPIRED)) is None
    assert cards.end(ENROLLMENT, outcome(2, verdict=Verdict.APPROVED)) is not None


def test_attack_a_host_that_floods_hurts_itself_only() -> None:
    cards = Cards()
    for number in range(MAX_WAITING):
        added(cards, number)
    assert add(cards, 99) is None
    assert add(cards, 99, enrollment=OTHER) is not None


def test_letters_are_not_digits_and_not_used_twice_at_a_time() -> None:
    cards = Cards()
    letters = [added(cards, number).letter for number in range(MAX_WAITING)]
    letters += [
        added(cards, number, enrollment=OTHER).letter for number in range(MAX_WAITING)
    ]
    assert len(set(letters)) == len(letters)
    assert not {"D", "N", "d", "n"} & set(letters)
    assert not any(letter.isdigit() for letter in letters)
    assert not set("DN10") & set(LETTERS)


def test_cards_of_a_revoked_enrollment_are_gone() -> None:
    cards = Cards()
    added(cards)
    other = added(cards, enrollment=OTHER)
    cards.drop(ENROLLMENT.device_id)
    assert cards.waiting() == [other]


# --- what is typed ------------------------------------------------------------------


def test_with_one_card_its_number_is_enough() -> None:
    card = added(Cards())
    for line in ("42", " 42 ", "4 2", "A 42", "a 42", "a 4 2"):
        typed = parse_line(line, [card])
        assert typed is not None, line
        assert (typed.card, typed.choice) == (card, Choice(number="42"))
    assert parse_line("  ", [card]) is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("d", DenialReason.CANCEL),
        ("D", DenialReason.CANCEL),
        ("n", DenialReason.NOT_ME),
        ("a d", DenialReason.CANCEL),
        ("A N", DenialReason.NOT_ME),
    ],
)
def test_d_and_n_deny(line: str, reason: DenialReason) -> None:
    typed = parse_line(line, [added(Cards())])
    assert typed is not None
    assert typed.choice == Choice(reason=reason)


@pytest.mark.parametrize(
    "line", ["4", "042", "yes", "y", "a", "b 42", "42 a", "+42", "\u0664\u0662", "42 d"]
)
def test_anything_else_decides_nothing(line: str) -> None:
    with pytest.raises(UsageError):
        parse_line(line, [added(Cards())])


def test_attack_with_two_cards_a_number_alone_goes_to_neither() -> None:
    cards = Cards()
    first, second = added(cards, 1), added(cards, 2)
    for line in ("42", "d", "n", "1 42", "2 42"):
        with pytest.raises(UsageError, match="letter"):
            parse_line(line, cards.waiting())
    typed = parse_line(f"{first.letter} 42", cards.waiting())
    assert typed is not None
    assert typed.card == first
    typed = parse_line(f"{second.letter.lower()} d", cards.waiting())
    assert typed is not None
    assert typed.card == second


def test_without_a_card_nothing_is_decided() -> None:
    with pytest.raises(UsageError, match="nothing waits"):
        parse_line("42", [])


# --- commands -----------------------------------------------------------------------


def command(raw: bytes) -> Command:
    return Command(
        head=CommandPiece(raw),
        tail=CommandPiece(b""),
        length=len(raw),
        sha256=Digest(sha256(raw).digest()),
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"", ""),
        (b"id\0", "id"),
        (b"rm\0-rf\0/srv/x\0", "rm -rf /srv/x"),
        (b"echo\0a b\0", "echo 'a b'"),
        (b"echo\0\0", "echo ''"),
        (b"echo\0it's\0", "echo $'it\\'s'"),
        (b"echo\0\x1b[2J\0", "echo $'\\x1b[2J'"),
        (b"echo\0a\nb\0", "echo $'a\\nb'"),
        # What only looks like an escape stands in other quotes than one.
        (rb"echo \x1b".replace(b" ", b"\0") + b"\0", r"echo '\x1b'"),
        (b"echo\0\xff\0", "echo $'\\xff'"),
        ("echo\0\u202etxt\0".encode(), "echo $'\\u202etxt'"),
        ("echo\0a\u200bb\0".encode(), "echo $'a\\u200bb'"),
        ("echo\0a\u00a0b\0".encode(), "echo $'a\\u00a0b'"),
        ("echo\0a\u0301\0".encode(), "echo $'a\\u0301'"),
        ("echo\0\u00e9t\u00e9\0".encode(), "echo '\u00e9t\u00e9'"),
        (b"$(reboot)\0", "'$(reboot)'"),
        (b"not\0ended", "not ended"),
    ],
)
def test_commands_are_shown_as_a_shell_would_read_them(raw: bytes, shown: str) -> None:
    text = command_text(command(raw))
    assert (text.head, text.tail, text.hidden_bytes) == (shown, "", 0)


def test_a_cut_command_says_so() -> None:
    text = command_text(
        Command(
            head=CommandPiece(b"a" * 1024),
            tail=CommandPiece(b"b" * 1024),
            length=30_000,
            sha256=Digest(b"s" * 32),
        )
    )
    assert text.head == "a" * 1024
    assert text.tail == "b" * 1024
    assert text.hidden_bytes == 30_000 - 2048


@given(st.binary(max_size=300))
def test_no_command_reaches_a_display_raw(raw: bytes) -> None:
    shown = command_text(command(raw)).head
    assert make_harmless(shown, 40_000) == shown


@given(st.lists(st.text(max_size=20)), st.lists(st.text(max_size=20)))
def test_two_commands_never_look_the_same(one: list[str], two: list[str]) -> None:
    raws = [
        b"".join(part.encode("utf-8", "surrogatepass") + b"\0" for part in parts)
        for parts in (one, two)
    ]
    first, second = (command_text(command(raw)).head for raw in raws)
    assert (first == second) == (raws[0] == raws[1])


# --- outcomes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "approved: press Enter in the terminal"),
        ({"press_enter": False}, "approved"),
        ({"by_this_device": False}, "answered on another device: approved"),
        (
            {"by_this_device": False, "cause": Cause.RECOVERY_CODE},
            "approved at the terminal by recovery code, not by this device",
        ),
        ({"verdict": Verdict.DENIED}, "denied"),
        (
            {"verdict": Verdict.DENIED, "by_this_device": False},
            "denied on another device",
        ),
        ({"verdict": Verdict.WRONG_NUMBER}, "wrong number: refused"),
        ({"verdict": Verdict.EXPIRED}, "expired: nobody answered in time"),
        ({"verdict": Verdict.CANCELED}, "canceled at the terminal"),
        ({"verdict": Verdict.THROTTLED}, "refused by the host: throttled"),
    ],
)
def test_outcomes_in_words(changes: dict[str, Any], text: str) -> None:
    assert outcome_text(outcome(**changes)) == text


def test_every_verdict_has_words() -> None:
    for verdict in Verdict:
        for here in (True, False):
            assert outcome_text(outcome(verdict=verdict, by_this_device=here))


def test_a_card_of_another_kind_is_no_card() -> None:
    ended = outcome()
    with pytest.raises(TypeError):
        Cards().add(
            ENROLLMENT, Verified(ended, msgspec.json.encode(1)), lifetime=1, now=0
        )
