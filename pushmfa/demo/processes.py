"""Child processes: ready when they say so, ended in order, their last words kept."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import AnyStr, Final

from pushmfa.errors import ExpiredError, NotReachableError, PushmfaError
from pushmfa.text import decode_text, make_harmless

_INTERRUPTIONS: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_TAIL_LINES: Final = 20
_LONGEST_LOG_LINE: Final = 400
_GRACE: Final = 5.0
"""Seconds from SIGTERM to SIGKILL."""
_FORK: Final = 1.0
"""Seconds until nsenter has surely started its program."""
_LOOK_EVERY: Final = 0.02


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Have the signals that end a program wait until this is over.

    Start no process meanwhile: it would inherit that.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def children_of(pid: int) -> list[int]:
    """Return the process ids whose parent is pid, as this process sees them."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            # pid (name, which may hold anything) state ppid ...
            after_name = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if int(after_name[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)


def end_entered(
    process: subprocess.Popen[AnyStr], first: signal.Signals, grace: float
) -> None:
    """End a program that `nsenter` brought into the sandbox; kill it after grace.

    process is that nsenter, which waits for the program. It must not end first: the
    orphan would go to the machine's PID 1, and where that reaps no strangers, as in
    many a container, the PID namespace could never end.
    """
    for number in (first, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(_find_inside(process), number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
    if process.poll() is None:
        process.kill()
        process.wait()


def _find_inside(process: subprocess.Popen[AnyStr]) -> int:
    """Return the process id of the program that nsenter starts, or has started."""
    deadline = time.monotonic() + _FORK
    while process.poll() is None and time.monotonic() < deadline:
        children = children_of(process.pid)
        if children:
            return children[0]
        time.sleep(_LOOK_EVERY)
    return process.pid


def end_strays(known: Container[int]) -> None:
    """End the children of this process that are not known, and wait for them.

    A signal may come between the start of a process and the moment from which this
    program knows it. A stray is an nsenter or unshare, which ends with its child.
    """
    for stray in children_of(os.getpid()):
        if stray in known:
            continue
        deadline = time.monotonic() + _GRACE
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(stray, os.WNOHANG) == (0, 0):
                is_late = time.monotonic() > deadline
                for pid in children_of(stray) or ([stray] if is_late else []):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(_LOOK_EVERY)


def run_entered(
    command: Sequence[str], environment: Mapping[str, str], typed: str, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run command, which begins with `nsenter`, to its end.

    Raises ExpiredError, and ends it, if it takes longer than timeout seconds.
    """
    with subprocess.Popen(  # noqa: S603 - root runs what root asked for
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
        env=dict(environment),
        start_new_session=True,
    ) as process:
        try:
            shown, errors = process.communicate(typed, timeout)
        except subprocess.TimeoutExpired as error:
            words = " ".join(command)
            raise ExpiredError(f"not done in {timeout:.0f} s: {words}") from error
        finally:
            end_entered(process, signal.SIGTERM, _GRACE)
    return subprocess.CompletedProcess(command, process.returncode, shown, errors)


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """Return the last lines of a log, harmless to a terminal; "" if there is none."""
    try:
        text = decode_text(log.read_bytes())
    except FileNotFoundError:
        return ""
    last = text.splitlines()[-lines:]
    return "\n".join(f"  {make_harmless(line, _LONGEST_LOG_LINE)}" for line in last)


class Child:
    """A service of the sandbox; its output goes to a log file."""

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> None:
        """Start argv; OSError if there is no such program."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the demo's own programs
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the program itself, as seen from outside."""
        return _find_inside(self._process)

    def runs(self) -> bool:
        """Say whether it has not ended."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise PushmfaError with the end of the log if it does not run any more."""
        code = self._process.poll()
        if code is not None:
            raise PushmfaError(
                f"{self.name} ended early with status {code}; the end of its log:\n"
                f"{tail(self.log)}"
            )

    def wait_until(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Wait for is_ready(); PushmfaError if the child ends or takes too long."""
        deadline = time.monotonic() + timeout
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise NotReachableError(
                    f"{self.name} was not ready within {timeout:.0f} s; "
                    f"the end of its log:\n{tail(self.log)}"
                )
            time.sleep(_LOOK_EVERY)

    def stop(self) -> None:
        """Ask it to end, and kill it if it does not within some seconds."""
        end_entered(self._process, signal.SIGTERM, _GRACE)


class NotifySocket:
    """Where a service says READY=1, as it would to systemd."""

    def __init__(self, path: Path) -> None:
        """Make the socket at path, which any user of the sandbox may write to."""
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        path.chmod(0o666)
        self._is_ready = False

    def is_ready(self) -> bool:
        """Say whether READY=1 has come."""
        while not self._is_ready:
            try:
                words = self._socket.recv(4096).split(b"\n")
            except BlockingIOError:
                break
            self._is_ready = b"READY=1" in words
        return self._is_ready

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
