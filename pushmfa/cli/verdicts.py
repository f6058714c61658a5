"""How an attempt ended: in words, as an object and as an exit code."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pushmfa.cli import output
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
    Verdict.LOCKED: "Refused: the account is muted; end that with: pushmfa unlock",
    Verdict.NOT_ENROLLED: "No device is enrolled; enroll one: pushmfa enroll",
    Verdict.CANCELED: "Canceled",
}

_NO_VERIFICATION: Final = (
    "Refused: no device of this account can verify its holder, which is asked for here"
)

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


def finish(
    command: str,
    ended: "control.AttemptEnded",
    *,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
) -> int:
    """Print how an attempt ended and return the exit code."""
    if as_json:
        from pushmfa.cli.objects import ended_object

        is_approved = ended.verdict is Verdict.APPROVED
        values = {**ended_object(ended), **(more or {})}
        output.print_json(command, ok=is_approved, values=values)
    else:
        output.say(describe(ended))
    return EXIT_CODES[ended.verdict]


def describe(ended: "control.AttemptEnded") -> str:
    """Return verdict, cause, device and time in one line."""
    text = _TEXTS[ended.verdict]
    if ended.cause is Cause.NO_VERIFICATION:
        text = _NO_VERIFICATION
    if ended.device_label is not None:
        text += f" on {output.show(ended.device_label)}"
    if ended.cause in _CAUSES:
        text += f": {_CAUSES[ended.cause]}"
    if ended.verdict in _AT_ONCE:
        return f"{text}."
    return f"{text} ({ended.elapsed_ms / 1000:.1f} s)."
