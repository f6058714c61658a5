"""`pushmfa device answer`: one answer to one challenge, for scripts."""

import asyncio
from dataclasses import dataclass
from typing import Final

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card, CardState
from pushmfa.device.keyring import Enrollment
from pushmfa.device.session import Session
from pushmfa.device.words import outcome_text, summary
from pushmfa.errors import (
    ExpiredError,
    MalformedError,
    RefusedError,
    UsageError,
    VerificationError,
)
from pushmfa.link.link import LinkState
from pushmfa.terms import (
    Verdict,
    Verification,
    VerificationRequired,
)
from pushmfa.wire.payload import Notice, Outcome

READY_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 0.4
"""What a relay needs to bring all that it has: outcomes of cards, and other cards."""

NAME_DIGITS: Final = 16


def card_name(card: Card) -> str:
    """Return how scripts name a card: the beginning of its challenge id, in hex."""
    return card.challenge.challenge_id.hex()[:NAME_DIGITS]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which challenge, and how long to wait for one (seconds)."""

    name: str | None
    timeout: float


class Waiter:
    """Notes what a session tells, and wakes up who waits for it."""

    def __init__(self) -> None:
        self._change = asyncio.Event()
        self.revoked: list[Enrollment] = []

    def on_card(self, card: Card) -> None:
        """Wake up."""
        self._change.set()

    def on_end(self, card: Card) -> None:
        """Wake up."""
        self._change.set()

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """Leave it for `run`: it was not acknowledged."""

    def on_revoked(self, enrollment: Enrollment) -> None:
        """Wake up: there may be nothing left to wait for."""
        self.revoked.append(enrollment)
        self._change.set()

    def on_state(self, state: LinkState) -> None:
        """Nothing to do: whoever waits has a deadline."""

    async def wait(self, seconds: float) -> None:
        """Return when something changed, or after seconds."""
        self._change.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._change.wait()
        except TimeoutError:
            return


async def pick(session: Session, waiter: Waiter, wanted: Wanted) -> Card:
    """Return the one card that waits, or the one that is wanted.

    ExpiredError if there is none within the time; UsageError if there are several
    and no name says which: never the newest, whoever caused it.
    """
    await session.until_ready(min(READY_SECONDS, max(wanted.timeout, 1.0)))
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wanted.timeout
    while True:
        if _fitting(session, wanted):
            await _settle(session, waiter)
            cards = _fitting(session, wanted)
            if len(cards) > 1:
                raise _several(cards)
            if cards:
                return cards[0]
        _check_revoked(session, waiter)
        left = deadline - loop.time()
        if left <= 0:
            raise ExpiredError("no login waits for an answer of this device")
        await waiter.wait(min(left, 1.0))
        session.expire()


async def answer(
    session: Session, waiter: Waiter, card: Card, choice: Choice
) -> Outcome:
    """Send an answer and return the outcome, which is what was wanted.

    RefusedError for another outcome, ExpiredError if it expired or none came.
    """
    try:
        session.answer(card, choice)
    except MalformedError as error:
        raise UsageError(str(error)) from error
    while (now := session.cards.now(card)).state is CardState.SENT:
        await waiter.wait(1.0)
        session.expire()
        _check_revoked(session, waiter)
    if now.outcome is None:
        raise ExpiredError(
            "the answer was sent, and the host did not say how it ended",
            hint="Look at the terminal that shows the number.",
        )
    _check_verdict(now.outcome, choice)
    return now.outcome


def choose(
    card: Card, *, number: str | None, reason: Choice | None, is_verified: bool
) -> Choice:
    """Return the choice for card; a passphrase typed for this call verifies it.

    UsageError for an approval that the host cannot take.
    """
    verification = (
        Verification.PASSPHRASE
        if is_verified and card.enrollment.has_passphrase
        else Verification.NONE
    )
    if reason is not None:
        return Choice(reason=reason.reason, verification=verification)
    needed = card.challenge.verification is VerificationRequired.REQUIRED
    if needed and verification is Verification.NONE:
        raise UsageError(
            "the host wants a passphrase, which this device does not have",
            hint="Enroll this device again, with a passphrase.",
        )
    return Choice(number=number, verification=verification)


async def _settle(session: Session, waiter: Waiter) -> None:
    # Not one wait(): each card that comes wakes up.
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLE_SECONDS
    while (left := end - loop.time()) > 0:
        await waiter.wait(left)
    session.expire()


def _fitting(session: Session, wanted: Wanted) -> list[Card]:
    return [
        card
        for card in session.cards.waiting()
        if wanted.name is None or card_name(card).startswith(wanted.name.lower())
    ]


def _several(cards: list[Card]) -> UsageError:
    listed = "; ".join(
        f"{card_name(card)} ({summary(card.enrollment, card.challenge)})"
        for card in cards
    )
    return UsageError(
        f"{len(cards)} logins wait: {listed}",
        hint="Say which one by --attempt and the beginning of its name. One of them "
        "may not be yours.",
    )


def _check_revoked(session: Session, waiter: Waiter) -> None:
    if session.is_empty and waiter.revoked:
        raise VerificationError(
            "this device was revoked; its keys are forgotten",
            hint="Enroll it again.",
        )


def _check_verdict(outcome: Outcome, choice: Choice) -> None:
    wanted = Verdict.DENIED if choice.number is None else Verdict.APPROVED
    if outcome.verdict is wanted:
        return
    text = outcome_text(outcome)
    if outcome.verdict is Verdict.EXPIRED:
        raise ExpiredError(text)
    raise RefusedError(text)
