"""Every bound of the relay, as a number that relay.toml may change.

    what                                  default            beyond it
    ------------------------------------  -----------------  ------------------------
    a frame                               16,384 bytes       close 1009 (fixed)
    fragments of a frame                  64                 close 4400 (fixed)
    time for the websocket handshake      10 s               closed (fixed)
    time for the hello                    10 s               close 4408 (fixed)
    silence, pings unanswered             20 + 20 s          close 1011 (fixed)
    mailboxes of one link                 64                 close 4400 (fixed)
    links                                 20,000             HTTP 503
    links of one address                  a quarter of them  HTTP 429
    links without a hello, an address     64                 HTTP 429
    new connections, an address           60, then 2/s       HTTP 429
    refused hellos, an address            30, then 0.5/s     HTTP 429
    frames of a device's link             200, then 50/s     close 4429
    frames of a host's link               800, then 200/s    close 4429
    pings and pongs of a link             60, then 5/s       close 4429 (fixed)
    envelopes of a device's mailbox       60, then 5/s       refused, too_many
    envelopes of a host's mailbox         400, then 100/s    refused, too_many
    envelopes to one host, an address     200, then 50/s     refused, too_many
    changed allow lists, an address       256, then 2/s      close 4429
    connections to the app, an address    64                 closed
    connections to the app, of all        512                idlest closed (fixed)
    requests for the app, an address      600, then 20/s     HTTP 429
    changed push subscriptions, address   128, then 1/s      close 4429
    test pushes, an address               6, then 0.1/s      wakeup-result, failed
    wake-ups of a mailbox                 30, then 0.5/s     not woken up
    remembered envelopes of a mailbox     64 and 256 KiB     refused, mailbox_full
    remembered envelopes of all           200,000, 256 MiB   refused, mailbox_full
    remembered envelopes of one address   a quarter of them  refused, mailbox_full
    known mailboxes, each role            100,000            see operating-a-relay.md
    days a mailbox is known unused        400                forgotten
    unsent bytes of a link                1 MiB              cut off

An address is an IPv4 address or an IPv6 /64, which is what one customer has. A
`received` that makes the relay forget an envelope does not count as a frame.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pushmfa.terms import Role

K = TypeVar("K", bound=Hashable)

HELLO_TIMEOUT: Final = 10.0
HANDSHAKE_TIMEOUT: Final = 10.0
PING_INTERVAL: Final = 20.0
PING_TIMEOUT: Final = 20.0
CLOSE_TIMEOUT: Final = 5.0
MAX_FRAGMENTS: Final = 64
SHARE: Final = 4
"""One address may have one of SHARE parts of all links, and of what is remembered."""
WEB_CONNECTIONS: Final = 512
"""Connections to the app's listener, of all addresses together."""
MAX_COUNTED: Final = 65_536
"""Addresses or mailboxes whose rate is counted at the same time."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, then so many a second."""

    burst: int
    per_second: float


CONTROL_FRAMES: Final = Rate(60, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """relay.toml, `[limits]`; the table above says what each one bounds."""

    max_links: int = 20_000
    max_waiting: int = 64
    connections: Rate = Rate(60, 2)
    refused_hellos: Rate = Rate(30, 0.5)
    device_frames: Rate = Rate(200, 50)
    host_frames: Rate = Rate(800, 200)
    device_envelopes: Rate = Rate(60, 5)
    host_envelopes: Rate = Rate(400, 100)
    answers: Rate = Rate(200, 50)
    changed_lists: Rate = Rate(256, 2)
    web_connections: int = 64
    web_requests: Rate = Rate(600, 20)
    changed_subscriptions: Rate = Rate(128, 1)
    test_pushes: Rate = Rate(6, 0.1)
    wakeups: Rate = Rate(30, 0.5)
    mailbox_envelopes: int = 64
    mailbox_bytes: int = 256 * 1024
    total_envelopes: int = 200_000
    total_bytes: int = 256 * 1024 * 1024
    known_mailboxes: int = 100_000
    mailbox_days: int = 400
    unsent_bytes: int = 1024 * 1024

    def frames_of(self, role: Role) -> Rate:
        """Return how many frames a link of this role may send."""
        return self.host_frames if role is Role.HOST else self.device_frames


class Bucket:
    """A token bucket: starts full, is filled as time goes by, never over its burst."""

    __slots__ = ("_at", "_rate", "_tokens")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Take one token and return True, or return False if there is none."""
        if not self.has_one(now):
            return False
        self._tokens -= 1
        return True

    def has_one(self, now: float) -> bool:
        """Say whether a token is there, without taking it."""
        self._fill(now)
        return self._tokens >= 1

    def give_back(self) -> None:
        """Undo one take."""
        self._tokens = min(self._tokens + 1, self._rate.burst)

    def is_full(self, now: float) -> bool:
        """Say whether forgetting this bucket would change nothing."""
        self._fill(now)
        return self._tokens >= self._rate.burst

    def _fill(self, now: float) -> None:
        earned = max(now - self._at, 0.0) * self._rate.per_second
        self._tokens = min(self._tokens + earned, self._rate.burst)
        self._at = now


class Buckets(Generic[K]):
    """One bucket for each key (an address, a mailbox), of a bounded number of keys.

    Beyond the bound the longest unused is forgotten: whoever has so many addresses
    is not held by a limit on each of them.
    """

    def __init__(self, rate: Rate, max_keys: int = MAX_COUNTED) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._buckets: OrderedDict[K, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: K, now: float) -> bool:
        """Take a token of key and return True, or return False if it has none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, now)
            if len(self._buckets) > self._max_keys:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)

    def has_one(self, key: K, now: float) -> bool:
        """Say whether key has a token, without taking it."""
        bucket = self._buckets.get(key)
        return bucket is None or bucket.has_one(now)

    def purge(self, now: float) -> None:
        """Forget the buckets that are full again."""
        full = [key for key, bucket in self._buckets.items() if bucket.is_full(now)]
        for key in full:
            del self._buckets[key]
