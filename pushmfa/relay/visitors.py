"""Who loads the phone app: how many connections, how many requests."""

from collections import Counter

from pushmfa.relay.limits import WEB_CONNECTIONS, Buckets, RelayLimits


class Visitors:
    """Counts open connections and requests to the app's listener."""

    def __init__(self, limits: RelayLimits) -> None:
        self._most = limits.web_connections
        self._open: Counter[str] = Counter()
        self._requests: Buckets[str] = Buckets(limits.web_requests)

    @property
    def connections(self) -> int:
        """How many are open."""
        return self._open.total()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another one."""
        return self.connections >= WEB_CONNECTIONS

    def begin(self, address: str, *, is_proxy: bool) -> bool:
        """Count a connection of address; False: one too many, and not counted.

        All clients of a proxy come from its one address: only the bound of all holds.
        """
        if self.is_full:
            return False
        if self._open[address] >= self._most and not is_proxy:
            return False
        self._open[address] += 1
        return True

    def end(self, address: str) -> None:
        """Count it no longer."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def admit(self, address: str, now: float) -> bool:
        """Count a request of address; False: one too many."""
        return self._requests.take(address, now)

    def purge(self, now: float) -> None:
        """Forget addresses that have all their tokens back."""
        self._requests.purge(now)
