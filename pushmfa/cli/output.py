"""What commands print: harmless text, one JSON object, tables.

Labels, host names, commands and whatever else comes from outside pass through
`show`; JSON is printed as ASCII, where every other character is an escape.
"""

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
    """Return Unix seconds as people read them, in UTC; to the minute, or the second."""
    if at is None:
        return "-"
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return datetime.fromtimestamp(at, UTC).strftime(f"%Y-%m-%d {clock} UTC")


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under head; in color on a terminal, in plain columns elsewhere."""
    cells = [[show(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(head, cells)
        return
    widths = [max(len(row[n]) for row in [head, *cells]) for n in range(len(head))]
    for row in [head, *cells]:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(padded).rstrip())


def _print_rich(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # rich costs more time than all the rest: loaded when something is drawn.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in head:
        # Folded, not cut: in a narrow terminal a date or an id stays whole.
        table.add_column(name, overflow="fold")
    for row in rows:
        # Text, not str: a label like "[red]" must not be markup.
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
