"""A PAM module for tests of the daemon: what pam_pushmfa.so says, and what it must not.

Written from docs/protocol.md, 7, without `pushmfa.wire.local`, so that a mistake there
is not repeated here.
"""

import asyncio
import itertools
import re
import socket
from pathlib import Path
from typing import Self

PATIENCE = 5.0

KEY = (
    "publickey ssh-ed25519 "
    "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n"
)
"""What sshd puts into SSH_AUTH_INFO_0 after a public key was proved."""

_ports = itertools.count(40_000)


def new_connection(address: str = "192.0.2.9") -> str:
    """Return SSH_CONNECTION of a connection of its own."""
    return f"{address} {next(_ports)} 192.0.2.1 22"


def request(**items: str | bytes | int | None) -> bytes:
    """Return the first datagram of an sshd login of alice, changed by items.

    An item that is None is left out.
    """
    fields: dict[str, str | bytes | int | None] = {
        "phase": "auth",
        "service": "sshd",
        "user": "alice",
        "uid": 0,
        "pid": 4242,
        "ppid": 4241,
        "conn": new_connection(),
        "methods": KEY,
        "role": "attempt",
        "flags": 0,
        "wait": 120,
        "cut": 0,
    }
    fields.update(items)
    command = fields.pop("command", None)
    datagram = b"pushmfa1\0"
    for key, value in fields.items():
        if value is not None:
            datagram += key.encode() + b"=" + _raw(value) + b"\0"
    if command is not None:
        datagram += b"command=" + _raw(command)
    return datagram


def sudo(**items: str | bytes | int | None) -> bytes:
    """Return the first datagram of a sudo of alice's."""
    fields: dict[str, str | bytes | int | None] = {
        "service": "sudo",
        "ruser": "alice",
        "uid": 1001,
        "loginuid": 1001,
        "tty": "/dev/pts/7",
        "conn": None,
        "methods": None,
        "command": b"sudo\0ls\0",
    }
    return request(**{**fields, **items})


def _raw(value: str | bytes | int) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class Module:
    """One connection to pam.sock."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        _opened.append(self)
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, run: Path) -> Self:
        """Connect as the module does."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, str(run / "pam.sock"))
        return cls(connection)

    @classmethod
    async def begin(cls, run: Path, datagram: bytes) -> Self:
        """Connect and send a first datagram."""
        module = await cls.connect(run)
        module.send(datagram)
        return module

    def send(self, datagram: bytes) -> None:
        """Send any datagram."""
        self._socket.send(datagram)

    def type(self, text: str | bytes = "") -> None:
        """Send what a person typed; nothing is Enter alone."""
        self.send(b"A" + _raw(text))

    async def hear(self, seconds: float = PATIENCE) -> bytes:
        """Return the next datagram, b"" at the end of the connection."""
        async with asyncio.timeout(seconds):
            try:
                return await self._loop.sock_recv(self._socket, 65_537)
            except ConnectionResetError:
                return b""

    async def text(self, letter: str) -> str:
        """Return the text of the next datagram, which has this letter."""
        datagram = await self.hear()
        assert datagram[:1].decode() == letter, datagram
        text = datagram[1:].decode("ascii")
        assert 0 < len(text) <= 500
        return text

    async def number(self, letter: str = "P") -> str:
        """Return the number that the terminal shows."""
        text = await self.text(letter)
        found = re.search(r"enter ([0-9]+) on ", text, re.IGNORECASE)
        assert found, text
        return found[1]

    async def verdict(self, seconds: float = PATIENCE) -> tuple[str, str]:
        """Return verdict and text of the next datagram, and that nothing follows."""
        datagram = await self.hear(seconds)
        assert datagram[:1] == b"V", datagram
        verdict, _, text = datagram[1:].partition(b"\0")
        return verdict.decode("ascii"), text.decode("ascii")

    async def hears_nothing(self, seconds: float = 0.15) -> bool:
        """Say whether the daemon is silent for a while."""
        try:
            return not await self.hear(seconds)
        except TimeoutError:
            return True

    def close(self) -> None:
        """Leave, as when the ssh client has gone."""
        self._socket.close()


def close_all() -> None:
    """Close every connection that a test opened."""
    while _opened:
        _opened.pop().close()


_opened: list[Module] = []
