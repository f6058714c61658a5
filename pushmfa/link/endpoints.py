"""Relay URLs: the one form in which a relay is dialed, named and compared.

The name of a relay stands in the signed hello (docs/protocol.md 3.1 and 3.2), so
both sides must write it alike: lower case, no default port, no path.
"""

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from pushmfa.errors import ConfigError
from pushmfa.wire.link import PATH

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""The only hosts that may be dialed without TLS."""

MAX_NAME: Final = 255

# Not urlsplit: it drops tabs and line ends silently, and takes user and password.
_URL: Final = re.compile(
    r"(?P<scheme>wss?)://"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    rf"(?:/|{PATH})?",
    re.ASCII,
)
_DEFAULT_PORTS: Final = {"wss": 443, "ws": 80}


def relay_name(url: str) -> str:
    """Return the name of the relay at url, as hello and configuration write it.

    `WSS://Relay.Example:443/` gives `wss://relay.example`. ConfigError for anything
    but ws and wss, for ws to another machine, and for a path but `/v1/link`.
    """
    found = _URL.fullmatch(url.lower())
    if found is None or len(url) > MAX_NAME:
        raise ConfigError(
            "not a relay URL",
            hint="A relay URL looks like wss://relay.example or wss://relay.example:8443.",
        )
    scheme, host = found["scheme"], _host(found["host"])
    if scheme == "ws" and host not in LOCAL_HOSTS:
        raise ConfigError(
            f"ws:// is for localhost only, not for {host}",
            hint="Use wss://, so that nobody on the way sees who writes to whom.",
        )
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    if not 1 <= port <= 65_535:
        raise ConfigError(f"{port} is not a port")
    suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{suffix}"


def link_url(name: str) -> str:
    """Return the URL to dial for a relay's name."""
    return name + PATH


def is_local(name: str) -> bool:
    """Say whether a relay's name is of this machine."""
    host = name.partition("://")[2]
    return host in LOCAL_HOSTS or host.rpartition(":")[0] in LOCAL_HOSTS


def _host(host: str) -> str:
    if not host.startswith("["):
        return host
    try:
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except AddressValueError:
        raise ConfigError("not an IPv6 address in the relay URL") from None
