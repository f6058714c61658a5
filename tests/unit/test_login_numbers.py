"""Which numbers are given: all free ones alike, and none that is on a screen."""

import random
from collections import Counter

import pytest

from pushmfa.login.moment import Moment
from pushmfa.login.numbers import (
    QUARANTINE,
    RestingNumber,
    choose_number,
    first_and_count,
    still_resting,
)

NOW = Moment(boot=1_000.0, wall=1_790_000_000.0)


def test_two_digits_are_10_to_99() -> None:
    assert first_and_count(2) == (10, 90)
    numbers = {choose_number(2, [], number) for number in range(90)}
    assert numbers == {str(number) for number in range(10, 100)}


@pytest.mark.parametrize("digits", range(3, 9))
def test_more_digits_keep_their_leading_zeros(digits: int) -> None:
    assert first_and_count(digits) == (0, 10**digits)
    assert choose_number(digits, [], 0) == "0" * digits
    assert choose_number(digits, [], 10**digits - 1) == "9" * digits
    assert choose_number(digits, [], 10**digits + 7) == "7".zfill(digits)


def test_every_free_number_is_drawn_and_no_taken_one() -> None:
    taken = ["10", "11", "42", "98", "99"]
    drawn = {choose_number(2, taken, number) for number in range(85)}
    assert len(drawn) == 85
    assert not drawn & set(taken)


def test_numbers_of_other_lengths_take_nothing_away() -> None:
    assert choose_number(2, ["000010", "010"], 0) == "10"


def test_a_number_that_is_taken_twice_counts_once() -> None:
    taken = ["10"] * 3
    assert {choose_number(2, taken, n) for n in range(89)} == {
        str(number) for number in range(11, 100)
    }


def test_none_is_given_if_none_is_left() -> None:
    taken = [str(number) for number in range(10, 100)]
    assert choose_number(2, taken, 5) is None
    assert choose_number(2, taken[:-1], 5) == "99"


def test_all_numbers_are_equally_likely() -> None:
    # Chi-square with 84 degrees of freedom: 130 is beyond 1 - 1e-3; the source is
    # fixed, so this holds always or never.
    source = random.Random(20_260_101)  # noqa: S311  a test must be the same each time
    taken = ["10", "42", "43", "77", "99"]
    draws = 100_000
    counts = Counter(
        choose_number(2, taken, source.getrandbits(128)) for _ in range(draws)
    )
    expected = draws / 85
    assert len(counts) == 85
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_square < 130


def test_a_number_rests_until_the_boot_clock_says_that_it_is_over() -> None:
    rests = RestingNumber("42", NOW.boot + QUARANTINE)
    over = NOW.after(QUARANTINE)
    assert still_resting([rests], NOW) == (rests,)
    assert still_resting([rests], Moment(over.boot - 1, over.wall)) == (rests,)
    assert still_resting([rests], over) == ()


def test_attack_the_wall_clock_jumps_to_get_a_number_again() -> None:
    rests = RestingNumber("42", NOW.boot + QUARANTINE)
    assert still_resting([rests], Moment(NOW.boot + 1, NOW.wall + 10**6)) == (rests,)


def test_a_number_rests_no_longer_because_the_wall_clock_was_set_back() -> None:
    """Else 90 logins that nobody answered would leave no number for hours."""
    rests = RestingNumber("42", NOW.boot + QUARANTINE)
    set_back = Moment(NOW.boot + QUARANTINE, NOW.wall - 7200)
    assert still_resting([rests], set_back) == ()


def test_a_quarantine_is_two_minutes() -> None:
    assert QUARANTINE == 120
