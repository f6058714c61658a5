"""`pushmfa status`: is this host protected and healthy."""

from typing import TYPE_CHECKING

import click

from pushmfa.cli import output
from pushmfa.cli.devices import print_devices
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
    from pushmfa.crypto.keys import fingerprint

    name = output.show(found.host_name)
    output.say(f"host      {name}, fingerprint {fingerprint(found.host_id)}")
    output.say(f"pushmfa   {output.show(found.version)}")
    output.say(f"health    {'good' if found.healthy else 'NOT GOOD'}")
    for problem in found.problems:
        output.say(f"          - {output.show(problem)}")
    for relay in found.relays:
        output.say(f"relay     {_relay_line(relay)}")
    output.say(
        f"accounts  {found.enrolled_accounts} enrolled, "
        f"{found.pending_attempts} attempts pending"
    )
    if found.muted_until is not None:
        until = output.moment(found.muted_until)
        output.say(f"muted     until {until}; end it: pushmfa unlock")
    if found.devices is not None:
        output.say()
        output.say(f"Devices of {output.show(found.user or '')}:")
        if found.devices:
            print_devices(found.devices)
        else:
            output.say("none; enroll one: pushmfa enroll")
    if found.attempts:
        output.say()
        output.say("Last attempts:")
        _print_attempts(found.attempts)


def _relay_line(relay: "control.RelayInfo") -> str:
    state = "connected" if relay.connected else "NOT CONNECTED"
    problem = f" ({output.show(relay.problem)})" if relay.problem else ""
    return f"{output.show(relay.url)}  {state}{problem}"


def _print_attempts(attempts: "tuple[control.AttemptInfo, ...]") -> None:
    output.print_table(
        ("WHEN", "SERVICE", "FROM", "VERDICT", "CAUSE", "DEVICE", "ATTEMPT"),
        [
            (
                output.moment(attempt.at),
                attempt.service,
                attempt.remote_address or "-",
                attempt.verdict.value,
                attempt.cause.value,
                attempt.device_label or "-",
                attempt.attempt_id,
            )
            for attempt in attempts
        ],
    )
