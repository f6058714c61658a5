"""What the end-to-end tests share."""

import os
import sys
from pathlib import Path

from pushmfa.demo.main import find_command
from pushmfa.demo.parts import Parts
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import PASSWORD_FIRST, Sshd, start_sshd, write_ssh_config
from pushmfa.demo.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
MODULE = Path(os.environ.get("PUSHMFA_MODULE", ROOT / "build/pam_pushmfa.so"))
"""What `make module` builds."""


def find_pushmfa() -> list[str]:
    """Return the command that belongs to the Python that runs the tests."""
    beside = Path(sys.executable).with_name("pushmfa")
    return find_command([str(beside) if beside.exists() else "pushmfa"])


class System:
    """The whole product in a sandbox of its own."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        lifetime: int,
        max_startups: str,
        more_config: str = "",
    ) -> None:
        """Start relay, daemon and both sshds in sandbox, which stands.

        more_config: lines at the end of pushmfa.toml.
        """
        command = find_pushmfa()
        self.sandbox = sandbox
        self.parts = Parts(sandbox, command, lifetime=lifetime)
        with sandbox.path("/etc/pushmfa/pushmfa.toml").open("a") as config:
            config.write(more_config)
        self.parts.start()
        self.sshds: dict[str, Sshd] = {
            "demo": start_sshd(sandbox, max_startups=max_startups),
            "demo-password": start_sshd(
                sandbox,
                service="sshd-password",
                methods=PASSWORD_FIRST,
                max_startups=max_startups,
            ),
        }
        self.config = write_ssh_config(sandbox, self.sshds, "alice")

    def ssh(self, *words: str) -> Terminal:
        """Start an ssh client outside; words: options, a host, a command."""
        return self.sandbox.outside_terminal(["ssh", "-F", str(self.config), *words])


def find_system_module(name: str) -> Path:
    """Return the path of a module that came with PAM."""
    folders = [*Path("/usr/lib").glob("*/security"), *Path("/lib").glob("security")]
    folders += [Path("/usr/lib64/security")]
    return next(f / name for f in folders if (f / name).exists())
