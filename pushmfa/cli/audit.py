"""`pushmfa audit`: what happened, and whether that is what was written."""

import json
from typing import TYPE_CHECKING, Any, Final

import click

from pushmfa.cli import output
from pushmfa.cli.options import (
    config_option,
    examples,
    json_option,
    open_client,
    user_option,
)
from pushmfa.cli.program import Group

if TYPE_CHECKING:
    from pushmfa.wire.control_audit import AuditEntry

MOST: Final = 1_000


@click.group(
    cls=Group,
    epilog=examples("sudo pushmfa audit tail -n 50", "sudo pushmfa audit verify"),
)
def audit() -> None:
    """Show and verify what happened.

    Every decision and every act is a row; each row is chained to the one before.
    """


@audit.command(
    epilog=examples(
        "pushmfa audit tail",
        "sudo pushmfa audit tail --follow",
        "sudo pushmfa audit tail -n 1000 --user alice --json",
    )
)
@click.option(
    "-n",
    "last",
    type=click.IntRange(0, MOST),
    default=20,
    show_default=True,
    metavar="ROWS",
    help=f"How many of the last rows, 0 to {MOST}.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with new rows, to Ctrl-C.")
@user_option
@json_option
@config_option()
@click.pass_context
def tail(
    context: click.Context, last: int, follow: bool, user: str | None, as_json: bool
) -> None:
    """Show the last rows, oldest first.

    Your own account's; root sees everybody's. With --follow and --json there is one
    object a row.
    """
    with open_client(context) as client:
        entries = client.audit(user, last=last, follow=follow)
        if as_json and not follow:
            listed = [_object(entry) for entry in entries]
            output.print_json("audit tail", ok=True, values={"entries": listed})
            return
        for entry in entries:
            if as_json:
                one = _object(entry)
                output.print_json("audit tail", ok=True, values={"entry": one})
            else:
                output.say(_line(entry))


@audit.command(epilog=examples("sudo pushmfa audit verify --json"))
@json_option
@config_option()
@click.pass_context
def verify(context: click.Context, as_json: bool) -> int:
    """Verify that no row was changed or removed.

    Ends with 0 if every row is as it was written, 1 if one is not. Rows cut off at
    the end while the daemon did not run do not show: keep the last hash elsewhere.
    """
    with open_client(context) as client:
        found = client.verify_audit()
    if as_json:
        values = {
            "rows": found.rows,
            "hash": found.hash.hex(),
            "broken": found.broken,
            "problem": found.problem,
        }
        output.print_json("audit verify", ok=found.broken is None, values=values)
    elif found.broken is None:
        output.say(f"{found.rows} rows, each as it was written.")
        output.say(f"The last one is {found.rows}, hash {found.hash.hex()}")
    else:
        output.say(f"NOT AS IT WAS WRITTEN, from row {found.broken} on:")
        output.say(f"  {output.show(found.problem or '')}.")
        output.say(f"{found.rows} rows before it are whole.")
        output.say("Somebody with root's rights changed the file, or the disk did.")
        output.say("The daemon's log has every row, too: journalctl -u pushmfa")
    return 0 if found.broken is None else 1


def _object(entry: "AuditEntry") -> dict[str, Any]:
    record = _record(entry)
    at = record.get("at")
    return {
        "seq": entry.seq,
        "at": output.rfc3339(at) if isinstance(at, int) else None,
        "hash": entry.hash.hex(),
        "record": record,
    }


def _record(entry: "AuditEntry") -> dict[str, Any]:
    try:
        found = json.loads(entry.record)
    except ValueError:
        found = None
    # A row that somebody changed can hold anything.
    return found if isinstance(found, dict) else {"type": "damaged"}


def _line(entry: "AuditEntry") -> str:
    record = _record(entry)
    at = record.get("at")
    when = output.moment(at, seconds=True) if isinstance(at, int) else "-"
    tell = _TELL.get(str(record.get("type")), _tell_other)
    return f"{entry.seq:>6}  {when}  {output.show(tell(record))}"


def _tell_attempt(record: dict[str, Any]) -> str:
    user, approver = record.get("user"), record.get("approver")
    who = str(user or "unknown")
    if approver is not None and approver != user:
        who += f" (asked {approver})"
    where = record.get("remote_address") or "here"
    device = f" on {record['device_label']}" if record.get("device_label") else ""
    verdict, cause = record.get("verdict"), record.get("cause")
    return (
        f"{verdict} ({cause}){device}: {who}, {record.get('service')}, from {where}"
        f"  [{record.get('attempt_id')}]"
    )


def _tell_delivery(record: dict[str, Any]) -> str:
    delivered = record.get("delivered") is True
    what = "delivered" if delivered else "NOT delivered, the terminal had gone"
    return f"approval {what}  [{record.get('attempt_id')}]"


def _tell_act(record: dict[str, Any]) -> str:
    uid, owner = record.get("actor_uid"), record.get("uid")
    by = "root" if uid == 0 else "the owner" if uid == owner else f"uid {uid}"
    label = f", device {record['device_label']}" if record.get("device_label") else ""
    return f"{record.get('act')}: {record.get('user')}{label}, by {by}"


def _tell_refusals(record: dict[str, Any]) -> str:
    return (
        f"{record.get('count')} refused without a first factor, from "
        f"{record.get('remote_address')}"
    )


def _tell_other(record: dict[str, Any]) -> str:
    return json.dumps(record)


_TELL: Final = {
    "attempt": _tell_attempt,
    "delivery": _tell_delivery,
    "act": _tell_act,
    "refusals": _tell_refusals,
}
