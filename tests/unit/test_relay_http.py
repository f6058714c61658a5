"""The HTTP beside the websocket: health without names, and nothing else."""

import json
from http import HTTPStatus

import pytest

from pushmfa.relay.gate import Gate
from pushmfa.relay.http import Front, Health
from pushmfa.relay.limits import Rate, RelayLimits

WELL = Health(ok=True, links=1, mailboxes=2, envelopes=3)


def front_of(limits: RelayLimits, health: Health = WELL) -> Front:
    return Front(Gate(limits), lambda: health)


def test_health_is_counts() -> None:
    answer = front_of(RelayLimits()).answer("GET", "/healthz", "a", 0.0)
    assert answer is not None
    assert answer.status is HTTPStatus.OK
    assert answer.content_type == "application/json"
    counts = {"ok": True, "links": 1, "mailboxes": 2, "envelopes": 3}
    counts |= {"pushes_sent": 0, "pushes_failed": 0}
    assert json.loads(answer.body) == counts


def test_unwell_is_503() -> None:
    sick = Health(ok=False, links=0, mailboxes=0, envelopes=0)
    answer = front_of(RelayLimits(), sick).answer("GET", "/healthz", "a", 0.0)
    assert answer is not None
    assert answer.status is HTTPStatus.SERVICE_UNAVAILABLE
    assert json.loads(answer.body)["ok"] is False


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/link/", 404),
        ("GET", "/v1/link?x", 404),
        ("GET", "/healthz?x", 404),
        ("GET", "/../healthz", 404),
        ("POST", "/healthz", 405),
        ("HEAD", "/healthz", 405),
        ("POST", "/v1/link", 405),
    ],
)
def test_everything_else_is_refused(method: str, path: str, status: int) -> None:
    answer = front_of(RelayLimits()).answer(method, path, "a", 0.0)
    assert answer is not None
    assert answer.status == status


def test_link_may_be_opened_until_there_are_too_many() -> None:
    front = front_of(RelayLimits(connections=Rate(1, 0)))
    assert front.answer("GET", "/v1/link", "a", 0.0) is None
    for path in ("/v1/link", "/healthz"):
        answer = front.answer("GET", path, "a", 0.0)
        assert answer is not None
        assert answer.status is HTTPStatus.TOO_MANY_REQUESTS


def test_full_relay_still_says_how_it_is() -> None:
    front = front_of(RelayLimits(max_links=0))
    answer = front.answer("GET", "/v1/link", "a", 0.0)
    assert answer is not None
    assert answer.status is HTTPStatus.SERVICE_UNAVAILABLE
    answer = front.answer("GET", "/healthz", "a", 0.0)
    assert answer is not None
    assert answer.status is HTTPStatus.OK
