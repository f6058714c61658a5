"""What floods control.sock: a program by itself, run inside the sandbox.

Words: the socket, how many connections, for how many seconds at least, the first uid
and how many uids to call as. Prints how many connections it made.
"""

import os
import resource
import socket
import sys
import time
from collections import deque

REQUESTS = (
    b"",
    b'{"type":"list-dev',
    b'{"type":"list-devices","user":null}\n' * 3,
    b'{"type":"start-test","user":null}\n',
    b"\xff" * 5_000,
)
KEPT = 400


def main(path: str, count: int, seconds: float, first_uid: int, uids: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4_096),) * 2)
    kept: deque[socket.socket] = deque()
    made, end = 0, time.monotonic() + seconds
    while made < count or time.monotonic() < end:
        if uids:
            os.seteuid(first_uid + made % uids)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(1)
        try:
            connection.connect(path)
            connection.send(REQUESTS[made % len(REQUESTS)])
        except OSError:
            connection.close()
        else:
            kept.append(connection)
        if uids:
            os.seteuid(0)
        made += 1
        if len(kept) > KEPT:
            kept.popleft().close()
        if made % 100 == 0:
            drip(kept)
    print(made)  # noqa: T201  the test reads it


def drip(kept: deque[socket.socket]) -> None:
    """Send a byte more of what never becomes a request."""
    for connection in kept:
        try:
            connection.send(b" ", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            continue


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:6]))
