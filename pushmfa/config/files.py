"""Reads a configuration file, if nobody but its owner can have written it."""

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from pushmfa.config.lines import find_lines
from pushmfa.config.problems import Problems, file_error
from pushmfa.config.table import Table
from pushmfa.errors import ConfigError
from pushmfa.text import make_harmless

MAX_FILE: Final = 1_048_576
"""Bytes of a configuration file, at most."""

_UNREADABLE: Final[dict[type[Exception], str]] = {
    FileNotFoundError: "Write it: docs/configuration.md begins with the least that "
    "works. Or name another file: --config FILE",
    PermissionError: "Run this as root, or name another file: --config FILE",
}

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_TOML_END: Final = "(at end of document)"
_TOML_PLACE: Final = re.compile(r" \(at line (\d+), column (\d+)\)\Z")


class Source(NamedTuple):
    """A file that was read: its text, and the uid of its owner."""

    text: str
    owner: int


def load_text(path: Path) -> Source:
    """Return the text of path, or raise ConfigError.

    Whoever can write this file decides who is let in: it must belong to root or to
    the caller, and nobody else may be able to write it.
    """
    try:
        # O_NONBLOCK: a FIFO in the place of the file must not hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            # The opened file, not the name: the name can change in between.
            state = os.fstat(file.fileno())
            _verify_state(path, state)
            raw = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        hint = _UNREADABLE.get(type(error), "Name another file: --config FILE")
        raise file_error(path, f"cannot be read: {reason}", hint) from error
    if len(raw) > MAX_FILE:
        raise file_error(path, f"more than {MAX_FILE} bytes")
    try:
        return Source(raw.decode("utf-8"), state.st_uid)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{make_harmless(str(path))}:{line}: not UTF-8") from error


def _verify_state(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise file_error(path, "not a regular file")
    if state.st_uid not in (0, os.geteuid()):
        raise file_error(
            path,
            f"belongs to uid {state.st_uid}, neither to root nor to you",
            f"Look at what it says, then: chown root:root {make_harmless(str(path))}",
        )
    if state.st_mode & _WRITABLE_BY_OTHERS:
        raise file_error(
            path,
            f"others can write it (mode {stat.S_IMODE(state.st_mode):04o})",
            f"Look at what it says, then: chmod go-w {make_harmless(str(path))}",
        )


def parse_toml(text: str, name: str) -> tuple[Table, Problems]:
    """Return the top table of text and where to note what is wrong in it.

    name stands before each problem. Raises ConfigError for what is no TOML.
    """
    text = text.replace("\r\n", "\n")
    name = make_harmless(name)
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(_explain(name, text, error)) from error
    problems = Problems(name, find_lines(text))
    return Table(values, (), problems), problems


def _explain(name: str, text: str, error: Exception) -> str:
    what = str(error) if isinstance(error, ValueError) else "nested too deep"
    if what.endswith(_TOML_END):
        lines = text.rstrip("\n").count("\n") + 1
        return f"{name}:{lines}: no TOML: {make_harmless(what)}"
    place = _TOML_PLACE.search(what)
    if place is None:
        return f"{name}: no TOML: {make_harmless(what)}"
    what = make_harmless(what[: place.start()])
    return f"{name}:{place[1]}: no TOML: {what} (column {place[2]})"
