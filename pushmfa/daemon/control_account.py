"""Asked over control.sock of an account: the approval of an action."""

from typing import Final

from pushmfa.daemon.calls import Call, Parts, ask_to_end
from pushmfa.login.confirmation import confirm_text
from pushmfa.terms import Kind
from pushmfa.wire import control
from pushmfa.wire.control_account import StartConfirm

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
