"""URLs and networks in the one form that every part of pushmfa compares them in."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pushmfa.config.table import name_value

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Where a link or a page may go without TLS."""

MAX_LINK: Final = 106
"""Bytes of an enrollment link: what a QR code of version 5-L holds."""

SECRET_CHARACTERS: Final = 22
"""Characters of the secret in it: 16 bytes in unpadded base64url."""

_DEFAULT_PORTS: Final = {"wss": 443, "https": 443, "ws": 80, "http": 80}
_WITHOUT_TLS: Final = {"ws", "http"}
_MAX_URL: Final = 255

_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<slash>/?)",
    re.ASCII,
)
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    r"(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    re.ASCII,
)


@dataclass(frozen=True)
class Place:
    """Scheme, host and port of a URL that has nothing else."""

    scheme: str
    host: str
    port: int

    @property
    def host_and_port(self) -> str:
        """`relay.example`, with `:8443` where it is not the scheme's own port."""
        usual = _DEFAULT_PORTS.get(self.scheme) == self.port
        return self.host if usual else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """The canonical form: lower case, no path, no default port."""
        return f"{self.scheme}://{self.host_and_port}"

    @property
    def is_local(self) -> bool:
        """Whether the host is this computer, whatever resolves names."""
        return self.host in LOCAL_HOSTS


def relay_name(text: str) -> str:
    """Return the canonical name of a relay (protocol, 3.1), or raise ValueError."""
    return _canonical(text, ("wss", "ws"))


def web_origin(text: str) -> str:
    """Return the canonical origin of an app, or raise ValueError."""
    return _canonical(text, ("https", "http"))


def proxy_url(text: str) -> str:
    """Return the URL of a proxy that takes CONNECT, or raise ValueError."""
    return parse_place(text, ("http", "https")).name


def network(text: str) -> Network:
    """Return the network that text writes as CIDR, or raise ValueError.

    Never a name: whoever answers for the name would decide who is let in.
    """
    try:
        # An IPv6 zone belongs to one interface of one computer, not to a network.
        if "%" in text:
            raise ValueError("zone")
        return ipaddress.ip_network(text)
    except ValueError as error:
        fitting = _without_host_bits(text)
        hint = f"; for the whole network write {fitting}" if fitting else ""
        raise ValueError(
            f'{name_value(text)} is no network, write it as "192.0.2.0/24"{hint}'
        ) from error


def ip_address(text: str) -> str:
    """Return an IP address in its usual form, or raise ValueError."""
    try:
        if "%" in text:
            raise ValueError("zone")
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise ValueError(
            f"must be an IP address, not {name_value(text)}; all of them: "
            '"0.0.0.0" or "::"'
        ) from error


def is_loopback(address: str) -> bool:
    """Whether address, from `ip_address`, is reached from this computer only."""
    return ipaddress.ip_address(address).is_loopback


def parse_place(text: str, schemes: Iterable[str]) -> Place:
    """Return scheme, host and port of text, or raise ValueError.

    Upper case, a default port and one slash at the end are forgiven here.
    """
    allowed = list(schemes)
    match = _URL.fullmatch(text.lower()) if len(text) <= _MAX_URL else None
    if match is None or match["scheme"] not in allowed:
        starts = " or ".join(f"{scheme}://" for scheme in allowed)
        raise ValueError(
            f"must be {starts} and a host, at most {_MAX_URL} characters, without "
            f"path, user or password, not {name_value(text)}"
        )
    scheme = match["scheme"]
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65_535:
        raise ValueError(f"port {port} is not between 1 and 65535")
    return Place(scheme, _host(match["host"]), port)


def enrollment_link_size(origin: str, relay: str) -> int:
    """Return the bytes of an enrollment link (protocol, 4.1) for canonical names."""
    web = parse_place(origin, ("https", "http"))
    relay_place = parse_place(relay, ("wss", "ws"))
    rest = relay_place.host_and_port
    if rest == web.host_and_port:
        rest = ""
    return len(web.name) + len("/#1") + SECRET_CHARACTERS + len(rest)


def _canonical(text: str, schemes: tuple[str, str]) -> str:
    place = parse_place(text, schemes)
    if place.scheme in _WITHOUT_TLS and not place.is_local:
        raise ValueError(
            f"{place.scheme}:// is for localhost only, write {schemes[0]}:// instead "
            f"of {name_value(text)}"
        )
    # Names are compared and signed as bytes, so there is only one for each relay.
    if text != place.name:
        raise ValueError(f'write "{place.name}" instead of {name_value(text)}')
    return text


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError as error:
            raise ValueError(f"{name_value(text)} is no IPv6 address") from error
    if not _HOST_NAME.fullmatch(text):
        raise ValueError(
            f"{name_value(text)} is no host name (of a name with other than ASCII "
            'letters write the form that begins with "xn--")'
        )
    return text


def _without_host_bits(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return None
