"""`pushmfa host`: back up, move, clone, repair this host; for root."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pushmfa.cli import output
from pushmfa.cli.host_files import (
    load_backup,
    new_passphrase,
    verify_new,
    write_new,
)
from pushmfa.cli.options import (
    config_option,
    config_path,
    examples,
    has_terminal,
    is_root,
    json_option,
    open_client,
)
from pushmfa.cli.program import Group
from pushmfa.errors import NotPermittedError, UsageError

if TYPE_CHECKING:
    from pushmfa.config.model import HostConfig
    from pushmfa.daemon.rescue import Rescued
    from pushmfa.daemon.state import Place
    from pushmfa.login.devices import Device

_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_passphrase_file = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the passphrase from the first line of FILE.",
)
_file = click.argument("file", type=click.Path(path_type=Path))


@click.group(
    cls=Group,
    epilog=examples(
        "sudo pushmfa host backup /root/pushmfa.backup --protect",
        "sudo pushmfa host repair",
    ),
)
def host() -> None:
    """Back up, move, copy or repair this host.

    For root. What changes the state needs a daemon that is stopped, or one that
    refuses all logins because of the state: that one goes on by itself afterwards.
    """


@host.command(epilog=examples("sudo pushmfa host backup /root/pushmfa.backup"))
@_file
@click.option("--protect", is_flag=True, help="Ask for a passphrase, and encrypt.")
@_passphrase_file
@json_option
@config_option()
@click.pass_context
def backup(
    context: click.Context,
    file: Path,
    protect: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Write a backup of everything to FILE, which must not be there yet.

    It holds the private keys of this host: who has it can be this host. With
    --protect it is encrypted (argon2id, XSalsa20-Poly1305).
    """
    from pushmfa.daemon.backups import lock_up

    _need_root()
    # Before a passphrase is typed and the daemon sends everything.
    verify_new(file)
    passphrase = new_passphrase(protect, passphrase_file)
    pieces: list[bytes] = []
    with open_client(context) as client:
        client.back_up(pieces.append)
    raw = b"".join(pieces)
    if passphrase is not None:
        raw = lock_up(raw, passphrase)
    write_new(file, raw)
    if as_json:
        values = {
            "file": str(file),
            "size": len(raw),
            "protected": passphrase is not None,
        }
        output.print_json("host backup", ok=True, values=values)
        return
    output.say(f"{output.show(str(file))}: {len(raw)} bytes, readable by root only.")
    if passphrase is None:
        output.say("It holds the private keys of this host, not encrypted: keep it so.")


@host.command(epilog=examples("sudo pushmfa host restore /root/pushmfa.backup"))
@_file
@_passphrase_file
@_yes
@json_option
@config_option()
@click.pass_context
def restore(
    context: click.Context,
    file: Path,
    passphrase_file: Path | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Put a backup in the place of the state of this host.

    Devices that were revoked after the backup was made are active again: they are
    shown. Enrollment tickets are void. What was there before is kept in a folder
    beside it, with its keys. If it is killed: run it again.
    """
    from pushmfa.daemon import rescue

    _need_root()
    found = load_backup(file, passphrase_file)
    made = output.moment(found.head.made_at)
    name = output.show(found.head.host_name)
    output.say(f"A backup of {name}, made {made} by {found.head.made_by}.", err=as_json)
    question = "Put it in the place of the state of this host?"

    def work(place: "Place", wall: float) -> "Rescued":
        return rescue.restore(place, found, wall)

    return _change(context, work, question, yes=yes, as_json=as_json)


@host.command(epilog=examples("sudo pushmfa host adopt"))
@_yes
@json_option
@config_option()
@click.pass_context
def adopt(context: click.Context, yes: bool, as_json: bool) -> int:
    """Go on with this state, on this machine.

    After a move to another machine, or after a snapshot or an old copy was put back.
    The devices that are active then are shown first. Enrollment tickets are void.
    """
    from pushmfa.daemon import rescue

    _need_root()

    def show(place: "Place") -> None:
        output.say("These devices can approve if you go on:", err=as_json)
        _print_devices(rescue.active_devices(place), err=as_json)

    question = "Is this the same host, and the other copy gone, and are these right?"
    return _change(context, rescue.adopt, question, yes=yes, as_json=as_json, show=show)


@host.command(epilog=examples("sudo pushmfa host reset"))
@_yes
@json_option
@config_option()
@click.pass_context
def reset(context: click.Context, yes: bool, as_json: bool) -> int:
    """Become a new host: forget all devices, and the keys.

    For a copy of a machine whose original goes on. Everybody enrolls again. The old
    database is kept in a folder beside it, the keys are not.
    """
    from pushmfa.daemon import rescue

    _need_root()

    def show(place: "Place") -> None:
        until = _load_config(context).login.unenrolled_until
        if until is not None and until > time.time():
            output.say(
                "WARNING: pushmfa.toml lets in accounts without a device until "
                f"{output.moment(until)}: after a reset that is everybody.",
                err=True,
            )

    question = "Forget all devices and the keys of this host? It cannot be undone."
    return _change(context, rescue.reset, question, yes=yes, as_json=as_json, show=show)


@host.command(epilog=examples("sudo pushmfa host repair"))
@_yes
@json_option
@config_option()
@click.pass_context
def repair(context: click.Context, yes: bool, as_json: bool) -> int:
    """Make a whole database of what can be read of a damaged one.

    If the devices cannot be read they are taken from the last automatic copy. The
    damaged file is kept. What is missing of the audit stays visible as a gap.
    Enrollment tickets are void.
    """
    from pushmfa.daemon import rescue

    _need_root()
    question = "Look for damage, and repair what is found?"
    return _change(context, rescue.repair, question, yes=yes, as_json=as_json)


# --- how a change is made -------------------------------------------------------------


def _change(
    context: click.Context,
    work: "Callable[[Place, float], Rescued]",
    question: str,
    *,
    yes: bool,
    as_json: bool,
    show: "Callable[[Place], None]" = lambda _: None,
) -> int:
    """Do work as the user who owns the state, print it, and return the exit code.

    show prints what is to be known before the question; 1 if nobody wants it.
    """
    from pushmfa.daemon.machine import read_machine
    from pushmfa.daemon.main import host_name
    from pushmfa.daemon.sockets import give_up_root
    from pushmfa.daemon.state import Place, locked

    config = _load_config(context)
    os.umask(0o077)
    # All files stay the daemon's own.
    give_up_root(config.paths.state)
    place = Place(config.paths.state, host_name(config), read_machine())
    with locked(place.folder):
        show(place)
        if not yes and not _is_sure(question, as_json=as_json):
            output.say("Nothing was changed.", err=as_json)
            return 1
        done = work(place, time.time())
    _print(f"host {context.info_name}", done, as_json)
    return 0


def _load_config(context: click.Context) -> "HostConfig":
    from pushmfa.config.host import load_host_config
    from pushmfa.config.run_dir import DEFAULT_PATH

    return load_host_config(config_path(context, DEFAULT_PATH))


def _need_root() -> None:
    if not is_root():
        raise NotPermittedError(
            "only root may do this", hint="Run it with sudo, or as root."
        )


def _is_sure(question: str, *, as_json: bool) -> bool:
    """Ask; nothing of this is done because nobody could say no."""
    if not has_terminal():
        raise UsageError(
            "this changes who can log in, and there is no terminal to ask",
            hint="Add --yes if it is meant.",
        )
    return click.confirm(question, default=False, err=as_json)


# --- what was done --------------------------------------------------------------------


def _print(command: str, done: "Rescued", as_json: bool) -> None:
    if as_json:
        output.print_json(command, ok=True, values=_object(done))
        return
    if not done.is_changed:
        output.say("Nothing is damaged, and nothing was changed.")
        return
    if done.is_from_copy:
        output.say("The devices are those of the last automatic copy: who was revoked")
        output.say("after it was written is active again. Revoke what should not be.")
    if done.lost_rows:
        rows = ", ".join(done.lost_rows)
        output.say(f"Rows of the audit that are lost: {rows}.")
    if done.kept is not None:
        output.say(f"What was there before is in {output.show(str(done.kept))}.")
    if command == "host reset":
        output.say("This is a new host now, without devices. Enroll: pushmfa enroll")
    else:
        output.say("Done. These devices can approve:")
        _print_devices(done.devices, err=False)
        output.say("Enrollment tickets that were made before are void.")
    if command == "host restore":
        output.say("Who was revoked after the backup was made is in this list: revoke")
        output.say("again what should not be. If the old machine still runs, stop it.")


def _print_devices(devices: "tuple[Device, ...]", *, err: bool) -> None:
    from pushmfa.crypto.keys import fingerprint

    if not devices:
        output.say("  none", err=err)
    for device in devices:
        label, user = output.show(device.label), output.show(device.user)
        seen = output.moment(device.last_seen_at)
        mark = fingerprint(device.device_id)
        output.say(f"  {user}: {label} ({mark}), last seen {seen}", err=err)


def _object(done: "Rescued") -> dict[str, Any]:
    from pushmfa.cli.objects import device_object
    from pushmfa.daemon.calls import info_of

    return {
        "changed": done.is_changed,
        "epoch": done.epoch,
        "kept": None if done.kept is None else str(done.kept),
        "lost_rows": list(done.lost_rows),
        "from_copy": done.is_from_copy,
        "devices": [
            {"user": device.user, **device_object(info_of(device))}
            for device in done.devices
        ],
    }
