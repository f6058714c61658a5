"""The phone app in the demo: served, and a browser of this machine as a device.

The sandbox shares the machine's network, so the browser that is there anyway reaches
the relay and the app on localhost, which browsers take for a secure context.
"""

import http.client
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TextIO

from pushmfa.demo.parts import Invitation, Parts
from pushmfa.demo.sandbox import Sandbox
from pushmfa.errors import ExpiredError, PushmfaError

Draw = Callable[[str], list[str]]
"""Makes the lines of a QR code of a link, colors included."""

_REFERENCES: Final = re.compile(r'(?:href|src)="([^"]+)"')
_CONNECT: Final = re.compile(r"connect-src ([^;]*)")
_ANSWER: Final = 10.0
_LOOK_EVERY: Final = 0.3
_CLAIMED: Final = 5.0
"""Seconds to the host's question, once somebody has read six digits in a browser."""
_ENDED: Final = 30.0
_LONGEST_LINE: Final = 1024


class Loaded(NamedTuple):
    """What came of the app."""

    files: int
    size: int
    """Bytes of all files."""
    reaches: str
    """What the page's policy lets it connect to."""


def load_app(port: int) -> Loaded:
    """Load the app's page and all that it names; PushmfaError if not all of it came."""
    connection = http.client.HTTPConnection("localhost", port, timeout=_ANSWER)
    try:
        page, policy = _get(connection, "/")
        allowed = _CONNECT.search(policy)
        if allowed is None:
            raise PushmfaError("the app came without a policy")
        names = sorted(set(_REFERENCES.findall(page.decode())))
        sizes = [len(_get(connection, f"/{name}")[0]) for name in names]
    except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
        raise PushmfaError(f"the app did not come: {error}") from error
    finally:
        connection.close()
    return Loaded(1 + len(sizes), len(page) + sum(sizes), allowed[1].strip())


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[bytes, str]:
    """Return the file and its policy."""
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    if response.status != http.client.OK:
        raise PushmfaError(f"{path} gave HTTP status {response.status}")
    return body, response.getheader("Content-Security-Policy", "")


def invite_browser(
    sandbox: Sandbox, parts: Parts, user: str, out: TextIO, draw: Draw | None
) -> None:
    """Offer a person to enroll a browser for user, on this terminal.

    Returns when it is enrolled, or the person does not want it, or time is over.
    Without a terminal to type on it only says where the app is.
    """
    out.write(f"\nThe phone app is at http://localhost:{parts.app_port}/\n")
    if not sys.stdin.isatty():
        out.flush()
        return
    invitation = parts.invite(user)
    try:
        _show(invitation, parts, user, out, draw)
        out.write(f"{_take_digits(sandbox, invitation, out)}\n")
    finally:
        invitation.host.close()
    out.flush()


def _show(
    invitation: Invitation, parts: Parts, user: str, out: TextIO, draw: Draw | None
) -> None:
    ports = (parts.app_port, parts.relay_port)
    # ssh for another machine's browser, adb for a phone on a cable.
    forwards = " ".join(f"-L {port}:localhost:{port}" for port in ports)
    phone = " && ".join(f"adb reverse tcp:{port} tcp:{port}" for port in ports)
    code = "".join(f"{line}\n" for line in draw(invitation.link)) if draw else ""
    out.write(f"""
To approve with it, open this link in a browser of this machine, within \
{invitation.minutes} minutes.
It becomes a device of {user}.

{code}{invitation.link}

The code is for a phone. localhost has to lead here, for a phone on a cable by
    {phone}
and for a browser on the machine that you came from by
    ssh {forwards} HERE

Type the six digits that the app shows, or Enter alone to do without it:
""")
    out.flush()


def _take_digits(sandbox: Sandbox, invitation: Invitation, out: TextIO) -> str:
    """Wait for the digits, and give them to the host; return what became of it."""
    host = invitation.host
    for line in _typed(sandbox, invitation):
        digits = re.sub(r"\s", "", line)
        if not digits:
            return "Without the phone app, then."
        if not re.fullmatch(r"[0-9]{6}", digits):
            hint = "That is not six digits. Enter alone goes on without the app:"
        elif not _is_claimed(invitation):
            hint = "No device has come by this link yet. Open it first:"
        else:
            host.send_line(digits)
            host.wait(_ENDED)
            break
        out.write(f"{hint}\n")
        out.flush()
    # In the host's own words: it is enrolled, or why it is not.
    return "\n".join(line.text for line in host.transcript[-2:])


def _typed(sandbox: Sandbox, invitation: Invitation) -> Iterator[str]:
    """Give each line that is typed, until the enrollment is over.

    Raises PushmfaError if a service of the sandbox ends meanwhile.
    """
    while invitation.host.poll() is None:
        sandbox.check()
        if select.select([sys.stdin], [], [], _LOOK_EVERY)[0]:
            # Not by readline(): what it reads beyond the line is lost for the device.
            yield os.read(sys.stdin.fileno(), _LONGEST_LINE).decode(errors="replace")


def _is_claimed(invitation: Invitation) -> bool:
    """Whether the host asks for the digits."""
    try:
        invitation.host.expect("six digits", _CLAIMED)
    except ExpiredError:
        return False
    return True
