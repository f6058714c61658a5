"""A host whose programs ask: sshds of several stacks, sudo, su, login, and a phone.

def test_x(host):
    asked = host.ask_sudo("id", "-un")       # the number is on the screen
    host.phone.approve(asked.card, asked.number)
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.parts import DEVICE_STATE
from pushmfa.demo.processes import children_of, end_entered
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import KEY_FIRST, PASSWORD_FIRST, start_sshd, write_ssh_config
from pushmfa.demo.stacks import KEY_THEN_PUSH, PASSWORD_THEN_PUSH, write_stack
from pushmfa.demo.terminal import Terminal
from pushmfa.demo.tools import find_tool
from pushmfa.device.cards import Card
from pushmfa.login.attempt import attempt_id_of
from tests.e2e.phone import Phone
from tests.e2e.support import System, find_pushmfa

LIFETIME: Final = 12
"""Seconds of a challenge of this host: short, for the tests that wait for its end."""

NUMBER: Final = r"pushmfa: enter (\d\d) on your (?:phone|device)(?: \([^)]*\))?"
PROMPT: Final = NUMBER + ", then press Enter: "

_REST: Final = "account required pam_unix.so\nsession required pam_unix.so"

KEY_OR_PASSWORD: Final = f"""\
auth [cred_insufficient=1 default=ignore] {{module}} role=first_factor
auth requisite pam_unix.so
auth [success=ok default=die] {{module}}
{_REST}"""

DECOY: Final = f"""\
auth [success=1 default=ignore] pam_unix.so nodelay
auth [default=die] {{module}} role=decoy
auth [success=ok default=die] {{module}}
{_REST}"""

_MORE_CONFIG: Final = """
[service.sshd-either]
first_factor = "stack"

[service.sshd-decoy]
first_factor = "stack"

[service.login]
first_factor = "stack"
"""


class Asked(NamedTuple):
    """A login that waits."""

    terminal: Terminal
    number: str
    card: Card


class Host(System):
    """More people, more sshds, and a phone that this process is."""

    def __init__(self, sandbox: Sandbox) -> None:
        """People: alice, carol and zoe have a device, bob has none."""
        sandbox.add_people([*PEOPLE, ("carol", "carol-password"), ("zoe", "zoe")])
        super().__init__(
            sandbox, lifetime=LIFETIME, max_startups="60", more_config=_MORE_CONFIG
        )
        write_stack(sandbox.root, "login", PASSWORD_THEN_PUSH, sandbox.module)
        either = f"{KEY_FIRST} {PASSWORD_FIRST}"
        info = KEY_THEN_PUSH.replace("{module}", "{module} display=info")
        self.add_sshd("info", info, KEY_FIRST)
        self.add_sshd("either", KEY_OR_PASSWORD, either)
        self.add_sshd("decoy", DECOY, PASSWORD_FIRST)
        self.add_sshd("bare", KEY_THEN_PUSH, PASSWORD_FIRST)
        for name in ("alice", "carol", "zoe"):
            self.parts.enroll(name)
        self.phone = Phone(sandbox.path(DEVICE_STATE))

    def add_sshd(self, name: str, stack: str, methods: str) -> None:
        """Start one more sshd, which `ssh("name")` reaches."""
        service = f"sshd-{name}"
        write_stack(self.sandbox.root, service, stack, self.sandbox.module)
        self.sshds[name] = start_sshd(
            self.sandbox,
            service=service,
            methods=methods,
            max_startups="60",
            options=["PermitRootLogin prohibit-password"],
        )
        self.config = write_ssh_config(self.sandbox, self.sshds, "alice")

    def password(self, user: str) -> str:
        return self.sandbox.people[user].password

    # -- logins that wait -------------------------------------------------------

    def asked(self, start: Callable[[], Terminal], shown: str = NUMBER) -> Asked:
        """Return the login that start() begins, once its number and card are there."""
        known = len(self.phone.cards)
        terminal = start()
        number = terminal.expect(shown, 10)[1]
        return Asked(terminal, number, self.phone.new_card(known, 5))

    def ask_ssh(self, *words: str, enter: bool = True) -> Asked:
        """Begin an ssh login whose key is proved; enter: answer the prompt."""
        asked = self.asked(lambda: self.ssh(*(words or ("demo",))), PROMPT)
        if enter:
            asked.terminal.send_line()
            # The module waits now; nothing that is seen from outside says so.
            time.sleep(0.1)
        return asked

    def ask_sudo(self, *words: str, user: str = "alice") -> Asked:
        """Begin a sudo whose password is right."""
        argv = ["sudo", "-k", *(words or ("id", "-un"))]
        return self.asked(lambda: self.with_password(argv, user))

    def with_password(
        self, argv: Sequence[str], user: str, password: str = ""
    ) -> Terminal:
        terminal = self.sandbox.terminal(argv, user=user)
        terminal.expect("(?i)password", 10)
        terminal.send_line(password or self.password(user))
        return terminal

    def window(self, argv: Sequence[str], user: str | None = None) -> "Window":
        """Start argv inside on a terminal whose window can be closed."""
        return Window(
            [*self.sandbox.become(user), *argv],
            self.sandbox.environment(),
            enter=self.sandbox.enter(),
            name=os.path.basename(argv[0]),
        )

    def ssh_window(self, *words: str) -> "Window":
        argv = ["ssh", "-F", str(self.config), *words]
        return Window(argv, self.sandbox.environment())

    # -- what became of them ----------------------------------------------------

    def row(self, card: Card, timeout: float) -> tuple[dict[str, Any], float]:
        """Return the daemon's audit row of a card, and the second when it was there."""
        wanted = f'"attempt_id":"{attempt_id_of(card.challenge.challenge_id)}"'
        deadline = time.monotonic() + timeout
        line = ""
        with self.sandbox.log("daemon").open() as log:
            while True:
                line += log.readline()
                if not line.endswith("\n"):
                    assert time.monotonic() < deadline, "no audit row"
                    time.sleep(0.002)
                    continue
                if wanted in line and '"type":"attempt"' in line:
                    found = json.loads(line[line.index("{") :])
                    return found, time.monotonic()
                line = ""

    def syslog(self) -> str:
        return self.sandbox.log("syslog").read_text()

    def daemon_pid(self) -> str:
        """Return the process id, inside, of the daemon."""
        argv = [*find_pushmfa(), "daemon"]
        for entry in self.sandbox.path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue
            if [os.fsdecode(word) for word in words[-3:-1]] == argv[-2:]:
                return entry.parent.name
        raise AssertionError("the daemon does not run")

    def signal_daemon(self, name: str) -> None:
        """Send the daemon STOP, CONT or KILL."""
        result = self.sandbox.run(["kill", f"-{name}", self.daemon_pid()])
        assert result.returncode == 0, result.stderr
        if name == "CONT":
            # The nsenter that waits for it has stopped along with it.
            for child in children_of(os.getpid()):
                os.kill(child, signal.SIGCONT)


class Window(Terminal):
    """A terminal whose window can be closed: what ran in it is told by the kernel."""

    @property
    def is_closed(self) -> bool:
        """Whether its window was closed: nobody reads it any more."""
        return self._is_closing

    def close_window(self) -> float:
        """Close it, signal nobody; return the monotonic second."""
        self._is_closing = True
        self._reader.join()
        at = time.monotonic()
        os.close(self._master)
        return at

    def kill(self, number: int) -> float:
        """Signal the program, which runs outside; return the monotonic second."""
        at = time.monotonic()
        self._process.send_signal(number)
        return at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._is_closing:
            self.close()
        elif self._is_entered:
            end_entered(self._process, signal.SIGKILL, 5)
        else:
            self._process.kill()
            self._process.wait()


def shown_after(terminal: Terminal, mark: str) -> list[str]:
    """Return the lines that came after the last one that mark is part of."""
    lines = [line.text for line in terminal.transcript]
    last = max((i for i, line in enumerate(lines) if mark in line), default=-1)
    return lines[last + 1 :]


def find_sshds() -> dict[str, str]:
    """Return the sshds that packages of this machine bring: version to program.

    Debian 12 has one; where a newer one is installed beside it, it is a row more.
    """
    candidates = [find_tool("sshd")]
    for pattern in ("usr/lib/openssh*/sbin/sshd", "opt/openssh*/sbin/sshd"):
        candidates += [str(path) for path in Path("/").glob(pattern)]
    return {_version(program): program for program in candidates}


def _version(program: str) -> str:
    said = subprocess.run([program, "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"OpenSSH_([\w.]+)", said.stdout + said.stderr)
    assert found is not None, said
    return found[1]
