"""`pushmfa demo` itself: plays, ends as it should, and leaves nothing."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pushmfa.demo.terminal import Terminal
from tests.app.tab import tab
from tests.e2e.support import find_pushmfa
from tests.e2e.traces import Machine

SKIP = "or Enter alone to do without it:"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def _demo(module: Path, temporary: Path, *options: str) -> Terminal:
    argv = [*find_pushmfa(), "demo", "--module", str(module), *options]
    return Terminal(argv, os.environ | {"TMPDIR": str(temporary)})


def _ssh(demo: Terminal) -> Terminal:
    config = demo.expect(r"ssh -F (\S+) demo$", 60)[1]
    return Terminal(["ssh", "-F", config, "demo"], os.environ)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The demo's folder for temporary files, in which nothing may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def test_it_plays_every_scene_and_leaves_nothing(module: Path, temporary: Path) -> None:
    before = Machine(temporary)
    terminal = _demo(module, temporary, "--auto")
    status = terminal.wait(200)
    shown = "\n".join(f"{line.at:7.2f} {line.text}" for line in terminal.transcript)
    terminal.close()
    assert status == 0, shown
    assert shown.count("--- ") == 8
    assert re.search(r"may reach: ws://localhost:\d+/v1/link\n", shown), shown
    assert "FAILED" not in shown
    assert before.difference() == {}


def test_interactive_it_shows_the_card_and_ends_by_ctrl_c(
    module: Path, temporary: Path
) -> None:
    before = Machine(temporary)
    terminal = _demo(module, temporary)
    terminal.expect(SKIP, 60)
    terminal.send_line("12345")
    terminal.expect("not six digits", 20)
    terminal.send_line("123456")
    terminal.expect("No device has come", 20)
    terminal.send_line()
    ssh = _ssh(terminal)
    try:
        number = ssh.expect(r"enter (\d+) on your", 20)[1]
        ssh.send_line()
        terminal.expect("alice", 20)
        time.sleep(1)
        terminal.send_line(number)
        ssh.expect(r"\$ $", 20)
        ssh.send_line("pushmfa status")
        ssh.expect("demo phone", 20)
        terminal.send(b"\x03")
        assert terminal.wait(20) == 0, terminal.text
    finally:
        ssh.close()
        terminal.close()
    assert before.difference() == {}


def test_a_browser_of_this_machine_enrolls_and_approves(
    module: Path, temporary: Path
) -> None:
    before = Machine(temporary)
    terminal = _demo(module, temporary)
    link = terminal.expect(r"^(http://localhost:\d+/#1\S+)\n", 60)[1]
    assert "\u2580" in terminal.text, "there is no QR code"
    terminal.expect(SKIP, 20)
    with tab() as app:
        terminal.send_line(app.enroll(link))
        terminal.expect("Enrolled: Linux is now a device of alice", 30)
        app.press("Done")
        ssh = _ssh(terminal)
        try:
            number = ssh.expect(r"enter (\d+) on your", 20)[1]
            ssh.send_line()
            app.sees("Login")
            app.type_number(number)
            app.sees("Approved")
            ssh.expect(r"\$ $", 20)
            terminal.send(b"\x03")
            assert terminal.wait(20) == 0, terminal.text
        finally:
            ssh.close()
            terminal.close()
    assert before.difference() == {}


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGINT, 0.1),
        (signal.SIGINT, 0.5),
        (signal.SIGTERM, 1.0),
        (signal.SIGINT, 2.5),
        (signal.SIGHUP, 5.0),
    ],
)
def test_a_signal_at_any_moment_leaves_nothing(
    module: Path, temporary: Path, number: signal.Signals, after: float
) -> None:
    before = Machine(temporary, with_files=False)
    # As from a terminal, also where these tests run in the background.
    argv = ["env", "--default-signal=INT", *find_pushmfa()]
    argv += ["demo", "--module", str(module), "--auto"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": str(temporary)}
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # "Building ...": its handlers stand
        time.sleep(after)
        process.send_signal(number)
        process.wait(20)
    assert process.returncode == 128 + number
    assert before.difference() == {}


def test_a_refusing_module_makes_it_fail(
    module: Path, temporary: Path, tmp_path: Path
) -> None:
    """The demo must not say ok to a module that does not let anybody in."""
    broken = tmp_path / "pam_pushmfa.so"
    broken.write_text("not a module")
    terminal = _demo(broken, temporary, "--auto")
    assert terminal.wait(200) == 1
    terminal.expect("FAILED", 1)
    terminal.expect("the end of syslog.log", 1)
    terminal.close()
