"""Fixtures of the integration tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.push_service import FakePushService


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FakePushService]:
    """Give a push service; a push that breaks a rule fails the test."""
    with FakePushService(tmp_path) as service:
        yield service
    assert service.problems == []
