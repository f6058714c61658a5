"""Whose address a connection counts for."""

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

UNKNOWN: Final = "unknown"
_CUSTOMER_PREFIX: Final = 64

logger = logging.getLogger(__name__)


def client_address(
    peer: str, forwarded: Iterable[str], trusted_proxies: Sequence[Network]
) -> str:
    """Return the key under which a connection's limits are counted.

    peer is the address of the other end of the TCP connection, forwarded the values
    of X-Forwarded-For in order. From right to left, each address that a trusted
    proxy wrote is believed; the first that is not itself a trusted proxy's is the
    client's. Attack: a client that writes the header itself; what it wrote stands
    to the left of what our proxy added, and is not read.
    """
    address = _parse(peer)
    if address is None:
        return UNKNOWN
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and is_in(address, trusted_proxies):
        before = _parse(hops.pop())
        if before is None:
            break
        address = before
    return _key(address)


def is_in(address: Address, networks: Sequence[Network]) -> bool:
    """Say whether address is in one of networks."""
    return any(address in network for network in networks)


def is_trusted(peer: str, trusted_proxies: Sequence[Network]) -> bool:
    """Say whether peer is one of our proxies."""
    address = _parse(peer)
    return address is not None and is_in(address, trusted_proxies)


@cache
def warn_of_proxy() -> None:
    """Tell of a proxy that is not trusted: all its clients share its limits."""
    # Once a run: anybody can send the header.
    logger.warning(
        "a peer that is not in listen.trusted_proxies sent X-Forwarded-For; "
        "if it is your proxy, name it there, else its clients count as one address"
    )


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A listener on `::` sees IPv4 peers as ::ffff:192.0.2.1.
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _key(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    # One customer has a /64, and all of its addresses.
    return str(IPv6Network((address, _CUSTOMER_PREFIX), strict=False))
