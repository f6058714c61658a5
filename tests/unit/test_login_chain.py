"""The chain of the audit: every way to break it shows, at the right row."""

from collections.abc import Callable

import pytest

from pushmfa.errors import VerificationError
from pushmfa.login.chain import FIRST, ChainEnd, chain, verify_end, verify_row

Row = tuple[int, bytes, bytes, bytes]


def rows(count: int = 5) -> list[Row]:
    found: list[Row] = []
    previous = FIRST
    for seq in range(1, count + 1):
        record = b"record %d" % seq
        digest = chain(previous, record)
        found.append((seq, record, previous, digest))
        previous = digest
    return found


def walk(found: list[Row], written: ChainEnd) -> ChainEnd:
    end = ChainEnd()
    for row in found:
        try:
            verify_row(end, *row)
        except VerificationError as error:
            raise VerificationError(f"after {end.seq}: {error}") from error
        end = ChainEnd(row[0], row[3])
    verify_end(end, written)
    return end


def last(found: list[Row]) -> ChainEnd:
    return ChainEnd(found[-1][0], found[-1][3]) if found else ChainEnd()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_whole(count: int) -> None:
    found = rows(count)
    assert walk(found, last(found)).seq == count


def changed(found: list[Row]) -> list[Row]:
    found[2] = (3, b"another", *found[2][2:])
    return found


def changed_with_its_hash(found: list[Row]) -> list[Row]:
    seq, _, previous, _ = found[2]
    found[2] = (seq, b"another", previous, chain(previous, b"another"))
    return found


def removed(found: list[Row]) -> list[Row]:
    del found[2]
    return found


def removed_and_renumbered(found: list[Row]) -> list[Row]:
    kept = removed(found)
    return [(seq, *row[1:]) for seq, row in enumerate(kept, start=1)]


def without_the_first(found: list[Row]) -> list[Row]:
    return found[1:]


def cut_off(found: list[Row]) -> list[Row]:
    return found[:-2]


def all_gone(found: list[Row]) -> list[Row]:
    return []


def added(found: list[Row]) -> list[Row]:
    digest = chain(found[-1][3], b"more")
    return [*found, (6, b"more", found[-1][3], digest)]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (changed, "after 2: row 3 was changed"),
        (changed_with_its_hash, "after 3: row 4 was written after another row 3"),
        (removed, "after 2: the rows from 3 on are missing"),
        (removed_and_renumbered, "after 2: row 3 was written after another row 2"),
        (without_the_first, "after 0: the rows from 1 on are missing"),
        (cut_off, "the rows from 4 to 5 are missing at the end"),
        (all_gone, "the rows from 1 to 5 are missing at the end"),
        (added, "the end, row 6, was not written by this daemon"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_attack_rows_that_are_not_as_they_were_written(
    harm: Callable[[list[Row]], list[Row]], says: str
) -> None:
    found = rows()
    written = last(found)
    with pytest.raises(VerificationError, match=says):
        walk(harm(found), written)
