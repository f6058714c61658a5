"""Lines that a person types, read without blocking the links.

On a terminal two things count that a plain read would miss: what was typed before a
question is thrown away when the question appears, for it answers another one; and a
passphrase is not echoed.
"""

import asyncio
import contextlib
import os
import termios
from collections.abc import Callable
from typing import Final

MAX_LINE: Final = 1_024


class LineReader:
    """Calls on_line with each line of a file descriptor, while `reading` lasts."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self._descriptor = descriptor
        self._on_line = on_line
        self._typed = b""
        self._is_terminal = os.isatty(descriptor)
        self._is_hidden = False

    def start(self) -> None:
        """Begin to read; a file that cannot be waited for (/dev/null) has no lines."""
        with contextlib.suppress(PermissionError):
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)

    def stop(self) -> None:
        """Stop reading, and leave the terminal as it was."""
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.hide(is_hidden=False)

    def discard(self) -> None:
        """Throw away what was typed and not ended by Enter, and what waits behind.

        Attack: a new card appears while somebody types the number of another.
        """
        self._typed = b""
        if self._is_terminal:
            termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def hide(self, *, is_hidden: bool) -> None:
        """Stop or begin again to show what is typed."""
        if not self._is_terminal or is_hidden == self._is_hidden:
            return
        self._is_hidden = is_hidden
        mode = termios.tcgetattr(self._descriptor)
        if is_hidden:
            mode[3] &= ~termios.ECHO
        else:
            mode[3] |= termios.ECHO
        termios.tcsetattr(self._descriptor, termios.TCSANOW, mode)

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, MAX_LINE)
        except OSError:
            piece = b""  # The terminal hung up.
        if not piece:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            return
        self._typed += piece
        while b"\n" in self._typed:
            line, _, self._typed = self._typed.partition(b"\n")
            self._on_line(line.decode("utf-8", "replace"))
        if len(self._typed) > MAX_LINE:
            self._typed = b""
