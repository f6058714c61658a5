"""`pushmfa test --service`: try a PAM stack without logging in."""

import os
import pwd
import re
import subprocess
import sys
import termios
from pathlib import Path
from typing import Final

from pushmfa.cli import output
from pushmfa.errors import NotPermittedError, UsageError

DEADLINE: Final = 300
"""Seconds after which the stack is ended; the module itself gives up after 120."""

FOLDERS: Final = ("/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", re.ASCII)

_ENDS: Final = {
    0: ("Approved: this stack would let {user} in", 0),
    6: ("Refused: permission denied", 7),
    7: ("Refused by the stack", 1),
    8: ("Refused: the stack has no credentials for {user}", 1),
    9: ("Refused: something that the stack needs is not available", 3),
    10: ("Refused: the stack does not know {user}", 6),
    11: ("Refused: too many tries", 5),
    12: ("Refused: the password has expired", 1),
    13: ("Refused: the account has expired", 1),
    26: ("Refused by the stack", 1),
}
"""By PAM's code: what is said, and the exit code."""

_MISCONFIGURED: Final = (
    "Not possible: the stack cannot be run as it is written; see the system's log",
    8,
)


def run(service: str, user: str | None, *, has_key: bool, as_json: bool) -> int:
    """Run the stack in a child process, print the verdict, return the exit code."""
    if os.geteuid() != 0:
        raise NotPermittedError(
            "to try a PAM stack is for root",
            hint=f"sudo pushmfa test --service {service}. Without --service it is "
            "for everybody.",
        )
    account = _account(user)
    _verify_service(service)
    code = _run_child(service, account, has_key=has_key)
    if code is None:
        text, exit_code = "Expired: the stack did not end in time", 4
    else:
        text, exit_code = _ENDS.get(code, _MISCONFIGURED)
    text = text.format(user=output.show(account.pw_name))
    if as_json:
        values = {
            "service": service,
            "user": account.pw_name,
            "pam_code": code,
            "text": text,
        }
        output.print_json("test", ok=exit_code == 0, values=values)
    else:
        output.say(f"{text} (service {service}, PAM code {code}).")
    return exit_code


def _run_child(
    service: str, account: pwd.struct_passwd, *, has_key: bool
) -> int | None:
    """Return PAM's code, None if it takes too long; Ctrl-C ends it and cancels."""
    words = [service, account.pw_name, str(account.pw_uid), "1" if has_key else "0"]
    # -I: neither the folder nor the environment of the caller brings code. Attack:
    # root tries a stack in a folder that somebody else filled, or with his PYTHONPATH.
    argv = [sys.executable, "-I", "-m", "pushmfa.cli.stack", *words]
    saved = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    with subprocess.Popen(argv) as child:  # noqa: S603  our own program
        try:
            code = child.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            child.kill()
            return None
        except BaseException:
            # The module's connection ends with it: the daemon takes the card away.
            child.kill()
            raise
        finally:
            # It may have ended while it read a password, with the echo off.
            if saved is not None:
                termios.tcsetattr(sys.stdin, termios.TCSANOW, saved)
    if code < 0:
        raise KeyboardInterrupt
    return code


def _account(user: str | None) -> pwd.struct_passwd:
    name = user or os.environ.get("SUDO_USER") or "root"
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise UsageError(
            f"there is no account {name}", hint="Name one: --user NAME"
        ) from None


def _verify_service(service: str) -> None:
    """Raise UsageError for a service without a stack: PAM would take `other`'s."""
    known = _NAME.fullmatch(service) and any(
        (Path(folder) / service).is_file() for folder in FOLDERS
    )
    if not known:
        raise UsageError(
            f"there is no PAM service {service}",
            hint="The services are the files in /etc/pam.d, such as sshd or sudo.",
        )
