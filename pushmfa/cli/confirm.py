"""`pushmfa confirm`: a script asks a person to approve an action."""

import click

from pushmfa.cli import output, verdicts
from pushmfa.cli.options import (
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
    utf8,
)

_SECONDS = click.IntRange(10, 600)


@click.command(
    epilog=examples(
        'pushmfa confirm "Drop the table users on db1" && ./drop.sh',
        'sudo pushmfa confirm --user alice --timeout 300 --json "Release 4.2"',
    )
)
@click.argument("text")
@user_option
@click.option(
    "--timeout",
    type=_SECONDS,
    metavar="SECONDS",
    help="Wait so long for the answer, 10 to 600; without it as configured.",
)
@json_option
@config_option()
@click.pass_context
def confirm(
    context: click.Context,
    text: str,
    user: str | None,
    timeout: int | None,
    as_json: bool,
) -> int:
    """Ask for the approval of an action.

    Your device shows TEXT and signs it. The number to type there is printed on
    standard error. Needs no terminal.

    Ends with 0 only if approved; 1 denied or wrong number, 2 a text that cannot be
    shown, 3 daemon or relay not reachable, 4 expired, 5 throttled or muted, 6 not
    enrolled, 7 not permitted, 130 interrupted: then it is taken back.
    """
    from pushmfa.login.confirmation import confirm_text

    asked = confirm_text(utf8(text))
    with open_client(context) as client:
        ended = client.confirm(
            asked, user, lifetime=timeout, on_number=output.number_shower(True)
        )
    return verdicts.finish("confirm", ended, as_json=as_json, more={"text": asked})
