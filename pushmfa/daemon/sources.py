"""Where logins come from, and how many of one source wait: nobody takes every place.

Attack: one user of this machine, or one address, begins a thousand logins that wait;
then nobody else finds a place at pam.sock.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address
from typing import Final

from pushmfa.daemon.requests import remote_address
from pushmfa.wire.local import Request

MAX_OF_ONE_SOURCE: Final = 250
"""A quarter of all; more than sshd lets wait at once (MaxStartups)."""

_CUSTOMER_BITS: Final = 64
"""Of an IPv6 address: what is left of them one customer can change at will."""


class Sources:
    """The logins that wait now, by source."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def place(self, source: str) -> Iterator[bool]:
        """Give source a place while the block runs; False if it has its share."""
        if self._waiting[source] >= MAX_OF_ONE_SOURCE:
            yield False
            return
        self._waiting[source] += 1
        try:
            yield True
        finally:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]


def source_of(request: Request) -> str:
    """Return who a login counts for: its address, or the user who called."""
    address = remote_address(request.conn)
    if address is None:
        return f"uid {request.uid}"
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address) or parsed.ipv4_mapped:
        return address
    return f"{IPv6Address(int(parsed) >> _CUSTOMER_BITS << _CUSTOMER_BITS)}/64"
