"""The ssh client without a person, with helpers, and with a connection that stays."""

import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pushmfa.terms import Verdict
from tests.e2e.programs import LIFETIME, PROMPT, Host

pytestmark = pytest.mark.e2e


def test_batch_mode_asks_nobody_and_is_refused(host: Host) -> None:
    known = len(host.phone.cards)
    with closing(host.ssh("-o", "BatchMode=yes", "demo", "id")) as ssh:
        assert ssh.wait(10) == 255
        assert "Permission denied (keyboard-interactive)" in ssh.text
        assert "uid=" not in ssh.text
    assert len(host.phone.cards) == known


def test_a_second_session_on_a_control_master_asks_nobody(host: Host) -> None:
    control = ("-o", f"ControlPath={host.sandbox.folder}/master")
    first = host.ask_ssh("-M", *control, "demo", "echo up; cat")
    known = len(host.phone.cards)
    with closing(first.terminal) as master:
        host.phone.approve(first.card, first.number)
        master.expect("^up$", 10)
        with closing(host.ssh(*control, "demo", "id -un")) as second:
            second.expect("^alice$", 10)
            assert second.wait(10) == 0
            assert "pushmfa" not in second.text
        assert len(host.phone.cards) == known
        master.send(b"\x04")
        assert master.wait(10) == 0


def test_an_askpass_program_gets_the_whole_prompt(host: Host, tmp_path: Path) -> None:
    """SSH_ASKPASS_REQUIRE=force: a desktop's window shows the number."""
    program, asked = tmp_path / "askpass", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" >{asked}\necho\n')
    program.chmod(0o755)
    forced = [f"SSH_ASKPASS={program}", "SSH_ASKPASS_REQUIRE=force"]
    ssh = ["ssh", "-F", str(host.config), "demo", "id -un"]
    known = len(host.phone.cards)
    terminal = host.sandbox.outside_terminal(["env", *forced, *ssh])
    with closing(terminal):
        card = host.phone.new_card(known, 10)
        wait_for(asked.exists, 5)
        prompt = asked.read_text()
        number = prompt.split("pushmfa: enter ")[1][:2]
        assert prompt == (
            f"(alice@demo) pushmfa: enter {number} on your device (demo phone),"
            " then press Enter: "
        )
        assert "pushmfa" not in terminal.text
        host.phone.approve(card, number)
        terminal.expect("^alice$", 10)
        assert terminal.wait(10) == 0


def wait_for(is_so: Callable[[], bool], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_without_terminal(host: Host, *words: str) -> "subprocess.Popen[str]":
    """Start ssh as cron would: no terminal, no helper, nothing to read."""
    return subprocess.Popen(
        ["ssh", "-F", str(host.config), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=host.sandbox.environment(),
        start_new_session=True,
    )


def test_without_any_terminal_nobody_sees_the_number_and_nobody_comes_in(
    host: Host,
) -> None:
    """The client answers the prompt by itself, empty, and shows it nowhere.

    So the device asks for a number that is on no screen: such a login can be denied
    or expire. It needs a key that asks nobody, or a control master.
    """
    known = len(host.phone.cards)
    with (
        start_without_terminal(host, "-l", "carol", "demo", "id") as expiring,
        start_without_terminal(host, "demo", "id") as denied,
    ):
        cards = {}
        for index in range(2):
            card = host.phone.new_card(known + index, 10)
            cards[card.challenge.user] = card
        host.phone.deny(cards["alice"])
        shown, errors = denied.communicate(timeout=10)
        assert (denied.returncode, shown) == (255, "")
        assert "pushmfa: denied on demo phone." in errors
        shown, errors = expiring.communicate(timeout=LIFETIME + 5)
        assert (expiring.returncode, shown) == (255, "")
        assert f"nobody answered within {LIFETIME} seconds" in errors
        assert "pushmfa: enter" not in errors
    ended, _ = host.phone.wait_end(cards["carol"], 1)
    assert ended.outcome is not None
    assert ended.outcome.verdict is Verdict.EXPIRED


def test_a_command_whose_output_is_piped_gets_its_own_output_alone(
    host: Host, tmp_path: Path
) -> None:
    out, errors = tmp_path / "out", tmp_path / "errors"
    script = f"ssh -F {host.config} demo 'id -un; cat' <&- >{out} 2>{errors}"
    asked = host.asked(
        lambda: host.sandbox.outside_terminal(["sh", "-c", script]), PROMPT
    )
    with closing(asked.terminal) as terminal:
        terminal.send_line()
        host.phone.approve(asked.card, asked.number)
        assert terminal.wait(10) == 0
    assert out.read_text() == "alice\n"
    assert errors.read_text() == ""
