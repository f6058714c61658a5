"""The accounts of the sandbox, written into its private copies of passwd and others.

root below is the sandbox's file system as seen from outside, /proc/PID/root.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SYSTEM_USERS: Final = ("pushmfa", "pushmfa-relay")
"""Whom daemon and relay run as; made if the machine has none."""

_FIRST_UID: Final = 23001
_SYSTEM_UIDS: Final = range(999, 100, -1)
_FILES: Final = ("passwd", "shadow", "group", "gshadow")
_SHELLS: Final = ("/bin/bash", "/bin/sh")


class Account(NamedTuple):
    """A person of the sandbox."""

    name: str
    uid: int
    """Also the gid, of a group of the same name."""
    password: str

    @property
    def home(self) -> str:
        """The home folder, inside."""
        return f"/home/{self.name}"


def add_system_users(root: Path) -> None:
    """Make the users that the services run as, where they are missing."""
    for name in SYSTEM_USERS:
        if name not in _names(root):
            used = _used_ids(root)
            uid = next(number for number in _SYSTEM_UIDS if number not in used)
            _write_account(root, name, uid, "/nonexistent", "/usr/sbin/nologin")


def add_people(
    root: Path,
    passwords: Sequence[tuple[str, str]],
    public_key: str,
    set_passwords: Callable[[str], None],
) -> list[Account]:
    """Make an account, with a home that public_key opens, for each (name, password).

    An account that the machine has by that name is hidden. set_passwords gets lines
    `name:password`, as chpasswd reads them.
    """
    shell = next(shell for shell in _SHELLS if Path(shell).exists())
    people = []
    for name, password in passwords:
        _remove(root, name)
        used = _used_ids(root)
        uid = next(u for u in range(_FIRST_UID, 60000) if u not in used)
        account = Account(name, uid, password)
        _write_account(root, name, uid, account.home, shell)
        _make_home(root / account.home.lstrip("/"), uid, public_key)
        people.append(account)
    set_passwords("".join(f"{p.name}:{p.password}\n" for p in people))
    return people


def find_ids(root: Path, name: str) -> tuple[int, int]:
    """Return uid and gid of an account; KeyError if there is none by that name."""
    for line in _lines(root, "passwd"):
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2]), int(fields[3])
    raise KeyError(name)


def _lines(root: Path, file: str) -> list[str]:
    path = root / "etc" / file
    return path.read_text(errors="surrogateescape").splitlines()


def _write_lines(root: Path, file: str, lines: Iterable[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    (root / "etc" / file).write_text(text, errors="surrogateescape")


def _names(root: Path) -> set[str]:
    return {line.split(":", 1)[0] for line in _lines(root, "passwd")}


def _used_ids(root: Path) -> set[int]:
    fields = [line.split(":") for line in _lines(root, "passwd")]
    fields += [line.split(":") for line in _lines(root, "group")]
    return {int(f[2]) for f in fields if len(f) > 2 and f[2].isdigit()}


def _remove(root: Path, name: str) -> None:
    for file in _FILES:
        kept = [x for x in _lines(root, file) if x.split(":", 1)[0] != name]
        _write_lines(root, file, kept)


def _write_account(root: Path, name: str, uid: int, home: str, shell: str) -> None:
    entries = {
        "passwd": f"{name}:x:{uid}:{uid}::{home}:{shell}",
        "shadow": f"{name}:*:19000:0:99999:7:::",
        "group": f"{name}:x:{uid}:",
        "gshadow": f"{name}:!::",
    }
    for file, entry in entries.items():
        _write_lines(root, file, [*_lines(root, file), entry])


def _make_home(home: Path, uid: int, public_key: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    keys = home / ".ssh"
    keys.mkdir(mode=0o700, exist_ok=True)
    (keys / "authorized_keys").write_text(public_key)
    (home / ".hushlogin").touch()
    for path in (home, keys, keys / "authorized_keys", home / ".hushlogin"):
        os.chown(path, uid, uid)
    home.chmod(0o750)
