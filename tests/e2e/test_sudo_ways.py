"""The ways to call sudo: who is asked, what is shown where, and what is never eaten."""

import os
import subprocess
import time
from contextlib import closing

import pytest

from pushmfa.terms import Kind
from tests.e2e.programs import Host, Window

pytestmark = pytest.mark.e2e


def approved(host: Host, *words: str, shows: str) -> str:
    """Return the service of the challenge of a sudo that was approved."""
    asked = host.ask_sudo(*words)
    with closing(asked.terminal) as sudo:
        challenge = asked.card.challenge
        assert (challenge.kind, challenge.user) == (Kind.SUDO, "alice")
        assert challenge.requesting_user == "alice"
        host.phone.approve(asked.card, asked.number)
        sudo.expect(shows, 10)
        assert sudo.wait(10) == 0
    return challenge.service


def test_each_way_to_run_something_asks_the_person_at_the_keyboard(host: Host) -> None:
    assert approved(host, "id", "-un", shows="^root$") == "sudo"
    assert approved(host, "-u", "bob", "id", "-un", shows="^bob$") == "sudo"
    assert approved(host, "-i", "id", "-un", shows="^root$") == "sudo-i"
    assert approved(host, "-s", "id", "-un", shows="^root$") == "sudo"


def test_the_card_shows_the_command_as_the_kernel_has_it(host: Host) -> None:
    asked = host.ask_sudo("-u", "bob", "printf", "%s\n", "a b", "\x1b[2J")
    with closing(asked.terminal):
        command = asked.card.challenge.command
        assert command is not None
        assert command.head.split(b"\0")[:6] == [
            *(b"sudo", b"-k", b"-u", b"bob", b"printf", b"%s\n")
        ]
        host.phone.deny(asked.card)
        assert asked.terminal.wait(10) == 1


@pytest.mark.parametrize("word", ["-l", "-v"])
def test_what_runs_nothing_asks_all_the_same(host: Host, word: str) -> None:
    known = len(host.phone.cards)
    argv = ["sh", "-c", f"sudo -k; sudo {word}"]
    asked = host.asked(lambda: host.with_password(argv, "alice"))
    with closing(asked.terminal) as sudo:
        host.phone.approve(asked.card, asked.number)
        assert sudo.wait(10) == 0
        assert ("may run the following" in sudo.text) is (word == "-l")
    assert len(host.phone.cards) == known + 1


def test_the_second_sudo_within_its_timestamp_asks_nobody(host: Host) -> None:
    script = "sudo -k; sudo id -un; sudo id -u; sudo -n -l >/dev/null; echo end $?"
    known = len(host.phone.cards)
    asked = host.asked(lambda: host.with_password(["sh", "-c", script], "alice"))
    with closing(asked.terminal) as sudo:
        host.phone.approve(asked.card, asked.number)
        sudo.expect("^root\n0\nend 0", 10)
        assert sudo.wait(10) == 0
        # The account phase runs on every call: the module has no part in it.
        assert sudo.text.count("pushmfa") == 1
    assert len(host.phone.cards) == known + 1


def test_sudo_n_asks_nobody_and_refuses(host: Host) -> None:
    known = len(host.phone.cards)
    result = host.sandbox.run(["sudo", "-k", "-n", "id"], user="alice")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "sudo: a password is required\n"
    assert len(host.phone.cards) == known


def test_sudo_s_leaves_the_next_line_of_its_input_to_the_command(host: Host) -> None:
    """The number is an error line then; input and output belong to the command."""
    pipe = f"printf '{host.password('alice')}\\nfirst line\\n' | sudo -S -k cat"
    argv = ["sh", "-c", f"{pipe} >/run/lock/out; echo ended $?"]
    asked = host.asked(lambda: host.sandbox.terminal(argv, user="alice"))
    with closing(asked.terminal) as sudo:
        host.phone.approve(asked.card, asked.number)
        sudo.expect("ended 0", 10)
    assert host.sandbox.path("/run/lock/out").read_text() == "first line\n"


def start_detached(host: Host, argv: list[str], user: str) -> "subprocess.Popen[bytes]":
    """Start argv inside in a session without any terminal."""
    return subprocess.Popen(
        [*host.sandbox.enter(user), *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=host.sandbox.environment(),
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("argv", "user"),
    [(["sudo", "-S", "-k", "id", "-un"], "alice"), (["su", "bob", "-c", "id"], "bob")],
    ids=["sudo", "su"],
)
def test_without_a_terminal_the_number_is_an_error_line_and_the_output_is_clean(
    host: Host, argv: list[str], user: str
) -> None:
    known = len(host.phone.cards)
    with start_detached(host, argv, "alice") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(f"{host.password(user)}\n".encode())
        process.stdin.flush()
        seen = b""
        while b"pushmfa: enter" not in seen or not seen.endswith(b"\n"):
            piece = os.read(process.stderr.fileno(), 4096)
            assert piece, seen
            seen += piece
        card = host.phone.new_card(known, 5)
        number = seen.decode().split("pushmfa: enter ")[1][:2]
        host.phone.approve(card, number)
        shown, errors = process.communicate(timeout=10)
        assert process.returncode == 0, errors
    assert shown.split(b" ")[0] in (b"root\n", b"uid=23002(bob)"), shown
    assert b"pushmfa" not in shown


def test_sudo_a_asks_its_program_for_the_password_alone(host: Host) -> None:
    script = host.sandbox.path("/run/lock/askpass")
    script.write_text(
        f'#!/bin/sh\necho "$1" >>/run/lock/asked\necho {host.password("alice")}\n'
    )
    script.chmod(0o755)
    argv = ["env", "SUDO_ASKPASS=/run/lock/askpass", "sudo", "-A", "-k", "id", "-un"]
    asked = host.asked(lambda: host.sandbox.terminal(argv, user="alice"))
    with closing(asked.terminal) as sudo:
        sudo.send_line("123456")  # typed at the terminal: for us, not for the program
        sudo.expect("no code is needed", 5)
        host.phone.approve(asked.card, asked.number)
        sudo.expect("^root$", 10)
        assert sudo.wait(10) == 0
    text = host.sandbox.path("/run/lock/asked").read_text()
    assert text.splitlines() == ["[sudo] password for alice: "]


def test_what_is_typed_while_sudo_waits_does_not_reach_the_shell(host: Host) -> None:
    with host.window(["bash", "--norc", "--noprofile", "-i"], "alice") as shell:
        shell.send_line("PS1='ready> '")
        shell.expect("^ready> $", 5)
        asked = host.asked(lambda: type_sudo(host, shell))
        shell.send_line(asked.number)
        shell.expect(f"type {asked.number} on your device .*, not here", 5)
        host.phone.approve(asked.card, asked.number)
        shell.expect("^root$", 10)
        shell.expect("^ready> $", 5)
        time.sleep(0.2)
        assert "command not found" not in shell.text


def type_sudo(host: Host, shell: Window) -> Window:
    shell.send_line("sudo -k id -un")
    shell.expect("password", 10)
    shell.send_line(host.password("alice"))
    return shell


def test_denied_once_is_one_card_and_one_password_however_many_tries(
    host: Host,
) -> None:
    known = len(host.phone.cards)
    asked = host.ask_sudo()
    with closing(asked.terminal) as sudo:
        denied = time.monotonic()
        host.phone.deny(asked.card)
        sudo.expect("denied on demo phone", 5)
        assert time.monotonic() - denied < 1
        assert sudo.wait(5) == 1  # after the 2 s that pam_unix asks PAM to wait
        lines = [line.text for line in sudo.transcript]
        print("\n" + "\n".join(lines))  # noqa: T201 - the transcript
        assert lines[:1] == ["[sudo] password for alice:"]
        assert lines[2] == "pushmfa: denied on demo phone."
        assert sudo.text.count("password for") == 1
        assert "root" not in lines
    assert len(host.phone.cards) == known + 1


def test_a_wrong_password_three_times_asks_nobody(host: Host) -> None:
    known = len(host.phone.cards)
    sudo = host.with_password(["sudo", "-k", "id"], "alice", "not it")
    with closing(sudo):
        for _ in range(2):
            sudo.expect("Sorry, try again", 10)
            sudo.expect("password for", 10)
            sudo.send_line("not it")
        assert sudo.wait(10) == 1
        assert "pushmfa" not in sudo.text
    assert len(host.phone.cards) == known
