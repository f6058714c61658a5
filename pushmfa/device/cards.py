"""The cards of a device: each challenge is one, and a newer never replaces an older.

    waiting -> sent -> ended          answered, and the host signed how it ended
       |         +--> expired         answered, and nothing was heard
       +--> ended                     somebody else answered, or it was canceled
       +--> expired                   nobody answered

Pure: times come in, seconds of a clock that also runs while the machine sleeps.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from pushmfa.device.authenticator import Choice, Verified
from pushmfa.device.keyring import Enrollment
from pushmfa.terms import ChallengeId, DeviceId, Verdict
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import Challenge, Outcome

MAX_WAITING: Final = 16
"""Cards of one enrollment that wait; a host that sends more only hurts itself."""

MAX_REMEMBERED: Final = 1_024
OUTCOME_GRACE: Final = 5.0
"""Seconds that a sent answer may wait for its outcome after the lifetime is over."""

LETTERS: Final = "ABCEFGHJKLMPQRSTUVWXYZ"
"""Names of cards: letters, since digits would be taken for the number; no D and no N,
which deny; no I and no O, which look like 1 and 0."""


class CardState(StrEnum):
    """How far a card is."""

    WAITING = "waiting"
    SENT = "sent"
    ENDED = "ended"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Card:
    """One challenge, as it stands on the screen."""

    letter: str
    enrollment: Enrollment
    verified: Verified
    challenge: Challenge
    expires_at: float
    state: CardState = CardState.WAITING
    choice: Choice | None = None
    envelope: Envelope | None = None
    outcome: Outcome | None = None

    @property
    def key(self) -> tuple[DeviceId, ChallengeId]:
        """What tells it from every other card."""
        return self.enrollment.device_id, self.challenge.challenge_id

    def seconds_left(self, now: float) -> int:
        """Return the whole seconds until it expires, 0 if it did."""
        return max(int(self.expires_at - now), 0)


class Cards:
    """Every card of this run of the device."""

    def __init__(self) -> None:
        self._cards: OrderedDict[tuple[DeviceId, ChallengeId], Card] = OrderedDict()
        self._open: dict[tuple[DeviceId, ChallengeId], Card] = {}
        """Those that wait or were sent, in the order in which they came."""
        self._early: OrderedDict[tuple[DeviceId, ChallengeId], None] = OrderedDict()
        self._next = 0

    def add(
        self, enrollment: Enrollment, verified: Verified, *, lifetime: int, now: float
    ) -> Card | None:
        """Return a new card; None if it is known, over already, or one too many.

        lifetime is what the envelope says is left, in seconds; the challenge's own
        counts from now too, and the shorter one holds.
        """
        challenge = verified.statement
        if not isinstance(challenge, Challenge):
            raise TypeError("only a challenge makes a card")
        key = (enrollment.device_id, challenge.challenge_id)
        if key in self._cards or key in self._early:
            return None
        waiting = [card for card in self.waiting() if card.key[0] == key[0]]
        if len(waiting) >= MAX_WAITING:
            return None
        card = Card(
            letter=self._new_letter(),
            enrollment=enrollment,
            verified=verified,
            challenge=challenge,
            expires_at=now + min(challenge.lifetime, lifetime),
        )
        self._put(card)
        return card

    def mark_sent(self, card: Card, choice: Choice, envelope: Envelope) -> Card:
        """Return card with its answer on the way."""
        return self._put(
            replace(card, state=CardState.SENT, choice=choice, envelope=envelope)
        )

    def end(self, enrollment: Enrollment, outcome: Outcome) -> Card | None:
        """Return the card that outcome ends; None if there is nothing to tell."""
        key = (enrollment.device_id, outcome.challenge_id)
        card = self._cards.get(key)
        if card is None:
            # It came before its challenge, which must not ask any more.
            self._early[key] = None
            _trim(self._early)
            return None
        if card.state is CardState.ENDED:
            return None
        is_told = card.state is CardState.EXPIRED and outcome.verdict is Verdict.EXPIRED
        ended = self._put(replace(card, state=CardState.ENDED, outcome=outcome))
        return None if is_told else ended

    def expire(self, now: float) -> list[Card]:
        """Return the cards that are over by now and were not before."""
        over = [
            card
            for card in self._open.values()
            if (card.state is CardState.WAITING and now >= card.expires_at)
            or (card.state is CardState.SENT and now >= card.expires_at + OUTCOME_GRACE)
        ]
        return [self._put(replace(card, state=CardState.EXPIRED)) for card in over]

    def drop(self, device_id: DeviceId) -> None:
        """Forget the cards of an enrollment that is revoked."""
        for key in [key for key in self._cards if key[0] == device_id]:
            del self._cards[key]
            self._open.pop(key, None)

    def waiting(self) -> list[Card]:
        """Return the cards that wait for an answer, oldest first."""
        return self._of(CardState.WAITING)

    def sent(self) -> list[Card]:
        """Return the cards whose outcome is awaited."""
        return self._of(CardState.SENT)

    def now(self, card: Card) -> Card:
        """Return card as it stands now, or as it was if it is forgotten."""
        return self._cards.get(card.key, card)

    def _of(self, state: CardState) -> list[Card]:
        return [card for card in self._open.values() if card.state is state]

    def _put(self, card: Card) -> Card:
        self._cards[card.key] = card
        if card.state in (CardState.WAITING, CardState.SENT):
            self._open[card.key] = card
        else:
            self._open.pop(card.key, None)
        while len(self._cards) > MAX_REMEMBERED:
            oldest = next((key for key in self._cards if key not in self._open), None)
            if oldest is None:
                break
            del self._cards[oldest]
        return card

    def _new_letter(self) -> str:
        taken = {card.letter for card in (*self.waiting(), *self.sent())}
        for _ in LETTERS:
            letter = LETTERS[self._next % len(LETTERS)]
            self._next += 1
            if letter not in taken:
                return letter
        # More cards than letters: two letters, still never a digit.
        self._next += 1
        return f"X{LETTERS[self._next % len(LETTERS)]}{self._next}"


def _trim(remembered: OrderedDict[tuple[DeviceId, ChallengeId], None]) -> None:
    while len(remembered) > MAX_REMEMBERED:
        remembered.popitem(last=False)
