"""Who is at the other end of a local socket, by the kernel's word."""

import socket
import struct
from dataclasses import dataclass

_UCRED = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Peer:
    """SO_PEERCRED (unix(7)), as it was at connect(); the pid may be another's now."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """Return the peer of a connected unix socket, or raise OSError."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return Peer(pid=pid, uid=uid & 0xFFFFFFFF)
