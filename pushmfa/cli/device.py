"""`pushmfa device`: the terminal authenticator, a second device without a phone."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    ask_secret,
    config_option,
    examples,
    json_option,
    limit,
    load_run_dir,
)
from pushmfa.cli.program import Group, State
from pushmfa.terms import MAX_LABEL

if TYPE_CHECKING:
    from pushmfa.terms import HostId

F = TypeVar("F", bound=Callable[..., Any])


class _Seconds(click.FloatRange):
    name = "number of seconds"


def _keep_state(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> None:
    if value is not None:
        context.ensure_object(State).device_state = value


def _state_option(function: F) -> F:
    return click.option(
        "--state",
        type=click.Path(path_type=Path),
        metavar="DIR",
        expose_value=False,
        callback=_keep_state,
        help="Folder of this device's keys.",
    )(function)


def _network_options(function: F) -> F:
    function = click.option(
        "--ca",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Certificates to trust for the relay, instead of the system's.",
    )(function)
    return click.option(
        "--proxy", metavar="URL", help="HTTP proxy on the way to the relay."
    )(function)


@click.group(
    cls=Group,
    epilog=examples("pushmfa device enroll LINK", "pushmfa device run"),
)
@_state_option
def device() -> None:
    """Be the second device in a terminal.

    Instead of a phone, or beside one. Best on another computer than the one that it
    protects. LINK is what `pushmfa enroll` shows on the host.
    """


@device.command(epilog=examples("pushmfa device enroll LINK --label Laptop"))
@click.argument("link", callback=limit(255))
@click.option(
    "--label",
    callback=limit(MAX_LABEL),
    metavar="LABEL",
    help="What the host calls this device; without it, the name of this computer.",
)
@click.option(
    "--force", is_flag=True, help="Also on the very host that it is to protect."
)
@click.option(
    "--passphrase",
    "has_passphrase",
    is_flag=True,
    help="Ask for a passphrase that protects the keys.",
)
@_network_options
@_state_option
@config_option()
@click.pass_context
def enroll(
    context: click.Context,
    link: str,
    label: str | None,
    force: bool,
    has_passphrase: bool,
    ca: Path | None,
    proxy: str | None,
) -> None:
    """Enroll this terminal by the link of a host.

    Shows six digits; type them where the host asks for them.
    """
    from pushmfa.device import main

    passphrase = _new_passphrase() if has_passphrase else None
    main.enroll(
        link,
        state=_state(context),
        label=label or os.uname().nodename[:MAX_LABEL],
        force=force,
        passphrase=passphrase,
        local_host_id=lambda: _local_host_id(context),
        ca=ca,
        proxy=proxy,
    )


@device.command(epilog=examples("pushmfa device run"))
@_network_options
@_state_option
@config_option(is_used=False)
@click.pass_context
def run(context: click.Context, ca: Path | None, proxy: str | None) -> int:
    """Show logins and ask for their numbers, until Ctrl-C."""
    from pushmfa.device import main

    return main.run(
        state=_state(context), ask_passphrase=_ask_passphrase, ca=ca, proxy=proxy
    )


@device.command(
    epilog=examples("pushmfa device answer --number 42", "pushmfa device answer --deny")
)
@click.option("--number", metavar="NN", help="Approve, with the number on the screen.")
@click.option("--deny", is_flag=True, help="Deny: I do not want this login.")
@click.option("--not-me", is_flag=True, help="Deny: this was not me.")
@click.option("--attempt", metavar="NAME", help="Which one, if several wait.")
@click.option(
    "--timeout",
    type=_Seconds(0, 3600),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for a login.",
)
@json_option
@_network_options
@_state_option
@config_option(is_used=False)
@click.pass_context
def answer(context: click.Context, /, as_json: bool, **given: Any) -> int:
    """Answer the one login that waits.

    Without --number, --deny and --not-me, show it and answer nothing.
    """
    from pushmfa.device import main

    return main.answer(
        state=_state(context),
        as_json=as_json,
        ask_passphrase=_ask_passphrase,
        **given,
    )


@device.command("list", epilog=examples("pushmfa device list --json"))
@json_option
@_state_option
@config_option(is_used=False)
@click.pass_context
def list_enrollments(context: click.Context, as_json: bool) -> None:
    """List the accounts that this device answers for."""
    from pushmfa.cli.objects import enrollment_object
    from pushmfa.device import main

    found = main.list_enrollments(_state(context))
    if as_json:
        values = {"enrollments": [enrollment_object(item) for item in found]}
        output.print_json("device list", ok=True, values=values)
    elif found:
        output.print_table(
            ("ACCOUNT", "HOST", "STATE", "ENROLLED", "LABEL", "ID"),
            [
                (
                    item.user,
                    item.host_name,
                    item.status.value,
                    output.moment(item.enrolled_at),
                    item.label,
                    enrollment_object(item)["device_id"][:8],
                )
                for item in found
            ],
        )
    else:
        output.say("This device is not enrolled. On the host: pushmfa enroll")


def _state(context: click.Context) -> Path:
    from pushmfa.device.main import default_state

    return context.ensure_object(State).device_state or default_state()


def _local_host_id(context: click.Context) -> "HostId | None":
    from pushmfa.client import local_host_id

    return local_host_id(load_run_dir(context))


def _ask_passphrase(whose: str) -> bytes:
    why = f"the keys for {whose} are under a passphrase"
    return ask_secret(f"Passphrase for {whose}", why=why)


def _new_passphrase() -> bytes:
    hint = "Run it in a terminal, or without --passphrase."
    why = "a new passphrase is needed"
    return ask_secret("New passphrase", why=why, hint=hint, twice=True)
