"""Reads pushmfa.toml: the configuration of a host.

    config = load_host_config(Path("/etc/pushmfa/pushmfa.toml"))
    config.login.lifetime     # 60

Every key, its default and its meaning: docs/configuration.md.
"""

import datetime
import re
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast

from pushmfa.config.files import load_text, parse_toml
from pushmfa.config.model import (
    DEFAULT_STATE,
    EnrollSettings,
    HostConfig,
    HostPaths,
    HostRelays,
    LoginSettings,
    ServiceSettings,
    SuSettings,
)
from pushmfa.config.names import (
    MAX_LINK,
    enrollment_link_size,
    network,
    proxy_url,
    relay_name,
    web_origin,
)
from pushmfa.config.run_dir import DEFAULT_RUN
from pushmfa.config.table import (
    Table,
    absolute_path,
    date,
    harmless_name,
    name_value,
    user_name,
)

MAX_RELAYS: Final = 3

RESERVED_TABLES: Final = (
    "rule",
    "approver",
    "throttle",
    "risk",
    "fallback",
    "grants",
    "metrics",
    "fleet",
)
"""Tables of later versions; to ignore them would let in whom they shut out."""

_RESERVED_PROFILES: Final = ("aal2", "pci")
_SERVICE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)
_UNENROLLED: Final = re.compile(r"allow until (\S+)")


def load_host_config(path: Path) -> HostConfig:
    """Return what the file says, or raise ConfigError with all that is wrong."""
    return parse_host_config(load_text(path).text, str(path))


def parse_host_config(text: str, name: str = "pushmfa.toml") -> HostConfig:
    """Return what text says, or raise ConfigError; name stands before each problem."""
    top, problems = parse_toml(text, name)
    _read_profile(top)
    relay = _read_relay(top.table("relay"))
    config = HostConfig(
        host_name=_read_host(top.table("host")),
        paths=_read_paths(top.table("paths")),
        relay=relay,
        web_origin=_read_web(top.table("web"), relay.urls),
        login=_read_login(top.table("login")),
        services=MappingProxyType(_read_services(top.table("service"))),
        su=_read_su(top.table("su")),
        enroll=_read_enroll(top.table("enroll")),
    )
    top.table("audit").finish()
    top.reserve(RESERVED_TABLES)
    top.finish()
    problems.raise_any()
    return config


def _read_profile(top: Table) -> None:
    def check(text: str) -> str:
        if text in _RESERVED_PROFILES:
            raise ValueError(f'"{text}" belongs to a later version of pushmfa')
        if text != "default":
            raise ValueError(f'must be "default", not {name_value(text)}')
        return text

    top.text("profile", "default", check)


def _read_host(table: Table) -> str | None:
    name = table.text("name", None, harmless_name)
    table.finish()
    return name


def _read_paths(table: Table) -> HostPaths:
    paths = HostPaths(
        state=table.text("state", DEFAULT_STATE, absolute_path),
        run=table.text("run", DEFAULT_RUN, absolute_path),
    )
    table.finish()
    return paths


def _read_relay(table: Table) -> HostRelays:
    relays = HostRelays(
        urls=table.texts("urls", relay_name, least=1, most=MAX_RELAYS),
        proxy=table.text("proxy", None, proxy_url),
        ca=table.text("ca", None, absolute_path),
    )
    table.finish()
    return relays


def _read_web(table: Table, relay_urls: tuple[str, ...]) -> str:
    origin = table.text("origin", "", web_origin)
    if not table.has("origin"):
        table.reject("origin", "missing; it is where the phone app is, https://...")
    if origin and relay_urls:
        size = enrollment_link_size(origin, relay_urls[0])
        if size > MAX_LINK:
            table.reject(
                "origin",
                f"with relay.urls enrollment links have {size} bytes, a QR code holds "
                f"{MAX_LINK}; use shorter names, or one for app and relay",
            )
    table.finish()
    return origin


def _read_login(table: Table) -> LoginSettings:
    unreachable = table.choice("unreachable", "refuse", ("refuse", "allow"))
    login = LoginSettings(
        lifetime=table.integer("lifetime", 60, 10, 600),
        digits=table.integer("digits", 2, 2, 8),
        max_pending=table.integer("max_pending", 3, 1, 20),
        unreachable=cast(Literal["refuse", "allow"], unreachable),
        unreachable_users=table.texts("unreachable_users", user_name),
        unreachable_networks=table.texts("unreachable_networks", network),
        unenrolled_until=table.text("unenrolled", None, _unenrolled_until),
        trusted_hops=table.integer("trusted_hops", 0, 0, 16),
        verification=cast(
            Literal["none", "required"],
            table.choice("verification", "none", ("none", "required")),
        ),
        verification_users=table.texts("verification_users", user_name),
    )
    # Invariant 5: without a narrow fence "allow" would let in everybody, from
    # everywhere, whenever somebody cuts the line to the relay.
    narrow = login.unreachable_users and login.unreachable_networks
    if unreachable == "allow" and not narrow:
        table.reject(
            "unreachable",
            '"allow" needs both unreachable_users and unreachable_networks, not empty',
        )
    table.finish()
    return login


def _unenrolled_until(text: str) -> int | None:
    """Return the end of the day of `allow until YYYY-MM-DD` (UTC), None of `refuse`."""
    if text == "refuse":
        return None
    match = _UNENROLLED.fullmatch(text)
    if match is None:
        raise ValueError(
            f'must be "refuse" or "allow until YYYY-MM-DD", not {name_value(text)}'
        )
    midnight = datetime.datetime.combine(
        date(match[1]), datetime.time.min, datetime.UTC
    )
    return int(midnight.timestamp()) + 86_400


def _read_services(table: Table) -> dict[str, ServiceSettings]:
    services = {}
    for name in table.keys():
        if not _SERVICE_NAME.fullmatch(name):
            table.reject(name, "is no name of a PAM service")
        services[name] = _read_service(table.table(name))
    return services


def _read_service(table: Table) -> ServiceSettings:
    settings = ServiceSettings(
        first_factor=cast(
            Literal["stack"] | None, table.choice("first_factor", None, ("stack",))
        ),
        display=cast(
            Literal["prompt", "info"] | None,
            table.choice("display", None, ("prompt", "info")),
        ),
    )
    table.finish()
    return settings


def _read_su(table: Table) -> SuSettings:
    ask = table.choice("ask", "requesting", ("requesting", "target", "login"))
    table.finish()
    return SuSettings(ask=cast(Literal["requesting", "target", "login"], ask))


def _read_enroll(table: Table) -> EnrollSettings:
    first = table.choice("first_device", "ticket", ("ticket", "root"))
    table.finish()
    return EnrollSettings(first_device=cast(Literal["ticket", "root"], first))
