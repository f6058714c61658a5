"""Draws an enrollment link as a QR code that a phone can read from a terminal.

Version 5-L holds 106 bytes in 37 modules; with a border of 2 and two modules a
character that is 41 columns and 21 rows, so it fits beside nothing else into 24.
"""

import os
import sys
from itertools import zip_longest
from typing import Final

COLUMNS: Final = 41
LINES: Final = 24
"""What a terminal needs: 21 rows of the code, the link, and what is asked."""

_BORDER: Final = 2
_ON: Final = "\x1b[38;5;231;48;5;16m"
_OFF: Final = "\x1b[0m"
# Light modules are drawn, in white on black: it reads the same in every theme.
_BLOCKS: Final = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}


def fits_terminal() -> bool:
    """Whether standard output is a terminal that can show the code, and all of it."""
    if not sys.stdout.isatty() or not _is_utf8(sys.stdout.encoding):
        return False
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return False
    return size.columns >= COLUMNS and size.lines >= LINES


def draw(link: str) -> list[str]:
    """Return the lines of the code for link (at most 106 bytes), colors included."""
    import segno

    code = segno.make(link, version=5, error="l", boost_error=False, micro=False)
    rows = [list(row) for row in code.matrix_iter(border=_BORDER)]
    light = [0] * len(rows[0])
    return [
        _ON + "".join(_BLOCKS[pair] for pair in zip(upper, lower, strict=True)) + _OFF
        for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=light)
    ]


def _is_utf8(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").replace("_", "") == "utf8"
