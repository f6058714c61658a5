"""`pushmfa test`: one real attempt outside of PAM."""

from typing import TYPE_CHECKING, Final

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
)
from pushmfa.terms import Cause, Verdict

if TYPE_CHECKING:
    from pushmfa.wire import control

EXIT_CODES: Final = {
    Verdict.APPROVED: 0,
    Verdict.DENIED: 1,
    Verdict.WRONG_NUMBER: 1,
    Verdict.UNAVAILABLE: 3,
    Verdict.EXPIRED: 4,
    Verdict.THROTTLED: 5,
    Verdict.LOCKED: 5,
    Verdict.NOT_ENROLLED: 6,
    Verdict.CANCELED: 130,
}

_TEXTS: Final = {
    Verdict.APPROVED: "Approved",
    Verdict.DENIED: "Denied",
    Verdict.WRONG_NUMBER: "Refused: the wrong number was typed",
    Verdict.UNAVAILABLE: "Not possible",
    Verdict.EXPIRED: "Expired: nobody answered in time",
    Verdict.THROTTLED: "Refused: too many attempts, wait and try again",
    Verdict.LOCKED: "Refused: locked",
    Verdict.NOT_ENROLLED: "No device is enrolled; enroll one: pushmfa enroll",
    Verdict.CANCELED: "Canceled",
}

_AT_ONCE: Final = frozenset(
    {Verdict.UNAVAILABLE, Verdict.THROTTLED, Verdict.LOCKED, Verdict.NOT_ENROLLED}
)
"""Verdicts for which nobody was asked, so that no time was taken."""

_CAUSES: Final = {
    Cause.NOT_ME: '"this was not me"',
    Cause.RELAY_UNREACHABLE: "the relay cannot be reached",
    Cause.MISCONFIGURED: "the configuration is wrong",
    Cause.NOT_PERMITTED: "not permitted",
    Cause.INTERNAL: "a mistake inside of pushmfa, see: journalctl -u pushmfa",
}
"""Causes that say more than the verdict."""


@click.command(epilog=examples("pushmfa test", "sudo pushmfa test --user alice --json"))
@user_option
@json_option
@config_option()
@click.pass_context
def test(context: click.Context, user: str | None, as_json: bool) -> int:
    """Try it: one real attempt.

    Shows the number to type into your device, and waits. Ends with 0
    if approved, 1 denied or wrong number, 3 not possible, 4 expired, 5 throttled or
    locked, 6 not enrolled.
    """
    with open_client(context) as client:
        ended = client.test(user, on_number=output.number_shower(as_json))
    if as_json:
        from pushmfa.cli.objects import ended_object

        is_approved = ended.verdict is Verdict.APPROVED
        output.print_json("test", ok=is_approved, values=ended_object(ended))
    else:
        output.say(describe(ended))
    return EXIT_CODES[ended.verdict]


def describe(ended: "control.AttemptEnded") -> str:
    """Return verdict, cause, device and time in one line."""
    text = _TEXTS[ended.verdict]
    if ended.device_label is not None:
        text += f" on {output.show(ended.device_label)}"
    if ended.cause in _CAUSES:
        text += f": {_CAUSES[ended.cause]}"
    if ended.verdict in _AT_ONCE:
        return f"{text}."
    return f"{text} ({ended.elapsed_ms / 1000:.1f} s)."
