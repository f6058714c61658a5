"""The terminal of the demo: what is seen, when, and how a program ends."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pushmfa.demo.terminal import Terminal
from pushmfa.errors import ExpiredError, PushmfaError

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@contextmanager
def running(script: str) -> Iterator[Terminal]:
    terminal = Terminal(["sh", "-c", script], ENVIRONMENT)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_prompt_is_seen_before_the_wait_that_follows() -> None:
    with running("printf 'a prompt: '; read x; sleep 0.4; echo got $x") as terminal:
        terminal.expect("a prompt: $", 5)
        terminal.send_line("42")
        assert terminal.expect(r"got (\d+)", 5)[1] == "42"
        assert terminal.wait(5) == 0
    prompt, answer = terminal.transcript
    assert prompt.text == "a prompt: 42"
    assert answer.at - prompt.at >= 0.4


def test_times_are_those_of_the_output_and_not_of_who_waits_for_it() -> None:
    with running("echo one; sleep 0.3; echo two") as terminal:
        time.sleep(0.6)
        terminal.wait(5)
    one, two = terminal.transcript
    assert 0.25 < two.at - one.at < 0.5


def test_expect_goes_on_behind_what_it_found() -> None:
    with running("echo 11 11 22") as terminal:
        assert terminal.expect(r"\d+", 5)[0] == "11"
        assert terminal.expect(r"\d+", 5)[0] == "11"
        assert terminal.expect(r"\d+", 5)[0] == "22"


def test_escapes_are_left_out_and_the_rest_is_made_harmless() -> None:
    script = r"printf '\033[1;31m123\033[0m \033]0;title\007456\r\n\001\n\n'"
    with running(script) as terminal:
        terminal.wait(5)
        assert terminal.text == "123 456\n\x01\n\n"
        assert [line.text for line in terminal.transcript] == ["123 456", "\\x01"]


def test_an_escape_in_two_pieces_is_left_out_too() -> None:
    script = r"printf 'a\033[3'; sleep 0.2; printf '1mb\n'"
    with running(script) as terminal:
        terminal.expect("a", 5)
        terminal.wait(5)
        assert terminal.text == "ab\n"


def test_the_program_leads_the_session_of_its_terminal() -> None:
    with running("ps -o pid= -o sid= -o tpgid= -p $$; test -t 0; echo $?") as terminal:
        pid, sid, group = terminal.expect(r"(\d+) +(\d+) +(\d+)", 5).groups()
        assert pid == sid == group
        terminal.expect("^0$", 5)


def test_ctrl_c_reaches_the_program() -> None:
    with running("echo up; exec sleep 100") as terminal:
        terminal.expect("up", 5)
        time.sleep(0.1)
        terminal.send(b"\x03")
        assert terminal.wait(5) == -signal.SIGINT


def test_too_late_and_never_are_told_apart() -> None:
    with running("sleep 0.5; exit 7") as terminal:
        with pytest.raises(ExpiredError, match="did not write within"):
            terminal.expect("never", 0.05)
        with pytest.raises(ExpiredError, match="did not end within"):
            terminal.wait(0.05)
        with pytest.raises(PushmfaError, match="ended and never wrote"):
            terminal.expect("never", 5)
        assert terminal.wait(5) == 7


def test_close_ends_a_program_that_ignores_the_hang_up() -> None:
    with running("trap '' HUP TERM; echo $$; while :; do sleep 0.1; done") as terminal:
        pid = int(terminal.expect(r"(\d+)\n", 5)[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    terminal.close()
    terminal.send_line("nobody there")
