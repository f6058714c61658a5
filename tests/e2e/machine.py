"""A small machine with a real systemd, in namespaces of its own; see boot.sh.

with Machine() as machine:
    machine.run("systemctl start ssh")
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from typing import Final, Self

from pushmfa.demo.processes import children_of
from pushmfa.demo.terminal import Terminal
from tests.e2e.support import ROOT

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT: Final = 60.0
STEP: Final = 60.0
"""Seconds that one script may take."""

_SPACES: Final = ("-m", "-p", "-n", "-u", "-i", "-C")


class Machine:
    """The machine, from outside; a context manager that boots it and ends it."""

    def __enter__(self) -> Self:
        words = ["--propagation", "private", "--kill-child", "--fork", "--mount"]
        words += ["--pid", "--cgroup", "--net", "--uts", "--ipc"]
        self._unshare = subprocess.Popen(
            # A test run that is killed takes its machine along.
            [
                "setpriv",
                "--pdeathsig",
                "KILL",
                "unshare",
                *words,
                "sh",
                str(ROOT / "tests/e2e/boot.sh"),
                str(ROOT),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_until_running()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # --kill-child: systemd goes with it, and everything goes with systemd.
        self._unshare.kill()
        self._unshare.wait()
        if self._unshare.stdout is not None:
            self._unshare.stdout.close()

    def _wait_until_running(self) -> None:
        deadline = time.monotonic() + BOOT
        while True:
            with contextlib.suppress(AssertionError):
                if "running" in self.run("systemctl is-system-running", status=None):
                    return
            if self._unshare.poll() is not None or time.monotonic() > deadline:
                self._unshare.kill()
                said = self._unshare.communicate()[0]
                raise AssertionError(f"the machine does not boot: {said!r}")
            time.sleep(0.2)

    def enter(self, user: str = "root") -> list[str]:
        """Return what stands in front of a command to run it inside, as user."""
        pids = children_of(self._unshare.pid)
        assert pids, "the machine has ended"
        home = "/root" if user == "root" else f"/home/{user}"
        words = ["nsenter", "-t", str(pids[0]), *_SPACES, "--", "env", "-i"]
        words += [f"PATH={PATH}", f"HOME={home}", f"USER={user}", f"LOGNAME={user}"]
        words += ["TERM=dumb", "LANG=C.UTF-8", "NO_COLOR=1", "SHELL=/bin/bash"]
        words += ["PIP_DISABLE_PIP_VERSION_CHECK=1"]
        if user != "root":
            words += ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return words

    def run(self, script: str, user: str = "root", status: int | None = 0) -> str:
        """Run a script by sh in the user's home; return all that it wrote."""
        done = subprocess.run(
            [*self.enter(user), "sh", "-c", f"cd; {script}"],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP,
        )
        assert status is None or done.returncode == status, done.stdout
        return done.stdout

    def terminal(self, argv: Sequence[str], user: str = "root") -> Terminal:
        """Start argv in a terminal of its own, as user."""
        return Terminal(argv, os.environ, enter=self.enter(user), name=argv[0])
