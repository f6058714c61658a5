"""One connection to a daemon's control.sock: lines out, lines in, each in its time."""

import os
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from pushmfa.errors import MalformedError, NotReachableError
from pushmfa.text import make_harmless
from pushmfa.wire import control

_UCRED: Final = struct.Struct("3i")
_HINT_ABSENT: Final = "Is pushmfa running? systemctl status pushmfa"


class ControlConnection:
    """Blocking; whoever listens is root or this user, or it raises."""

    def __init__(self, path: Path, timeout: float) -> None:
        """Connect to the socket at path; timeout: seconds for that and for a send.

        Raises NotReachableError.
        """
        self._path = path
        self._timeout = timeout
        self._rest = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Blocking: with settimeout() a full queue is an error at once (unix(7)),
            # and whoever floods the socket would keep everybody else out.
            seconds, rest = divmod(timeout, 1)
            limit = struct.pack("@ll", int(seconds), int(rest * 1e6) or 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self._socket.connect(os.fspath(path))
            self._verify_peer()
        except (OSError, ValueError) as error:
            # ValueError: a path with a zero byte; OSError also: longer than 107 bytes.
            self._socket.close()
            raise self._unreachable(error) from error
        except NotReachableError:
            self._socket.close()
            raise

    def close(self) -> None:
        """End it, also for a thread that waits in receive."""
        # shutdown wakes a thread that waits in recv; close alone does not.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def send(self, message: control.Request) -> None:
        """Send a request; what went wrong with it, receive tells."""
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(control.encode_line(message))
        except OSError:
            # The daemon may have said why before it closed: receive tells.
            return

    def receive(self, timeout: float) -> control.Event | control.Reply:
        """Return the next message within timeout seconds.

        Raises the error that the daemon tells, NotReachableError or MalformedError.
        """
        end = time.monotonic() + timeout
        while b"\n" not in self._rest:
            if len(self._rest) > control.MAX_LINE:
                raise MalformedError("the daemon sent a line without an end")
            piece = self._receive_piece(end - time.monotonic())
            if not piece:
                raise NotReachableError(
                    "the daemon ended the connection without an answer",
                    hint="Its log says why: journalctl -u pushmfa",
                )
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            message = control.decode_response(line)
        except MalformedError as error:
            raise MalformedError(
                f"the daemon's answer is not understood: {error}",
                hint="If pushmfa was upgraded: systemctl restart pushmfa",
            ) from error
        if isinstance(message, control.Failure):
            raise control.error_of(message)
        return message

    def _receive_piece(self, timeout: float) -> bytes:
        try:
            self._socket.settimeout(max(timeout, 0.001))
            return self._socket.recv(control.MAX_LINE)
        except ConnectionError:
            return b""
        except OSError as error:
            raise self._unreachable(error) from error

    def _verify_peer(self) -> None:
        """Refuse who is neither root nor this user.

        Attack: a program of another user listens where the daemon should, shows
        numbers of its own and takes the typed codes.
        """
        raw = self._socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size
        )
        _, uid, _ = _UCRED.unpack(raw)
        if uid not in (0, os.geteuid()):
            raise NotReachableError(
                f"what listens at {make_harmless(str(self._path))} belongs to uid "
                f"{uid}, neither to root nor to you",
                hint="Do not type anything into it, and tell the administrator.",
            )

    def _unreachable(self, error: Exception) -> NotReachableError:
        reason = error.strerror if isinstance(error, OSError) else None
        if isinstance(error, TimeoutError):
            reason = "no answer in time"
        return NotReachableError(
            f"cannot reach the daemon at {make_harmless(str(self._path))}: "
            f"{reason or error}",
            hint=_HINT_ABSENT,
        )
