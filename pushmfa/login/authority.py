"""Who may ask the daemon for what: one table, which the documentation prints.

SO_PEERCRED says who calls. A uid alone may look at what is its own, start attempts,
end its own, and report its own device lost, which can only take something away. What
adds, removes or weakens a factor needs an approval by an active device of the owner:
an open shell that someone left must not be enough (invariant 10).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

OVERFLOW_UID: Final = 65_534
"""What the kernel shows for a user of another user namespace: anyone at all."""


class Command(StrEnum):
    """What can be asked of the daemon."""

    HOST = "host"
    HEALTH = "health"
    STATUS = "status"
    DEVICES_LIST = "devices list"
    DEVICES_LOST = "devices lost"
    DEVICES_RENAME = "devices rename"
    DEVICES_REVOKE = "devices revoke"
    ENROLL = "enroll"
    ENROLL_TICKET = "enroll --ticket"
    TEST = "test"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    TOTP = "totp"
    RECOVERY_CODES = "recovery-codes"
    GRANT = "grant"
    MUTE = "mute"
    UNLOCK = "unlock"
    AUDIT_OWN = "audit (own)"
    AUDIT_ALL = "audit (all)"
    HOST_BACKUP = "host backup"
    POLICY = "policy"


class Caller(StrEnum):
    """Who asks, seen from the account that it is about."""

    ROOT = "root"
    OWNER = "owner"
    MONITOR = "monitor"
    OTHER = "other uid"
    OVERFLOW = "uid 65534"


class Permission(StrEnum):
    """What the table says."""

    YES = "yes"
    APPROVAL = "with approval"
    NO = "no"


_Y, _A, _N = Permission.YES, Permission.APPROVAL, Permission.NO

TABLE: Final[Mapping[Command, Mapping[Caller, Permission]]] = {
    command: dict(zip(Caller, row, strict=True))
    for command, row in {
        #                        root owner monitor other 65534
        Command.HOST:           (_Y,  _Y,   _Y,     _Y,   _N),
        Command.HEALTH:         (_Y,  _Y,   _Y,     _N,   _N),
        Command.STATUS:         (_Y,  _Y,   _N,     _N,   _N),
        Command.DEVICES_LIST:   (_Y,  _Y,   _N,     _N,   _N),
        Command.DEVICES_LOST:   (_Y,  _Y,   _N,     _N,   _N),
        Command.DEVICES_RENAME: (_Y,  _A,   _N,     _N,   _N),
        Command.DEVICES_REVOKE: (_Y,  _A,   _N,     _N,   _N),
        Command.ENROLL:         (_Y,  _A,   _N,     _N,   _N),
        Command.ENROLL_TICKET:  (_Y,  _N,   _N,     _N,   _N),
        Command.TEST:           (_Y,  _Y,   _N,     _N,   _N),
        Command.CANCEL:         (_Y,  _Y,   _N,     _N,   _N),
        Command.CONFIRM:        (_Y,  _Y,   _N,     _N,   _N),
        Command.TOTP:           (_Y,  _A,   _N,     _N,   _N),
        Command.RECOVERY_CODES: (_Y,  _A,   _N,     _N,   _N),
        Command.GRANT:          (_Y,  _A,   _N,     _N,   _N),
        Command.MUTE:           (_Y,  _Y,   _N,     _N,   _N),
        Command.UNLOCK:         (_Y,  _A,   _N,     _N,   _N),
        Command.AUDIT_OWN:      (_Y,  _Y,   _N,     _N,   _N),
        Command.AUDIT_ALL:      (_Y,  _N,   _N,     _N,   _N),
        Command.HOST_BACKUP:    (_Y,  _N,   _N,     _N,   _N),
        Command.POLICY:         (_Y,  _N,   _N,     _N,   _N),
    }.items()
}  # fmt: skip
"""The whole of it; what is not said here is refused."""


def caller_of(caller_uid: int, owner_uid: int | None, *, is_monitor: bool) -> Caller:
    """Return what caller_uid is to the account owner_uid (None: to no account)."""
    if caller_uid == OVERFLOW_UID:
        return Caller.OVERFLOW
    if caller_uid == 0:
        return Caller.ROOT
    if owner_uid is not None and caller_uid == owner_uid:
        return Caller.OWNER
    return Caller.MONITOR if is_monitor else Caller.OTHER


def decide(command: Command, caller: Caller) -> Permission:
    """Return what the table says of caller and command."""
    return TABLE[command][caller]


def may(command: Command, caller: Caller, *, has_approval: bool) -> bool:
    """Whether caller may do command, with or without an approval by a device."""
    permission = decide(command, caller)
    return permission is Permission.YES or (
        permission is Permission.APPROVAL and has_approval
    )


def render_table() -> str:
    """Return the table as Markdown, for the documentation and the golden test."""
    columns: list[tuple[str, Caller, bool]] = []
    for caller in Caller:
        columns.append((caller.value, caller, False))
        if caller is Caller.OWNER:
            columns.append(("owner with approval", caller, True))
    lines = [
        "| command | " + " | ".join(name for name, _, _ in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for command in TABLE:
        cells = [
            "yes" if may(command, caller, has_approval=approved) else "no"
            for _, caller, approved in columns
        ]
        lines.append(f"| {command} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
