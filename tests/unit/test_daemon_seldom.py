"""What anybody can cause is logged seldom."""

from pushmfa.daemon.seldom import INTERVAL, MAX_TOLD, Seldom


def test_one_culprit_is_told_once_a_minute() -> None:
    seldom = Seldom()
    assert [seldom.may_tell(1001, second) for second in (0, 1, 59.9)] == [
        *(True, False, False)
    ]
    assert seldom.may_tell(1002, 1)
    assert seldom.may_tell(1001, INTERVAL)


def test_attack_thousands_of_uids_fill_the_log() -> None:
    seldom = Seldom()
    told = [seldom.may_tell(uid, 5) for uid in range(100_000, 110_000)]
    assert told.count(True) == MAX_TOLD
    assert seldom.may_tell(1001, 5 + INTERVAL)
