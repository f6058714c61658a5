"""The daemon is gone, or does not answer: refused in time, with a reason, by all."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Final, NamedTuple

import pytest

from pushmfa.demo.terminal import Terminal
from tests.e2e.programs import Host

pytestmark = pytest.mark.e2e

SAID: Final = "pushmfa: not available; this login is refused. Tell your administrator."
PATIENCE: Final = 6.0
"""Seconds: the module waits 5 for the daemon's first word."""


def by_ssh(host: Host) -> Terminal:
    return host.ssh("demo", "echo in")


def by_sudo(host: Host) -> Terminal:
    return host.with_password(["sudo", "-k", "echo", "in"], "alice")


def by_su(host: Host) -> Terminal:
    argv = ["su", "bob", "-c", "echo in"]
    return host.with_password(argv, "alice", host.password("bob"))


class Way(NamedTuple):
    start: Callable[[Host], Terminal]
    status: int
    tries: int
    """How often the program calls the module: a client of sshd tries again."""
    last: str


WAYS: Final = {
    "ssh": Way(by_ssh, 255, 3, "alice@127.0.0.1: Permission denied"),
    "sudo": Way(by_sudo, 1, 1, "sudo: a password is required"),
    "su": Way(by_su, 1, 1, "su: Authentication service cannot retrieve"),
}


def try_all(host: Host) -> dict[str, str]:
    """Have every program refuse, all at once; return what each has shown."""
    known = len(host.phone.cards)
    with ExitStack() as stack:
        begun = {}
        for name, way in WAYS.items():
            terminal = stack.enter_context(closing(way.start(host)))
            begun[name] = (terminal, time.monotonic())
        for name, (terminal, at) in begun.items():
            terminal.expect(SAID, PATIENCE)
            assert time.monotonic() - at < PATIENCE, name
        for name, (terminal, _) in begun.items():
            assert terminal.wait(25) == WAYS[name].status, name
            assert terminal.text.count(SAID) == WAYS[name].tries, name
            assert terminal.transcript[-1].text.startswith(WAYS[name].last), name
            assert "in" not in terminal.text.split("\n"), name
    assert len(host.phone.cards) == known
    return {name: terminal.text for name, (terminal, _) in begun.items()}


def test_without_a_daemon_every_program_refuses_at_once_and_the_log_says_why(
    host: Host,
) -> None:
    host.signal_daemon("KILL")
    try:
        for name, text in try_all(host).items():
            print(f"\n--- {name}\n{text}")  # noqa: T201 - the transcript
    finally:
        host.parts.start_daemon()
    why = "cannot connect to /run/pushmfa/pam.sock: Connection refused; is the daemon"
    assert why in host.syslog()
    asked = host.ask_sudo()
    host.phone.approve(asked.card, asked.number)
    assert asked.terminal.wait(10) == 0


def test_with_a_daemon_that_hangs_every_program_refuses_after_five_seconds(
    host: Host,
) -> None:
    """In ssh three times: nobody is there who remembers that the first was refused.

    And when the daemon goes on, it rings for none of those that have left.
    """
    known = len(host.phone.cards)
    host.signal_daemon("STOP")
    try:
        try_all(host)
    finally:
        host.signal_daemon("CONT")
    assert "daemon did not answer within 5 seconds" in host.syslog()
    asked = host.ask_sudo()
    assert len(host.phone.cards) == known + 1
    host.phone.approve(asked.card, asked.number)
    assert asked.terminal.wait(10) == 0
