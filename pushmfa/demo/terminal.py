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
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pushmfa.demo.processes import end_entered
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
_GRACE: Final = 1.0
"""Seconds from the hang-up to SIGKILL."""
_LOOK_EVERY: Final = 0.2
"""Seconds after which the reader sees that it shall end."""


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
        name: str | None = None,
    ) -> None:
        """Start argv as leader of a session that this terminal controls.

        enter: what stands in front to bring it into the sandbox. The session is
        made behind it, so that the program sees ids of its own PID namespace.
        name: what messages call the program, if not the first of argv.
        """
        self.argv = tuple(argv)
        self._name = name or os.path.basename(self.argv[0])
        self._is_entered = bool(enter)
        self._start = time.monotonic()
        self._raw = b""
        self._times: list[float] = []
        self._position = 0
        self._is_closing = False
        self._has_ended = False
        self._changed = threading.Condition()
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", ROWS, COLUMNS, 0, 0))
        try:
            with _default_interrupt():
                self._process = subprocess.Popen(  # noqa: S603 - our own programs
                    [*enter, "setsid", "--ctty", *argv],
                    stdin=slave,
                    stdout=slave,
                    stderr=slave,
                    env=dict(environment),
                    start_new_session=self._is_entered,
                )
        finally:
            os.close(slave)
        # A thread, so that each line gets its time while nobody waits for it.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the program."""
        return time.monotonic() - self._start

    @property
    def raw(self) -> bytes:
        """All output so far, as it came."""
        return self._raw

    @property
    def text(self) -> str:
        r"""All output so far, without escape sequences, with "\n" as line end."""
        return _LINE_ENDS.sub("\n", _ESCAPES.sub("", decode_text(self._raw)))

    @property
    def transcript(self) -> list[Line]:
        """The lines that were not empty, each with its time."""
        with self._changed:
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
        wanted = re.compile(pattern, re.MULTILINE)
        match: re.Match[str] | None = None

        def is_decided() -> bool:
            nonlocal match
            match = wanted.search(self.text, self._position)
            return match is not None or self._has_ended

        with self._changed:
            if not self._changed.wait_for(is_decided, timeout):
                raise ExpiredError(
                    f"{self._name} did not write within {timeout:.0f} s: {pattern}"
                )
            if match is None:
                raise PushmfaError(f"{self._name} ended and never wrote: {pattern}")
            self._position = match.end()
            return match

    def send_line(self, line: str = "") -> None:
        """Type line and Enter."""
        self.send(line.encode() + b"\r")

    def send(self, keys: bytes) -> None:
        r"""Type keys, b"\x03" for Ctrl-C."""
        if self._is_closing:
            return
        with contextlib.suppress(OSError):  # it has ended; what waits for it says so
            os.write(self._master, keys)

    def poll(self) -> int | None:
        """Return the exit status (-N: by signal N), None while the program runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        """Wait until the program ends; return its exit status (-N: by signal N).

        Raises ExpiredError after timeout seconds.
        """
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ExpiredError(
                f"{self._name} did not end within {timeout:.0f} s"
            ) from error
        # What it wrote last; something that it left behind may hold the terminal.
        with self._changed:
            self._changed.wait_for(lambda: self._has_ended, _LOOK_EVERY)
        return status

    def close(self) -> None:
        """Hang up, and kill the program if it goes on nevertheless."""
        if self._is_closing:
            return
        self._is_closing = True
        self._reader.join()
        os.close(self._master)
        if self._is_entered:
            end_entered(self._process, signal.SIGHUP, _GRACE)
            return
        for number in (signal.SIGHUP, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_GRACE)

    def _read(self) -> None:
        """Take what comes, note the time of new lines, until the program ends."""
        while not self._is_closing:
            readable, _, _ = select.select([self._master], [], [], _LOOK_EVERY)
            if readable and not self._take():
                break
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _take(self) -> bool:
        """Take one chunk; return False if there will be no more."""
        try:
            chunk = os.read(self._master, 65536)
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: nobody has the terminal open any more
                raise
            return False
        with self._changed:
            self._raw += chunk
            lines = self.text.split("\n")
            begun = len(lines) if lines[-1] else len(lines) - 1
            self._times += [self.elapsed] * (begun - len(self._times))
            self._changed.notify_all()
        return bool(chunk)


@contextlib.contextmanager
def _default_interrupt() -> Iterator[None]:
    """Have what is started meanwhile obey Ctrl-C.

    Whoever runs us in the background may have it ignored, and children inherit that.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_ours = threading.current_thread() is threading.main_thread()
    if handler is not signal.SIG_IGN or not is_ours:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
