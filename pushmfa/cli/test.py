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
from pushmfa.errors import UsageError


@click.command(
    epilog=examples("pushmfa test", "sudo pushmfa test --service sshd --user alice")
)
@user_option
@click.option(
    "--service",
    metavar="NAME",
    help="Run the PAM stack of this service instead, such as sshd or sudo; root only.",
)
@click.option(
    "--key/--no-key",
    "has_key",
    default=None,
    help="With --service, for sshd: a public key was proved before, or nothing was.",
)
@json_option
@config_option()
@click.pass_context
def test(
    context: click.Context,
    user: str | None,
    service: str | None,
    has_key: bool | None,
    as_json: bool,
) -> int:
    """Try it: one real attempt.

    Shows the number to type into your device, and waits. Ends with 0
    if approved, 1 denied or wrong number, 3 not possible, 4 expired, 5 throttled or
    locked, 6 not enrolled.

    With --service the whole stack is run, with its own questions, and only what it
    would say is printed: nobody is logged in.
    """
    if service is not None:
        from pushmfa.cli import service_test

        key = has_key is not False
        return service_test.run(service, user, has_key=key, as_json=as_json)
    if has_key is not None:
        raise UsageError(
            "--key and --no-key mean nothing without --service",
            hint="Add --service sshd to run a PAM stack, or leave them out.",
        )
    with open_client(context) as client:
        ended = client.test(user, on_number=output.number_shower(as_json))
    return verdicts.finish("test", ended, as_json=as_json)
