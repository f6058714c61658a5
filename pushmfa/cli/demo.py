"""`pushmfa demo`: the whole system in a throw-away sandbox."""

import sys
from pathlib import Path
from typing import Final

import click

from pushmfa.cli import qr
from pushmfa.cli.options import config_option, examples, is_root
from pushmfa.errors import NotPermittedError, UsageError

# Not one in the current folder: root would run what anybody put there.
_SECURITY_FOLDERS: Final = ("usr/lib/*/security", "usr/lib64/security")
_MODULE: Final = "pam_pushmfa.so"


@click.command(epilog=examples("sudo pushmfa demo", "sudo pushmfa demo --auto"))
@click.option(
    "--module",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The PAM module to use; without it, the installed one.",
)
@click.option(
    "--auto",
    is_flag=True,
    help="Play logins by itself; ends with 0 if each ended as it should.",
)
@config_option(is_used=False)
def demo(module: Path | None, auto: bool) -> int:
    """Try everything in a sandbox.

    A real sshd and sudo, relay, daemon and an enrolled device, started for you, and
    the phone app for a browser of this computer.
    Nothing of this computer is changed, and nothing is left when it ends. Needs root.
    """
    if not is_root():
        raise NotPermittedError(
            "the sandbox is made of mounts, which only root may make",
            hint="sudo pushmfa demo; it changes nothing outside of its namespace.",
        )
    module = module or _installed_module()
    if not module.is_file():
        raise UsageError(f"there is no PAM module at {module}", hint=_how_to_build())
    from pushmfa.demo.main import run

    return run(
        module=module,
        auto=auto,
        pushmfa=[sys.argv[0]],
        out=sys.stdout,
        draw=qr.draw if qr.fits_terminal() else None,
    )


def _installed_module() -> Path:
    for pattern in _SECURITY_FOLDERS:
        for folder in sorted(Path("/").glob(pattern)):
            if (folder / _MODULE).is_file():
                return folder / _MODULE
    raise UsageError("the PAM module is not installed", hint=_how_to_build())


def _how_to_build() -> str:
    """Return how to build the module: from a checkout, or from what a wheel brings."""
    sources = Path(__file__).parents[1] / "share/pam_module"
    if not sources.is_dir():
        return "Build it: make module; then: --module build/pam_pushmfa.so"
    return (
        "Build it, which needs gcc and libpam0g-dev, and name it by --module: "
        f"make -C {sources} BUILD=/root/pushmfa-module OUT=/root/{_MODULE}"
    )
