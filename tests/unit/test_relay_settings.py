"""What a relay's configuration may say."""

from pathlib import Path
from typing import Any

import pytest

from pushmfa.errors import ConfigError
from pushmfa.relay.settings import RelaySettings


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"public_urls": frozenset()}, "at least one"),
        ({"public_urls": frozenset({"wss://Relay.example"})}, "wss://relay.example"),
        ({"tls_cert": Path("x")}, "both or none"),
        ({"tls_key": Path("x")}, "both or none"),
        ({"port": 65_536}, "65536"),
        ({"port": -1}, "-1"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    changes: dict[str, Any], problem: str
) -> None:
    good: dict[str, Any] = {"public_urls": frozenset({"wss://relay.example"})}
    RelaySettings(**good)
    with pytest.raises(ConfigError, match=problem):
        RelaySettings(**good | changes)
