"""Enrollment tickets, typed where each program takes them: once, the right one only."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Final

import pytest

from pushmfa.demo.terminal import Terminal
from tests.e2e.programs import Host

pytestmark = pytest.mark.e2e

WRONG: Final = "B-0000-0000-0000-0000"
ASKS: Final = "pushmfa: no device is enrolled. Type your enrollment ticket: "
NOT_ENROLLED: Final = "no device is enrolled for this account"


def make_ticket(host: Host) -> str:
    """Return a new ticket of bob's, who has no device; older ones are void."""
    command = [*host.parts.pushmfa, "enroll", "--user", "bob", "--ticket", "--json"]
    made = host.sandbox.run(command)
    assert made.returncode == 0, made.stderr
    ticket: str = json.loads(made.stdout)["ticket"]
    return ticket


def by_ssh(host: Host) -> Terminal:
    return host.ssh("-l", "bob", "demo", "id -un; echo in")


def by_sudo(host: Host) -> Terminal:
    return host.with_password(["sudo", "-k", "sh", "-c", "echo in"], "bob")


def by_su(host: Host) -> Terminal:
    return host.with_password(
        ["su", "alice", "-c", "echo in"], "bob", host.password("alice")
    )


WAYS: Final = {"ssh": by_ssh, "sudo": by_sudo, "su": by_su}
Way = Callable[[Host], Terminal]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return WAYS[request.param]


def test_a_ticket_admits_one_login(host: Host, way: Way) -> None:
    known = len(host.phone.cards)
    ticket = make_ticket(host)
    with closing(way(host)) as terminal:
        terminal.expect(ASKS, 10)
        terminal.send_line(ticket.lower())
        terminal.expect("^in$", 10)
        assert terminal.wait(10) == 0
    with closing(way(host)) as terminal:
        terminal.expect(NOT_ENROLLED, 10)
        assert terminal.wait(10) != 0
        assert "in" not in terminal.text.split("\n")
    assert len(host.phone.cards) == known


def test_attack_a_wrong_ticket_is_refused_and_the_right_one_stays_good(
    host: Host, way: Way
) -> None:
    ticket = make_ticket(host)
    with closing(way(host)) as terminal:
        terminal.expect(ASKS, 10)
        terminal.send_line(WRONG)
        terminal.expect("that code is not right; this login is refused", 10)
        assert terminal.wait(10) != 0
        assert terminal.text.count(ASKS) == 1  # the retries of the program ask no more
        assert "in" not in terminal.text.split("\n")
    with closing(way(host)) as terminal:
        terminal.expect(ASKS, 10)
        terminal.send_line(ticket)
        terminal.expect("^in$", 10)
        assert terminal.wait(10) == 0


def test_attack_a_ticket_is_of_one_account(host: Host) -> None:
    ticket = make_ticket(host)
    known = len(host.phone.cards)
    with closing(host.ssh("demo", "echo in")) as ssh:
        ssh.expect("press Enter: ", 10)
        ssh.send_line(ticket)
        ssh.expect("no code is needed", 10)
        host.phone.deny(host.phone.new_card(known, 10))
        ssh.send_line()
        assert ssh.wait(10) == 255
    assert "in" not in ssh.text.split("\n")
