"""Every sentence that the daemon shows at a terminal: ASCII, one line, no control.

What happened, what it means, what to do.
"""

from collections.abc import Sequence

from pushmfa.login.attempt import End
from pushmfa.login.devices import Device
from pushmfa.terms import Cause, DeviceKind, Verdict
from pushmfa.text import make_ascii


def where_to_type(devices: Sequence[Device]) -> str:
    """Return "your phone (Pixel)" for the devices that are asked.

    Without devices nothing is named: an account that is not enrolled, or whose first
    factor is not proved, must look like any other.
    """
    noun = "phone"
    if devices and all(device.kind is DeviceKind.TERMINAL for device in devices):
        noun = "device"
    labels = [make_ascii(device.label, 40) for device in devices[:3]]
    if not labels:
        return f"your {noun}"
    return f"your {noun} ({' or '.join(labels)})"


def number_prompt(number: str, devices: Sequence[Device]) -> str:
    """Return the prompt that shows the number where a prompt is what is seen."""
    where = where_to_type(devices)
    return f"pushmfa: enter {number} on {where}, then press Enter: "


def number_info(number: str, devices: Sequence[Device]) -> str:
    """Return the line that shows the number where lines are seen at once."""
    return f"pushmfa: enter {number} on {where_to_type(devices)}."


def number_again(number: str, devices: Sequence[Device], *, is_prompted: bool) -> str:
    """Return what to say when the number was typed into the terminal itself."""
    where = where_to_type(devices)
    return f"pushmfa: type {number} on {where}, not here{_and_enter(is_prompted)}"


def nothing_to_type(
    number: str, devices: Sequence[Device], *, is_prompted: bool
) -> str:
    """Return what to say, once, when something else was typed."""
    where = where_to_type(devices)
    enter = _and_enter(is_prompted)
    return f"pushmfa: no code is needed. Enter {number} on {where}{enter}"


def _and_enter(is_prompted: bool) -> str:
    return ", then press Enter: " if is_prompted else "."


def ticket_prompt() -> str:
    """Return the prompt of an account that has a ticket and no device."""
    return "pushmfa: no device is enrolled. Type your enrollment ticket: "


def refusal(end: End, label: str | None, lifetime: int) -> str:
    """Return what the terminal shows at the end of a refused attempt."""
    device = f" on {make_ascii(label, 40)}" if label else ""
    if end.cause is Cause.WRONG_CODE:
        return "pushmfa: that code is not right; this login is refused."
    if end.cause is Cause.NO_VERIFICATION:
        return (
            "pushmfa: none of your devices can verify its holder, which this login"
            " needs; it is refused. Ask your administrator to enroll one that can."
        )
    return "pushmfa: " + {
        Verdict.DENIED: f"denied{device}.",
        Verdict.WRONG_NUMBER: f"a wrong number was entered{device}; this login is"
        " refused. Try again to get a new number.",
        Verdict.EXPIRED: f"nobody answered within {lifetime} seconds. Try again to"
        " get a new number.",
        Verdict.CANCELED: "canceled.",
        Verdict.THROTTLED: "too many logins wait for an answer. Answer or deny them,"
        " or wait a minute.",
        Verdict.LOCKED: "the devices of this account are muted for now; this login is"
        " refused. Wait, or ask your administrator to unlock it.",
        Verdict.NOT_ENROLLED: "no device is enrolled for this account. Ask your"
        " administrator for an enrollment ticket.",
    }.get(end.verdict, _UNAVAILABLE.get(end.cause, _UNAVAILABLE[Cause.INTERNAL]))


def locked_out(name: str) -> str:
    """Return what the log says of an account that no device can let in."""
    return (
        f"{make_ascii(name, 255)} is locked out: none of its devices can verify its"
        " holder, which [login] verification asks for; enroll one that can, or change"
        f" that: pushmfa enroll --user {make_ascii(name, 255)}"
    )


_UNAVAILABLE = {
    Cause.RELAY_UNREACHABLE: "no relay is reachable, so no phone can be asked; this"
    " login is refused. Tell your administrator.",
    Cause.NOT_PERMITTED: "not permitted here; the log of the pushmfa daemon says why.",
    Cause.NO_FIRST_FACTOR: "no first factor was proved; this login is refused.",
    Cause.MISCONFIGURED: "not set up correctly; this login is refused. Tell your"
    " administrator.",
    Cause.INTERNAL: "not available; this login is refused. Tell your administrator.",
}
