"""A device in this very process: sees its cards at once, answers in milliseconds."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.device.keyring import Enrollment, Keyring, unlock
from pushmfa.device.session import Session, Unlocked
from pushmfa.link.dialing import Network
from pushmfa.link.link import LinkState
from pushmfa.terms import ChallengeId, DenialReason
from pushmfa.wire.payload import Notice

T = TypeVar("T")


class Phone:
    """The device's own code with all its enrollments, on a loop in a thread.

    Every card and every signed end of one is kept with the moment it came.
    """

    def __init__(self, state: Path) -> None:
        keyring = Keyring(state)
        unlocked = [Unlocked(e, unlock(e, None)) for e in keyring.load_all()]
        self._loop = asyncio.new_event_loop()
        self._arrived = threading.Condition()
        self.cards: list[Card] = []
        self.ended: dict[ChallengeId, Card] = {}
        self._gone: dict[ChallengeId, float] = {}
        self._stop = asyncio.Event()
        self._ready: Future[None] = Future()
        self._session = Session(
            keyring,
            unlocked,
            self,
            network=Network(ca=None, proxy=None),
            acknowledges=True,
        )
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run()), daemon=True
        )
        self._thread.start()
        self._ready.result(20)

    async def _run(self) -> None:
        async with self._session.running():
            await self._session.until_ready(15)
            self._ready.set_result(None)
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def new_card(self, known: int, timeout: float) -> Card:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.cards) > known, timeout)
            return self.cards[known]

    def card_since(self, began: float, timeout: float) -> Card:
        """Return the newest card issued at or after began (Unix seconds).

        A new phone is first handed what an earlier one left in its mailbox.
        """

        def found() -> list[Card]:
            return [c for c in self.cards if c.challenge.issued_at >= int(began)]

        with self._arrived:
            assert self._arrived.wait_for(lambda: bool(found()), timeout)
            return found()[-1]

    def look(self) -> None:
        """Be taken into the hand: look for a relay that is back."""
        self._call(self._session.dial_now)

    def card_with(self, command: bytes, timeout: float) -> Card:
        """Return the newest card of that command, once it is there."""

        def found() -> list[Card]:
            commands = [(card, card.challenge.command) for card in self.cards]
            return [
                card for card, each in commands if each and command in bytes(each.head)
            ]

        with self._arrived:
            assert self._arrived.wait_for(lambda: bool(found()), timeout)
            return found()[-1]

    def wait_end(self, card: Card, timeout: float) -> tuple[Card, float]:
        """Return the ended card, and the monotonic second at which it ended."""
        key = card.challenge.challenge_id
        with self._arrived:
            assert self._arrived.wait_for(lambda: key in self.ended, timeout)
            return self.ended[key], self._gone[key]

    def approve(self, card: Card, number: str) -> None:
        self.answer(card, Choice(number=number))

    def deny(self, card: Card) -> None:
        self.answer(card, Choice(reason=DenialReason.CANCEL))

    def answer(self, card: Card, choice: Choice) -> None:
        def act() -> None:
            self._session.answer(card, choice)

        self._call(act)

    def wait_ends(self, count: int, timeout: float) -> None:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.ended) >= count, timeout)

    def _call(self, act: Callable[[], T]) -> T:
        done: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(act()))
        return done.result(10)

    def on_card(self, card: Card) -> None:
        with self._arrived:
            self.cards.append(card)
            self._arrived.notify_all()

    def on_end(self, card: Card) -> None:
        with self._arrived:
            self.ended[card.challenge.challenge_id] = card
            self._gone[card.challenge.challenge_id] = time.monotonic()
            self._arrived.notify_all()

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """No notice is part of this."""

    def on_revoked(self, enrollment: Enrollment) -> None:
        raise AssertionError("revoked")

    def on_state(self, state: LinkState) -> None:
        """Links may come and go."""
