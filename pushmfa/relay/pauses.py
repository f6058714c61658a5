"""How long to leave a push service alone that has said "not now"."""

import random
from collections import OrderedDict
from collections.abc import Hashable
from typing import Final, TypeVar

from pushmfa.relay.push_client import Reply
from pushmfa.relay.push_places import EndPoint

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 60.0
"""Seconds; only what the service itself says may be more, for that end point."""

SERVICE_PAUSE: Final = 30.0
"""The most that one service is left alone with all of its end points."""

TROUBLED: Final = 3
"""End points in a row that a service refuses before all of its have to wait."""

MAX_KNOWN: Final = 4_096


class Pauses:
    """Who may not be asked before when; bounded, the longest unused goes first.

    By end point, and by service only after several of its end points had trouble and
    none success. Attack: a device that makes the service refuse its own end point,
    which would hold up the pushes of all that use the same service.
    """

    def __init__(self) -> None:
        self._endpoints: OrderedDict[int, float] = OrderedDict()
        self._services: OrderedDict[str, float] = OrderedDict()
        self._troubled: OrderedDict[str, set[int]] = OrderedDict()

    def until(self, endpoint: EndPoint, now: float) -> float:
        """Return when endpoint may be asked: now or later."""
        of_endpoint = self._endpoints.get(hash(endpoint.url), now)
        return max(now, of_endpoint, self._services.get(endpoint.host, now))

    def is_troubled(self, host: str) -> bool:
        """Say whether the last that a service did was to refuse, or not to answer."""
        return host in self._troubled

    def note_success(self, endpoint: EndPoint) -> None:
        """Forget the trouble that there was."""
        self._endpoints.pop(hash(endpoint.url), None)
        self._services.pop(endpoint.host, None)
        self._troubled.pop(endpoint.host, None)

    def note_trouble(
        self, endpoint: EndPoint, reply: Reply, tries: int, now: float
    ) -> None:
        """Leave endpoint alone after so many tries, and perhaps its service."""
        pause = reply.retry_after
        if pause is None:
            pause = min(FIRST_PAUSE * 2 ** (tries - 1), MAX_PAUSE)
            # Not all at the same moment when a service comes back.
            pause *= random.uniform(0.5, 1)  # noqa: S311  spreads load, no secret
        key = hash(endpoint.url)
        _put(self._endpoints, key, now + pause)
        troubled = self._troubled.get(endpoint.host, set())
        troubled.add(key)
        _put(self._troubled, endpoint.host, troubled)
        if len(troubled) >= TROUBLED:
            _put(self._services, endpoint.host, now + min(pause, SERVICE_PAUSE))
            troubled.clear()


def _put(known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)
