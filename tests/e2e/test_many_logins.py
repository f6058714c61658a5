"""Fifty logins at the same time, by twenty people, through a real sshd."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pytest

from pushmfa.demo.parts import DEVICE_STATE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.terminal import Terminal
from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.device.keyring import Enrollment, Keyring, unlock
from pushmfa.device.session import Session, Unlocked
from pushmfa.link.dialing import Network
from pushmfa.link.link import LinkState
from pushmfa.terms import ChallengeId, DenialReason, Verdict
from pushmfa.wire.payload import Notice
from tests.e2e.support import System, find_pushmfa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PEOPLE: Final = [f"person{number:02}" for number in range(20)]
LOGINS: Final = {name: 3 if index < 10 else 2 for index, name in enumerate(PEOPLE)}
LIFETIME: Final = 110
T = TypeVar("T")


class Phone:
    """The real device code with all twenty enrollments, on a loop in a thread."""

    def __init__(self, state: Path) -> None:
        keyring = Keyring(state)
        unlocked = [Unlocked(e, unlock(e, None)) for e in keyring.load_all()]
        self._loop = asyncio.new_event_loop()
        self._arrived = threading.Condition()
        self.cards: list[Card] = []
        self.ended: dict[ChallengeId, Card] = {}
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
            self._arrived.notify_all()

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """No notice is part of this."""

    def on_revoked(self, enrollment: Enrollment) -> None:
        raise AssertionError("revoked")

    def on_state(self, state: LinkState) -> None:
        """Links may come and go."""


class Login(NamedTuple):
    user: str
    terminal: Terminal
    number: str
    card: Card


@pytest.fixture(scope="module")
def crowd(module: Path) -> Iterator[System]:
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people([(name, f"{name}-password") for name in PEOPLE])
        system = System(world, lifetime=LIFETIME, max_startups="200")
        for name in PEOPLE:
            system.parts.enroll(name)
        yield system


def test_fifty_logins_of_twenty_people_each_get_their_own_verdict(
    crowd: System,
) -> None:
    phone = Phone(crowd.sandbox.path(DEVICE_STATE))
    try:
        logins = open_all(crowd, phone)
        assert len(logins) == 50
        one_more_is_too_many(crowd)
        wanted = [answer_of(index, login) for index, login in enumerate(logins)]
        for login in logins:
            login.terminal.send_line()
        for login, (choice, _) in zip(logins, wanted, strict=True):
            phone.answer(login.card, choice)
        for login, (_, verdict) in zip(logins, wanted, strict=True):
            check_end(login, verdict)
        phone.wait_ends(50, 20)
        for login, (_, verdict) in zip(logins, wanted, strict=True):
            outcome = phone.ended[login.card.challenge.challenge_id].outcome
            assert outcome is not None
            assert outcome.verdict is verdict
    finally:
        phone.close()


def open_all(crowd: System, phone: Phone) -> list[Login]:
    """Open all logins; every one is pending when this returns.

    One card after the other, so that it is known which one belongs to which terminal:
    the number does not stand on it.
    """
    logins = []
    for round_number in range(3):
        for user in PEOPLE:
            if LOGINS[user] <= round_number:
                continue
            known = len(phone.cards)
            terminal = crowd.ssh("-l", user, "demo", "echo in-as-$(id -un)")
            number = terminal.expect(r"pushmfa: enter (\d\d) on", 20)[1]
            card = phone.new_card(known, 10)
            assert card.challenge.user == user
            assert card.challenge.others_pending == round_number
            logins.append(Login(user, terminal, number, card))
    for user in PEOPLE:
        numbers = [login.number for login in logins if login.user == user]
        assert len(set(numbers)) == LOGINS[user]
    return logins


def one_more_is_too_many(crowd: System) -> None:
    terminal = crowd.ssh("-l", PEOPLE[0], "demo", "echo in-as-$(id -un)")
    terminal.expect("too many logins wait", 20)
    assert terminal.wait(15) == 255


def answer_of(index: int, login: Login) -> tuple[Choice, Verdict]:
    """Approve, deny and mistype in turn, so that one person's logins differ."""
    match index % 4:
        case 1:
            return Choice(reason=DenialReason.CANCEL), Verdict.DENIED
        case 2:
            wrong = "10" if login.number != "10" else "11"
            return Choice(number=wrong), Verdict.WRONG_NUMBER
        case _:
            return Choice(number=login.number), Verdict.APPROVED


def check_end(login: Login, verdict: Verdict) -> None:
    terminal = login.terminal
    if verdict is Verdict.APPROVED:
        terminal.expect(f"^in-as-{login.user}", 30)
        assert terminal.wait(15) == 0
        return
    said = "denied on" if verdict is Verdict.DENIED else "a wrong number was entered"
    terminal.expect(said, 30)
    assert terminal.wait(15) == 255
    assert "in-as-" not in terminal.text
