"""The namespaces of the sandbox, from outside: started, entered, ended."""

import contextlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pushmfa.demo.mounts import EMPTIED
from pushmfa.demo.processes import tail
from pushmfa.demo.tools import find_tool
from pushmfa.errors import PushmfaError

_PACKAGES: Final = Path(__file__).resolve().parents[2]
"""Where this very package lies: the holder must not be of another version."""
_START: Final = 30.0
_END: Final = 10.0


class Namespace:
    """A mount, a UTS and a PID namespace, held by a process of their own."""

    def __init__(
        self,
        *,
        folder: Path,
        programs: Sequence[str],
        logs: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Build the world; PushmfaError says what does not allow it.

        folder stays as it is inside, and writable; programs too, but read-only.
        logs: the folder for holder.log and syslog.log.
        """
        kept = [[path, False] for path in find_kept(programs)] + [[str(folder), True]]
        self._errors = logs / "holder.log"
        with self._errors.open("wb") as output:
            self._holder = subprocess.Popen(  # noqa: S603 - ourselves
                [
                    *(find_tool("unshare"), "--mount", "--uts", "--pid", "--fork"),
                    *("--kill-child", "--propagation", "private", "--"),
                    *(sys.executable, "-P", "-m", "pushmfa.demo.holder"),
                    *(json.dumps(kept), str(logs / "syslog.log")),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                env=dict(environment) | {"PYTHONPATH": str(_PACKAGES)},
                start_new_session=True,
            )
        if self._read_answer() != b"ready\n":
            self.close()
            reason = tail(self._errors) or "  no answer"
            raise PushmfaError(
                f"the private world could not be made:\n{reason}",
                hint="It needs root with the right to mount; in a container, start "
                "the container with --privileged.",
            )

    @property
    def root(self) -> Path:
        """The file system inside, as seen from outside."""
        return Path(f"/proc/{self._holder.pid}/root")

    def enter(self) -> list[str]:
        """Return what stands in front of a command to run it inside, as root."""
        # unshare has the new mount namespace itself, its child alone the new PIDs.
        spaces = f"/proc/{self._holder.pid}/ns"
        return [
            find_tool("nsenter"),
            f"--mount={spaces}/mnt",
            f"--uts={spaces}/uts",
            f"--pid={spaces}/pid_for_children",
            "--",
        ]

    def check(self) -> None:
        """Raise PushmfaError if the holder, and so everything inside, has ended."""
        code = self._holder.poll()
        if code is not None:
            raise PushmfaError(
                f"the private world ended with status {code}:\n{tail(self._errors)}"
            )

    def close(self) -> None:
        """End it, and so every process in it."""
        for pipe in (self._holder.stdin, self._holder.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._holder.wait(_END)
        except subprocess.TimeoutExpired:
            self._holder.kill()  # --kill-child: its child, PID 1 inside, goes too
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._holder.wait(_END)

    def _read_answer(self) -> bytes:
        answer = self._holder.stdout
        if answer is None:
            return b""
        readable, _, _ = select.select([answer], [], [], _START)
        return answer.readline() if readable else b""


def find_kept(programs: Sequence[str]) -> list[str]:
    """Return what must stay reachable of the folders that are emptied inside.

    That is this Python, all that it imports from, and programs.
    """
    wanted = [sys.prefix, sys.base_prefix, str(_PACKAGES), *sys.path, *programs]
    wanted += [str(Path(path).resolve()) for path in wanted]
    return sorted(
        {
            path
            for path in wanted
            if os.path.isabs(path)
            and os.path.exists(path)
            and any(path.startswith(f"{folder}/") for folder in EMPTIED)
        }
    )
