"""Addresses that are public, whom to leave alone, and work beside the links."""

import asyncio
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import Any

import pytest

from pushmfa.relay.errands import Errands
from pushmfa.relay.pauses import MAX_KNOWN, SERVICE_PAUSE, Pauses
from pushmfa.relay.push_client import Outcome, Reply, _seconds
from pushmfa.relay.push_places import (
    MAX_THREADS,
    EndPoint,
    SystemLookup,
    decode_endpoint,
    is_public,
)

NOT_NOW = Reply(Outcome.AGAIN, 503)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1",
        "127.255.255.255 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255",
        "192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1",
        "198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1",
        "255.255.255.255 100.100.100.200 168.63.129.16",
        ":: ::1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::127.0.0.1 64:ff9b::7f00:1",
        "64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1::1 3fff::1",
        "fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1",
    ],
)
def test_attack_addresses_that_are_not_everybodys(text: str) -> None:
    assert [one for one in text.split() if is_public(ip_address(one))] == []


def test_addresses_of_the_internet() -> None:
    public = "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1"
    public += " 192.0.1.1 198.17.0.1 223.255.255.255 2606:4700:4700::1111 2a00::1"
    for text in public.split():
        assert is_public(ip_address(text)), text


@pytest.mark.parametrize(
    ("text", "host", "target"),
    [
        (
            "https://fcm.googleapis.com/fcm/send/c-1_x:APA91b",
            "fcm.googleapis.com",
            "/fcm/send/c-1_x:APA91b",
        ),
        (
            "https://updates.push.services.mozilla.com/wpush/v2/gAAAAAB=",
            "updates.push.services.mozilla.com",
            "/wpush/v2/gAAAAAB=",
        ),
        (
            "https://wns2-am3p.notify.windows.com/w/?token=BQY%2bAA%3d",
            "wns2-am3p.notify.windows.com",
            "/w/?token=BQY%2bAA%3d",
        ),
        ("https://web.push.apple.com:443/QN", "web.push.apple.com", "/QN"),
        ("https://push.example?t=1", "push.example", "/?t=1"),
    ],
)
def test_end_points_of_push_services(text: str, host: str, target: str) -> None:
    endpoint = decode_endpoint(text)
    assert (endpoint.host, endpoint.target) == (host, target)
    assert endpoint.origin == f"https://{host}"
    # What a log or an exception would show of it.
    assert host not in f"{endpoint!r} {endpoint}"


def end_point(number: int, host: str = "push.example") -> EndPoint:
    return decode_endpoint(f"https://{host}/{number}")


def test_an_end_point_is_left_alone_longer_and_longer() -> None:
    pauses = Pauses()
    for tries, most in ((1, 1), (2, 2), (3, 4), (7, 60), (30, 60)):
        pauses.note_trouble(end_point(1), NOT_NOW, tries, 100.0)
        assert 100 + most / 2 <= pauses.until(end_point(1), 100.0) <= 100 + most
    pauses.note_success(end_point(1))
    assert pauses.until(end_point(1), 100.0) == 100.0


def test_attack_own_end_point_in_trouble_pauses_no_others() -> None:
    pauses = Pauses()
    for tries in range(1, 50):
        reply = Reply(Outcome.AGAIN, 429, 3600.0)
        pauses.note_trouble(end_point(1), reply, tries, 100.0)
    assert pauses.until(end_point(1), 100.0) == 3700.0
    assert pauses.until(end_point(2), 100.0) == 100.0


def test_a_service_in_trouble_is_left_alone_for_a_while() -> None:
    pauses = Pauses()
    for number in range(3):
        reply = Reply(Outcome.AGAIN, 503, 3600.0)
        pauses.note_trouble(end_point(number), reply, 1, 100.0)
    assert pauses.until(end_point(9), 100.0) == 100.0 + SERVICE_PAUSE
    assert pauses.until(end_point(9, "other.example"), 100.0) == 100.0
    pauses.note_success(end_point(5))
    assert pauses.until(end_point(9), 100.0) == 100.0
    # Successes in between: single end points are in trouble, not the service.
    for number in range(3):
        pauses.note_trouble(end_point(number), NOT_NOW, 1, 100.0)
        pauses.note_success(end_point(5))
    assert pauses.until(end_point(9), 100.0) == 100.0


def test_attack_trouble_with_more_end_points_than_can_be_known() -> None:
    pauses = Pauses()
    for number in range(MAX_KNOWN + 10):
        host = f"h{number}.example"
        pauses.note_trouble(end_point(number, host), NOT_NOW, 7, 100.0)
    assert pauses.until(end_point(0, "h0.example"), 100.0) == 100.0
    last = MAX_KNOWN + 9
    assert pauses.until(end_point(last, f"h{last}.example"), 100.0) > 100.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("999999999", 86_400),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("\u0661", None),
        ("9" * 5000, None),
        ("Thu, 99 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert _seconds(text) == seconds


def test_errands_are_bounded_and_end() -> None:
    async def main() -> None:
        errands = Errands(2)
        ended = []

        async def work(number: int) -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append(number)

        assert [errands.start(work(number)) for number in range(3)] == [
            True,
            True,
            False,
        ]
        await asyncio.sleep(0)
        await errands.stop()
        assert sorted(ended) == [0, 1]

    run(main())


def test_what_an_errand_does_wrong_is_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def wrong() -> None:
        raise RuntimeError("https://push.example/secret")

    async def main() -> None:
        errands = Errands(1)
        for _ in range(2):
            assert errands.start(wrong())
            await asyncio.sleep(0.01)

    run(main())
    assert caplog.messages == ["a wake-up went wrong: RuntimeError"] * 2


def test_a_name_is_looked_up_and_a_wrong_one_is_an_error() -> None:
    async def main() -> None:
        lookup = SystemLookup()
        places = await lookup("localhost")
        assert (ip_address("127.0.0.1"), 443) in places
        for name in ("no-such-name.invalid", "a" * 64 + ".invalid"):
            with pytest.raises(OSError):  # noqa: PT011  the system's own words
                await lookup(name)
        assert lookup._threads._value == MAX_THREADS

    run(main())
