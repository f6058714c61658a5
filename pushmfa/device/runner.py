"""`pushmfa device run`: shows cards as they come, and sends what a person types."""

import asyncio
import sys
from typing import Final

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card, CardState
from pushmfa.device.keyring import Enrollment, unlock
from pushmfa.device.lines import LineReader
from pushmfa.device.screen import Screen
from pushmfa.device.session import Session
from pushmfa.device.typed import Typed, parse_line
from pushmfa.device.words import account, notice_text, outcome_text
from pushmfa.errors import PushmfaError, UsageError
from pushmfa.link.link import LinkState
from pushmfa.terms import Verdict, Verification, VerificationRequired
from pushmfa.wire.payload import Notice

TICK_SECONDS: Final = 1.0


class Runner:
    """The loop of a person in front of a terminal authenticator."""

    def __init__(self, screen: Screen, descriptor: int | None = None) -> None:
        self._screen = screen
        self._session: Session | None = None
        self._lines = LineReader(
            sys.stdin.fileno() if descriptor is None else descriptor, self.take_line
        )
        self._asking: Typed | None = None

    async def run(self, session: Session) -> None:
        """Show and answer until every enrollment is revoked, or until canceled."""
        self._session = session
        async with session.running():
            self._lines.start()
            try:
                while not session.is_empty:
                    await asyncio.sleep(TICK_SECONDS)
                    session.expire()
            finally:
                self._lines.stop()

    # --- what the session tells ---------------------------------------------------

    def on_card(self, card: Card) -> None:
        """Show a new card."""
        session = self._require()
        self._screen.show_card(
            card,
            seconds_left=card.seconds_left(session.clock()),
            others_here=len(session.cards.waiting()) - 1,
        )
        self._ask()

    def on_end(self, card: Card) -> None:
        """Say how a card ended."""
        text, style = "expired: nobody answered in time", "yellow"
        if card.outcome is not None:
            text = outcome_text(card.outcome)
            is_good = card.outcome.verdict is Verdict.APPROVED
            style = "green" if is_good else "yellow"
        elif card.choice is not None:
            text = "the host did not say how it ended; look at its terminal"
        self._screen.say(f"{card.letter}: {text}", style)
        self._ask()

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """Show what happened to the account."""
        self._screen.warn(notice_text(enrollment, notice))
        self._ask()

    def on_revoked(self, enrollment: Enrollment) -> None:
        """Say that this enrollment is over."""
        self._screen.warn(
            f"{account(enrollment)}: this device was revoked; its keys are forgotten"
        )
        self._ask()

    def on_state(self, state: LinkState) -> None:
        """Say whether cards can come."""
        if state.is_ready:
            self._screen.say(f"connected to {state.relay}", "dim")
        elif state.problem:
            self._screen.say(f"not connected to {state.relay}: {state.problem}", "dim")
            self._screen.say("it is tried again; Enter tries at once", "dim")
        self._ask()

    # --- what the person types ----------------------------------------------------

    def take_line(self, line: str) -> None:
        """Take one typed line, for the question that stands on the screen."""
        session = self._require()
        self._screen.note_line()
        session.dial_now()
        asking, self._asking = self._asking, None
        try:
            if asking is not None:
                self._lines.hide(is_hidden=False)
                self._send(self._verified(asking, line))
            else:
                typed = parse_line(line, session.cards.waiting())
                if typed is not None:
                    self._decide(typed)
        except PushmfaError as error:
            self._screen.say(f"{error}; nothing was sent", "yellow")
        self._ask()

    def _decide(self, typed: Typed) -> None:
        needed = typed.card.challenge.verification is VerificationRequired.REQUIRED
        if needed and typed.card.enrollment.has_passphrase:
            # Asked again for this very answer: the one of the start was not for it.
            self._asking = typed
        elif needed and typed.choice.number is not None:
            raise UsageError(
                "the host wants a passphrase, which this device does not have"
            )
        else:
            self._send(typed)

    def _verified(self, typed: Typed, passphrase: str) -> Typed:
        """Return typed as verified by passphrase; SealError if it is wrong."""
        unlock(typed.card.enrollment, passphrase.encode())
        choice = typed.choice
        return Typed(
            typed.card,
            Choice(choice.number, choice.reason, Verification.PASSPHRASE),
        )

    def _send(self, typed: Typed) -> None:
        session = self._require()
        if session.cards.now(typed.card).state is not CardState.WAITING:
            self._screen.say(f"{typed.card.letter} is over; nothing was sent", "yellow")
            return
        is_sent = session.answer(typed.card, typed.choice)
        kind = "denial" if typed.choice.number is None else "number"
        how = "sent" if is_sent else "no relay is connected; it is sent when one is"
        self._screen.say(f"{typed.card.letter}: {kind} {how}", "dim")

    def _ask(self) -> None:
        """Put the question that holds now; what was typed before was for another."""
        session = self._require()
        self._lines.discard()
        waiting = session.cards.waiting()
        if self._asking is not None:
            if self._asking.card.key in {card.key for card in waiting}:
                self._lines.hide(is_hidden=True)
                self._screen.ask_passphrase(self._asking.card)
                return
            self._asking = None
            self._lines.hide(is_hidden=False)
        now = session.clock()
        self._screen.show_prompt(waiting, [card.seconds_left(now) for card in waiting])

    def _require(self) -> Session:
        if self._session is None:
            raise RuntimeError("the runner does not run yet")
        return self._session
