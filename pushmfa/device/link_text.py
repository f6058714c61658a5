"""The enrollment link, as a person pastes it. Pure.

    <web origin> "/#1" <secret: 22 characters> [<host[:port] of the relay>]

docs/protocol.md 4.1.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from pushmfa.config.names import LOCAL_HOSTS, MAX_LINK, SECRET_CHARACTERS
from pushmfa.errors import ConfigError, MalformedError, UsageError
from pushmfa.link.endpoints import relay_name
from pushmfa.wire.codec import decode_base64url

LINK_VERSION: Final = "1"

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<place>[^/?#@\s]+)/?", re.ASCII | re.IGNORECASE
)
_HINT: Final = (
    "Copy the whole link from the terminal and put it between single quotes: "
    "pushmfa device enroll 'https://.../#1...'"
)


@dataclass(frozen=True, slots=True)
class EnrollmentLink:
    """What an enrollment link says."""

    secret: bytes = field(repr=False)
    """16 bytes; whoever has it can claim the enrollment, so it is shown nowhere."""

    relay: str
    """The name of the relay where host and device meet."""


def parse_link(text: str) -> EnrollmentLink:
    """Return what the link says; UsageError, with a hint, for what is none.

    White space is dropped wherever it is: a link copied from a terminal breaks at
    the end of a line, and none belongs into it.
    """
    link = "".join(text.split())
    if len(link) > MAX_LINK:
        raise UsageError("this is longer than an enrollment link", hint=_HINT)
    origin, separator, fragment = link.partition("#")
    found = _ORIGIN.fullmatch(origin)
    if link and found is None:
        raise UsageError("this is not an enrollment link", hint=_HINT)
    if found is None or not separator or not fragment:
        raise UsageError("this link ends before its secret", hint=_HINT)
    if not fragment.startswith(LINK_VERSION):
        raise UsageError(
            "this link is of another version of pushmfa",
            hint="Install the release that the host runs.",
        )
    secret_text = fragment[1 : 1 + SECRET_CHARACTERS]
    scheme, place = found["scheme"].lower(), found["place"].lower()
    relay_place = fragment[1 + SECRET_CHARACTERS :]
    _check_origin(scheme, place)
    return EnrollmentLink(
        secret=_secret(secret_text), relay=_relay(scheme, place, relay_place)
    )


def _secret(text: str) -> bytes:
    if len(text) < SECRET_CHARACTERS:
        raise UsageError(
            f"this link is cut off: {len(text)} of {SECRET_CHARACTERS} characters "
            "of its secret",
            hint=_HINT,
        )
    try:
        return decode_base64url(text)
    except MalformedError:
        raise UsageError("the secret in this link is damaged", hint=_HINT) from None


def _check_origin(scheme: str, place: str) -> None:
    if scheme == "http" and not _is_local(place):
        raise UsageError(
            "http:// is for localhost only",
            hint="A real link begins with https://. Ask who sent you this one.",
        )


def _relay(scheme: str, place: str, relay_place: str) -> str:
    if relay_place:
        url_scheme = "ws" if _is_local(relay_place.lower()) else "wss"
        url = f"{url_scheme}://{relay_place}"
    else:
        url = f"{'wss' if scheme == 'https' else 'ws'}://{place}"
    try:
        name = relay_name(url)
    except ConfigError:
        raise UsageError("the relay in this link is none", hint=_HINT) from None
    return name


def _is_local(place: str) -> bool:
    return place in LOCAL_HOSTS or place.rpartition(":")[0] in LOCAL_HOSTS
