"""Programs of the system that the sandbox is made with."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from pushmfa.errors import PushmfaError, UsageError

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find_tool(name: str) -> str:
    """Return the path of a program of the system; UsageError if it is missing."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if found is None:
        raise UsageError(
            f"the sandbox needs {name}, which this machine does not have",
            hint="On Debian: apt-get install openssh-server openssh-client sudo "
            "login passwd util-linux",
        )
    return found


def make_key(path: Path) -> None:
    """Make an Ed25519 key pair for ssh at path and path.pub, without a passphrase."""
    options = ["-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(path)]
    result = subprocess.run(  # noqa: S603 - a program of the system
        [find_tool("ssh-keygen"), *options], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise PushmfaError(f"ssh-keygen failed: {result.stderr.strip()}")
