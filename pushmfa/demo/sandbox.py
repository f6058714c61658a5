"""The sandbox: a private world in which a real sshd, sudo and su use the PAM module.

    with Sandbox(module=Path("build/pam_pushmfa.so")) as sandbox:
        sandbox.add_people([("alice", "her password")])
        sandbox.run(["id"], user="alice")

Outside it leaves nothing but a temporary folder, which goes with it: what a person
needs to come in (ssh_config, key, known hosts) and logs. All the rest lives in mounts
of a namespace, and every process in a PID namespace that ends with this process.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pushmfa.demo.accounts import (
    Account,
    add_people,
    add_system_users,
    find_ids,
)
from pushmfa.demo.holder import HOST_NAME
from pushmfa.demo.namespace import Namespace
from pushmfa.demo.processes import Child, NotifySocket, run_entered, undisturbed
from pushmfa.demo.stacks import PRIVATE, write_rules, write_stacks
from pushmfa.demo.terminal import Terminal
from pushmfa.demo.tools import SYSTEM_PATH, find_tool, make_key
from pushmfa.errors import NotPermittedError, PushmfaError, UsageError

_TOOLS: Final = (
    *("chpasswd", "cp", "nsenter", "setpriv", "setsid", "unshare"),
    *("ssh", "sshd", "ssh-keygen", "su", "sudo"),
)
_START: Final = 30.0
"""Seconds that the start of a service may take."""


class Sandbox:
    """The private world, from outside; a context manager that starts and ends it."""

    def __init__(
        self, *, module: Path, arguments: str = "", programs: Sequence[str] = ()
    ) -> None:
        """Name what is brought in.

        module: pam_pushmfa.so, of which a copy is used, with arguments in every PAM
        stack. programs: files and folders that must be reachable inside; the Python
        that runs this and its packages always are.
        """
        self._module = module
        self._arguments = arguments
        self._programs = [os.path.abspath(program) for program in programs]
        self._namespace: Namespace | None = None
        self._children: list[Child] = []
        self._terminals: list[Terminal] = []
        self.people: dict[str, Account] = {}
        self.folder = Path()
        """Outside and inside: ssh_config, the key, known hosts, logs/."""

    def __enter__(self) -> Self:
        """Build the world; PushmfaError says what does not allow it."""
        if os.geteuid() != 0:
            raise NotPermittedError(
                "the sandbox is made of mounts, which only root may make",
                hint="Run it with sudo; it changes nothing outside its namespace.",
            )
        if not self._module.is_file():
            raise UsageError(f"there is no PAM module at {self._module}")
        for tool in _TOOLS:
            find_tool(tool)
        try:
            with undisturbed():
                folder = tempfile.mkdtemp(prefix="pushmfa-demo-")
                self.folder = Path(folder).resolve()
            self._furnish()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything, whatever happened."""
        self.close()

    # -- the world -------------------------------------------------------------

    @property
    def namespace(self) -> Namespace:
        """The namespaces, while the sandbox stands."""
        if self._namespace is None:
            raise UsageError("the sandbox is not running")
        return self._namespace

    @property
    def root(self) -> Path:
        """The sandbox's file system as seen from outside.

        An absolute symbolic link below it leads outside; better name its target.
        """
        return self.namespace.root

    @property
    def module(self) -> str:
        """What stands in the PAM stacks: the module, inside, with its arguments."""
        return f"{PRIVATE}/pam_pushmfa.so {self._arguments}".strip()

    @property
    def key(self) -> Path:
        """The private key that opens every account; belongs to the invoking user."""
        return self.folder / "id_demo"

    def path(self, inside: str) -> Path:
        """Return where root, outside, finds the file that is called so inside."""
        return self.root / inside.lstrip("/")

    def log(self, name: str) -> Path:
        """Return the log file of a service, or `syslog`."""
        return self.folder / "logs" / f"{name}.log"

    def add_people(self, passwords: Sequence[tuple[str, str]]) -> list[Account]:
        """Make an account for each (name, password); the demo's key opens all."""
        public_key = self.key.with_suffix(".pub").read_text()
        people = add_people(self.root, passwords, public_key, self._set_passwords)
        self.people |= {account.name: account for account in people}
        return people

    def ids(self, user: str) -> tuple[int, int]:
        """Return uid and gid of an account inside; KeyError if there is none."""
        return find_ids(self.root, user)

    # -- running something in it ------------------------------------------------

    def enter(self, user: str | None = None) -> list[str]:
        """Return what stands in front of a command to run it inside, as user."""
        return [*self.namespace.enter(), *self.become(user)]

    def become(self, user: str | None) -> list[str]:
        """Return what makes a command inside run as user; nothing for root."""
        if user is None:
            return []
        identity = [f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return ["setpriv", *identity, "--reset-env", "--"]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of root's programs inside, and nothing of ours."""
        base = {
            "PATH": SYSTEM_PATH,
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"),
        }
        return base | dict(more or {})

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        typed: str = "",
        timeout: float = 30.0,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run argv inside, without a terminal, and return what became of it.

        Raises ExpiredError, and ends it, if it takes longer than timeout seconds.
        """
        command = [*self.enter(user), *argv]
        return run_entered(command, self.environment(environment), typed, timeout)

    def terminal(
        self,
        argv: Sequence[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Terminal:
        """Start argv inside, on a terminal of its own; closed with the sandbox."""
        terminal = Terminal(
            [*self.become(user), *argv],
            self.environment(environment),
            enter=self.enter(),
            name=os.path.basename(argv[0]),
        )
        self._terminals.append(terminal)
        return terminal

    def outside_terminal(self, argv: Sequence[str]) -> Terminal:
        """Start argv outside, an ssh client above all, on a terminal of its own."""
        terminal = Terminal(argv, self.environment())
        self._terminals.append(terminal)
        return terminal

    def start(
        self, name: str, argv: Sequence[str], *, user: str | None = None
    ) -> Child:
        """Start a service inside; its output goes to log(name)."""
        command = [*self.enter(user), *argv]
        child = Child(name, command, self.log(name), self.environment())
        self._children.append(child)
        return child

    def start_notifying(
        self, name: str, argv: Sequence[str], *, user: str | None = None
    ) -> Child:
        """Start a service that says READY=1 and wait until it has."""
        inside = f"{PRIVATE}/notify-{name}"
        ready = NotifySocket(self.path(inside))
        try:
            child = self.start(
                name, ["env", f"NOTIFY_SOCKET={inside}", *argv], user=user
            )
            child.wait_until(ready.is_ready, _START)
        finally:
            ready.close()
        return child

    def check(self) -> None:
        """Raise PushmfaError if a service that should run has ended."""
        self.namespace.check()
        for child in self._children:
            child.check()

    def stop(self, child: Child) -> None:
        """End one service."""
        child.stop()
        self._children.remove(child)

    # -- the start and the end ---------------------------------------------------

    def _furnish(self) -> None:
        self.folder.chmod(0o755)
        (self.folder / "logs").mkdir(mode=0o700)
        self._make_key()
        self._namespace = Namespace(
            folder=self.folder,
            programs=self._programs,
            logs=self.folder / "logs",
            environment=self.environment(),
        )
        private = self.path(PRIVATE)
        private.mkdir(mode=0o755)
        shutil.copyfile(self._module, private / "pam_pushmfa.so")
        (private / "pam_pushmfa.so").chmod(0o644)
        write_rules(self.root, HOST_NAME)
        write_stacks(self.root, self.module)
        add_system_users(self.root)

    def _make_key(self) -> None:
        make_key(self.key)
        # With sudo, the person who typed it is to come in without it.
        owner = [int(os.environ.get(name, "0")) for name in ("SUDO_UID", "SUDO_GID")]
        os.chown(self.key, *owner)

    def _set_passwords(self, lines: str) -> None:
        result = self.run(["chpasswd", "-c", "SHA512"], typed=lines)
        if result.returncode != 0:
            raise PushmfaError(f"chpasswd failed: {result.stderr.strip()}")

    def close(self) -> None:
        """End terminals, services (the last first), the world, and the folder.

        May be called again. Signals wait meanwhile: a second Ctrl-C leaves nothing.
        """
        with undisturbed():
            self._close()

    def _close(self) -> None:
        while self._terminals:
            self._terminals.pop().close()
        while self._children:
            self._children.pop().stop()
        if self._namespace is not None:
            self._namespace.close()
            self._namespace = None
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = Path()
