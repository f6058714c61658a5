"""What a configuration says, as frozen structs; the reading is elsewhere.

Times and lifetimes are seconds, ports and counts are integers, networks are
`ipaddress` networks, URLs are in their canonical form (docs/protocol.md, 3.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from pushmfa.config.names import Network
from pushmfa.config.run_dir import DEFAULT_RUN

DEFAULT_STATE: Final = Path("/var/lib/pushmfa")
DEFAULT_RELAY_STATE: Final = Path("/var/lib/pushmfa-relay")


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


# --- pushmfa.toml ---------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HostPaths:
    """`[paths]`: the daemon's state, and the folder of the two sockets."""

    state: Path = DEFAULT_STATE
    run: Path = DEFAULT_RUN


@dataclass(frozen=True, kw_only=True)
class HostRelays:
    """`[relay]`: the relays that the daemon keeps a link to."""

    urls: tuple[str, ...]
    proxy: str | None = None
    ca: Path | None = None


@dataclass(frozen=True, kw_only=True)
class LoginSettings:
    """`[login]`: what holds for every login attempt."""

    lifetime: int = 60
    digits: int = 2
    max_pending: int = 3
    unreachable: Literal["refuse", "allow"] = "refuse"
    unreachable_users: tuple[str, ...] = ()
    unreachable_networks: tuple[Network, ...] = ()
    unenrolled_until: int | None = None
    """Unix time when accounts without a device are let in no more; None: never are."""
    trusted_hops: int = 0
    verification: Literal["none", "required"] = "none"
    verification_users: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """`[service.NAME]`: what holds for one PAM service."""

    first_factor: Literal["stack"] | None = None
    display: Literal["prompt", "info"] | None = None


@dataclass(frozen=True, kw_only=True)
class SuSettings:
    """`[su]`: whose device is asked in su."""

    ask: Literal["requesting", "target", "login"] = "requesting"


@dataclass(frozen=True, kw_only=True)
class EnrollSettings:
    """`[enroll]`: what authorizes an account's first device."""

    first_device: Literal["ticket", "root"] = "ticket"


@dataclass(frozen=True, kw_only=True)
class HostConfig:
    """pushmfa.toml."""

    relay: HostRelays
    web_origin: str
    profile: Literal["default"] = "default"
    host_name: str | None = None
    """None: the daemon takes the system's host name."""
    paths: HostPaths = field(default_factory=HostPaths)
    login: LoginSettings = field(default_factory=LoginSettings)
    services: Mapping[str, ServiceSettings] = field(default_factory=_nothing)
    """By name of the PAM service; one without a table has the defaults."""
    su: SuSettings = field(default_factory=SuSettings)
    enroll: EnrollSettings = field(default_factory=EnrollSettings)

    def service(self, name: str) -> ServiceSettings:
        """Return what holds for the PAM service name."""
        return self.services.get(name, ServiceSettings())


# --- relay.toml -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ListenSettings:
    """`[listen]`: where the relay takes connections, and with what certificate."""

    address: str = "127.0.0.1"
    port: int = 8300
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """`[web]`: the phone app, and the pages that may open a link."""

    origins: tuple[str, ...] = ()
    listen: tuple[str, int] | None = None
    """Address and port of the app's own listener; None: the app is elsewhere."""
    relays: tuple[str, ...] = ()
    """Names of other relays that the app may dial."""
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """So many at once, then so many a second."""

    burst: int
    per_second: float


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """`[push]`: how devices are woken up."""

    enabled: bool = True
    contact: str | None = None
    """None: root at the first of the relay's own names."""
    hook_url: str | None = None
    command: tuple[str, ...] = ()
    """Empty: none."""


@dataclass(frozen=True, kw_only=True)
class RelayConfig:
    """relay.toml."""

    public_urls: tuple[str, ...]
    listen: ListenSettings = field(default_factory=ListenSettings)
    web: WebConfig = field(default_factory=WebConfig)
    push: PushConfig = field(default_factory=PushConfig)
    limits: Mapping[str, int | RateLimit] = field(default_factory=_nothing)
    """Only what the file gives; the relay knows its defaults."""
    state: Path = DEFAULT_RELAY_STATE
