"""URLs in the one form in which they are compared and signed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.config import names
from pushmfa.errors import ConfigError
from pushmfa.link import endpoints


@pytest.mark.parametrize(
    "url",
    [
        "wss://relay.example",
        "wss://relay.example:8443",
        "wss://192.0.2.1",
        "wss://[2001:db8::1]:8443",
        "wss://xn--bcher-kva.example",
        "ws://localhost:8300",
        "ws://localhost",
        "ws://127.0.0.1:8300",
        "ws://[::1]:8300",
        "wss://localhost:80",
    ],
)
def test_canonical_names(url: str) -> None:
    assert names.relay_name(url) == url
    assert endpoints.relay_name(url) == url


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("wss://relay.example/", "wss://relay.example"),
        ("wss://relay.example:443", "wss://relay.example"),
        ("WSS://Relay.Example", "wss://relay.example"),
        ("ws://localhost:80", "ws://localhost"),
        ("wss://relay.example:08443", "wss://relay.example:8443"),
        ("wss://[2001:DB8:0::1]", "wss://[2001:db8::1]"),
    ],
)
def test_other_forms_name_the_canonical_one(url: str, canonical: str) -> None:
    with pytest.raises(ValueError, match="instead of") as raised:
        names.relay_name(url)
    assert str(raised.value).startswith(f'write "{canonical}" instead')


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example",
        "https://relay.example",
        "wss://",
        "wss://:443",
        "wss://relay.example/v1/link",
        "wss://relay.example?x",
        "wss://relay.example#x",
        "wss://user:password@relay.example",
        "wss://relay.example:0",
        "wss://relay.example:65536",
        "wss://relay..example",
        "wss://-relay.example",
        "wss://relay_1.example",
        "wss://b\u00fccher.example",
        "wss://[::1",
        "wss://[12345::]",
        "wss://[fe80::1%25eth0]",
        "wss://relay.example\n",
        "wss://" + "a" * 300,
        "ws://relay.example",
        "ws://127.0.0.2",
        "ws://localhost.example",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names.relay_name(url)


@given(st.text(max_size=40) | st.from_regex(r"wss?://[a-z0-9:.\[\]/]{1,20}"))
def test_what_is_accepted_a_peer_names_the_same(url: str) -> None:
    try:
        name = names.relay_name(url)
    except ValueError:
        return
    try:
        assert endpoints.relay_name(name) == name
    except ConfigError as error:
        pytest.fail(f"{name}: {error}")


@pytest.mark.parametrize(
    ("origin", "relay", "rest"),
    [
        ("https://app.example", "wss://relay.example", "relay.example"),
        ("https://app.example", "wss://app.example", ""),
        ("https://app.example", "wss://app.example:8443", "app.example:8443"),
        ("https://app.example:8443", "wss://app.example:8443", ""),
        ("http://localhost:8301", "ws://localhost:8300", "localhost:8300"),
    ],
)
def test_size_of_an_enrollment_link(origin: str, relay: str, rest: str) -> None:
    link = f"{origin}/#1{'A' * 22}{rest}"
    assert names.enrollment_link_size(origin, relay) == len(link)


@pytest.mark.parametrize(
    "text", ["192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "0.0.0.0/0", "::/0"]
)
def test_networks(text: str) -> None:
    assert str(names.network(text)) in (text, f"{text}/32")


@pytest.mark.parametrize(
    "text", ["localhost", "192.0.2.1/24", "1.2.3", "fe80::%eth0/64", "", "10.0.0.0/33"]
)
def test_no_networks(text: str) -> None:
    with pytest.raises(ValueError, match="is no network"):
        names.network(text)
