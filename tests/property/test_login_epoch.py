"""The state epoch: it only rises, only the host can make it, nobody can wear it out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.errors import RolledBackError, VerificationError
from pushmfa.login.epoch import EpochKey, above
from pushmfa.terms import MAX_EPOCH

KEY = EpochKey(b"k" * 32)
OTHER = EpochKey(b"o" * 32)
MAX_ON_THE_WIRE = 2**53 - 1

counters = st.integers(0, MAX_EPOCH)
walls = st.floats(0, 253_402_300_799)


@given(counters, counters)
def test_a_higher_counter_is_a_higher_epoch_that_fits_the_wire(
    one: int, other: int
) -> None:
    assert (one < other) == (KEY.epoch_of(one) < KEY.epoch_of(other))
    assert 0 <= KEY.epoch_of(one) <= MAX_ON_THE_WIRE


@given(counters, counters)
def test_what_the_host_said_before_is_no_alarm_and_what_it_forgot_is(
    seen: int, own: int
) -> None:
    if seen <= own:
        KEY.verify_seen(KEY.epoch_of(seen), own)
        return
    with pytest.raises(RolledBackError) as caught:
        KEY.verify_seen(KEY.epoch_of(seen), own)
    assert caught.value.seen == seen


@given(st.integers(0, MAX_ON_THE_WIRE), counters)
def test_attack_a_device_makes_up_an_epoch(claimed: int, own: int) -> None:
    if claimed <= KEY.epoch_of(own):
        KEY.verify_seen(claimed, own)
        return
    made = claimed == KEY.epoch_of(claimed >> 26)
    with pytest.raises(VerificationError) as caught:
        KEY.verify_seen(claimed, own)
    assert isinstance(caught.value, RolledBackError) == made


@pytest.mark.parametrize("claimed", [MAX_ON_THE_WIRE, OTHER.epoch_of(MAX_EPOCH)])
def test_attack_a_stolen_device_claims_the_last_epoch_of_all(claimed: int) -> None:
    for own in (0, 1, 5_000, MAX_EPOCH - 1):
        with pytest.raises(VerificationError) as caught:
            KEY.verify_seen(claimed, own)
        assert not isinstance(caught.value, RolledBackError)


def test_attack_the_epoch_of_another_host_proves_nothing() -> None:
    # A clone that became a host of its own has another key; so has every host.
    wrong = sum(OTHER.epoch_of(n) == KEY.epoch_of(n) for n in range(10_000))
    assert wrong <= 1
    with pytest.raises(VerificationError) as caught:
        KEY.verify_seen(OTHER.epoch_of(7), 3)
    assert not isinstance(caught.value, RolledBackError)


@given(counters, walls)
def test_adopting_goes_above_what_was_known_until_the_last(
    known: int, wall: float
) -> None:
    new = above(known, wall)
    assert new <= MAX_EPOCH
    assert new > known or known == MAX_EPOCH


def test_a_second_restore_of_one_backup_is_above_the_first() -> None:
    monday, tuesday = 1_800_000_000.0, 1_800_086_400.0
    first = above(5, monday)
    assert above(5, tuesday) > first + 100


def test_attack_a_clock_far_ahead_does_not_use_up_the_counters() -> None:
    assert above(5, 253_402_300_799.0) <= MAX_EPOCH // 2 + 1
    assert above(5, 0.0) == 6, "and one far behind takes nothing back"


def test_no_counter_beyond_the_last() -> None:
    for wrong in (-1, MAX_EPOCH + 1):
        with pytest.raises(ValueError, match="counter"):
            KEY.epoch_of(wrong)
