"""How commands end: exit codes, messages, and what is not imported."""

import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import textwrap
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from pushmfa import errors
from pushmfa.cli.main import program
from pushmfa.cli.program import Program, State
from pushmfa.terms import VERSION, Cause, Verdict
from pushmfa.wire import control
from pushmfa.wire.control_account import StartConfirm
from tests.unit.cli_support import parse_object, run
from tests.unit.control_peer import NUMBER, PIXEL, STATUS, WAIT, ControlPeer, ended

PUSHMFA = [sys.executable, "-c", "from pushmfa.cli.main import main; main()"]


def raising(error: BaseException) -> Program:
    """Return a program whose one command raises error."""

    @click.group(cls=Program)
    def group() -> None:
        pass

    @group.command()
    @click.option("--json", "as_json", is_flag=True)
    def boom(as_json: bool) -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.PushmfaError("no"), 1),
        (errors.RefusedError("no"), 1),
        (errors.UsageError("no"), 2),
        (errors.NotReachableError("no"), 3),
        (errors.ExpiredError("no"), 4),
        (errors.LimitError("no"), 5),
        (errors.NotEnrolledError("no"), 6),
        (errors.NotPermittedError("no"), 7),
        (errors.ConfigError("no"), 8),
        (errors.MalformedError("no"), 1),
        (errors.StoreError("no"), 1),
    ],
)
def test_every_error_has_its_exit_code(
    error: errors.PushmfaError, exit_code: int
) -> None:
    result = CliRunner().invoke(raising(error), ["boom"])
    assert result.exit_code == exit_code
    hint = f"hint: {error.hint}\n" if error.hint else ""
    assert result.stderr == f"error: no\n{hint}"
    assert result.stdout == ""


def test_all_lines_of_an_error_and_nothing_a_terminal_obeys() -> None:
    error = errors.ConfigError("a:1: \x1b[2J\nb:2: \u202ex", hint="\x07")
    result = CliRunner().invoke(raising(error), ["boom"])
    assert result.stderr == (
        "error: a:1: \\x1b[2J\nerror: b:2: \\u202ex\nhint: \\x07\n"
    )


def test_errors_with_json() -> None:
    error = errors.NotPermittedError("n\u00f6\x7f", hint="ask")
    result = CliRunner().invoke(raising(error), ["boom", "--json"])
    assert result.exit_code == 7
    assert result.stdout == (
        '{"schema": 1, "command": "boom", "ok": false, '
        '"error": "n\\u00f6\\u007f", "hint": "ask"}\n'
    )
    assert result.stderr == "error: n\u00f6\\x7f\nhint: ask\n"


def test_interrupt() -> None:
    result = CliRunner().invoke(raising(KeyboardInterrupt()), ["boom"])
    assert result.exit_code == 130
    assert result.stderr.strip() == "error: interrupted"


def test_mistakes_inside_without_and_with_debug(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = CliRunner().invoke(raising(ZeroDivisionError("secret")), ["boom"])
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == "error: internal error: ZeroDivisionError: secret"
    assert "PUSHMFA_DEBUG=1" in second
    monkeypatch.setenv("PUSHMFA_DEBUG", "1")
    result = CliRunner().invoke(raising(ZeroDivisionError("secret")), ["boom"])
    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (["devcies"], "no such command: devcies", "Did you mean devices? See: pushmfa"),
        (["xyz"], "no such command: xyz", "See: pushmfa --help"),
        # Letters that change places are nearer than others; and of two that are
        # equally near none is picked, for one may be a command with effects.
        (
            ["devices", "lsit"],
            "no such command: lsit",
            "Did you mean list? See: pushmfa devices --help",
        ),
        (
            ["devices", "lst"],
            "no such command: lst",
            "Did you mean list or lost? See: pushmfa devices --help",
        ),
        (["--jsn"], "no such option: --jsn", "See: pushmfa --help"),
        (
            ["status", "--jsn"],
            "no such option: --jsn",
            "Did you mean --json? See: pushmfa status --help",
        ),
        (
            ["devices", "revok", "x"],
            "no such command: revok",
            "Did you mean revoke? See: pushmfa devices --help",
        ),
        (
            ["status", "--jsno"],
            "no such option: --jsno",
            "Did you mean --json? See: pushmfa status --help",
        ),
        (
            ["enroll", "--user"],
            "option '--user' requires an argument",
            "See: pushmfa enroll --help",
        ),
        (
            ["devices", "revoke"],
            "missing argument 'DEVICE'",
            "See: pushmfa devices revoke --help",
        ),
        (
            ["enroll", "--label", "x" * 65],
            "invalid value for '--label': must have 1 to 64 characters",
            "See: pushmfa enroll --help",
        ),
        (
            ["test", "--user", "\udcff"],
            "invalid value for '--user': is not valid UTF-8",
            "See: pushmfa test --help",
        ),
        (
            ["completion"],
            "missing argument 'bash|zsh|fish'. Choose from: bash, zsh, fish",
            "See: pushmfa completion --help",
        ),
        (["\x1b[2J"], "no such command: \\x1b[2J", "See: pushmfa --help"),
    ],
)
def test_usage_errors(words: list[str], error: str, hint: str) -> None:
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first == f"error: {error}"
    assert second.startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    "words",
    [
        ["device", "run"],
        ["device", "answer"],
        ["device", "list"],
        ["completion"],
        ["demo"],
    ],
)
def test_the_help_of_commands_that_read_no_configuration_says_so(
    words: list[str],
) -> None:
    text = " ".join(CliRunner().invoke(program, [*words, "--help"]).stdout.split())
    assert "--config FILE Accepted everywhere; not used here." in text


def test_usage_errors_with_json() -> None:
    result = CliRunner().invoke(program, ["devices", "--jsno", "--json"])
    assert result.exit_code == 2
    assert parse_object(result)["command"] == "devices list"


@pytest.mark.parametrize("words", [[], ["device"]])
def test_a_group_alone_shows_its_help(words: list[str]) -> None:
    result = CliRunner().invoke(program, words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: pushmfa")


def all_commands(group: click.Group, *names: str) -> list[list[str]]:
    found = [list(names)]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += all_commands(command, *names, name)
        else:
            found.append([*names, name])
    return found


@pytest.mark.parametrize("words", all_commands(program), ids=" ".join)
def test_every_help_has_an_example_and_its_first_line_whole(words: list[str]) -> None:
    result = CliRunner().invoke(program, [*words, "--help"])
    assert result.exit_code == 0
    assert "Example:\n    " in result.stdout
    assert "..." not in result.stdout.replace("[ARGS]...", "").replace(" ...", "")


@pytest.mark.parametrize("words", all_commands(program), ids=" ".join)
def test_every_command_takes_config(words: list[str]) -> None:
    command: click.Command = program
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found
    if isinstance(command, click.Group) and command is not program:
        return
    assert any("--config" in parameter.opts for parameter in command.params)


def test_version() -> None:
    result = CliRunner().invoke(program, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"pushmfa {VERSION}\n")


@pytest.mark.parametrize("place", ["before", "after", "environment"])
def test_config_wherever_it_stands(tmp_path: Path, place: str) -> None:
    other = tmp_path / "other.toml"
    other.write_text("paths.run = 3\n")
    words = {
        "before": ["--config", str(other), "status"],
        "after": ["status", "--config", str(other)],
        "environment": ["status"],
    }[place]
    env = {"PUSHMFA_CONFIG": str(other)} if place == "environment" else {}
    result = run(tmp_path, *words, env=env)
    assert result.exit_code == 8
    assert result.stderr.startswith(f"error: {other}:1: paths.run: must be a text")


def test_the_nearest_config_counts(tmp_path: Path) -> None:
    words = ["--config", str(tmp_path / "no"), "status", "--config", "/nothing"]
    result = run(tmp_path, *words)
    assert result.stderr.startswith("error: /nothing: cannot be read")


def test_state_is_not_shared_between_runs(tmp_path: Path) -> None:
    run(tmp_path, "status", "--config", "/nothing")
    assert State().config is None
    assert "/nothing" not in run(tmp_path, "status").stderr


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


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C until it ends; return what it wrote to stderr.

    CPython may note a signal right before it waits, and act on it only at the next.
    """
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=5)[1]
    raise AssertionError("it does not hear")


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
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "Enter 42 on your device (Pixel).\n"
        wrote = interrupt(process)
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


def test_json_of_errors_is_ascii(tmp_path: Path) -> None:
    result = run(tmp_path, "status", "--json", "--config", "/n\u00f6")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["error"].startswith("/n\u00f6: cannot be read")


def test_names_that_the_encoding_lacks(tmp_path: Path) -> None:
    device = msgspec.structs.replace(PIXEL, label="\u0416")
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    with ControlPeer(tmp_path, [control.Devices(user="alice", devices=(device,))]):
        done = subprocess.run(
            [*PUSHMFA, "--config", str(config), "devices"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        )
    assert "\\u0416" in done.stdout


def drawn(rows: str, columns: int) -> str:
    """Return what print_table writes on a terminal that wide."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    script = (
        f"from pushmfa.cli.output import print_table\nprint_table(('A', 'B'), {rows})\n"
    )
    subprocess.run([sys.executable, "-c", script], stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    return shown


def test_tables_on_a_terminal_take_no_markup_and_no_escapes() -> None:
    shown = drawn("[('[red]x[/red] :bomb:', '\\x1b[2J')]", 80)
    assert "[red]x[/red] :bomb:" in shown
    assert "\\x1b[2J" in shown
    assert "\x1b[2J" not in shown


def test_a_narrow_terminal_cuts_nothing() -> None:
    shown = drawn("[('2026-11-24 05:00 UTC', 'wrong_number')]", 20)
    assert "2026-11-24 05:00 UTC  wrong_number" in shown


def test_heads_are_bold_unless_no_color_is_wished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1m" in drawn("[('x', 'y')]", 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in drawn("[('x', 'y')]", 80)
