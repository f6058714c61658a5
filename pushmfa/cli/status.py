"""`pushmfa status`: is this host protected and healthy."""

from typing import TYPE_CHECKING

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
)

if TYPE_CHECKING:
    from pushmfa.wire import control


@click.command(epilog=examples("pushmfa status", "pushmfa status --json"))
@user_option
@json_option
@config_option()
@click.pass_context
def status(context: click.Context, user: str | None, as_json: bool) -> int:
    """Show health, devices and last attempts.

    Ends with 0 if all is well, 1 if not, 3 if the daemon does not answer.
    """
    with open_client(context) as client:
        found = client.status(user)
    if as_json:
        from pushmfa.cli.objects import status_object

        output.print_json("status", ok=found.healthy, values=status_object(found))
    else:
        _print(found)
    return 0 if found.healthy else 1


def _print(found: "control.Status") -> None:
    from pushmfa.crypto.fingerprint import fingerprint

    name = output.show(found.host_name)
    output.say(f"host      {name}, fingerprint {fingerprint(found.host_id)}")
    output.say(f"pushmfa   {output.show(found.version)}")
    output.say(f"health    {_health(found)}")
    for problem in found.problems:
        output.say(f"          - {output.show(problem)}")
    for relay in found.relays:
        output.say(f"relay     {_relay_line(relay)}")
    output.say(
        f"accounts  {found.enrolled_accounts} enrolled; "
        f"{_count(found.pending_attempts, 'login waits', 'logins wait')} now"
    )
    if found.muted_until is not None:
        until = output.moment(found.muted_until)
        muted = output.strong(f"until {until}", "yellow")
        output.say(f"muted     {muted}; end it: pushmfa unlock")
    if found.devices is not None:
        _print_devices(found.user or "", found.devices)
    if found.attempts:
        output.say()
        output.say("Last attempts:")
        _print_attempts(found.attempts)


def _health(found: "control.Status") -> str:
    if found.healthy:
        return output.strong("good", "green")
    return output.strong("NOT GOOD", "red")


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _print_devices(user: str, devices: "tuple[control.DeviceInfo, ...]") -> None:
    output.say()
    output.say(f"Devices of {output.show(user)}:")
    if devices:
        from pushmfa.cli.device_table import print_devices

        print_devices(devices)
    else:
        output.say("none; enroll one: pushmfa enroll")


def _relay_line(relay: "control.RelayInfo") -> str:
    state = "connected" if relay.connected else output.strong("NOT CONNECTED", "red")
    problem = f" ({output.show(relay.problem)})" if relay.problem else ""
    return f"{output.show(relay.url)}  {state}{problem}"


def _print_attempts(attempts: "tuple[control.AttemptInfo, ...]") -> None:
    output.print_table(
        ("WHEN (UTC)", "SERVICE", "FROM", "HOW IT ENDED"),
        [
            (
                output.short_moment(attempt.at),
                attempt.service,
                attempt.remote_address or "here",
                _ending(attempt),
            )
            for attempt in attempts
        ],
    )


def _ending(attempt: "control.AttemptInfo") -> str:
    """Return how an attempt ended: verdict, device, and a cause that says more."""
    text = attempt.verdict.value.replace("_", " ")
    if attempt.device_label is not None:
        text += f" on {attempt.device_label}"
    cause = attempt.cause.value
    is_more = cause not in (attempt.verdict.value, *_PLAIN_CAUSES)
    return f"{text} ({cause.replace('_', ' ')})" if is_more else text


_PLAIN_CAUSES = ("device", "cancel", "no_answer")
"""What denied, expired and an approval on a device mean anyway."""
