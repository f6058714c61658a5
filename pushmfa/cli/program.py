"""How every command runs and how every mistake ends.

    what is raised                  what the person sees               exit code
    ------------------------------  ---------------------------------  ------------
    PushmfaError                    error: what, hint: what to do      its own
    click's usage errors            error, hint with the nearest name  2
    Ctrl-C, end of input            interrupted                        130
    the reader of a pipe went away  nothing                            1
    output that finds no room       error                              1
    anything else                   internal error, how to report it   1

With `--json` the same error is also one object on standard output.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from pushmfa.cli import output
from pushmfa.errors import PushmfaError, UsageError

EXIT_INTERNAL: Final = 1
EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130

Loader = Callable[[], click.Command]
"""Imports a command and returns it."""

COMPLETE_VARIABLE: Final = "_PUSHMFA_COMPLETE"
"""Set by the shell's script: then the program completes and does nothing else."""

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""Why output cannot be written, which is not our mistake."""

_LEAST_LIKENESS: Final = 0.6
"""Of what is offered instead of a name that is none, from 0 to 1: difflib's own."""

DEBUG_VARIABLE: Final = "PUSHMFA_DEBUG"


class State:
    """What the options of the outer groups say to the command."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.device_state: Path | None = None


class Group(click.Group):
    """A group that names the nearest command, and may have one that is implied."""

    def __init__(
        self,
        *args: Any,
        implied: str | None = None,
        loaders: Mapping[str, Loader] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(*args, **more)
        self.implied = implied
        self._loaders = loaders or {}

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        """Return the names of all commands; imports none."""
        return [*self._loaders, *self.commands]

    def get_command(self, ctx: click.Context | None, name: str) -> click.Command | None:
        """Return the command that is called name, imported now if it was not."""
        found = self._loaders.get(name)
        return found() if found else self.commands.get(name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the implied command in front of nothing, or of options."""
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        first = args[0] if args else "-"
        if self.implied and first.startswith("-") and first != "--help":
            args = [self.implied, *args]
        elif not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(EXIT_USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that args name, or raise UsageError."""
        name = args[0]
        if ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            raise UsageError(
                f"no such command: {name}",
                hint=_suggest(name, self.list_commands(), f"{ctx.command_path} --help"),
            )
        return super().resolve_command(ctx, args)


class Program(Group):
    """The outermost group: `main` turns whatever was raised into an exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command that args name and end the process with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        extra.setdefault("obj", State())

        def run() -> int:
            result = click.Group.main(
                self, words, "pushmfa", complete_var, standalone_mode=False, **extra
            )
            # A pipe without a reader must show here, not when the interpreter ends.
            sys.stdout.flush()
            return result if isinstance(result, int) else 0

        sys.exit(self._run(run, words))

    def _run(self, run: Callable[[], int], words: list[str]) -> int:
        """Return the exit code of run, after telling what went wrong."""
        try:
            return run()
        except PushmfaError as error:
            return self._tell(words, str(error), error.hint, error.exit_code)
        except click.ClickException as error:
            help_line = f"pushmfa {self._name_of(words)}".rstrip() + " --help"
            return self._tell(words, *_explain_usage(error, help_line), EXIT_USAGE)
        except (click.Abort, KeyboardInterrupt):
            return self._tell(words, "interrupted", "", EXIT_INTERRUPTED)
        except BrokenPipeError:
            _silence()
            return EXIT_INTERNAL
        except OSError as error:
            if error.errno not in _NO_ROOM:
                return self._tell_internal(words, error)
            _silence()
            what = f"what is to be printed cannot be written: {error.strerror}"
            return self._tell(words, what, "Make room where it goes.", EXIT_INTERNAL)
        except Exception as error:  # noqa: BLE001  the last line of defense: no
            # traceback for a person who cannot act on it; asked for, it is whole.
            return self._tell_internal(words, error)

    def _tell_internal(self, words: list[str], error: Exception) -> int:
        if os.environ.get(DEBUG_VARIABLE) == "1":
            import traceback

            traceback.print_exc()
        what = f"internal error: {type(error).__name__}: {error}"
        hint = (
            f"Run it again with {DEBUG_VARIABLE}=1 and report the command, "
            "the version and what it prints."
        )
        return self._tell(words, what, hint, EXIT_INTERNAL)

    def _tell(self, words: list[str], what: str, hint: str, code: int) -> int:
        with contextlib.suppress(BrokenPipeError):
            if "--json" in words:
                output.print_json(
                    self._name_of(words), ok=False, values={"error": what, "hint": hint}
                )
                sys.stdout.flush()
            output.print_error(what, hint)
            return code
        _silence()
        return code

    def _name_of(self, words: Iterable[str]) -> str:
        """Return the command that words name, without their options."""
        names: list[str] = []
        group: Group = self
        for word in words:
            command = group.get_command(None, word)
            if command is None:
                continue
            names.append(word)
            if not isinstance(command, Group):
                return " ".join(names)
            group = command
        if group.implied:
            names.append(group.implied)
        return " ".join(names)


def _explain_usage(error: click.ClickException, help_line: str) -> tuple[str, str]:
    """Return what is wrong with a command line, and a hint."""
    if isinstance(error, click.NoSuchOption):
        context = error.ctx
        options: list[str] = []
        for parameter in context.command.get_params(context) if context else ():
            options += parameter.opts
        known = [name for name in options if name.startswith("-")]
        return (
            f"no such option: {error.option_name}",
            _suggest(error.option_name, known, help_line),
        )
    # click lists choices on lines of their own.
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:], f"See: {help_line}"


def _suggest(word: str, known: Iterable[str], help_line: str) -> str:
    """Return a hint: all the names that are nearest to word, and where to look.

    All of them, for one of two alike may be a command that cannot be taken back.
    """
    likeness = {name: _likeness(word, name) for name in known}
    nearest = max(likeness.values(), default=(0.0, False))
    if nearest[0] < _LEAST_LIKENESS:
        return f"See: {help_line}"
    names = sorted(name for name, found in likeness.items() if found == nearest)
    return f"Did you mean {' or '.join(names)}? See: {help_line}"


def _likeness(word: str, name: str) -> tuple[float, bool]:
    """Return how much of name is in word, and whether it has the same letters.

    The second decides where the first is equal: of `lsit`, list and lost share as much
    with it, and only the letters of list were put in another order. The dashes of
    options do not count, which all of them have.
    """
    from difflib import SequenceMatcher

    typed, right = word.lstrip("-"), name.lstrip("-")
    ratio = SequenceMatcher(None, right, typed).ratio()
    return ratio, sorted(typed) == sorted(right)


def _silence() -> None:
    """Let what is still to be written to a lost pipe or a full disk go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
