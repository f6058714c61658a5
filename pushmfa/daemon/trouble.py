"""Why this host can take no login at all: what happened, and the way out.

Nothing that is said here depends on who logs in, so that it tells nobody anything of
an account.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pushmfa.errors import (
    DamagedError,
    DiskFullError,
    LostError,
    StoreError,
    UnwritableError,
)
from pushmfa.text import make_harmless

_REFUSED: Final = "logins are refused"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the state of this host."""

    what: str
    """What happened and what it means; for log and status."""
    hint: str
    said: str
    """For terminals: short, ASCII, one line."""
    damage: str = ""
    """Of a damaged database: what was found. Only `pushmfa host repair` ends it."""

    def line(self) -> str:
        """Return what happened and what to do, for `pushmfa status`."""
        return make_harmless(f"{self.what}. {self.hint}", 500)


class TroubleError(StoreError):
    """The state cannot be used."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.what, hint=trouble.hint)
        self.trouble = trouble


def other_machine(has_id: bool) -> Trouble:
    """The state was made on another machine."""
    where = "another machine" if has_id else "a machine with an /etc/machine-id"
    return Trouble(
        f"the state of this host was made on {where}: it was moved, or this is a"
        f" copy; {_REFUSED}",
        "The same host on a new machine: pushmfa host adopt. A copy, while the other"
        " one goes on: pushmfa host reset.",
        _say("was moved or copied to another machine", "host adopt, or host reset"),
    )


def rolled_back(seen: int, own: int) -> Trouble:
    """A device proved that it has seen a later state of this host."""
    return Trouble(
        f"the state of this host is an old one (epoch {own}; a device has seen {seen}):"
        " a snapshot or an old copy was put back, and devices that were revoked since"
        f" would be active again; {_REFUSED}",
        "pushmfa host adopt shows the devices that are active, and goes on with them.",
        _say("has gone back to an old state", "host adopt"),
    )


def damaged(detail: str) -> Trouble:
    """The database is not what was written."""
    return Trouble(
        f"the database of this host is damaged ({detail}); {_REFUSED}",
        "pushmfa host repair",
        _say("has a damaged database", "host repair"),
        damage=detail,
    )


def lost_database() -> Trouble:
    """The keys are there, the database is not."""
    return Trouble(
        "the database of this host is lost: nobody knows whose devices are enrolled;"
        f" {_REFUSED}",
        "pushmfa host repair takes the last automatic copy; pushmfa host restore FILE"
        " a backup; pushmfa host reset begins anew.",
        _say("has lost its database", "host repair"),
    )


def lost_keys(path: Path, reason: str) -> Trouble:
    """The database is there, the keys are not."""
    return Trouble(
        f"{path} {reason}: this host cannot speak to its devices; {_REFUSED}",
        "pushmfa host restore FILE puts back a backup; without one pushmfa host reset"
        " makes a new host, and all devices enroll again.",
        _say("has lost its keys", "host restore"),
    )


def mixed(path: Path) -> Trouble:
    """Keys and database are of different hosts."""
    return Trouble(
        f"{path} and the database are of two different hosts; {_REFUSED}",
        "Put back the two that belong together: pushmfa host restore FILE.",
        _say("has the keys of another host", "host restore"),
    )


def of_error(error: StoreError) -> Trouble | None:
    """Return the trouble that an error of the store means, None if it means none."""
    match error:
        case TroubleError():
            return error.trouble
        case DamagedError():
            return damaged(str(error))
        case LostError():
            return lost_database()
        case DiskFullError():
            return Trouble(
                f"the disk is full, and the reserve is used up ({error}): nothing can"
                f" be written down; {_REFUSED}",
                "Make room on the file system of the state; it goes on by itself.",
                _say("has no room on its disk", ""),
            )
        case UnwritableError():
            return Trouble(
                f"the state cannot be written ({error}); {_REFUSED}",
                f"{error.hint} It goes on by itself.",
                _say("cannot write to its disk", ""),
            )
        case _:
            return None


def _say(what: str, command: str) -> str:
    todo = f" (pushmfa {command})" if command else ""
    return (
        f"pushmfa: this host {what}; logins are refused. Tell your administrator{todo}."
    )
