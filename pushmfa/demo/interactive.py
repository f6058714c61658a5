"""The demo to try: a host to log in to, and the device's card on this terminal."""

import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Final, TextIO

from pushmfa.demo.parts import Parts
from pushmfa.demo.processes import end_entered
from pushmfa.demo.sandbox import Sandbox

USER: Final = "alice"
_LOOK_EVERY: Final = 0.3
_GRACE: Final = 3.0
"""Seconds that the device has, after Ctrl-C, to put the terminal in order."""


def explain(sandbox: Sandbox, config: Path, out: TextIO) -> None:
    """Say what to type where."""
    password = sandbox.people[USER].password
    out.write(f"""
This is a sandbox: a real sshd, sudo and su with pushmfa, relay and daemon, and below
a terminal authenticator, which is a device of {USER} too.

In another terminal of this machine, log in:

    ssh -F {config} demo

and then, as {USER} (password: {password}):

    sudo -k id
    su - bob                     (password: {sandbox.people["bob"].password})
    pushmfa status

Each time a number appears there and a card here, and in the phone app if you enrolled
it; type the number at a card. `pushmfa enroll` in such a login enrolls another device.
To log in with the password instead of a key:

    ssh -F {config} demo-password

Logs: {sandbox.folder}/logs. Ctrl-C here ends it all and leaves nothing behind, but
for what a browser keeps of the phone app.

""")
    out.flush()


def show_device(sandbox: Sandbox, parts: Parts) -> int:
    """Run the device on this terminal until it ends or Ctrl-C; return the status.

    Raises PushmfaError if a service ends meanwhile.
    """
    saved = _save_terminal()
    # Ctrl-C is ours: it must not end the `nsenter` in front of the device.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [*sandbox.enter(), *parts.device("run")], env=sandbox.environment()
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    try:
        while process.poll() is None:
            sandbox.check()
            time.sleep(_LOOK_EVERY)
        return process.returncode
    except KeyboardInterrupt:
        return 0  # as explain() said
    finally:
        end_entered(process, signal.SIGTERM, _GRACE)
        if saved is not None:
            termios.tcsetattr(sys.stdin, termios.TCSANOW, saved)


def _save_terminal() -> list[Any] | None:
    return termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
