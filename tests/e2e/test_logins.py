"""Real logins: the number seen in time, and each end as the person sees it."""

import re
import time

import pytest

from pushmfa.demo.terminal import Terminal
from tests.e2e.support import System

pytestmark = pytest.mark.e2e

NUMBER = r"pushmfa: enter (\d\d) on your (?:phone|device)( \(demo phone\))?"
PROMPT = NUMBER + r", then press Enter: "


def open_ssh(system: System, *options: str, host: str = "demo") -> Terminal:
    return system.ssh(*options, host)


def leave_shell(terminal: Terminal) -> None:
    terminal.expect(r"[$#] $", 15)
    terminal.send_line("echo in-as-$(id -un)")
    terminal.expect("^in-as-alice", 15)
    terminal.send_line("exit")
    assert terminal.wait(15) == 0


def cards(system: System) -> int:
    """How many attempts asked a device so far, by the daemon's own audit."""
    log = system.sandbox.log("daemon").read_text()
    return len(re.findall(r'"type":"attempt".*"latency_ms":[1-9]', log))


@pytest.mark.parametrize("options", [(), ("-q",), ("-o", "LogLevel=ERROR")])
def test_ssh_shows_the_number_before_the_wait(
    system: System, options: tuple[str, ...]
) -> None:
    ssh = open_ssh(system, *options)
    shown = ssh.expect(PROMPT, 10)
    assert ssh.elapsed < 5
    ssh.send_line()
    time.sleep(1)
    answer = system.parts.answer("--number", shown[1])
    assert answer.returncode == 0, answer.stderr
    leave_shell(ssh)


def test_ssh_approved_before_enter_waits_for_enter(system: System) -> None:
    ssh = open_ssh(system)
    number = ssh.expect(PROMPT, 10)[1]
    answer = system.parts.answer("--number", number)
    assert answer.returncode == 0, answer.stderr
    assert "press Enter" in answer.stdout
    time.sleep(0.5)
    assert "$ " not in ssh.text
    ssh.send_line()
    leave_shell(ssh)


def test_ssh_with_a_password_first(system: System) -> None:
    ssh = open_ssh(system, host="demo-password")
    ssh.expect("assword: ", 10)
    ssh.send_line(system.sandbox.people["alice"].password)
    number = ssh.expect(PROMPT, 10)[1]
    ssh.send_line()
    assert system.parts.answer("--number", number).returncode == 0
    leave_shell(ssh)


def test_ssh_with_a_wrong_password_asks_no_device(system: System) -> None:
    before = cards(system)
    ssh = open_ssh(system, host="demo-password")
    for _ in range(3):
        ssh.expect("assword: ", 10)
        ssh.send_line("not the password")
    assert ssh.wait(15) != 0
    assert cards(system) == before
    assert "pushmfa" not in ssh.text


def test_ssh_denied_once_asks_once_and_ends(system: System) -> None:
    before = cards(system)
    ssh = open_ssh(system)
    ssh.expect(PROMPT, 10)
    ssh.send_line()
    assert system.parts.answer("--deny").returncode == 0
    ssh.expect(r"pushmfa: denied on demo phone\.", 10)
    # The client tries twice more by itself; neither asks anybody.
    assert ssh.wait(10) == 255
    assert ssh.text.count("press Enter") == 1
    assert cards(system) == before + 1


def test_ssh_wrong_number_ends_it(system: System) -> None:
    ssh = open_ssh(system)
    number = ssh.expect(PROMPT, 10)[1]
    ssh.send_line()
    wrong = "11" if number != "11" else "12"
    answer = system.parts.answer("--number", wrong)
    assert answer.returncode == 1
    ssh.expect("a wrong number was entered", 10)
    assert ssh.wait(10) == 255


def test_ssh_nobody_answers(system: System) -> None:
    ssh = open_ssh(system)
    ssh.expect(PROMPT, 10)
    ssh.send_line()
    ssh.expect("nobody answered within 15 seconds", 25)
    assert ssh.wait(10) == 255


def test_ssh_the_number_typed_into_the_terminal_is_told_and_not_counted(
    system: System,
) -> None:
    ssh = open_ssh(system)
    number = ssh.expect(PROMPT, 10)[1]
    ssh.send_line(number)
    ssh.expect(f"type {number} on your device .*not here", 10)
    ssh.send_line()
    assert system.parts.answer("--number", number).returncode == 0
    leave_shell(ssh)


def test_ssh_of_a_user_without_a_device_says_so_after_a_proved_key(
    system: System,
) -> None:
    ssh = open_ssh(system, "-l", "bob")
    ssh.expect("no device is enrolled", 10)
    assert ssh.wait(15) == 255
    assert "press Enter" not in ssh.text


def test_sudo_shows_the_number_and_needs_no_enter(system: System) -> None:
    sudo = system.sandbox.terminal(["sudo", "-k", "id", "-un"], user="alice")
    sudo.expect("password", 10)
    sudo.send_line(system.sandbox.people["alice"].password)
    number = sudo.expect(NUMBER, 10)[1]
    assert system.parts.answer("--number", number).returncode == 0
    sudo.expect("^root$", 10)
    assert sudo.wait(10) == 0


def test_sudo_denied_once_asks_once_and_ends(system: System) -> None:
    before = cards(system)
    sudo = system.sandbox.terminal(["sudo", "-k", "id", "-un"], user="alice")
    sudo.expect("password", 10)
    sudo.send_line(system.sandbox.people["alice"].password)
    sudo.expect(NUMBER, 10)
    assert system.parts.answer("--deny").returncode == 0
    sudo.expect(r"pushmfa: denied on demo phone\.", 10)
    assert sudo.wait(10) == 1
    assert sudo.text.count("password for") == 1
    assert "root" not in sudo.text.split("\n")
    assert cards(system) == before + 1


def test_sudo_with_a_wrong_password_asks_no_device(system: System) -> None:
    before = cards(system)
    sudo = system.sandbox.terminal(["sudo", "-k", "id", "-un"], user="alice")
    for _ in range(3):
        sudo.expect("password", 10)
        sudo.send_line("not the password")
    assert sudo.wait(15) == 1
    assert cards(system) == before


def test_su_shows_the_number_and_asks_the_person_who_typed_it(system: System) -> None:
    # alice becomes bob: bob's password, alice's device.
    su = system.sandbox.terminal(["su", "bob", "-c", "id -un"], user="alice")
    su.expect("assword: ", 10)
    su.send_line(system.sandbox.people["bob"].password)
    number = su.expect(NUMBER, 10)[1]
    answer = system.parts.answer("--number", number)
    assert answer.returncode == 0, answer.stderr
    su.expect("^bob$", 10)
    assert su.wait(10) == 0


def test_su_denied_ends_it(system: System) -> None:
    su = system.sandbox.terminal(["su", "bob", "-c", "id -un"], user="alice")
    su.expect("assword: ", 10)
    su.send_line(system.sandbox.people["bob"].password)
    su.expect(NUMBER, 10)
    assert system.parts.answer("--deny").returncode == 0
    su.expect("pushmfa: denied", 10)
    assert su.wait(10) != 0
