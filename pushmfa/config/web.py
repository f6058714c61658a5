"""Reads `[web]` of relay.toml: the phone app's origin, and its listener."""

import re
from typing import Final

from pushmfa.config.model import ListenSettings, WebConfig
from pushmfa.config.names import (
    ip_address,
    is_loopback,
    parse_place,
    relay_name,
    web_origin,
)
from pushmfa.config.table import Table, absolute_path, name_value

_LISTEN: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[0-9.]+):(?P<port>[0-9]+)")


def read_web(table: Table, listen: ListenSettings) -> WebConfig:
    """Return what the table says, with the certificate of listen if it names none."""
    for given, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert")):
        if table.has(given) and not table.has(other):
            table.reject(given, f"needs {other}, too")
    web = WebConfig(
        origins=table.texts("origins", web_origin, most=16),
        listen=table.text("listen", None, _address_and_port),
        relays=table.texts("relays", relay_name, most=16),
        tls_cert=table.text("tls_cert", listen.tls_cert, absolute_path),
        tls_key=table.text("tls_key", listen.tls_key, absolute_path),
    )
    if web.listen is not None:
        _check_listener(table, web, web.listen[0], listen)
    table.finish()
    return web


def _check_listener(
    table: Table, web: WebConfig, address: str, listen: ListenSettings
) -> None:
    if not table.has("origins"):
        # Its own pages would be refused by the relay's websocket.
        table.reject(
            "origins",
            'missing; the origin of the phone app, such as ["https://app.example.com"]',
        )
    # Attack: whoever is on the way changes the app, and has it send what it shows.
    if not is_loopback(address) and web.tls_cert is None and not listen.trusted_proxies:
        table.reject(
            "listen",
            f"{address} is reached from elsewhere: give tls_cert and tls_key, "
            "or listen.trusted_proxies if a proxy does TLS",
        )


def _address_and_port(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    match = _LISTEN.fullmatch(text)
    if match is None:
        raise ValueError(f'must be like "127.0.0.1:8301", not {name_value(text)}')
    # parse_place checks the port; the address must be one, and no name.
    place = parse_place(f"https://{match['host']}:{match['port']}", ("https",))
    return ip_address(match["host"].strip("[]")), place.port
