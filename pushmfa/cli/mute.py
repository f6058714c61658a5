"""`pushmfa mute` and `pushmfa unlock`: be asked for nothing, and be asked again."""

from typing import Final

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    Duration,
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
)

_DEFAULT: Final = "1h"


@click.command(epilog=examples("pushmfa mute", "sudo pushmfa mute --user bob --for 1d"))
@click.option(
    "--for",
    "seconds",
    type=Duration(),
    default=_DEFAULT,
    show_default=True,
    metavar="TIME",
    help="1m to 7d; a mute is never shortened.",
)
@user_option
@json_option
@config_option()
@click.pass_context
def mute(context: click.Context, seconds: int, user: str | None, as_json: bool) -> None:
    """Stop all pushes to your devices.

    Until it ends nobody can log in to the account by a push, you neither; logins that
    wait are refused. For when your phone rings and it is not you. End it early:
    pushmfa unlock.
    """
    with open_client(context) as client:
        done = client.mute(seconds, user)
    if as_json:
        until = output.rfc3339(done.until)
        values = {"user": done.user, "muted_until": until, "ended": done.ended}
        output.print_json("mute", ok=True, values=values)
        return
    name, until = output.show(done.user), output.moment(done.until)
    output.say(
        f"{name} is muted until {until}: no device is asked, logins are refused."
    )
    _say_ended(done.ended)
    output.say("End it early, from a shell that is open: pushmfa unlock")


@click.command(epilog=examples("pushmfa unlock", "sudo pushmfa unlock --user bob"))
@user_option
@json_option
@config_option()
@click.pass_context
def unlock(context: click.Context, user: str | None, as_json: bool) -> None:
    """End a mute, and free what waits.

    Logins of the account that wait for an answer are canceled, so that new ones find
    a place. Its owner approves that on an active device, which is asked in spite of
    the mute; root need not ask.
    """
    with open_client(context) as client:
        done = client.unlock(user, on_number=output.number_shower(as_json))
    if as_json:
        values = {"user": done.user, "was_muted": done.was_muted, "ended": done.ended}
        output.print_json("unlock", ok=True, values=values)
        return
    was = "is not muted any more" if done.was_muted else "was not muted"
    output.say(f"{output.show(done.user)} {was}.")
    _say_ended(done.ended)


def _say_ended(count: int) -> None:
    if count:
        noun = "login that waited was" if count == 1 else "logins that waited were"
        output.say(f"{count} {noun} ended.")
