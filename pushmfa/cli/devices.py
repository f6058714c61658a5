"""`pushmfa devices`: see, revoke, rename devices, and report one lost."""

from typing import TYPE_CHECKING

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    MAX_NAME,
    config_option,
    examples,
    has_terminal,
    json_option,
    limit,
    open_client,
    user_option,
)
from pushmfa.cli.program import Group
from pushmfa.errors import UsageError
from pushmfa.terms import MAX_LABEL

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from pushmfa.wire import control


def _complete_device(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> "list[CompletionItem]":
    """Return the devices that can be meant; nothing if the daemon does not say."""
    from click.shell_completion import CompletionItem

    from pushmfa.cli.objects import device_object
    from pushmfa.errors import PushmfaError

    found = []
    try:
        with open_client(context, timeout=1.0) as client:
            for device in client.devices().devices:
                word = device.label
                # What a shell would split or read otherwise is told by its id.
                if not word.isascii() or not word.replace("-", "").isalnum():
                    word = device_object(device)["device_id"][:8]
                if device.revoked_at is None and word.startswith(incomplete):
                    found.append(CompletionItem(word, help=output.show(device.label)))
    except PushmfaError:
        return []
    return found


_device = click.argument(
    "device", callback=limit(MAX_NAME), shell_complete=_complete_device
)


@click.group(
    cls=Group,
    implied="list",
    epilog=examples("pushmfa devices", "pushmfa devices revoke Pixel"),
)
def devices() -> None:
    """List and manage devices.

    Without a command, list them; the options of `list` may follow.

    DEVICE is a label, an id, or the beginning of an id.
    """


@devices.command("list", epilog=examples("pushmfa devices list --json"))
@user_option
@json_option
@config_option()
@click.pass_context
def list_devices(context: click.Context, user: str | None, as_json: bool) -> None:
    """List all devices that the account ever had."""
    with open_client(context) as client:
        found = client.devices(user)
    if as_json:
        from pushmfa.cli.objects import device_object

        values = {
            "user": found.user,
            "devices": [device_object(device) for device in found.devices],
        }
        output.print_json("devices list", ok=True, values=values)
    elif found.devices:
        from pushmfa.cli.device_table import print_devices

        print_devices(found.devices)
    else:
        output.say(f"{output.show(found.user)} has no device. Enroll: pushmfa enroll")


@devices.command(epilog=examples("pushmfa devices revoke Pixel"))
@_device
@user_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@config_option()
@click.pass_context
def revoke(
    context: click.Context, device: str, user: str | None, yes: bool, as_json: bool
) -> int:
    """Revoke a device for ever.

    Its owner approves that on an active device; root need not ask.
    """
    if not yes and not _is_sure(device, as_json=as_json):
        output.say("Nothing was changed.", err=as_json)
        return 1
    with open_client(context) as client:
        done = client.revoke_device(
            device, user, on_number=output.number_shower(as_json)
        )
    _finish("devices revoke", done, "is revoked and can approve nothing", as_json)
    return 0


@devices.command(epilog=examples('pushmfa devices rename Pixel "Work phone"'))
@_device
@click.argument("label", callback=limit(MAX_LABEL))
@user_option
@json_option
@config_option()
@click.pass_context
def rename(
    context: click.Context, device: str, label: str, user: str | None, as_json: bool
) -> None:
    """Give a device another label.

    Its owner approves that on an active device; root need not ask.
    """
    with open_client(context) as client:
        shower = output.number_shower(as_json)
        done = client.rename_device(device, label, user, on_number=shower)
    _finish("devices rename", done, "is its name now", as_json)


@devices.command(epilog=examples("pushmfa devices lost Pixel"))
@_device
@user_option
@json_option
@config_option()
@click.pass_context
def lost(context: click.Context, device: str, user: str | None, as_json: bool) -> None:
    """Report a device lost.

    At once it is not asked any more, and what it approves does not count.
    """
    with open_client(context) as client:
        done = client.report_lost(device, user)
    _finish("devices lost", done, "is muted: it is not asked any more", as_json)


def _is_sure(device: str, *, as_json: bool) -> bool:
    """Ask; what cannot be undone is never done because nobody could say no."""
    if not has_terminal():
        raise UsageError(
            "revoking cannot be undone, and there is no terminal to ask",
            hint="Add --yes if it is meant.",
        )
    question = f"Revoke {output.show(device)}? It cannot be undone."
    return click.confirm(question, default=False, err=as_json)


def _finish(command: str, done: "control.Done", what: str, as_json: bool) -> None:
    if as_json:
        from pushmfa.cli.objects import device_object

        values = {"user": done.user, "device": device_object(done.device)}
        output.print_json(command, ok=True, values=values)
        return
    output.say(f"{output.show(done.device.label)} {what}.")
