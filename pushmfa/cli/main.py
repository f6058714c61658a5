"""The command `pushmfa`: all commands under one roof.

Start-up is fast: what a command needs is imported inside of it, so that `--help`
and shell completion load click and nothing heavy.
"""

import io
import sys

import click

from pushmfa.cli.audit import audit
from pushmfa.cli.confirm import confirm
from pushmfa.cli.demo import demo
from pushmfa.cli.device import device
from pushmfa.cli.devices import devices
from pushmfa.cli.enroll import enroll
from pushmfa.cli.host import host
from pushmfa.cli.mute import mute, unlock
from pushmfa.cli.options import config_option, examples
from pushmfa.cli.program import Program
from pushmfa.cli.services import daemon, relay
from pushmfa.cli.status import status
from pushmfa.cli.test import test
from pushmfa.terms import VERSION


@click.group(
    cls=Program,
    name="pushmfa",
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


for _command in (
    enroll,
    devices,
    status,
    test,
    confirm,
    mute,
    unlock,
    audit,
    host,
    device,
    daemon,
    relay,
    demo,
):
    program.add_command(_command)


def main() -> None:
    """Run the program; the console script."""
    # A name that the terminal's encoding lacks is shown as escapes, not as an error.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    program()
