"""Where in a TOML text each key stands; tomllib tells values, but no lines.

A small scanner over text that tomllib has accepted: it knows headers, keys (dotted,
quoted), inline tables and whatever a key could hide in (strings, arrays, comments).
On other text it finds less; it never raises.
"""

import re
import tomllib
from typing import Final

Path = tuple[str, ...]

_TOKEN: Final = re.compile(
    r"""
      (?P<comment> \#[^\n]* )
    | (?P<string> \"{3} (?:\\.|[^\\])*? \"{3,5} | '{3} .*? '{3,5}
                | \"(?:\\.|[^"\\\n])*\" | '[^'\n]*' )
    | (?P<bare> [A-Za-z0-9_+:-]+ )
    | (?P<newline> \n )
    | (?P<mark> [][{}=,.] )
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def find_lines(text: str) -> dict[Path, int]:
    """Return the line (from 1) where each key or table is first named.

    `[login]` with `lifetime = 60` gives ("login",) and ("login", "lifetime"); of a
    dotted key or header every beginning has a line, too.
    """
    return _Scanner(text).scan()


class _Scanner:
    """One pass over the tokens; `_open` holds the brackets of the current value."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: dict[Path, int] = {}
        self._line = 1
        self._table: Path = ()
        self._open: list[tuple[str, Path]] = []
        self._key: list[str] = []
        self._in_value = False
        self._in_header = False

    def scan(self) -> dict[Path, int]:
        for match in _TOKEN.finditer(self._text):
            token = match.group()
            if match.lastgroup in ("bare", "string") and not self._in_value:
                self._key.append(_unquote(token))
            elif match.lastgroup == "newline":
                self._end_line()
            elif match.lastgroup == "mark":
                self._take_mark(token)
            self._line += token.count("\n")
        return self._found

    def _end_line(self) -> None:
        # Inside of brackets a value goes on; only an inline table has keys there.
        if not self._open:
            self._in_value = self._in_header = False
            self._key = []

    def _take_mark(self, mark: str) -> None:
        if self._in_header or (mark == "[" and not self._in_value and not self._open):
            self._take_header(mark)
        elif mark == "=" and not self._in_value:
            self._note((*self._where(), *self._key))
            self._in_value = True
        elif mark in "[{" and self._in_value:
            self._open.append((mark, (*self._where(), *self._key)))
            self._key = []
            self._in_value = mark == "["
        elif mark in "]}" and self._open:
            self._in_value = True
            self._key = list(self._open.pop()[1][len(self._where()) :])
        elif mark == "," and self._open and self._open[-1][0] == "{":
            self._key = []
            self._in_value = False

    def _take_header(self, mark: str) -> None:
        if mark == "[":
            self._in_header = True
            self._key = []
        elif mark == "]" and self._key:
            self._table = tuple(self._key)
            self._note(self._table)
            self._key = []

    def _where(self) -> Path:
        return self._open[-1][1] if self._open else self._table

    def _note(self, path: Path) -> None:
        for length in range(1, len(path) + 1):
            self._found.setdefault(path[:length], self._line)


def _unquote(token: str) -> str:
    if token[:1] not in "\"'":
        return token
    try:
        key = tomllib.loads(f"key = {token}")["key"]
    except ValueError:
        return token
    return key if isinstance(key, str) else token
