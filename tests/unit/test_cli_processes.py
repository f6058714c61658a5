"""Commands as processes: pipes, terminals, signals, and what is not imported."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pushmfa.terms import Cause, Verdict
from pushmfa.wire import control
from pushmfa.wire.control_account import StartConfirm
from tests.unit.cli_support import run
from tests.unit.control_peer import NUMBER, STATUS, WAIT, ControlPeer, ended

PUSHMFA = [sys.executable, "-c", "from pushmfa.cli.main import main; main()"]


# --- as processes -------------------------------------------------------------------


def test_reader_of_a_pipe_goes_away() -> None:
    script = textwrap.dedent("""
        import os, sys
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, 1)
        sys.argv = ["pushmfa", "--help"]
        from pushmfa.cli.main import main
        main()
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("redirection", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_attack_standard_output_is_closed(redirection: str, tmp_path: Path) -> None:
    """What is printed must not go to the next file that is opened."""
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    command = [*PUSHMFA, "--config", str(config), "status"]
    with ControlPeer(tmp_path, [STATUS]) as peer:
        done = subprocess.run(
            ["sh", "-c", f'"$@" {redirection}', "sh", *command],
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert peer.requests == [control.GetStatus(user=None)]


def test_output_that_finds_no_room() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PUSHMFA, "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == (
        "error: what is to be printed cannot be written: No space left on device\n"
        "hint: Make room where it goes.\n"
    )


def test_a_text_that_the_locale_does_not_know(tmp_path: Path) -> None:
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    plain = {"PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}
    with ControlPeer(tmp_path, [ended(Verdict.APPROVED, Cause.DEVICE)]) as peer:
        subprocess.run(
            [*PUSHMFA, "--config", str(config), "confirm", "Stra\u00dfe".encode()],
            capture_output=True,
            check=True,
            env={**os.environ, **plain},
        )
    asked = StartConfirm(user=None, text="Stra\u00dfe", lifetime=None)
    assert peer.requests == [asked]


def test_who_only_looks_makes_no_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    result = run(tmp_path, "device", "--state", str(state), "list")
    assert (result.exit_code, state.exists()) == (0, False)


def test_the_demo_says_at_once_that_it_needs_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushmfa.cli.demo.is_root", lambda: False)
    # Before it looks for the module, which need not be there.
    for module in (str(Path(__file__)), str(tmp_path / "none")):
        result = run(tmp_path, "demo", "--module", module)
        assert (result.exit_code, result.stdout) == (7, "")
        assert "only root may make" in result.stderr


def without_terminal(argv: list[str], typed: str = "") -> tuple[int, str, str]:
    """Run argv where nobody can be asked; return its code and what it wrote."""
    done = subprocess.run(
        argv,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("typed", ["", "secret\nsecret\n"])
def test_a_passphrase_is_not_asked_for_without_a_terminal(
    tmp_path: Path, typed: str
) -> None:
    state = tmp_path / "state"
    words = ["device", "--state", str(state), "enroll", "LINK", "--passphrase"]
    assert without_terminal([*PUSHMFA, *words], typed) == (
        2,
        "",
        "error: a new passphrase is needed, and there is no terminal to ask\n"
        "hint: Run it in a terminal, or without --passphrase.\n",
    )
    assert not state.exists()


def test_a_stack_without_a_terminal_gets_no_password() -> None:
    code = (
        "from pushmfa.cli import stack\n"
        "print(stack._ask(stack._ECHO_OFF, 'Password: '))"
    )
    assert without_terminal([sys.executable, "-c", code], "secret\n") == (
        0,
        "None\n",
        "",
    )


def test_interrupt_of_a_process(tmp_path: Path) -> None:
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    with ControlPeer(tmp_path, [NUMBER, WAIT]) as peer:
        process = subprocess.Popen(
            [*PUSHMFA, "--config", str(config), "test"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            # A shell starts what runs in its background with this signal ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "Enter 42 on your device (Pixel).\n"
        process.send_signal(signal.SIGINT)
        _, wrote = process.communicate(timeout=30)
        assert peer.was_closed.wait(10)
    assert (process.returncode, wrote) == (130, "\nerror: interrupted\n")


HEAVY = {"rich", "websockets", "nacl", "cryptography", "asyncio", "uvloop", "segno"}
HEAVY |= {"platformdirs", "sqlite3", "ssl", "subprocess", "dataclasses", "difflib"}
MIDDLING = {"msgspec", "tomllib", "socket", "traceback"}


def imported_by(*words: str) -> set[str]:
    """Return the names of all modules that a run of the program imports."""
    command = [sys.executable, "-X", "importtime", *PUSHMFA[1:], *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def of_cli(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("pushmfa.cli.")}


BASE = {
    f"pushmfa.cli.{name}"
    for name in ("main", "commands", "program", "options", "output")
}
OURS = {"pushmfa.terms", "pushmfa.errors", "pushmfa.text", "pushmfa.cli"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["devices", "--help"]])
def test_start_up_imports_nothing_heavy(words: list[str]) -> None:
    names = imported_by(*words)
    assert "click" in names
    assert {name.partition(".")[0] for name in names} & (HEAVY | MIDDLING) == set()
    assert "importlib.metadata" not in names
    assert {name for name in names if name.startswith("pushmfa.")} <= OURS | of_cli(
        names
    )


def test_a_command_imports_no_other_command() -> None:
    assert of_cli(imported_by("--version")) == BASE
    with_status = {*BASE, "pushmfa.cli.status"}
    assert of_cli(imported_by("status", "--help")) == with_status


def test_status_imports_nothing_heavy(tmp_path: Path) -> None:
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    with ControlPeer(tmp_path, [STATUS]):
        names = imported_by("--config", str(config), "status")
    assert {name.partition(".")[0] for name in names} & HEAVY == set()
    for name in ("config.model", "config.host", "wire.payload", "wire.link", "login"):
        assert f"pushmfa.{name}" not in names
    assert not any(name.startswith("pushmfa.crypto.keys") for name in names)
