"""`pushmfa test --service`: real stacks, real module, a real answer; nobody gets in."""

import json

import pytest

from pushmfa.demo.auto import other_number
from pushmfa.demo.stacks import BIN
from pushmfa.demo.terminal import Terminal
from tests.e2e.support import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

NUMBER = r"enter (\d+) on your"


def try_stack(system: System, service: str, *words: str) -> Terminal:
    argv = [f"{BIN}/pushmfa", "test", "--service", service, "--user", "alice", *words]
    return system.sandbox.terminal(argv)


def test_sshd_is_approved_after_enter(system: System) -> None:
    terminal = try_stack(system, "sshd")
    number = terminal.expect(NUMBER, 20)[1]
    terminal.expect("press Enter: ", 10)
    terminal.send_line()
    system.parts.answer("--number", number)
    terminal.expect(r"Approved: this stack would let alice in \(service sshd", 20)
    assert terminal.wait(20) == 0


def test_sshd_with_a_wrong_number(system: System) -> None:
    terminal = try_stack(system, "sshd")
    number = terminal.expect(NUMBER, 20)[1]
    terminal.send_line()
    system.parts.answer("--number", other_number(number))
    terminal.expect("pushmfa: a wrong number was entered", 20)
    terminal.expect("Refused by the stack", 20)
    assert terminal.wait(20) == 1


def test_sudo_asks_for_the_password_and_the_device(system: System) -> None:
    terminal = try_stack(system, "sudo", "--json")
    terminal.expect("Password: ", 20)
    terminal.send_line(system.sandbox.people["alice"].password)
    number = terminal.expect(NUMBER, 20)[1]
    system.parts.answer("--number", number)
    found = json.loads(terminal.expect(r"^(\{.*\})", 20)[1])
    assert (found["ok"], found["pam_code"], found["service"]) == (True, 0, "sudo")
    assert terminal.wait(20) == 0


def test_sudo_with_a_wrong_password(system: System) -> None:
    terminal = try_stack(system, "sudo")
    terminal.expect("Password: ", 20)
    terminal.send_line("nonsense")
    terminal.expect("Refused by the stack", 20)
    assert terminal.wait(20) == 1


def test_ctrl_c_takes_the_card_away(system: System) -> None:
    terminal = try_stack(system, "sshd")
    terminal.expect(NUMBER, 20)
    terminal.send(b"\x03")
    assert terminal.wait(20) == 130
    terminal.expect("interrupted", 5)
    done = system.sandbox.run(
        [f"{BIN}/pushmfa", "audit", "tail", "-n", "1", "--user", "alice"]
    )
    assert "canceled (hangup)" in done.stdout


def test_a_service_that_is_none(system: System) -> None:
    terminal = try_stack(system, "nonsense")
    terminal.expect("error: there is no PAM service nonsense", 20)
    assert terminal.wait(20) == 2


def test_it_is_for_root(system: System) -> None:
    done = system.sandbox.run(
        [f"{BIN}/pushmfa", "test", "--service", "sshd"], user="alice"
    )
    assert done.returncode == 7
    assert done.stderr.startswith("error: to try a PAM stack is for root")
