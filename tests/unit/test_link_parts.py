"""The pure parts of the websocket client: back-off, relay names, doubles."""

from pathlib import Path

import pytest

from pushmfa.errors import ConfigError
from pushmfa.link.backoff import delay_before
from pushmfa.link.dialing import Network, make_dialer
from pushmfa.link.endpoints import is_local, link_url, relay_name
from pushmfa.link.seen import SeenEnvelopes
from pushmfa.terms import EnvelopeId, MailboxId
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope

MAILBOX = MailboxId(b"m" * 16)
OTHER = MailboxId(b"o" * 16)


@pytest.mark.parametrize(
    ("number", "ceiling"),
    [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (8, 60.0), (10_000, 60.0)],
)
def test_delays_double_up_to_a_minute(number: int, ceiling: float) -> None:
    assert delay_before(number, lambda: 1.0) == ceiling
    assert delay_before(number, lambda: 0.0) == 0.0
    assert delay_before(number, lambda: 0.5) == ceiling / 2


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("wss://relay.example", "wss://relay.example"),
        ("WSS://Relay.Example:443/", "wss://relay.example"),
        ("wss://relay.example:8443/v1/link", "wss://relay.example:8443"),
        ("wss://relay.example:080", "wss://relay.example:80"),
        ("ws://localhost:8300", "ws://localhost:8300"),
        ("ws://127.0.0.1:80", "ws://127.0.0.1"),
        ("ws://[::1]:8300", "ws://[::1]:8300"),
        ("ws://[0:0:0:0:0:0:0:1]", "ws://[::1]"),
        ("wss://[2001:DB8::1]:443", "wss://[2001:db8::1]"),
    ],
)
def test_relay_names_are_canonical(url: str, name: str) -> None:
    assert relay_name(url) == name
    assert relay_name(name) == name
    assert relay_name(link_url(name)) == name


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example",
        "https://relay.example",
        "ws://relay.example",
        "ws://localhost.example",
        "ws://127.0.0.1.example",
        "ws://127.0.0.2",
        "wss://user@relay.example",
        "wss://user:secret@relay.example",
        "wss://relay.example/other",
        "wss://relay.example/v1/link/",
        "wss://relay.example?x",
        "wss://relay.example#x",
        "wss://relay.example:0",
        "wss://relay.example:65536",
        "wss://relay.example:",
        "wss://relay.example\n",
        "wss://re\tlay.example",
        "wss://re lay.example",
        "wss://rel\u0430y.example",
        "wss://[::1",
        "wss://[1::2::3]",
        "wss://" + "a" * 250,
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        relay_name(url)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ws://localhost:8300", True),
        ("ws://[::1]", True),
        ("wss://[::1]:1", True),
        ("wss://relay.example", False),
        ("wss://localhost.example:1", False),
    ],
)
def test_local_relays_are_known(name: str, expected: bool) -> None:
    assert is_local(name) is expected


def envelope(
    number: int, *, to: MailboxId = MAILBOX, lifetime: int = 600, sealed: bytes = b""
) -> Envelope:
    return Envelope(
        id=EnvelopeId(bytes([number]) * 16),
        to=to,
        sender=OTHER,
        lifetime=lifetime,
        sealed=Sealed(sealed.ljust(28)),
    )


def test_doubles_are_seen_for_each_mailbox() -> None:
    seen = SeenEnvelopes()
    assert seen.is_new(envelope(1), now=0)
    assert not seen.is_new(envelope(1), now=1)
    # Attack: another host takes the id first, at another mailbox of this device.
    assert seen.is_new(envelope(1, to=OTHER), now=1)
    assert seen.has(envelope(1))


def test_attack_something_else_under_the_id_of_an_envelope() -> None:
    seen = SeenEnvelopes()
    assert seen.is_new(envelope(1, sealed=b"garbage"), now=0)
    assert not seen.has(envelope(1))
    assert seen.is_new(envelope(1), now=0)


def test_what_is_over_gives_way_first() -> None:
    seen = SeenEnvelopes(limit=3)
    assert seen.is_new(envelope(0), now=0)
    assert seen.is_new(envelope(1, lifetime=10), now=0)
    assert seen.is_new(envelope(2), now=0)
    assert seen.is_new(envelope(3), now=11)
    assert not seen.has(envelope(1))
    assert seen.has(envelope(0))
    assert seen.is_new(envelope(4), now=12)
    assert not seen.has(envelope(0)), "none is over: the oldest goes"


def test_a_ca_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    names = ("wss://relay.example",)
    with pytest.raises(ConfigError, match="cannot load certificates"):
        make_dialer(Network(ca=tmp_path / "missing.pem"), names)
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="cannot load certificates"):
        make_dialer(Network(ca=tmp_path / "bad.pem"), names)
    # Without TLS it is not needed.
    make_dialer(Network(ca=tmp_path / "missing.pem"), ("ws://localhost",))
