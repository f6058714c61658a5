"""PID 1 of the sandbox: builds its world, then holds it until nobody needs it.

Started by `sandbox.Sandbox` through `unshare`, with the kept paths as one JSON
argument, [[path, writable], ...], and the file for the lines of syslog. It writes
`ready` to its standard output once the world stands and ends when its standard
input does, that is with the process that started it, however that one ended. The
kernel then kills everything in the PID namespace.
"""

import contextlib
import errno
import json
import os
import select
import socket
import sys
import time
from pathlib import Path
from typing import Final

from pushmfa.demo.mounts import Kept, build_world
from pushmfa.text import decode_text, make_harmless

HOST_NAME: Final = "demo"
"""What `hostname` says inside."""

_REAP_EVERY: Final = 0.5
_LONGEST_LINE: Final = 8192


def main() -> int:
    """Return 0 when it was told to end, 1 if the world could not be built."""
    kept = [Kept(path, writable) for path, writable in json.loads(sys.argv[1])]
    try:
        build_world(kept)
        socket.sethostname(HOST_NAME)
        log = _open_syslog()
    except OSError as error:
        hint = ""
        if error.errno in {errno.EPERM, errno.EACCES}:
            hint = " (in a container, start it with --privileged)"
        sys.stderr.write(f"{error.filename}: {error.strerror}{hint}\n")
        return 1
    with Path(sys.argv[2]).open("a", encoding="utf-8", errors="replace") as lines:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            readable, _, _ = select.select([sys.stdin.buffer, log], [], [], _REAP_EVERY)
            if log in readable:
                line = decode_text(log.recv(_LONGEST_LINE))
                stamp = time.strftime("%H:%M:%S")
                lines.write(f"{stamp} {make_harmless(line, _LONGEST_LINE)}\n")
                lines.flush()
            if sys.stdin.buffer in readable:
                return 0
            _reap()


def _open_syslog() -> socket.socket:
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.bind("/dev/log")
    Path("/dev/log").chmod(0o666)
    return log


def _reap() -> None:
    """Take leave of every orphan that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


if __name__ == "__main__":
    sys.exit(main())
