"""Makes text from outside harmless before a terminal, a log or a page shows it.

User names, hosts, commands, labels: whoever dials in chooses them. Control
characters move a terminal's cursor, bidirectional controls swap what is read,
invisible ones hide a difference, line ends forge a log line. All are shown as
escapes here, in one place, so that the reader sees that they were there.
"""

import json
import unicodedata
from typing import Any

MAX_SHOWN = 500
"""Characters of one piece of outside text that are shown, at most."""

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""Letters, marks and symbols that show nothing (Default_Ignorable_Code_Point, and the
empty braille pattern): two names that differ by one of them look the same."""


def decode_text(raw: bytes) -> str:
    r"""Return raw as text; bytes that are not UTF-8 become `\xNN`."""
    return raw.decode("utf-8", "backslashreplace")


def make_harmless(text: str, limit: int = MAX_SHOWN) -> str:
    r"""Return text on one line, without anything that a display would obey.

    Control, format, invisible, surrogate, private and unassigned characters and line
    and paragraph separators become `\xNN`, `\uNNNN` or `\UNNNNNNNN`; every other
    space becomes a plain one; what exceeds limit is cut and says so.
    """
    text = unicodedata.normalize("NFC", text)
    shown = "".join(_harmless_character(character) for character in text[: limit + 1])
    if len(text) > limit or len(shown) > limit:
        return shown[: max(limit - 3, 0)] + "..."
    return shown


def make_ascii(text: str, limit: int = MAX_SHOWN) -> str:
    """Return make_harmless(text) with every character beyond ASCII escaped.

    ssh shows such bytes as octal escapes wherever the locale is not installed,
    so text for the terminals of others holds none.
    """
    harmless = make_harmless(text, limit)
    escaped = harmless.encode("ascii", "backslashreplace").decode("ascii")
    return escaped if len(escaped) <= limit else escaped[: max(limit - 3, 0)] + "..."


def json_line(value: Any, *, is_compact: bool = False) -> str:
    """Return value as JSON on one line of ASCII that no terminal and no log obeys.

    Everything else is an escape; JSON itself would leave DEL, C1 and bidirectional
    controls and line separators as they are. Compact is without spaces.
    """
    separators = (",", ":") if is_compact else (", ", ": ")
    return json.dumps(value, separators=separators).replace("\x7f", "\\u007f")


def _harmless_character(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category not in _HARMFUL and character not in _INVISIBLE:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
