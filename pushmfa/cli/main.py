"""The command `pushmfa`: all commands under one roof.

Start-up is fast: a command is imported when it is named, and what it needs inside of
it. `pushmfa status` loads no other command, and nothing heavy.
"""

import io
import os
import sys
from collections.abc import Mapping
from typing import Final

import click

from pushmfa.cli import commands
from pushmfa.cli.options import config_option, examples
from pushmfa.cli.program import Loader, Program
from pushmfa.terms import VERSION

LOADERS: Final[Mapping[str, Loader]] = {
    "enroll": commands.enroll,
    "devices": commands.devices,
    "status": commands.status,
    "test": commands.test,
    "confirm": commands.confirm,
    "mute": commands.mute,
    "unlock": commands.unlock,
    "audit": commands.audit,
    "host": commands.host,
    "device": commands.device,
    "completion": commands.completion,
    "daemon": commands.daemon,
    "relay": commands.relay,
    "demo": commands.demo,
}


@click.group(
    cls=Program,
    name="pushmfa",
    loaders=LOADERS,
    epilog=examples("pushmfa enroll", "pushmfa test", "pushmfa status"),
)
@config_option(outermost=True)
@click.version_option(VERSION, prog_name="pushmfa", message="%(prog)s %(version)s")
def program() -> None:
    """SSH and sudo on Linux, approved on a second device.

    Exit codes: 0 done, approved, healthy; 1 denied, wrong number, unhealthy; 2 usage;
    3 daemon or relay not reachable; 4 expired; 5 throttled or locked; 6 not enrolled;
    7 not permitted; 8 configuration invalid; 130 interrupted.
    """


def main() -> None:
    """Run the program; the console script."""
    _open_missing()
    # A name that the terminal's encoding lacks is shown as escapes, not as an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    program()


def _open_missing() -> None:
    """Open what the caller has closed of standard input, output and error.

    Attack: with standard output closed (`>&-`) the next file that is opened, such as
    the daemon's socket, would be it, and take what is printed.
    """
    for number, mode in ((0, "r"), (1, "w"), (2, "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number: the ones below are open by now.
            stream = open(os.devnull, mode, encoding="utf-8")
            setattr(sys, ("stdin", "stdout", "stderr")[number], stream)
