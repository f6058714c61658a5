"""Look-ups in the user database of this machine, and what stands for none of it."""

import asyncio
import grp
import os
import pwd
import threading
import time

import pytest

from pushmfa.daemon import names
from pushmfa.errors import NotReachableError


def test_the_user_of_this_test_is_found_by_uid_and_by_name() -> None:
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        uid, name = 0, "root"
    by_uid = asyncio.run(names.account_of(uid))
    by_name = asyncio.run(names.account_named(name))
    assert by_uid is not None
    assert by_name is not None
    assert (by_uid.name, by_uid.uid) == (name, uid)
    assert by_name.name == name


@pytest.mark.parametrize(
    "name", ["", "no-such-user", "a\0b", "\udcff", "x" * 5_000, "root:x", "../root"]
)
def test_what_is_no_name_is_nobody(name: str) -> None:
    assert asyncio.run(names.account_named(name)) is None


@pytest.mark.parametrize("uid", [4_294_967_295, 4_294_967_294, 4_000_000_001])
def test_a_uid_that_nobody_has_is_nobody(uid: int) -> None:
    assert asyncio.run(names.account_of(uid)) is None
    assert not asyncio.run(names.is_in_group(uid, "root"))


def test_a_group_has_members_by_list_and_by_login_group() -> None:
    root = pwd.getpwuid(0)
    group = grp.getgrgid(root.pw_gid).gr_name
    assert asyncio.run(names.is_in_group(0, group))
    assert not asyncio.run(names.is_in_group(0, "no-such-group"))


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), TimeoutError()])
def test_not_found_out_is_not_nobody(
    error: OSError, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once "no answer" was taken for "in no group", and a second factor was skipped.
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(names, "_by_name", fail)
    with pytest.raises(NotReachableError):
        asyncio.run(names.account_named("root"))


def test_a_database_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(names, "DEADLINE", 0.05)
    monkeypatch.setattr(names, "_by_uid", lambda uid: released.wait(5))

    async def look_up() -> None:
        try:
            await names.account_of(0)
        finally:
            released.set()

    with pytest.raises(NotReachableError):
        asyncio.run(look_up())


def test_what_a_login_names_is_looked_up_at_once() -> None:
    root = asyncio.run(names.account_of(0))
    found = asyncio.run(names.accounts_of_login("root", 0, 4_294_967_294))
    assert found == (root, root, None)
    assert asyncio.run(names.accounts_of_login(None, None, None)) == (None,) * 3


def test_three_slow_answers_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    # The PAM module waits 5 s for a first word, not 3 s for each name.
    monkeypatch.setattr(names, "DEADLINE", 0.1)
    monkeypatch.setattr(names, "_by_name", lambda name: time.sleep(0.06))
    monkeypatch.setattr(names, "_by_uid", lambda uid: time.sleep(0.06))
    with pytest.raises(NotReachableError):
        asyncio.run(names.accounts_of_login("alice", 1001, 1002))
