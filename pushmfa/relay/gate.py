"""Lets connections in, or not: before anything of theirs is verified."""

from collections import Counter
from http import HTTPStatus

from pushmfa.relay.limits import Buckets, RelayLimits


class Gate:
    """Counts links, and connections that have yet to say their hello."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._waiting: Counter[str] = Counter()
        self._connections: Buckets[str] = Buckets(limits.connections)
        self._refused_hellos: Buckets[str] = Buckets(limits.refused_hellos)
        self.links = 0
        """Links that said their hello."""

    def admit(self, address: str, now: float) -> HTTPStatus:
        """Let a connection of address in (OK), or return why not."""
        if not self._connections.take(address, now):
            return HTTPStatus.TOO_MANY_REQUESTS
        if not self._refused_hellos.has_one(address, now):
            return HTTPStatus.TOO_MANY_REQUESTS
        if self.links >= self._limits.max_links:
            return HTTPStatus.SERVICE_UNAVAILABLE
        return HTTPStatus.OK

    def begin_waiting(self, address: str) -> bool:
        """Count a connection of address without a hello; False: one too many."""
        if self._waiting[address] >= self._limits.max_waiting:
            return False
        self._waiting[address] += 1
        return True

    def end_waiting(self, address: str) -> None:
        """Count it no longer: its hello came, or it is gone."""
        self._waiting[address] -= 1
        if not self._waiting[address]:
            del self._waiting[address]

    def refuse_hello(self, address: str, now: float) -> None:
        """Count a hello that was refused."""
        self._refused_hellos.take(address, now)

    def purge(self, now: float) -> None:
        """Forget addresses that have all their tokens back."""
        self._connections.purge(now)
        self._refused_hellos.purge(now)
