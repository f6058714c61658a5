"""All that is wrong with a configuration, collected and told at once."""

from pathlib import Path

from pushmfa.config import lines
from pushmfa.errors import ConfigError
from pushmfa.text import make_harmless


class Problems:
    """Collects what is wrong, each with its key and its line."""

    def __init__(self, name: str, found: dict[lines.Path, int]) -> None:
        self._name = name
        self._lines = found
        self._problems: list[tuple[int, str]] = []

    def add(self, path: lines.Path, what: str) -> None:
        """Note what is wrong with the key at path; path () is the file itself."""
        line = self._line_of(path)
        place = f"{self._name}:{line}" if line else self._name
        key = f"{name_key(path)}: " if path else ""
        self._problems.append((line, f"{place}: {key}{what}"))

    def raise_any(self) -> None:
        """Raise ConfigError with every problem, one a line, in the file's order."""
        if self._problems:
            # Stable: of the problems of one line the first found comes first.
            ordered = sorted(self._problems, key=lambda problem: problem[0])
            raise ConfigError("\n".join(text for _, text in ordered))

    def _line_of(self, path: lines.Path) -> int:
        """Return the line of path, else of the nearest table around it, else 0."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._lines:
                return self._lines[path[:length]]
        return 0


def name_key(path: lines.Path) -> str:
    """Return path as people write it: `login.lifetime`."""
    return make_harmless(".".join(path))


def suggest(word: str, known: list[str]) -> str:
    """Return `; did you mean "X"?` with the nearest of known, else the choice."""
    from difflib import get_close_matches

    nearest = get_close_matches(word, known, n=1, cutoff=0.6)
    if nearest:
        return f'; did you mean "{nearest[0]}"?'
    return f"; known here: {', '.join(known)}" if known else ""


def file_error(path: Path, what: str, hint: str | None = None) -> ConfigError:
    """Return the error for a file that cannot be used at all."""
    return ConfigError(f"{make_harmless(str(path))}: {what}", hint=hint)
