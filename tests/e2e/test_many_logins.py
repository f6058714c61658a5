"""Fifty logins at the same time, by twenty people, through a real sshd."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from pushmfa.demo.parts import DEVICE_STATE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.terminal import Terminal
from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.terms import DenialReason, Verdict
from tests.e2e.phone import Phone
from tests.e2e.support import System, find_pushmfa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PEOPLE: Final = [f"person{number:02}" for number in range(20)]
LOGINS: Final = {name: 3 if index < 10 else 2 for index, name in enumerate(PEOPLE)}
LIFETIME: Final = 110


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
