"""The phone app's files and what is answered about each, all made once, at start.

A request is answered from a table of exact paths. No path becomes the name of a file,
so there is nothing to climb out of.
"""

import gzip
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Final

from pushmfa.relay.http import HEADERS, say
from pushmfa.wire.link import PATH

WORKER: Final = "/sw.js"
START: Final = "/index.html"

CONTENT_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/vnd.microsoft.icon",
}
"""Files with another ending belong to the makers, and are not served."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src {targets}; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types sw"
)
"""CSP 3 and Trusted Types; the policy sw is for the registration of the worker."""

_OWN: Final = (
    "camera", "clipboard-write", "publickey-credentials-create",
    "publickey-credentials-get",
)  # fmt: skip
_NOBODYS: Final = (
    "accelerometer", "autoplay", "clipboard-read", "display-capture",
    "encrypted-media", "fullscreen", "gamepad", "geolocation", "gyroscope", "hid",
    "idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment",
    "picture-in-picture", "screen-wake-lock", "serial", "storage-access", "sync-xhr",
    "usb", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS: Final = ", ".join(
    [*(f"{name}=(self)" for name in _OWN), *(f"{name}=()" for name in _NOBODYS)]
)

HSTS: Final = "max-age=63072000"
"""Two years. Without includeSubDomains: other names may be somebody else's."""


_NOTHING: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status, headers (without Content-Length) and body of an answer."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class AppFile:
    """One file: as it is, and compressed if that makes it smaller."""

    plain: HttpAnswer
    zipped: HttpAnswer | None

    def answer(self, accepted: str | None, known: str | None) -> HttpAnswer:
        """Return the answer to a GET with these Accept-Encoding and If-None-Match."""
        whole = self.zipped if self.zipped and takes_gzip(accepted) else self.plain
        if not is_known(known, whole.headers["ETag"]):
            return whole
        headers = {
            name: value
            for name, value in whole.headers.items()
            if name not in ("Content-Type", "Content-Encoding")
        }
        return HttpAnswer(HTTPStatus.NOT_MODIFIED, headers)


class App:
    """All files, by path."""

    def __init__(self, by_path: Mapping[str, AppFile]) -> None:
        self._by_path = by_path

    @property
    def paths(self) -> Sequence[str]:
        """Every path that there is."""
        return tuple(self._by_path)

    def answer(
        self, method: str, target: str, accepted: str | None, known: str | None
    ) -> HttpAnswer:
        """Return the answer to a request for target, as it stood in the request."""
        if method not in ("GET", "HEAD"):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        # The app sends no query; a home screen or a mail program may add one.
        file = self._by_path.get(target.partition("?")[0])
        if file is None:
            return refusal(HTTPStatus.NOT_FOUND)
        return file.answer(accepted, known)


def refusal(status: HTTPStatus, more: Mapping[str, str] = _NOTHING) -> HttpAnswer:
    """Return an answer that is no file, with more headers."""
    answer = say(status)
    headers = {**HEADERS, "Content-Type": answer.content_type, **more}
    return HttpAnswer(status, headers, answer.body)


def app_folder() -> Path:
    """Return where the package has the app's files."""
    return Path(str(files("pushmfa").joinpath("app")))


def load_app(folder: Path, relays: Iterable[str], *, with_tls: bool) -> App:
    """Read every file of folder and of those below it, or raise OSError.

    relays are the names that the app may dial: nothing else is reached from it, so
    code that got into it has nowhere to send what it found.
    """
    links = " ".join(f"{name}{PATH}" for name in sorted(relays))
    by_path: dict[str, AppFile] = {}
    for path in sorted(folder.rglob("*")):
        content_type = CONTENT_TYPES.get(path.suffix)
        if content_type is None or not path.is_file():
            continue
        name = f"/{path.relative_to(folder).as_posix()}"
        # The worker keeps the files itself; by fetch(), which connect-src is for.
        targets = f"'self' {links}" if name == WORKER else links
        headers = headers_of(POLICY.format(targets=targets), with_tls=with_tls)
        headers["Content-Type"] = content_type
        by_path[name] = make_file(path.read_bytes(), headers)
    if START in by_path:
        by_path["/"] = by_path[START]
    return App(by_path)


def headers_of(policy: str, *, with_tls: bool) -> dict[str, str]:
    """Return what every file is sent with."""
    headers = {
        # Asked again each time: an update is there at once, and whole.
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if with_tls:
        headers["Strict-Transport-Security"] = HSTS
    return headers


def make_file(body: bytes, headers: Mapping[str, str]) -> AppFile:
    """Return the answers about a file; ETag and Vary are added to its headers."""
    packed = gzip.compress(body, 9, mtime=0)
    if len(packed) >= len(body):
        return AppFile(HttpAnswer(HTTPStatus.OK, _tagged(body, headers), body), None)
    varying = {**headers, "Vary": "Accept-Encoding"}
    encoded = {**varying, "Content-Encoding": "gzip"}
    return AppFile(
        HttpAnswer(HTTPStatus.OK, _tagged(body, varying), body),
        HttpAnswer(HTTPStatus.OK, _tagged(packed, encoded), packed),
    )


def _tagged(body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    # The headers count: a browser that is told 304 may keep an old policy.
    digest = hashlib.sha256(repr(sorted(headers.items())).encode() + body).hexdigest()
    return {**headers, "ETag": f'"{digest[:32]}"'}


def takes_gzip(accepted: str | None) -> bool:
    """Say whether Accept-Encoding names gzip, and not with the weight 0."""
    for choice in (accepted or "").lower().split(","):
        name, _, weight = choice.replace(" ", "").partition(";")
        if name == "gzip":
            return weight.rstrip("0") not in ("q=", "q=0.")
    return False


def is_known(known: str | None, tag: str) -> bool:
    """Say whether If-None-Match names tag, by weak comparison (RFC 9110, 13.1.2)."""
    tags = [given.strip() for given in (known or "").split(",")]
    return tags == ["*"] or tag in [given.removeprefix("W/") for given in tags]
