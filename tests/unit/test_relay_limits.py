"""Token buckets, the gate, and whose address a connection counts for."""

from http import HTTPStatus
from ipaddress import ip_network

import pytest

from pushmfa.relay.addresses import client_address
from pushmfa.relay.gate import Gate
from pushmfa.relay.limits import Bucket, Buckets, Rate, RelayLimits
from pushmfa.relay.open_files import fit_to_files
from pushmfa.terms import Role

PROXIES = tuple(map(ip_network, ("192.0.2.0/24", "2001:db8:ffff::/48", "127.0.0.1")))


def test_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = Bucket(Rate(3, 2), now=10.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.5) for _ in range(2)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_bucket_earns_nothing_while_the_clock_goes_back() -> None:
    bucket = Bucket(Rate(1, 1), now=10.0)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)
    assert not bucket.take(5.5)
    assert bucket.take(6.5)


def test_bucket_takes_back_no_more_than_its_burst() -> None:
    bucket = Bucket(Rate(2, 0), now=0.0)
    bucket.give_back()
    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
    bucket.give_back()
    assert bucket.take(0.0)


def test_buckets_are_apart_and_bounded() -> None:
    buckets: Buckets[str] = Buckets(Rate(1, 1), max_keys=2)
    assert buckets.take("a", 0.0)
    assert not buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)
    assert buckets.take("c", 0.0)
    assert len(buckets) == 2
    assert not buckets.has_one("c", 0.0)
    assert buckets.has_one("a", 0.0)
    buckets.purge(5.0)
    assert len(buckets) == 0


def test_hosts_may_send_more_than_devices() -> None:
    limits = RelayLimits()
    assert limits.frames_of(Role.HOST).burst == 800
    assert limits.frames_of(Role.DEVICE).burst == 200
    # 50 logins at once, each to two devices, each with its end: not too many.
    assert limits.host_envelopes.burst >= 50 * 2 * 2


def test_gate_counts_connections_of_an_address() -> None:
    gate = Gate(RelayLimits(connections=Rate(2, 1)))
    seen = [gate.admit("a", 0.0) for _ in range(3)]
    assert seen == [HTTPStatus.OK, HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS]
    assert gate.admit("b", 0.0) is HTTPStatus.OK
    assert gate.admit("a", 1.0) is HTTPStatus.OK


def test_gate_shuts_out_an_address_whose_hellos_are_refused() -> None:
    gate = Gate(RelayLimits(refused_hellos=Rate(2, 0.1)))
    gate.refuse_hello("a", 0.0)
    assert gate.admit("a", 0.0) is HTTPStatus.OK
    gate.refuse_hello("a", 0.0)
    assert gate.admit("a", 0.0) is HTTPStatus.TOO_MANY_REQUESTS
    assert gate.admit("b", 0.0) is HTTPStatus.OK
    gate.purge(5.0)
    assert gate.admit("a", 5.0) is HTTPStatus.TOO_MANY_REQUESTS
    gate.purge(50.0)
    assert gate.admit("a", 50.0) is HTTPStatus.OK


def test_gate_bounds_links_and_those_who_say_nothing() -> None:
    gate = Gate(RelayLimits(max_links=1, max_waiting=2))
    assert [gate.begin_waiting("a") for _ in range(3)] == [True, True, False]
    assert gate.begin_waiting("b")
    gate.end_waiting("a")
    assert gate.begin_waiting("a")
    gate.begin_link("a")
    assert gate.links == 1
    assert gate.admit("b", 0.0) is HTTPStatus.SERVICE_UNAVAILABLE
    gate.end_link("a")
    assert gate.admit("b", 0.0) is HTTPStatus.OK


def test_attack_one_address_opens_all_links() -> None:
    gate = Gate(RelayLimits(max_links=8))
    gate.begin_link("a")
    assert gate.admit("a", 0.0) is HTTPStatus.OK
    gate.begin_link("a")
    assert gate.admit("a", 0.0) is HTTPStatus.TOO_MANY_REQUESTS
    assert gate.admit("b", 0.0) is HTTPStatus.OK


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # Nobody's proxy: what it says of others is not believed.
        ("198.51.100.7", [], "198.51.100.7"),
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),
        # Our proxy: the right-most that is not ours.
        ("192.0.2.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.1", ["203.0.113.9, 192.0.2.5"], "203.0.113.9"),
        ("192.0.2.1", ["203.0.113.9", "192.0.2.5"], "203.0.113.9"),
        ("127.0.0.1", [" 203.0.113.9 "], "203.0.113.9"),
        # Attack: the client wrote a header of its own; ours added the truth.
        ("192.0.2.1", ["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
        ("192.0.2.1", ["10.0.0.1", "203.0.113.9"], "203.0.113.9"),
        ("192.0.2.1", ["10.0.0.1, nonsense, 192.0.2.5"], "192.0.2.5"),
        # A proxy that says nothing, or nonsense, is itself the client.
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", [""], "192.0.2.1"),
        ("192.0.2.1", ["192.0.2.2"], "192.0.2.2"),
        ("192.0.2.1", ["203.0.113.9:4711"], "192.0.2.1"),
        # IPv6 counts by /64; IPv4 in IPv6 is IPv4.
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", [], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("::ffff:192.0.2.1", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:203.0.113.9", [], "203.0.113.9"),
        ("2001:db8:ffff::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        ("", ["203.0.113.9"], "unknown"),
    ],
)
def test_address_is_the_right_most_that_no_proxy_of_ours_has(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == expected


def test_the_default_is_silently_what_the_open_files_have_room_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert fit_to_files(RelayLimits(), None).max_links == 20_000
    assert fit_to_files(RelayLimits(), 21_100).max_links == 20_000
    assert fit_to_files(RelayLimits(), 20_000).max_links == 18_912
    assert fit_to_files(RelayLimits(), 1_024).max_links == 448
    # As the unit has it, with the phone app.
    assert fit_to_files(RelayLimits(), 21_700, 512).max_links == 20_000
    assert fit_to_files(RelayLimits(), 20_000, 512).max_links == 18_400
    assert not caplog.records


def test_more_links_than_open_files_are_told_if_somebody_wrote_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert fit_to_files(RelayLimits(max_links=100), 1_024).max_links == 100
    assert not caplog.records
    assert fit_to_files(RelayLimits(max_links=30_000), 20_000).max_links == 18_912
    (record,) = caplog.records
    assert "at most 18912 links, not the 30000" in record.getMessage()
