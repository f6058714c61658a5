"""How commands end: exit codes, messages, help."""

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pushmfa import errors
from pushmfa.cli.main import program
from pushmfa.cli.program import Program, State
from pushmfa.terms import VERSION
from tests.unit.cli_support import parse_object, run

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
