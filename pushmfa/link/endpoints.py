"""Relay URLs: the one form in which a relay is dialed, named and compared.

The name of a relay stands in the signed hello (docs/protocol.md 3.1 and 3.2), so
both sides must write it alike: lower case, no default port, no path.
"""

from pushmfa.config.names import parse_place
from pushmfa.errors import ConfigError
from pushmfa.wire.link import PATH


def relay_name(url: str) -> str:
    """Return the name of the relay at url, as hello and configuration write it.

    `WSS://Relay.Example:443/` gives `wss://relay.example`. ConfigError for anything
    but ws and wss, for ws to another machine, and for a path but `/v1/link`.
    """
    try:
        place = parse_place(url.removesuffix(PATH), ("wss", "ws"))
    except ValueError as error:
        raise ConfigError(
            f"not a relay URL: {error}",
            hint="A relay URL looks like wss://relay.example or wss://relay.example:8443.",
        ) from error
    if place.scheme == "ws" and not place.is_local:
        raise ConfigError(
            f"ws:// is for localhost only, not for {place.host}",
            hint="Use wss://, so that nobody on the way sees who writes to whom.",
        )
    return place.name


def link_url(name: str) -> str:
    """Return the URL to dial for a relay's name."""
    return name + PATH


def is_local(name: str) -> bool:
    """Say whether a relay's name is of this machine."""
    return parse_place(name, ("wss", "ws")).is_local
