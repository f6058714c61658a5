"""What relay.toml says, checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pushmfa.config.names import Network, relay_name
from pushmfa.errors import ConfigError
from pushmfa.relay.limits import RelayLimits

DEFAULT_STATE: Final = Path("/var/lib/pushmfa-relay/relay.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """The listener of the phone app."""

    address: str
    port: int
    relays: tuple[str, ...] = ()
    """Names of other relays that the app may dial, canonical."""
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PushSettings:
    """How devices are woken up."""

    enabled: bool = True
    """By Web Push."""
    contact: str = "mailto:root@localhost"
    """Whom a push service writes to, a mailto: or https: URL (RFC 8292)."""
    hook_url: str | None = None
    command: tuple[str, ...] = ()


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
    origins: frozenset[str] = frozenset()
    """Origins whose pages may open a link; the phone app's."""
    web: WebSettings | None = None
    """None: the phone app is served elsewhere, or not at all."""
    push: PushSettings = field(default_factory=PushSettings)
    limits: RelayLimits = field(default_factory=RelayLimits)

    def __post_init__(self) -> None:
        if not self.public_urls:
            raise ConfigError("[public] urls: at least one is needed")
        for url in self.public_urls:
            try:
                relay_name(url)
            except ValueError as error:
                raise ConfigError(f"[public] urls: {error}") from error
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("[listen] tls_cert and tls_key: both or none")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"[listen] port: {self.port} is none")
