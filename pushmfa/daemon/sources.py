"""Where logins come from, and how many of one source wait: nobody takes every place.

Attack: one user of this machine, or one address, or several together, begin a thousand
logins that wait; then nobody else finds a place at pam.sock.
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

MAX_PLACES: Final = 1_000
"""Logins at the same time, of all sources."""

_FREE_FOR_ONE: Final = 3
"""A source may have as many places as a third of those that are free: one alone 225,
four together 128 each."""

_KEPT_FREE: Final = 10
"""One in so many places is for sources that have none yet."""

_CUSTOMER_BITS: Final = 64
"""Of an IPv6 address: what is left of them one customer can change at will."""


class Sources:
    """The logins that wait now, by source."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def place(self, source: str) -> Iterator[bool]:
        """Give source a place while the block runs; False if it has its share."""
        if not self._has_place(source):
            yield False
            return
        self._waiting[source] += 1
        try:
            yield True
        finally:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]

    def _has_place(self, source: str) -> bool:
        free = MAX_PLACES - self._waiting.total()
        has = self._waiting.get(source, 0)
        if not has:
            return free > 0
        shared = free - MAX_PLACES // _KEPT_FREE
        return has < min(MAX_OF_ONE_SOURCE, shared // _FREE_FOR_ONE)


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
