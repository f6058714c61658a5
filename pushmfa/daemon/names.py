"""Look-ups in the user database: in a thread, with a deadline, refusing on failure.

A directory server that hangs must not hang every login, and "I could not find out"
is not "there is no such account" (a failed query of groups once let duo_unix skip
its second factor).
"""

import asyncio
import grp
import pwd
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from pushmfa.daemon.threads import Threads
from pushmfa.errors import NotReachableError
from pushmfa.login.policy import Account
from pushmfa.terms import UserName

DEADLINE: Final = 3.0
"""Seconds; below the 5 that the PAM module waits for the first answer."""

_LOGINS: Final = Threads("pushmfa-logins")
"""Threads of their own: whoever asks control.sock must not take those of logins."""

T = TypeVar("T")


async def accounts_of_login(
    name: str | None, uid: int | None, loginuid: int | None
) -> tuple[Account | None, Account | None, Account | None]:
    """Return the accounts of all that a login names; None for what it does not name.

    One thread and one deadline for the three, which add up to more than the module
    waits.
    """

    def look_up() -> tuple[Account | None, Account | None, Account | None]:
        user = None if name is None else _by_name(name)
        caller = None if uid is None else _by_uid(uid)
        if loginuid == uid:
            return user, caller, caller
        return user, caller, None if loginuid is None else _by_uid(loginuid)

    return await _in_thread(look_up, _LOGINS)


async def account_named(name: str) -> Account | None:
    """Return the account that the user database knows by name, None if none."""
    return await _in_thread(lambda: _by_name(name))


async def account_of(uid: int) -> Account | None:
    """Return the account with this uid, None if none."""
    return await _in_thread(lambda: _by_uid(uid))


async def is_in_group(uid: int, group: str) -> bool:
    """Whether the account with this uid is a member of the group."""
    return await _in_thread(lambda: _is_member(uid, group))


def _by_name(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    return Account(UserName(entry.pw_name), entry.pw_uid)


def _by_uid(uid: int) -> Account | None:
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return None
    return Account(UserName(entry.pw_name), entry.pw_uid)


def _is_member(uid: int, group: str) -> bool:
    try:
        user, entry = pwd.getpwuid(uid), grp.getgrnam(group)
    except KeyError:
        return False
    return user.pw_name in entry.gr_mem or user.pw_gid == entry.gr_gid


_OTHERS: Final = Threads("pushmfa-names")


async def _in_thread(look_up: Callable[[], T], threads: Executor = _OTHERS) -> T:
    try:
        async with asyncio.timeout(DEADLINE):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(threads, look_up)
    except (TimeoutError, OSError) as error:
        raise NotReachableError(
            "the user database does not answer",
            hint="Check `getent passwd` and the name services in nsswitch.conf.",
        ) from error
