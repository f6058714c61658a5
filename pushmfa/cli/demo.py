"""`pushmfa demo`: the whole system in a throw-away sandbox."""

import sys
from pathlib import Path
from typing import Final

import click

from pushmfa.cli.options import config_option, examples
from pushmfa.errors import UsageError

DEFAULT_MODULE: Final = Path("build/pam_pushmfa.so")


@click.command(epilog=examples("sudo pushmfa demo", "sudo pushmfa demo --auto"))
@click.option(
    "--module",
    type=click.Path(path_type=Path),
    default=DEFAULT_MODULE,
    show_default=True,
    metavar="FILE",
    help="The PAM module to use.",
)
@click.option(
    "--auto",
    is_flag=True,
    help="Play logins by itself; ends with 0 if each ended as it should.",
)
@config_option()
def demo(module: Path, auto: bool) -> int:
    """Try everything in a sandbox.

    A real sshd and sudo, relay, daemon and an enrolled device, started for you.
    Nothing of this computer is changed, and nothing is left when it ends. Needs root.
    """
    if not module.is_file():
        raise UsageError(
            f"there is no PAM module at {module}",
            hint="Build it: make module. Or name one: --module FILE",
        )
    from pushmfa.demo.main import run

    return run(module=module, auto=auto, pushmfa=[sys.argv[0]], out=sys.stdout)
