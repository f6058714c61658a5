"""What a relay's configuration may say."""

from pathlib import Path
from typing import Any

import pytest

from pushmfa.errors import ConfigError
from pushmfa.relay.settings import RelaySettings, relay_name, relay_names


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://relay.example", "wss://relay.example"),
        ("wss://Relay.Example/", "wss://relay.example"),
        ("WSS://relay.example:443", "wss://relay.example"),
        (" wss://relay.example:8443 ", "wss://relay.example:8443"),
        ("ws://localhost:8443", "ws://localhost:8443"),
        ("ws://127.0.0.1:80", "ws://127.0.0.1"),
        ("ws://[::1]:8443/", "ws://[::1]:8443"),
        ("wss://[2001:DB8::1]", "wss://[2001:db8::1]"),
    ],
)
def test_name_of_a_relay_has_one_form(url: str, name: str) -> None:
    assert relay_name(url) == name
    assert relay_name(name) == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example",
        "https://relay.example",
        "wss://",
        "wss://relay.example/v1/link",
        "wss://relay.example?x",
        "wss://user@relay.example",
        "wss://relay.example:99999",
        "wss://relay.example:port",
        "wss://[::1",
        "ws://relay.example",
        "ws://192.0.2.1",
    ],
)
def test_what_is_no_relay_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        relay_name(url)


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
    good: dict[str, Any] = {"public_urls": relay_names(["wss://Relay.Example:443"])}
    RelaySettings(**good)
    with pytest.raises(ConfigError, match=problem):
        RelaySettings(**good | changes)
