"""Who may ask the daemon for what: the whole table, written a second time by hand."""

from pathlib import Path

import pytest

from pushmfa.login.authority import (
    OVERFLOW_UID,
    TABLE,
    Caller,
    Command,
    Permission,
    caller_of,
    decide,
    render_table,
)

GOLDEN = Path(__file__).parent / "golden/authority.md"
LOOKING_AND_TAKING_AWAY = {
    Command.HOST,
    Command.HEALTH,
    Command.STATUS,
    Command.DEVICES_LIST,
    Command.DEVICES_LOST,
    Command.TEST,
    Command.CANCEL,
    Command.CONFIRM,
    Command.MUTE,
    Command.AUDIT_OWN,
}


def test_the_table_is_the_one_written_by_hand() -> None:
    assert render_table() == GOLDEN.read_text("ascii")


def test_the_documentation_prints_the_table() -> None:
    page = Path(__file__).parents[2] / "docs/authority.md"
    assert render_table() in page.read_text("utf-8")


def test_every_command_has_a_word_for_every_caller() -> None:
    assert set(TABLE) == set(Command)
    for row in TABLE.values():
        assert set(row) == set(Caller)


@pytest.mark.parametrize("command", Command)
def test_root_may_do_everything(command: Command) -> None:
    assert decide(command, Caller.ROOT) is Permission.YES


@pytest.mark.parametrize("command", Command)
def test_attack_a_user_of_another_user_namespace_may_do_nothing(
    command: Command,
) -> None:
    assert decide(command, Caller.OVERFLOW) is Permission.NO


@pytest.mark.parametrize("command", Command)
def test_attack_an_open_shell_is_not_enough_to_change_a_factor(
    command: Command,
) -> None:
    permission = decide(command, Caller.OWNER)
    assert (permission is Permission.YES) == (command in LOOKING_AND_TAKING_AWAY)


@pytest.mark.parametrize("command", Command)
def test_attack_another_user_learns_which_host_this_is_and_no_more(
    command: Command,
) -> None:
    permission = decide(command, Caller.OTHER)
    expected = Permission.YES if command is Command.HOST else Permission.NO
    assert permission is expected


@pytest.mark.parametrize("command", Command)
def test_a_monitor_reads_health_without_names(command: Command) -> None:
    permission = decide(command, Caller.MONITOR)
    may = command in (Command.HOST, Command.HEALTH)
    assert permission is (Permission.YES if may else Permission.NO)


@pytest.mark.parametrize(
    ("uid", "owner", "is_monitor", "expected"),
    [
        (0, 1000, False, Caller.ROOT),
        (0, 0, False, Caller.ROOT),
        (0, None, True, Caller.ROOT),
        (1000, 1000, False, Caller.OWNER),
        (1000, 1000, True, Caller.OWNER),
        (1001, 1000, False, Caller.OTHER),
        (1001, 0, False, Caller.OTHER),
        (1001, None, False, Caller.OTHER),
        (1001, 1000, True, Caller.MONITOR),
        (1001, None, True, Caller.MONITOR),
        (65_533, 65_534, False, Caller.OTHER),
        (4_294_967_295, None, False, Caller.OTHER),
    ],
)
def test_a_caller_is_what_its_uid_says(
    uid: int, owner: int | None, is_monitor: bool, expected: Caller
) -> None:
    assert caller_of(uid, owner, is_monitor=is_monitor) is expected


@pytest.mark.parametrize("owner", [None, 0, 1000, OVERFLOW_UID])
@pytest.mark.parametrize("is_monitor", [False, True])
def test_attack_uid_65534_is_nobody_even_where_the_account_has_that_uid(
    owner: int | None, is_monitor: bool
) -> None:
    caller = caller_of(OVERFLOW_UID, owner, is_monitor=is_monitor)
    assert caller is Caller.OVERFLOW
