"""What relay.toml says, checked."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pushmfa.errors import ConfigError
from pushmfa.relay.addresses import Network, parse_network
from pushmfa.relay.limits import RelayLimits

DEFAULT_PORTS: Final = {"wss": 443, "ws": 80}
DEFAULT_STATE: Final = Path("/var/lib/pushmfa-relay/relay.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """One relay's configuration; ConfigError at once for what cannot work."""

    public_urls: frozenset[str]
    """The names under which peers dial this relay, canonical (`relay_name`)."""
    state_path: Path = DEFAULT_STATE
    address: str = "127.0.0.1"
    port: int = 8300
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()
    limits: RelayLimits = field(default_factory=RelayLimits)

    def __post_init__(self) -> None:
        if not self.public_urls:
            raise ConfigError("[public] urls: at least one is needed")
        for url in self.public_urls:
            if relay_name(url) != url:
                raise ConfigError(
                    f"[public] urls: write {url!r} as {relay_name(url)!r}"
                )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("[listen] tls_cert and tls_key: both or none")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"[listen] port: {self.port} is none")


def relay_name(url: str) -> str:
    """Return url as it stands in a hello: `wss://host[:port]`, or raise ConfigError.

    Lower case, no path, no port where it is the default. `ws` without TLS is for
    the machine itself only.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{url!r} is not a URL: {error}") from error
    host = (parts.hostname or "").lower()
    has_more = parts.path not in ("", "/") or parts.query or parts.fragment
    if parts.scheme not in DEFAULT_PORTS or not host or has_more or parts.username:
        raise ConfigError(
            f"{url!r} is not the URL of a relay",
            hint="It looks like wss://relay.example.com or ws://localhost:8443.",
        )
    if parts.scheme == "ws" and not _is_this_machine(host):
        raise ConfigError(
            f"{url!r}: without TLS only localhost can be reached",
            hint="Use wss://, and TLS in the relay or in the proxy before it.",
        )
    shown = f"[{host}]" if ":" in host else host
    if port is None or port == DEFAULT_PORTS[parts.scheme]:
        return f"{parts.scheme}://{shown}"
    return f"{parts.scheme}://{shown}:{port}"


def relay_names(urls: Iterable[str]) -> frozenset[str]:
    """Return the canonical names of urls, or raise ConfigError."""
    return frozenset(relay_name(url) for url in urls)


def proxies(networks: Iterable[str]) -> tuple[Network, ...]:
    """Return the networks of `[listen] trusted_proxies`, or raise ConfigError."""
    try:
        return tuple(parse_network(network) for network in networks)
    except ValueError as error:
        raise ConfigError(f"[listen] trusted_proxies: {error}") from error


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
