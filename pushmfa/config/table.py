"""Takes typed values out of a TOML table and notes whatever is wrong with them.

Each getter names a key once; `finish` then reports the keys that nobody asked for.
So the code that reads is the list of known keys, and there is no second one.
"""

import datetime
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from pushmfa.config import lines
from pushmfa.config.problems import Problems, suggest
from pushmfa.text import make_harmless

D = TypeVar("D")
T = TypeVar("T")
Check = Callable[[str], T]
"""Returns the value that a text stands for, or raises ValueError saying why not."""

_MAX_NAMED: Final = 80
"""Characters of a wrong value that its problem repeats."""

_MAX_ITEMS: Final = 4_096


class Table:
    """One table of the file; an absent table is an empty one."""

    def __init__(
        self, values: dict[str, Any], path: lines.Path, problems: Problems
    ) -> None:
        self._values = values
        self._path = path
        self._problems = problems
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        """Whether the file gives key; it need not be right."""
        return key in self._values

    def keys(self) -> list[str]:
        """Return the keys that the file gives."""
        return list(self._values)

    def reject(self, key: str, what: str) -> None:
        """Note that key of this table is wrong."""
        self._problems.add((*self._path, key), what)

    def table(self, key: str) -> "Table":
        """Return the table at key."""
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.reject(key, f"must be a table, not {name_value(value)}")
            value = {}
        return Table(value, (*self._path, key), self._problems)

    def reserve(self, names: Iterable[str]) -> None:
        """Note every table of names: a later version will know it, this one not."""
        for name in names:
            if name in self._values:
                self.reject(
                    name,
                    "belongs to a later version of pushmfa; this one would ignore it",
                )
                self._known.append(name)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """Return the integer at key, from low to high."""
        value = self._take(key, default)
        # To Python a bool is an integer; to whoever writes `digits = true` it is not.
        if not isinstance(value, int) or isinstance(value, bool):
            self.reject(key, f"must be an integer, not {name_value(value)}")
            return default
        if not low <= value <= high:
            what = str(value) if abs(value) < 2**63 else "the integer"
            self.reject(key, f"{what} is not between {low} and {high}")
            return default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """Return the true or false at key."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.reject(key, f"must be true or false, not {name_value(value)}")
            return default
        return value

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """Return the integer or float at key, from low to high; never NaN."""
        value = self._take(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.reject(key, f"must be a number, not {name_value(value)}")
            return default
        # A NaN is not between anything.
        if not low <= value <= high:
            self.reject(key, f"is not between {low:g} and {high:g}")
            return default
        return float(value)

    def choice(self, key: str, default: D, choices: Iterable[str]) -> str | D:
        """Return the text at key, one of choices."""
        known = list(choices)

        def check(text: str) -> str:
            if text not in known:
                names = " or ".join(f'"{name}"' for name in known)
                raise ValueError(f"must be {names}, not {name_value(text)}")
            return text

        return self.text(key, default, check)

    def text(self, key: str, default: D, check: Check[T]) -> T | D:
        """Return what check makes of the text at key."""
        if key not in self._values:
            self._known.append(key)
            return default
        return self._checked(key, self._take(key, None), check, default)

    def texts(
        self,
        key: str,
        check: Check[T],
        least: int = 0,
        most: int = _MAX_ITEMS,
    ) -> tuple[T, ...]:
        """Return what check makes of the texts of the array at key, each once."""
        value = self._take(key, [])
        if not isinstance(value, list):
            self.reject(key, f"must be an array of texts, not {name_value(value)}")
            return ()
        if not least <= len(value) <= most:
            how_many = f"{least} to {most}" if least else f"at most {most}"
            given = f"{len(value)} of them" if key in self._values else "missing"
            self.reject(key, f"{given}, must be {how_many}")
            return ()
        good = self._all_checked(key, value, check)
        if len(set(good)) != len(good):
            self.reject(key, "says the same thing twice")
        return good

    def words(self, key: str, most: int, check: Check[T]) -> tuple[T, ...]:
        """Return what check makes of the texts of the array at key, 1 to most."""
        value = self._take(key, [])
        if not isinstance(value, list) or (self.has(key) and not value):
            self.reject(key, 'must be an array of texts, such as ["/usr/bin/true"]')
            return ()
        if len(value) > most:
            self.reject(key, f"{len(value)} of them, must be at most {most}")
            return ()
        return self._all_checked(key, value, check)

    def finish(self) -> None:
        """Note every key that no getter asked for, with the nearest known one."""
        for key in self._values:
            if key not in self._known:
                self.reject(key, f"unknown key{suggest(key, self._known)}")

    def _all_checked(
        self, key: str, values: list[object], check: Check[T]
    ) -> tuple[T, ...]:
        checked = [self._checked(key, item, check, None) for item in values]
        return tuple(item for item in checked if item is not None)

    def _take(self, key: str, default: object) -> Any:
        self._known.append(key)
        return self._values.get(key, default)

    def _checked(self, key: str, value: object, check: Check[T], default: D) -> T | D:
        if not isinstance(value, str):
            self.reject(key, f"must be a text, not {name_value(value)}")
            return default
        try:
            return check(value)
        except ValueError as error:
            self.reject(key, str(error))
            return default


def absolute_path(text: str) -> Path:
    """Return text as an absolute path, or raise ValueError."""
    if not text.startswith("/") or "\x00" in text or len(text) > 4_096:
        raise ValueError(f"must be an absolute path, not {name_value(text)}")
    return Path(text)


def harmless_name(text: str) -> str:
    """Return a name that people will read, or raise ValueError."""
    if not text.strip() or len(text) > 64 or make_harmless(text) != text:
        raise ValueError(
            f"must be 1 to 64 printable characters, not {name_value(text)}"
        )
    return text


def user_name(text: str) -> str:
    """Return the name of an account, or raise ValueError."""
    if not re.fullmatch(r"[^\s:/,\x00-\x20\x7f]{1,255}", text):
        raise ValueError(f"{name_value(text)} is no user name")
    return text


def date(text: str) -> datetime.date:
    """Return the day of `YYYY-MM-DD`, or raise ValueError."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text, re.ASCII):
        raise ValueError(f"{name_value(text)} is no date, write YYYY-MM-DD")
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text} is no day of the calendar") from error


def name_value(value: object) -> str:
    """Return value as a problem shows it: short and harmless."""
    if isinstance(value, str):
        return f'"{make_harmless(value, _MAX_NAMED)}"'
    if isinstance(value, bool):
        return str(value).lower()
    kinds = {dict: "a table", list: "an array", int: "an integer", float: "a float"}
    return kinds.get(type(value), "a date or time")
