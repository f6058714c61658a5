"""The sandbox works, and leaves the machine as it was."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import PASSWORD_FIRST, start_sshd, write_ssh_config
from pushmfa.errors import ExpiredError, NotPermittedError, PushmfaError
from tests.e2e.support import find_system_module
from tests.e2e.traces import Machine

pytestmark = pytest.mark.e2e


def _log_in(sandbox: Sandbox) -> None:
    sshd = start_sshd(sandbox)
    config = write_ssh_config(sandbox, {"demo": sshd}, "alice")
    ssh = sandbox.outside_terminal(["ssh", "-F", str(config), "demo"])
    ssh.expect(r"\$ $", 10)
    ssh.send_line("sudo -k id -un")
    ssh.expect("password", 10)
    ssh.send_line(sandbox.people["alice"].password)
    ssh.expect("^root$", 10)
    ssh.send_line("exit")
    assert ssh.wait(10) == 0


def test_it_leaves_the_machine_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = Machine(tmp_path)

    with Sandbox(module=find_system_module("pam_permit.so")) as sandbox:
        sandbox.add_people(PEOPLE)
        _log_in(sandbox)
        # What a session leaves running on purpose must go too.
        sandbox.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &"], user="bob")
        left = before.difference()
        assert len(left["temporary"]) == 1
        assert len(left["descendants"]) >= 3  # unshare, PID 1 inside, sshd, sleep

    assert before.difference() == {}


def test_ssh_with_the_password_first(permitting_sandbox: Sandbox) -> None:
    sandbox = permitting_sandbox
    sshd = start_sshd(sandbox, service="sshd-password", methods=PASSWORD_FIRST)
    config = write_ssh_config(sandbox, {"demo": sshd}, "bob")
    for password, status in (("wrong", 255), ("bob-password", 0)):
        once = ["-o", "NumberOfPasswordPrompts=1"]
        ssh = sandbox.outside_terminal(
            ["ssh", "-F", str(config), *once, "demo", "id", "-un"]
        )
        ssh.expect("Password: ", 10)
        ssh.send_line(password)
        assert ssh.wait(15) == status, ssh.transcript
        assert ("bob" in ssh.text.split()) == (status == 0)


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["sudo", "-k", "id", "-un"], "root"),
        (["sudo", "-k", "-u", "bob", "id", "-un"], "bob"),
        (["sudo", "-i", "id", "-un"], "root"),
    ],
)
def test_sudo(permitting_sandbox: Sandbox, argv: list[str], shown: str) -> None:
    terminal = permitting_sandbox.terminal(argv, user="alice")
    terminal.expect("password for alice", 10)
    terminal.send_line("alice-password")
    terminal.expect(f"^{shown}$", 10)
    assert terminal.wait(10) == 0


@pytest.mark.parametrize("options", [["bob", "-c", "id -un"], ["-l", "bob"]])
def test_su(permitting_sandbox: Sandbox, options: list[str]) -> None:
    terminal = permitting_sandbox.terminal(["su", *options], user="alice")
    terminal.expect("Password", 10)
    terminal.send_line("bob-password")
    if "-c" not in options:
        terminal.expect(r"\$ $", 10)
        terminal.send_line("id -un; exit")
    terminal.expect("^bob$", 10)
    assert terminal.wait(10) == 0


def test_a_module_that_refuses_lets_nobody_in() -> None:
    with Sandbox(module=find_system_module("pam_deny.so")) as sandbox:
        sandbox.add_people(PEOPLE)
        sshd = start_sshd(sandbox)
        config = write_ssh_config(sandbox, {"demo": sshd}, "alice")
        ssh = sandbox.outside_terminal(["ssh", "-F", str(config), "demo", "id"])
        assert ssh.wait(20) == 255
        for argv, password, tries in (
            (["sudo", "-k", "id"], "alice-password", 3),
            (["su", "bob", "-c", "id"], "bob-password", 1),
        ):
            terminal = sandbox.terminal(argv, user="alice")
            for _ in range(tries):
                terminal.expect("(?i)password(?! attempt)", 10)
                terminal.send_line(password)
            assert terminal.wait(15) != 0
            assert "uid=" not in terminal.text


def test_two_at_the_same_time_and_the_favorite_port_taken() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 2222))
            taken.listen(1)
        except OSError:
            pass  # taken by another already: as good
        permit = find_system_module("pam_permit.so")
        with Sandbox(module=permit) as one, Sandbox(module=permit) as other:
            for sandbox in (one, other):
                sandbox.add_people(PEOPLE)
            _log_in(one)
            _log_in(other)
            one.path("/etc/only-here").write_text("x")
            assert not other.path("/etc/only-here").exists()
            assert not Path("/etc/only-here").exists()


def test_twenty_people(permitting_sandbox: Sandbox) -> None:
    people = permitting_sandbox.add_people(
        [(f"user{n:02}", f"password {n}") for n in range(20)]
    )
    assert len({account.uid for account in people}) == 20
    for account in (people[0], people[-1]):
        result = permitting_sandbox.run(["id", "-u"], user=account.name)
        assert result.stdout.strip() == str(account.uid)


def test_syslog_is_collected(permitting_sandbox: Sandbox) -> None:
    permitting_sandbox.run(["logger", "-t", "someone", "a line \x1b[31m"])
    terminal = permitting_sandbox.terminal(["sudo", "-k", "id"], user="alice")
    terminal.expect("password", 10)
    terminal.send_line("alice-password")
    terminal.wait(10)
    text = permitting_sandbox.log("syslog").read_text()
    assert "COMMAND=/usr/bin/id" in text
    assert "\x1b" not in text


def test_a_service_that_ends_early_is_named_with_its_last_words(
    permitting_sandbox: Sandbox,
) -> None:
    argv = ["sh", "-c", "echo last words; exit 3"]
    with pytest.raises(PushmfaError, match=r"(?s)relay ended early.* 3.*last words"):
        permitting_sandbox.start_notifying("relay", argv)


def test_what_takes_too_long_is_ended(permitting_sandbox: Sandbox) -> None:
    with pytest.raises(ExpiredError, match="sleep 1000"):
        permitting_sandbox.run(["sleep", "1000"], timeout=0.3)
    shown = permitting_sandbox.run(["ps", "ax"]).stdout
    assert "sleep 1000" not in shown


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotPermittedError), Sandbox(module=Path("/dev/null")):
        pytest.fail("it was built")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_the_process_that_made_it(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = Machine(tmp_path, with_files=False)
    program = (
        "import sys, time; from pathlib import Path\n"
        "from pushmfa.demo.sandbox import Sandbox\n"
        "with Sandbox(module=Path(sys.argv[1])) as sandbox:\n"
        "    sandbox.start('sleeper', ['sleep', '1000'])\n"
        "    print('up', sandbox.folder, flush=True)\n"
        "    time.sleep(1000)\n"
    )
    module = str(find_system_module("pam_permit.so"))
    with subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-c", program, module],
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        process.wait(15)
    left = before.difference()
    for _ in range(50):  # the kernel ends what is inside, in its own time
        if "descendants" not in left:
            break
        time.sleep(0.1)
        left = before.difference()
    if number is not signal.SIGINT:  # nobody was left to remove the folder
        assert len(left.pop("temporary")) == 1
    assert left == {}
