"""The little HTTP that the relay's port speaks beside the websocket."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pushmfa.relay.gate import Gate
from pushmfa.wire.link import PATH

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


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, type and body."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


class Front:
    """Decides for every request whether it may become a link."""

    def __init__(self, gate: Gate, health: Callable[[], Health]) -> None:
        self._gate = gate
        self._health = health

    def answer(self, method: str, path: str, address: str, now: float) -> Answer | None:
        """Return the answer to a request, or None: a link may be opened."""
        status = self._gate.admit(address, now)
        # A full relay still says how it is.
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            return _say(status)
        if method != "GET":
            return _say(HTTPStatus.METHOD_NOT_ALLOWED)
        if path == HEALTH_PATH:
            return _tell(self._health())
        if path != PATH:
            return _say(HTTPStatus.NOT_FOUND)
        return None if status is HTTPStatus.OK else _say(status)


def _say(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase}\n".encode())


def _tell(health: Health) -> Answer:
    status = HTTPStatus.OK if health.ok else HTTPStatus.SERVICE_UNAVAILABLE
    counts = {
        "ok": health.ok,
        "links": health.links,
        "mailboxes": health.mailboxes,
        "envelopes": health.envelopes,
    }
    return Answer(status, json.dumps(counts).encode() + b"\n", "application/json")
