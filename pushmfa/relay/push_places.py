"""Where a push message may go: the form of an end point, and addresses that are public.

An end point is what a device handed in. Whoever runs a device, or takes one over,
could make the relay his hand in the network that it stands in (server-side request
forgery), so: https, port 443, a host with a name, and every address of that name
public, at the moment of the connection.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

from pushmfa.errors import LimitError, MalformedError, NotPermittedError
from pushmfa.relay.addresses import Address, Network, is_in

Lookup: TypeAlias = Callable[[str], Awaitable[list[tuple[Address, int]]]]
"""Returns the addresses of a host, each with the port to connect to; OSError."""

PORT: Final = 443
MAX_THREADS: Final = 64
"""Lookups at once; those that nobody waits for any more are among them."""

_NAME: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URL: Final = re.compile(
    # The last part begins with a letter: `127.1` and `0x7f.1` are addresses, to some.
    rf"(?P<origin>https://(?P<host>(?:{_NAME}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?))"
    r"(?::443)?(?P<rest>[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)",
    re.ASCII,
)
_MAX_HOST: Final = 253


def _networks(texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts.split())


# IANA's registries of special purposes, and not Python's is_global: it changed from
# release to release. 100.64/10 carriers' NAT, 169.254/16 link-local and clouds'
# metadata, 192.0.0/24 protocols and Oracle's metadata, 168.63.129.16 Azure's.
_NOT_PUBLIC: Final = _networks(
    "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16"
    " 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16"
    " 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3"
    # Teredo and others of 2001::/23, documentation, 6to4.
    " 2001::/23 2001:db8::/32 2002::/16 3fff::/20"
)
# All of IPv6 that is routed; outside lie ::1, ::ffff:0:0/96 (IPv4 in disguise),
# 64:ff9b::/96 (the same through NAT64), fc00::/7, fe80::/10, fec0::/10, ff00::/8.
_PUBLIC_IPV6: Final = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class EndPoint:
    """The URL of a push subscription; its text is a secret between three."""

    url: str
    host: str
    target: str
    """What stands behind the host: path and query."""

    def __repr__(self) -> str:
        return "EndPoint(...)"

    @property
    def origin(self) -> str:
        """What VAPID calls the audience."""
        return f"https://{self.host}"


def decode_endpoint(text: str) -> EndPoint:
    """Return the end point that text is, or raise MalformedError."""
    match = _URL.fullmatch(text)
    if match is None or len(match["host"]) > _MAX_HOST:
        raise MalformedError("an end point that is not acceptable")
    rest = match["rest"]
    target = rest if rest.startswith("/") else f"/{rest}"
    return EndPoint(match["origin"] + target, match["host"], target)


def is_public(address: Address) -> bool:
    """Say whether address is one that anybody on the internet may be at."""
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return not is_in(address, _NOT_PUBLIC)


def verify_public(
    places: Iterable[tuple[Address, int]], is_permitted: Callable[[Address], bool]
) -> None:
    """Return if all of them are permitted, and there are any; else NotPermittedError.

    One that is not spoils the others: a name with a public and a private address is
    no push service's.
    """
    addresses = [address for address, _ in places]
    if not addresses or not all(map(is_permitted, addresses)):
        raise NotPermittedError("a push service at an address that is not public")


class SystemLookup:
    """Asks the system's resolver, in threads of its own.

    Not the loop's getaddrinfo: a name server that does not answer would use up its
    few threads, and the relay would wait for them when it stops.
    """

    def __init__(self) -> None:
        self._threads = threading.Semaphore(MAX_THREADS)

    async def __call__(self, host: str) -> list[tuple[Address, int]]:
        """Return the addresses of host; OSError, or LimitError at once if too busy."""
        if not self._threads.acquire(blocking=False):
            raise LimitError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[tuple[Address, int]]] = loop.create_future()

        def tell(result: list[tuple[Address, int]] | OSError) -> None:
            if found.done():
                return
            if isinstance(result, OSError):
                found.set_exception(result)
            else:
                found.set_result(result)

        def work() -> None:
            result = _look_up(host)
            self._threads.release()
            try:
                loop.call_soon_threadsafe(tell, result)
            except RuntimeError:
                return  # The loop is closed: the relay stopped meanwhile.

        threading.Thread(target=work, name="lookup", daemon=True).start()
        return await found


def _look_up(host: str) -> list[tuple[Address, int]] | OSError:
    try:
        found = socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    except UnicodeError:
        return OSError("not a name that can be looked up")
    # An address with a zone is none of the internet's; without it, it is not public.
    texts = dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found)
    return [(ip_address(text), PORT) for text in texts]
