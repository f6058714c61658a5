"""`pushmfa demo`: the whole system in a sandbox, to try or to watch."""

import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, TextIO

from pushmfa.demo.app import Draw, invite_browser
from pushmfa.demo.auto import LIFETIME, play
from pushmfa.demo.interactive import explain, show_device
from pushmfa.demo.parts import Parts
from pushmfa.demo.processes import children_of, end_strays, undisturbed
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import PASSWORD_FIRST, start_sshd, write_ssh_config
from pushmfa.errors import UsageError

PEOPLE: Final = (("alice", "alice-password"), ("bob", "bob-password"))
_ENROLLED: Final = "alice"
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED: Final = 128
_LIFETIME: Final = 60
"""Seconds of a challenge that a person answers."""


class _Ended(BaseException):
    """A signal that ends the demo; as KeyboardInterrupt, no error of its own."""


def run(
    *,
    module: Path,
    auto: bool,
    pushmfa: Sequence[str],
    out: TextIO,
    draw: Draw | None = None,
) -> int:
    """Build the sandbox, show pushmfa in it, remove it; return the exit status.

    module: pam_pushmfa.so. auto: play the scenes instead of waiting for a person;
    the status is then 0 if each ended as it should. pushmfa: the words of the
    command that starts the parts. draw: makes the lines of a QR code of a link, if
    out can show one. Raises PushmfaError if the sandbox cannot be made or one of its
    services ends early. A signal gives 128 plus its number.
    """
    command = find_command(pushmfa)
    known = set(children_of(os.getpid()))
    sandbox = Sandbox(module=module, programs=command[:1])
    with _interruptible() as signals:
        try:
            return _show(sandbox, command, auto, out, draw)
        except (_Ended, KeyboardInterrupt):
            out.write("\ninterrupted\n")
            return _INTERRUPTED + (signals[0] if signals else signal.SIGINT)
        finally:
            with undisturbed():
                sandbox.close()
                end_strays(known)
            out.write("The sandbox is removed.\n")


def find_command(words: Sequence[str]) -> list[str]:
    """Return words with the program as an absolute path; UsageError if not found."""
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise UsageError(f"there is no command {' '.join(words)!r} to start the parts")
    return [os.path.abspath(found), *words[1:]]


def _show(
    sandbox: Sandbox,
    command: Sequence[str],
    auto: bool,
    out: TextIO,
    draw: Draw | None,
) -> int:
    out.write("Building the sandbox ...\n")
    out.flush()
    with sandbox:
        sandbox.add_people(PEOPLE)
        lifetime = LIFETIME if auto else _LIFETIME
        parts = Parts(sandbox, command, lifetime=lifetime, serves_app=True)
        out.write("Starting relay, daemon and sshd ...\n")
        out.flush()
        parts.start()
        hosts = {
            "demo": start_sshd(sandbox),
            "demo-password": start_sshd(
                sandbox, service="sshd-password", methods=PASSWORD_FIRST
            ),
        }
        config = write_ssh_config(sandbox, hosts, _ENROLLED)
        out.write(f"Enrolling a terminal authenticator for {_ENROLLED} ...\n")
        out.flush()
        parts.enroll(_ENROLLED)
        if auto:
            return 0 if play(sandbox, parts, config, out) else 1
        invite_browser(sandbox, parts, _ENROLLED, out, draw)
        explain(sandbox, config, out)
        return show_device(sandbox, parts)


@contextmanager
def _interruptible() -> Iterator[list[int]]:
    """Turn signals that end the demo into an exception, so that it cleans up.

    Gives a list that holds the number of the signal once one came.
    """
    came: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise _Ended

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
