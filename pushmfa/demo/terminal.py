"""Drives a program on a terminal of its own, as a person would.

Only the standard library: a pseudo terminal, a regular expression to wait for and
a line to type. What the program wrote is kept with the second in which each line
began to appear, so that a transcript shows what was seen before which wait.
"""

import contextlib
import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pushmfa.errors import ExpiredError, PushmfaError
from pushmfa.text import decode_text, make_harmless

ROWS: Final = 40
COLUMNS: Final = 120

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]"
    r"|\x1b[=>]|\x1b[\[\]0-?]*$"
)
_LINE_ENDS: Final = re.compile(r"\r*\n|\r")
_LONGEST_LINE: Final = 300


class Line(NamedTuple):
    """A line of a transcript."""

    at: float
    """Seconds from the start of the program to the line's first character."""
    text: str
    """Harmless to a terminal; without the end of line."""


class Terminal:
    """A program and the terminal that it runs on."""

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        enter: Sequence[str] = (),
    ) -> None:
        """Start argv as leader of a session that this terminal controls.

        enter: what stands in front to bring it into the sandbox. The session is
        made behind it, so that the program sees ids of its own PID namespace.
        """
        self.argv = tuple(argv)
        self._start = time.monotonic()
        self._raw = b""
        self._times: list[float] = []
        self._position = 0
        self._ended = False
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the demo's own programs
                [*enter, "setsid", "--ctty", *argv],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=dict(environment),
                start_new_session=bool(enter),
            )
        finally:
            os.close(slave)

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the program."""
        return time.monotonic() - self._start

    @property
    def text(self) -> str:
        r"""All output so far, without escape sequences, with "\n" as line end."""
        return _LINE_ENDS.sub("\n", _ESCAPES.sub("", decode_text(self._raw)))

    @property
    def transcript(self) -> list[Line]:
        """The lines that were not empty, each with its time."""
        lines = zip(self._times, self.text.split("\n"), strict=False)
        return [
            Line(at, make_harmless(text.rstrip(), _LONGEST_LINE))
            for at, text in lines
            if text.strip()
        ]

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait for pattern in the output that no earlier call has passed.

        Raises ExpiredError after timeout seconds, PushmfaError if the program ends
        without having written it.
        """
        deadline = time.monotonic() + timeout
        wanted = re.compile(pattern, re.MULTILINE)
        while True:
            match = wanted.search(self.text, self._position)
            if match is not None:
                self._position = match.end()
                return match
            if self._ended:
                raise PushmfaError(f"{self._name} ended and never wrote: {pattern}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise ExpiredError(
                    f"{self._name} did not write within {timeout:.0f} s: {pattern}"
                )
            self._read(left)

    def send_line(self, line: str = "") -> None:
        """Type line and Enter."""
        self.send(line.encode() + b"\r")

    def send(self, keys: bytes) -> None:
        r"""Type keys, b"\x03" for Ctrl-C."""
        with contextlib.suppress(OSError):
            os.write(self._master, keys)

    def wait(self, timeout: float) -> int:
        """Read until the program ends; return its exit status (-N: by signal N).

        Raises ExpiredError after timeout seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ExpiredError(f"{self._name} did not end within {timeout:.0f} s")
            self._read(left)
        try:
            return self._process.wait(max(deadline - time.monotonic(), 1.0))
        except subprocess.TimeoutExpired as error:
            raise ExpiredError(
                f"{self._name} closed its terminal but did not end"
            ) from error

    def close(self) -> None:
        """Hang up, and kill the program if it goes on nevertheless."""
        with contextlib.suppress(OSError):
            os.close(self._master)
        self._ended = True
        if self._process.poll() is None:
            for end in (signal.SIGTERM, signal.SIGKILL):
                self._process.send_signal(end)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(1)
                    return

    @property
    def _name(self) -> str:
        return os.path.basename(self.argv[0])

    def _read(self, timeout: float) -> None:
        """Take what comes within timeout seconds, note the time of new lines."""
        readable, _, _ = select.select([self._master], [], [], timeout)
        if not readable:
            return
        try:
            chunk = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: nobody has the terminal open any more
                raise
            chunk = b""
        if not chunk:
            self._ended = True
            return
        self._raw += chunk
        at = self.elapsed
        lines = self.text.split("\n")
        begun = len(lines) if lines[-1] else len(lines) - 1
        self._times += [at] * (begun - len(self._times))
