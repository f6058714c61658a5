r"""A command as a person can judge it: what would run, and nothing that only looks so.

The arguments come as the kernel has them, NUL after each; whoever starts the command
chooses every byte. Plain arguments stay bare, others stand in '...', and what a
display would obey or hide stands as an escape in $'...', as a shell would read it.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from pushmfa.text import decode_text, make_harmless
from pushmfa.wire.payload import Command

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)
_MAX_SHOWN: Final = 40_000
"""More than 2,048 bytes can give, at most 10 characters each, with quotes."""

_ESCAPES: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", "'": "\\'"}


@dataclass(frozen=True, slots=True)
class CommandText:
    """A command on one line; of a long one its beginning and its end."""

    head: str
    tail: str
    hidden_bytes: int
    """Bytes between head and tail that the host did not send; 0: all is in head."""

    length: int


def command_text(command: Command) -> CommandText:
    """Return command, harmless."""
    shown = len(command.head) + len(command.tail)
    return CommandText(
        head=_quote_all(command.head),
        tail=_quote_all(command.tail),
        hidden_bytes=max(command.length - shown, 0),
        length=command.length,
    )


def _quote_all(raw: bytes) -> str:
    if not raw:
        return ""
    arguments = raw.removesuffix(b"\0").split(b"\0")
    # What was quoted is harmless already; this holds if the quoting has a mistake.
    return make_harmless(" ".join(_quote(part) for part in arguments), _MAX_SHOWN)


def _quote(raw: bytes) -> str:
    text = decode_text(raw)
    if _PLAIN.fullmatch(text):
        return text
    if _is_harmless(raw, text):
        return f"'{text}'"
    return "$'" + "".join(_escape(character) for character in _characters(raw)) + "'"


def _is_harmless(raw: bytes, text: str) -> bool:
    # A combining mark could sit on a quote, or on the space between arguments.
    has_marks = any(_is_mark(character) for character in text)
    is_whole = text.encode("utf-8") == raw
    is_same = make_harmless(text, _MAX_SHOWN) == text
    return is_whole and is_same and not has_marks and "'" not in text


def _characters(raw: bytes) -> str:
    # Bytes that are no UTF-8 become surrogates here, which _escape shows as \xNN.
    return raw.decode("utf-8", "surrogateescape")


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    is_shown = make_harmless(character) == character
    if is_shown and not _is_mark(character):
        return character
    if code < 0x100:
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _is_mark(character: str) -> bool:
    # Not unicodedata.combining(): it is 0 for marks that enclose what is before them.
    return unicodedata.category(character).startswith("M")
