"""What commands print: harmless text, one JSON object, tables.

Labels, host names, commands and whatever else comes from outside pass through
`show`; JSON is printed as ASCII, where every other character is an escape.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pushmfa.text import json_line, make_harmless

if TYPE_CHECKING:
    from pushmfa.wire.control import NumberShown

SCHEMA: Final = 1
"""Version of every object that `--json` prints."""

_MAX_LINE: Final = 2_000

Values = Mapping[str, Any]


def show(text: str) -> str:
    """Return text from outside on one line, without what a terminal obeys."""
    return make_harmless(text)


def say(text: str = "", *, err: bool = False) -> None:
    """Print one line of our own; what it holds from outside went through `show`."""
    click.echo(text, err=err)


def number_shower(as_json: bool) -> "Callable[[NumberShown], None]":
    """Return what shows the number of an attempt; on standard error beside --json."""

    def show_number(shown: "NumberShown") -> None:
        names = ", ".join(show(label) for label in shown.devices)
        say(f"Enter {shown.number} on your device ({names}).", err=as_json)

    return show_number


def print_error(what: str, hint: str) -> None:
    """Print `error: what`, a line for each of it, and `hint: what to do`."""
    for line in what.splitlines() or [""]:
        click.echo(f"error: {make_harmless(line, _MAX_LINE)}", err=True)
    if hint:
        click.echo(f"hint: {make_harmless(hint, _MAX_LINE)}", err=True)


def print_json(command: str, *, ok: bool, values: Values) -> None:
    """Print the one object of a command with `--json`."""
    whole = {"schema": SCHEMA, "command": command, "ok": ok, **values}
    click.echo(json_line(whole))


def rfc3339(seconds: int | None) -> str | None:
    """Return Unix seconds as RFC 3339 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(at: int | None, *, seconds: bool = False) -> str:
    """Return Unix seconds as people read them; to the minute, or the second."""
    return "-" if at is None else f"{short_moment(at, seconds=seconds)} UTC"


def short_moment(at: int | None, *, seconds: bool = False) -> str:
    """Return the same without its zone, for a column whose head names it."""
    if at is None:
        return "-"
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return datetime.fromtimestamp(at, UTC).strftime(f"%Y-%m-%d {clock}")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns under head; nothing is cut, a narrow terminal wraps."""
    cells = [[show(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [head, *cells]) for n in range(len(head))]
    for number, row in enumerate([head, *cells]):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        line = "  ".join(padded).rstrip()
        say(strong(line) if number == 0 else line)


def strong(text: str, color: str | None = None) -> str:
    """Return text in bold, and in color, where a terminal shows it."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return click.style(text, bold=True, fg=color)
