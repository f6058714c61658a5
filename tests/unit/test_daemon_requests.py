"""What the daemon takes from SSH_CONNECTION."""

import pytest

from pushmfa.daemon.requests import remote_address


@pytest.mark.parametrize(
    ("conn", "address"),
    [
        (b"192.0.2.7 50022 192.0.2.1 22", "192.0.2.7"),
        (b"2001:DB8::7 50022 2001:db8::1 22", "2001:db8::7"),
        (b"::ffff:192.0.2.7 50022 ::ffff:192.0.2.1 22", "192.0.2.7"),
        (b"UNKNOWN 65535 UNKNOWN 65535", None),
        (b"host.example 50022 192.0.2.1 22", None),
        (b"\x1b[2J 1 2 3", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_an_address_is_an_address_or_nothing(
    conn: bytes | None, address: str | None
) -> None:
    assert remote_address(conn) == address
