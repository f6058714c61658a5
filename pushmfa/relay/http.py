"""The little HTTP that the relay's port speaks beside the websocket."""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Final

from pushmfa.relay.gate import Gate
from pushmfa.wire.link import PATH

logger = logging.getLogger(__name__)

HEALTH_PATH: Final = "/healthz"

HEADERS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""What every answer carries."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the relay is: counts, and nothing that names anybody."""

    ok: bool
    links: int
    mailboxes: int
    envelopes: int
    pushes_sent: int = 0
    pushes_failed: int = 0
    """Pushes that no push service took; both since the relay began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, type and body."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Front:
    """Decides for every request whether it may become a link."""

    def __init__(
        self,
        gate: Gate,
        health: Callable[[], Health],
        origins: Collection[str] = frozenset(),
    ) -> None:
        self._gate = gate
        self._health = health
        self._origins = origins

    def answer(
        self,
        method: str,
        path: str,
        address: str,
        now: float,
        origins: Sequence[str] = (),
    ) -> Answer | None:
        """Return the answer to a request, or None: a link may be opened.

        origins are the values of the header Origin, which every browser sends with a
        websocket and nobody else does (RFC 6455, 4.1).
        """
        status = self._gate.admit(address, now)
        # A full relay still says how it is.
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            return say(status)
        if method != "GET":
            return say(HTTPStatus.METHOD_NOT_ALLOWED)
        if path == HEALTH_PATH:
            return _tell(self._health())
        if path != PATH:
            return say(HTTPStatus.NOT_FOUND)
        # Attack: any page that the person looks at dials the relay from her network,
        # where it may be reached and the attacker may not, and uses up her limits.
        if any(origin not in self._origins for origin in origins) or len(origins) > 1:
            _warn_of_origin()
            return say(HTTPStatus.FORBIDDEN)
        return None if status is HTTPStatus.OK else say(status)


def say(status: HTTPStatus) -> Answer:
    """Return an answer that is no more than its status."""
    return Answer(status, f"{status.phrase}\n".encode())


def _tell(health: Health) -> Answer:
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    counts = {
        "ok": health.ok,
        "links": health.links,
        "mailboxes": health.mailboxes,
        "envelopes": health.envelopes,
        "pushes_sent": health.pushes_sent,
        "pushes_failed": health.pushes_failed,
    }
    return Answer(status, json.dumps(counts).encode() + b"\n", "application/json")


@cache
def _warn_of_origin() -> None:
    # Once a run, and not which one: any page can have a browser send any number.
    logger.warning(
        "a web page of an origin that is not in web.origins asked for a link; if it "
        "is your phone app, name its origin there"
    )
