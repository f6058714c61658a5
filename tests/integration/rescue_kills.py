"""Kills a command of `pushmfa host` before each of its steps; prints what was found.

    python -m tests.integration.rescue_kills FOLDER ACT START kill|error

A program of its own, with one thread: it forks for each kill. A step is a call that
changes a file, or a statement of SQLite that changes something; "error" has it fail
instead. Prints a JSON object: the number of each finding, and every one that must not
be.
"""

import errno
import hashlib
import json
import os
import shutil
import signal
import sys
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from pushmfa.daemon import rescue
from pushmfa.daemon.backups import Backup, Head, Keys
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.health import Health
from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.state import (
    COPY_NAME,
    DAMAGED_NAME,
    DATABASE_NAME,
    Place,
    locked,
    open_state,
)
from pushmfa.daemon.swap import sweep
from pushmfa.daemon.tickets import Tickets
from pushmfa.daemon.trouble import TroubleError
from pushmfa.errors import StoreError
from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.store.host_copy import copy_whole
from pushmfa.terms import (
    DeviceId,
    DeviceKind,
    Digest,
    MailboxId,
    SealingKey,
    UserName,
    VerifyKey,
)

WALL: Final = 1_800_000_000
ALICE: Final = Account(UserName("alice"), 1001)
NEW: Final = b"of a new host: nobody knows it beforehand"
HERE, ELSEWHERE = b"m" * 16, b"n" * 16
FILES: Final = frozenset(
    ("open", "rename", "replace", "link", "unlink", "remove", "rmdir", "mkdir", "fsync")
)
CHANGES: Final = ("INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA journal_mode=DELETE")


class Facts(NamedTuple):
    """What a daemon finds that looks at a state; only `trouble` if it refuses."""

    trouble: str
    host_id: bytes = b""
    devices: tuple[str, ...] = ()
    epoch: int = 0
    has_ticket: bool = False


# --- the states -----------------------------------------------------------------------


def make(folder: Path) -> Backup:
    """Make a state, and return its backup, made before a device was revoked."""
    folder.mkdir(mode=0o700)
    state = open_state(Place(folder, "web1", HERE), Health())
    store = state.store
    registry, tickets = Registry(store), Tickets(store)
    tablet = device("Tablet")
    registry.add(device("Pixel"), 0)
    registry.add(tablet, 0)
    ticket, _ = tickets.make(ALICE, Clock().now())
    copy_whole(store.path, folder / "copy")
    raw = (folder / "copy").read_bytes()
    (folder / "copy").unlink()
    tickets.admit(ALICE, ticket, Clock().now())
    registry.revoke(tablet, 0, Clock().now())
    registry.add(device("Watch"), 0)
    store.copy_registry(folder / COPY_NAME)
    # As a daemon that was killed: with a log that holds all of it.
    for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal"):
        shutil.copyfile(folder / name, folder / f"{name}.kept")
    store.close()
    for path in folder.glob("*.kept"):
        path.rename(path.with_suffix(""))
        path.with_suffix("").chmod(0o600)
    head = Head(
        schema=1,
        made_at=WALL,
        made_by="a test",
        host_name="web1",
        keys=Keys((folder / FILE_NAME).read_bytes()),
        size=len(raw),
        digest=Digest(hashlib.sha256(raw).digest()),
    )
    return Backup(head, raw)


def device(label: str) -> Device:
    def bytes_of(what: str) -> bytes:
        return hashlib.sha256((label + what).encode()).digest()

    return Device(
        device_id=DeviceId(bytes_of("id")),
        user=ALICE.name,
        uid=ALICE.uid,
        label=label,
        kind=DeviceKind.TERMINAL,
        capabilities=(),
        verify_key=VerifyKey(bytes_of("verify")),
        sealing_key=SealingKey(b"\x04" + 2 * bytes_of("sealing")),
        mailbox=MailboxId(bytes_of("mailbox")[:16]),
        version=1,
        enrolled_at=WALL,
        last_seen_at=None,
        lost_at=None,
        revoked_at=None,
    )


def befall(folder: Path, start: str) -> None:
    """Do to a whole state what the command is for."""
    database, log = folder / DATABASE_NAME, folder / f"{DATABASE_NAME}-wal"
    match start:
        case "whole" | "moved":
            pass
        case "marked":
            (folder / DAMAGED_NAME).write_bytes(b"a page")
            (folder / DAMAGED_NAME).chmod(0o600)
        case "damaged":
            log.unlink()
            database.write_bytes(bytes(4096) + database.read_bytes()[4096:])
        case "no keys":
            (folder / FILE_NAME).unlink()
        case "no database":
            database.unlink()
            log.unlink()
        case "nothing":
            for path in folder.iterdir():
                path.unlink()
        case _:
            raise ValueError(start)


def look(folder: Path, machine: bytes) -> Facts:
    """Look at a copy of the state as a daemon does at its start."""
    copy = folder.with_name("looked-at")
    copy_state(folder, copy)
    try:
        with locked(copy):
            state = open_state(Place(copy, "web1", machine), Health())
            row = state.store.load_host()
            found = Facts(
                "",
                bytes(state.host.host_id),
                tuple(
                    sorted(
                        d.label
                        for d in Registry(state.store).all_devices()
                        if d.is_active()
                    )
                ),
                row.epoch if row else -1,
                bool(state.store._database.query("SELECT 1 FROM tickets")),
            )
            state.store.close()
    except TroubleError as error:
        found = Facts(error.trouble.line())
    return found


def copy_state(folder: Path, to: Path) -> None:
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(folder, to)


# --- the kills ------------------------------------------------------------------------


class Steps:
    """Counts the steps of this process, and kills it before one of them."""

    def __init__(self, last: int, how: str) -> None:
        self.last = last
        self.how = how
        self.count = 0

    def __call__(self, frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call":
            return
        if not self.is_step(frame, called):
            return
        self.count += 1
        if self.count > self.last:
            if self.how == "error":
                # Python removes what raises: it happens once.
                raise OSError(errno.EIO, "the test's disk")
            os.kill(os.getpid(), signal.SIGKILL)

    @staticmethod
    def is_step(frame: FrameType, called: Any) -> bool:
        name = getattr(called, "__name__", "")
        if name in ("execute", "executemany"):
            return str(frame.f_locals.get("sql", "")).startswith(CHANGES)
        return name in FILES


class Act(NamedTuple):
    """One command, and how it is done."""

    name: str
    backup: Backup
    machine: bytes

    def do(self, folder: Path, wall: float) -> None:
        place = Place(folder, "web1", self.machine)
        with locked(folder):
            match self.name:
                case "restore":
                    rescue.restore(place, self.backup, wall)
                case "adopt":
                    rescue.adopt(place, wall)
                case "reset":
                    rescue.reset(place, wall)
                case _:
                    rescue.repair(place, wall)

    def is_ended(self, folder: Path, last: int, how: str) -> bool:
        """Do it in a process that is ended before a step; whether it came to that."""
        pid = os.fork()
        if pid == 0:
            steps = Steps(last, how)
            sys.setprofile(steps)
            with suppress(OSError, StoreError):
                self.do(folder, WALL)
            os._exit(steps.count > last)
        return os.waitpid(pid, 0)[1] != 0


def judge(act: Act, folder: Path, before: Facts, after: Facts) -> str:
    """Return "before", "after" or "refuses"; or what is wrong."""
    found = look(folder, act.machine)
    if found.trouble and found != before:
        is_named = f"pushmfa host {act.name}" in found.trouble
        return "refuses" if is_named else f"WRONG: {found}"
    if is_same(found, before):
        return "before"
    return "after" if is_same(found, after) else f"WRONG: {found}"


def is_same(found: Facts, wanted: Facts) -> bool:
    if wanted.host_id == NEW:
        return found._replace(host_id=NEW) == wanted
    return found == wanted


def again(act: Act, folder: Path, after: Facts) -> str:
    """Do it again, as one is told to; return what is wrong with the result."""
    act.do(folder, WALL + 1)
    found = look(folder, act.machine)
    if not is_same(found._replace(epoch=after.epoch), after) or (
        found.epoch < after.epoch
    ):
        return f"WRONG: once more: {found}"
    names = {path.name for path in folder.iterdir()}
    sweep(folder)
    left = names - {path.name for path in folder.iterdir()}
    keys = act.backup.head.keys
    if act.name == "reset" and any(
        path.read_bytes() == keys for path in folder.rglob("*") if path.is_file()
    ):
        left.add("the keys of the old host")
    return f"WRONG: once more: left {left}" if left else ""


def main(base: Path, act_name: str, start: str, how: str) -> None:
    """End act_name before each of its steps, in a state as start says."""
    whole, done, folder = base / "whole", base / "done", base / "state"
    act = Act(act_name, make(whole), ELSEWHERE if start == "moved" else HERE)
    own = look(whole, HERE)
    befall(whole, start)
    before = look(whole, act.machine)
    if start == "nothing":
        before = before._replace(host_id=NEW)
    copy_state(whole, done)
    act.do(done, WALL)
    after = look(done, act.machine)
    if act_name == "reset" and after.host_id != own.host_id:
        after = after._replace(host_id=NEW)
    found: Counter[str] = Counter()
    wrong: list[str] = []
    for step in count():
        copy_state(whole, folder)
        was_ended = act.is_ended(folder, step, how)
        told = judge(act, folder, before, after), again(act, folder, after)
        found[told[0].split(":")[0]] += 1
        wrong += [f"{step}: {what}" for what in told if "WRONG" in what]
        if not was_ended:
            break
    print(json.dumps({"found": found, "wrong": wrong}))  # noqa: T201  for the test


if __name__ == "__main__":
    os.umask(0o077)
    main(Path(sys.argv[1]), *sys.argv[2:])
