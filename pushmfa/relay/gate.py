"""Lets connections in, or not: before anything of theirs is verified."""

from collections import Counter
from http import HTTPStatus

from pushmfa.relay.limits import SHARE, Buckets, RelayLimits


class Gate:
    """Counts links, and connections that have yet to say their hello."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._waiting: Counter[str] = Counter()
        self._connections: Buckets[str] = Buckets(limits.connections)
        self._refused_hellos: Buckets[str] = Buckets(limits.refused_hellos)
        self._links: Counter[str] = Counter()
        self._most_links = max(limits.max_links // SHARE, 1)

    @property
    def links(self) -> int:
        """How many links said their hello."""
        return self._links.total()

    def admit(self, address: str, now: float) -> HTTPStatus:
        """Let a connection of address in (OK), or return why not."""
        if not self._connections.take(address, now):
            return HTTPStatus.TOO_MANY_REQUESTS
        if not self._refused_hellos.has_one(address, now):
            return HTTPStatus.TOO_MANY_REQUESTS
        if self.links >= self._limits.max_links:
            return HTTPStatus.SERVICE_UNAVAILABLE
        # Attack: one address that opens all there are, slowly, and keeps them.
        if self._links[address] >= self._most_links:
            return HTTPStatus.TOO_MANY_REQUESTS
        return HTTPStatus.OK

    def begin_waiting(self, address: str) -> bool:
        """Count a connection of address without a hello; False: one too many."""
        if self._waiting[address] >= self._limits.max_waiting:
            return False
        self._waiting[address] += 1
        return True

    def end_waiting(self, address: str) -> None:
        """Count it no longer: its hello came, or it is gone."""
        _decrease(self._waiting, address)

    def begin_link(self, address: str) -> None:
        """Count a link of address that said its hello."""
        self._links[address] += 1

    def end_link(self, address: str) -> None:
        """Count it no longer."""
        _decrease(self._links, address)

    def refuse_hello(self, address: str, now: float) -> None:
        """Count a hello that was refused."""
        self._refused_hellos.take(address, now)

    def purge(self, now: float) -> None:
        """Forget addresses that have all their tokens back."""
        self._connections.purge(now)
        self._refused_hellos.purge(now)


def _decrease(counts: Counter[str], address: str) -> None:
    counts[address] -= 1
    if not counts[address]:
        del counts[address]
