"""Enrollment links as people paste them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.device.link_text import parse_link
from pushmfa.errors import UsageError
from pushmfa.wire.codec import encode_base64url

SECRET = bytes(range(16))
TEXT = encode_base64url(SECRET)


@pytest.mark.parametrize(
    ("link", "relay"),
    [
        (f"https://mfa.example/#1{TEXT}", "wss://mfa.example"),
        (f"https://mfa.example#1{TEXT}", "wss://mfa.example"),
        (f"https://mfa.example:444/#1{TEXT}", "wss://mfa.example:444"),
        (f"https://mfa.example:443/#1{TEXT}", "wss://mfa.example"),
        (f"https://mfa.example/#1{TEXT}relay.example", "wss://relay.example"),
        (f"https://mfa.example/#1{TEXT}relay.example:8443", "wss://relay.example:8443"),
        (f"https://mfa.example/#1{TEXT}localhost:8300", "ws://localhost:8300"),
        (f"https://mfa.example/#1{TEXT}[::1]:8300", "ws://[::1]:8300"),
        (f"http://localhost:8080/#1{TEXT}", "ws://localhost:8080"),
        (f"http://127.0.0.1:8080/#1{TEXT}", "ws://127.0.0.1:8080"),
        (f"http://[::1]:8080/#1{TEXT}", "ws://[::1]:8080"),
        (f"https://localhost:8080/#1{TEXT}", "wss://localhost:8080"),
        (f"HTTPS://MFA.Example/#1{TEXT}", "wss://mfa.example"),
    ],
)
def test_links_name_a_secret_and_a_relay(link: str, relay: str) -> None:
    parsed = parse_link(link)
    assert parsed.secret == SECRET
    assert parsed.relay == relay
    assert TEXT not in repr(parsed)
    assert "secret" not in repr(parsed)


def test_what_a_copied_link_has_around_it_does_not_matter() -> None:
    link = f"https://mfa.example/#1{TEXT}relay.example"
    broken = f"  {link[:30]}\n    {link[30:]}\r\n"
    assert parse_link(broken) == parse_link(link)


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("", "ends before its secret"),
        ("https://mfa.example/", "ends before its secret"),
        ("Laptop", "not an enrollment link"),
        ("https://mfa.example/#", "ends before its secret"),
        (f"https://mfa.example/#1{TEXT[:-1]}", "cut off: 21 of 22"),
        ("https://mfa.example/#1", "cut off: 0 of 22"),
        (f"https://mfa.example/#2{TEXT}", "another version"),
        (f"https://mfa.example/#{TEXT}", "another version"),
        (f"https://mfa.example/x#1{TEXT}", "not an enrollment link"),
        (f"https://mfa.example/?a#1{TEXT}", "not an enrollment link"),
        (f"https://me@mfa.example/#1{TEXT}", "not an enrollment link"),
        (f"mfa.example/#1{TEXT}", "not an enrollment link"),
        (f"http://mfa.example/#1{TEXT}", "localhost only"),
        (f"http://localhost.example/#1{TEXT}", "localhost only"),
        (f"https://mfa.example/#1{TEXT[:-1]}!", "damaged"),
        # Trailing bits that are not zero: a second text for one secret.
        (f"https://mfa.example/#1{'A' * 21}B", "damaged"),
        (f"https://mfa.example/#1{TEXT}/x", "relay in this link"),
        (f"https://mfa.example/#1{TEXT}relay.example:0", "relay in this link"),
        (f"https://mfa.example/#1{TEXT}u@relay.example", "relay in this link"),
        (f"https://mfa.example/#1{TEXT}{'a' * 80}", "longer than"),
    ],
)
def test_what_is_wrong_with_a_link_is_said(link: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_link(link)
    assert caught.value.hint
    assert TEXT not in str(caught.value) + caught.value.hint


@given(st.text(max_size=120))
def test_anything_else_is_a_usage_error(text: str) -> None:
    for link in (text, f"https://{text}/#1{TEXT}", f"https://a.example/#1{TEXT}{text}"):
        try:
            parsed = parse_link(link)
        except UsageError:
            continue
        assert len(parsed.secret) == 16
        assert parsed.relay.startswith(("wss://", "ws://"))
