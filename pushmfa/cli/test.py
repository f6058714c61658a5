"""`pushmfa test`: one real attempt outside of PAM."""

import click

from pushmfa.cli import output, verdicts
from pushmfa.cli.options import (
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
)


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
    return verdicts.finish("test", ended, as_json=as_json)
