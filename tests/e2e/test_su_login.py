"""su and login(1): the number on the terminal, and one refusal."""

import time
from contextlib import closing

import pytest

from pushmfa.demo.terminal import Terminal
from pushmfa.terms import Kind
from tests.e2e.programs import Asked, Host

pytestmark = pytest.mark.e2e


def ask_su(host: Host, *words: str, of: str = "bob") -> Asked:
    """Begin alice's su to an account whose password she knows."""
    argv = ["su", *words]
    return host.asked(lambda: host.with_password(argv, "alice", host.password(of)))


def test_each_form_of_su_asks_the_person_at_the_keyboard(host: Host) -> None:
    for words, service in (
        (("bob", "-c", "id -un"), "su"),
        (("-", "bob", "-c", "id -un"), "su-l"),
    ):
        asked = ask_su(host, *words)
        with closing(asked.terminal) as su:
            challenge = asked.card.challenge
            assert (challenge.kind, challenge.service) == (Kind.SU, service)
            assert (challenge.user, challenge.requesting_user) == ("bob", "alice")
            host.phone.approve(asked.card, asked.number)
            su.expect("^bob$", 10)
            assert su.wait(10) == 0


def test_su_gives_a_shell(host: Host) -> None:
    asked = ask_su(host, "bob")
    with closing(asked.terminal) as su:
        host.phone.approve(asked.card, asked.number)
        su.expect(r"\$ $", 10)
        su.send_line("id -un; exit")
        su.expect("^bob$", 10)
        assert su.wait(10) == 0


def test_su_to_root_by_root_asks_nobody(host: Host) -> None:
    known = len(host.phone.cards)
    result = host.sandbox.run(["su", "alice", "-c", "id -un"])
    assert (result.returncode, result.stdout) == (0, "alice\n")
    assert result.stderr == ""
    assert len(host.phone.cards) == known


def test_the_output_of_su_holds_the_commands_alone_and_the_number_is_seen(
    host: Host,
) -> None:
    argv = ["sh", "-c", "su bob -c 'id -un' >/run/lock/su-out"]
    asked = host.asked(lambda: host.with_password(argv, "alice", host.password("bob")))
    with closing(asked.terminal) as su:
        host.phone.approve(asked.card, asked.number)
        assert su.wait(10) == 0
    assert host.sandbox.path("/run/lock/su-out").read_text() == "bob\n"


def test_su_denied_is_one_card_and_one_refusal(host: Host) -> None:
    known = len(host.phone.cards)
    asked = ask_su(host, "bob", "-c", "id -un")
    with closing(asked.terminal) as su:
        denied = time.monotonic()
        host.phone.deny(asked.card)
        su.expect("denied on demo phone", 5)
        assert time.monotonic() - denied < 1
        assert su.wait(5) == 1
        lines = [line.text for line in su.transcript]
        print("\n" + "\n".join(lines))  # noqa: T201 - the transcript
        assert lines[-2:] == [
            "pushmfa: denied on demo phone.",
            "su: Authentication failure",
        ]
    assert len(host.phone.cards) == known + 1


# --- login(1) ---------------------------------------------------------------------


def start_login(host: Host, *words: str) -> Terminal:
    login = host.sandbox.terminal(["login", *words])
    login.expect("Password: ", 10)
    login.send_line(host.password("alice"))
    return login


def test_login_shows_the_number_and_an_approval_gives_a_shell(host: Host) -> None:
    asked = host.asked(lambda: start_login(host, "-p", "alice"))
    with closing(asked.terminal) as login:
        challenge = asked.card.challenge
        assert (challenge.kind, challenge.service) == (Kind.LOGIN, "login")
        assert challenge.remote_address is None
        host.phone.approve(asked.card, asked.number)
        login.expect(r"\$ $", 10)
        login.send_line("id -un; exit")
        login.expect("^alice$", 10)
        assert login.wait(10) == 0


def test_login_denied_is_one_card_and_then_asks_for_a_name_again(host: Host) -> None:
    known = len(host.phone.cards)
    asked = host.asked(lambda: start_login(host, "alice"))
    with closing(asked.terminal) as login:
        host.phone.deny(asked.card)
        login.expect("denied on demo phone", 5)
        login.expect("Login incorrect", 10)
        login.expect("login: ", 10)
        assert len(host.phone.cards) == known + 1
