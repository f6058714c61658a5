"""Reads relay.toml: the configuration of a relay.

    config = load_relay_config(Path("/etc/pushmfa/relay.toml"))
    config.listen.port        # 8300

Every key, its default and its meaning: docs/configuration.md.
"""

from pathlib import Path
from types import MappingProxyType
from typing import Final

from pushmfa.config.files import load_text, parse_toml
from pushmfa.config.model import (
    DEFAULT_RELAY_STATE,
    ListenSettings,
    RateLimit,
    RelayConfig,
)
from pushmfa.config.names import (
    ip_address,
    is_loopback,
    network,
    relay_name,
)
from pushmfa.config.push import read_push
from pushmfa.config.table import Table, absolute_path
from pushmfa.config.web import read_web

DEFAULT_PATH: Final = Path("/etc/pushmfa/relay.toml")

RESERVED_TABLES: Final = ("cluster", "admission")
"""Tables of later versions; a relay that ignored them would be open or alone."""

COUNT_LIMITS: Final = {
    "max_links": (1, 10_000_000),
    "max_waiting": (1, 100_000),
    "mailbox_envelopes": (1, 10_000),
    "mailbox_bytes": (16_384, 1_073_741_824),
    "total_envelopes": (1, 1_000_000_000),
    "total_bytes": (16_384, 1_099_511_627_776),
    "web_connections": (1, 100_000),
    "known_mailboxes": (1, 1_000_000_000),
    "mailbox_days": (1, 36_500),
    "unsent_bytes": (16_384, 1_073_741_824),
}
"""Limits that are one integer: the least and the most that makes sense."""

RATE_LIMITS: Final = (
    "connections",
    "refused_hellos",
    "device_frames",
    "host_frames",
    "device_envelopes",
    "host_envelopes",
    "answers",
    "changed_lists",
    "web_requests",
    "changed_subscriptions",
    "test_pushes",
    "wakeups",
)
"""Limits that are `{ burst = 60, per_second = 2 }`."""

_MAX_RATE: Final = 1_000_000


def load_relay_config(path: Path) -> RelayConfig:
    """Return what the file says, or raise ConfigError with all that is wrong.

    Where `[paths] state` is absent the owner of the file decides: of root's file it
    is /var/lib/pushmfa-relay, of anybody else's a folder in the home.
    """
    source = load_text(path)
    state = DEFAULT_RELAY_STATE if source.owner == 0 else _state_of_user()
    return parse_relay_config(source.text, str(path), state)


def parse_relay_config(
    text: str, name: str = "relay.toml", state: Path = DEFAULT_RELAY_STATE
) -> RelayConfig:
    """Return what text says, or raise ConfigError; name stands before each problem."""
    top, problems = parse_toml(text, name)
    listen = _read_listen(top.table("listen"))
    config = RelayConfig(
        listen=listen,
        public_urls=_read_public(top.table("public")),
        web=read_web(top.table("web"), listen),
        push=read_push(top.table("push")),
        limits=MappingProxyType(_read_limits(top.table("limits"))),
        state=_read_paths(top.table("paths"), state),
    )
    top.reserve(RESERVED_TABLES)
    top.finish()
    problems.raise_any()
    return config


def _read_listen(table: Table) -> ListenSettings:
    listen = ListenSettings(
        address=table.text("address", "127.0.0.1", ip_address),
        port=table.integer("port", 8300, 1, 65_535),
        tls_cert=table.text("tls_cert", None, absolute_path),
        tls_key=table.text("tls_key", None, absolute_path),
        trusted_proxies=table.texts("trusted_proxies", network, most=256),
    )
    for given, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if table.has(given) and not table.has(other):
            table.reject(given, f"needs {other}, too")
    # Attack: whoever is on the way reads which addresses talk, and drops or delays.
    open_to_all = not is_loopback(listen.address) and not table.has("tls_cert")
    if open_to_all and not listen.trusted_proxies:
        table.reject(
            "address",
            f"{listen.address} is reached from elsewhere: give tls_cert and tls_key, "
            "or trusted_proxies if a proxy does TLS",
        )
    table.finish()
    return listen


def _read_public(table: Table) -> tuple[str, ...]:
    urls = table.texts("urls", relay_name, least=1, most=16)
    table.finish()
    return urls


def _read_limits(table: Table) -> dict[str, int | RateLimit]:
    limits: dict[str, int | RateLimit] = {}
    for name, (low, high) in COUNT_LIMITS.items():
        value = table.integer(name, low, low, high)
        if table.has(name):
            limits[name] = value
    for name in RATE_LIMITS:
        rate = _read_rate(table.table(name))
        if table.has(name):
            limits[name] = rate
    table.finish()
    return limits


def _read_rate(table: Table) -> RateLimit:
    rate = RateLimit(
        burst=table.integer("burst", 1, 1, _MAX_RATE),
        per_second=table.number("per_second", 1.0, 0.001, _MAX_RATE),
    )
    if table.keys():
        for key in ("burst", "per_second"):
            if not table.has(key):
                table.reject(key, "missing; write { burst = 60, per_second = 2 }")
    table.finish()
    return rate


def _read_paths(table: Table, default: Path) -> Path:
    state = table.text("state", default, absolute_path)
    table.finish()
    return state


def _state_of_user() -> Path:
    # Only the relay of somebody who is not root needs it: imported when it is.
    import platformdirs

    return Path(platformdirs.user_state_dir("pushmfa-relay", appauthor=False))
