"""Asked over control.sock of an account: approve an action, mute, unlock."""

from typing import Final

from pushmfa.daemon.calls import (
    Call,
    Parts,
    act_of,
    ask_to_end,
    need_approval,
    write_act,
)
from pushmfa.login.attempt import End
from pushmfa.login.authority import Permission
from pushmfa.login.confirmation import confirm_text
from pushmfa.terms import Cause, Kind, Verdict
from pushmfa.wire import control
from pushmfa.wire.control_account import Mute, Muted, StartConfirm, Unlock, Unlocked

CONFIRM_SERVICE: Final = "pushmfa confirm"
"""The service of a confirm. Attack: a script's text reads like what pushmfa itself
asks (`Rename the device ...`); card and audit tell the two apart by this name."""


async def start_confirm(
    parts: Parts, call: Call, request: StartConfirm
) -> control.AttemptEnded:
    """Ask the account's devices to approve an action that is told in words."""
    text = confirm_text(request.text)
    return await ask_to_end(
        parts,
        call,
        Kind.CONFIRM,
        text,
        service=CONFIRM_SERVICE,
        lifetime=request.lifetime,
    )


async def mute(parts: Parts, call: Call, request: Mute) -> Muted:
    """Ask the account's devices for nothing for a while; what waits ends.

    A uid alone may do it, since it can only take something away.
    """
    try:
        until, is_new = parts.mutes.mute(call.account, request.seconds)
    finally:
        ended = 0
        if parts.mutes.until(call.account) is not None:
            end = End(Verdict.LOCKED, Cause.LOCKED)
            ended = parts.logins.end_all_of(call.account, end)
    if is_new:
        write_act(parts, call, "mute", None)
    return Muted(user=call.account.name, until=until, ended=ended)


async def unlock(parts: Parts, call: Call, request: Unlock) -> Unlocked:
    """End a mute, and free the places of attempts that wait.

    The one push that a mute lets through is the one that asks to end it.
    """
    if call.permission is not Permission.YES:
        parts.mutes.count_unlock(call.account)
        text = f"End the mute of {call.account.name}: logins ask your devices again."
        await need_approval(parts, call, Kind.UNLOCK, text)
    was_muted = parts.audit.append_with(
        lambda audit: parts.mutes.end(call.account, audit),
        act_of(parts, call, "unlock", None),
    )
    parts.offers.end_all_of(call.account)
    end = End(Verdict.CANCELED, Cause.HANGUP)
    ended = parts.logins.end_all_of(call.account, end)
    return Unlocked(user=call.account.name, was_muted=was_muted, ended=ended)
