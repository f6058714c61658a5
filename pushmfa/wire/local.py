"""What PAM module and daemon say to each other, on a SOCK_SEQPACKET socket.

Module: `pushmfa1` NUL, then `key=value` NUL once each, last `command=` which runs
to the end. Daemon: `I` info, `E` error, `P` prompt, `V` verdict NUL text. Module:
`A` and what was typed. No JSON in C. docs/protocol.md, section 7.
"""

from typing import Final

import msgspec

from pushmfa.errors import MalformedError
from pushmfa.terms import Verdict

MAGIC: Final = b"pushmfa1"
MAX_DATAGRAM: Final = 65_536
MAX_COMMAND: Final = 32_768
MAX_TEXT: Final = 500
MAX_TYPED: Final = 512
UNSET_LOGINUID: Final = 4_294_967_295

_TEXT_KEYS: Final = frozenset(
    {"phase", "service", "user", "ruser", "rhost", "tty", "conn", "methods", "role"}
    | {"display"}
)
_NUMBER_KEYS: Final = frozenset(
    {"uid", "loginuid", "sessionid", "pid", "ppid", "flags", "wait", "cut"}
)
_REQUIRED: Final = frozenset({"phase", "uid", "role", "wait", "cut", "pid", "ppid"})


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The first datagram of the module: what PAM and the kernel say of the login.

    Texts are raw bytes, not necessarily UTF-8; None where PAM has no such item.
    """

    phase: str
    role: str
    service: bytes | None
    user: bytes | None
    ruser: bytes | None
    rhost: bytes | None
    tty: bytes | None
    conn: bytes | None
    methods: bytes | None
    display: str | None
    uid: int
    loginuid: int | None
    sessionid: int | None
    pid: int
    ppid: int
    flags: int
    wait: int
    cut: bool
    command: bytes | None


def decode_request(datagram: bytes) -> Request:
    """Return the first datagram's content, or raise MalformedError."""
    if len(datagram) > MAX_DATAGRAM:
        raise MalformedError(f"{len(datagram)} bytes, at most {MAX_DATAGRAM}")
    magic, separator, rest = datagram.partition(b"\0")
    if magic != MAGIC or not separator:
        raise MalformedError("not a request of the PAM module, or of another version")
    values: dict[str, bytes] = {}
    while rest and not rest.startswith(b"command="):
        item, separator, rest = rest.partition(b"\0")
        if not separator:
            raise MalformedError("item without an end")
        _add_item(values, item)
    command = rest.removeprefix(b"command=") if rest else None
    if command is not None and len(command) > MAX_COMMAND:
        raise MalformedError("command longer than the module may send")
    missing = _REQUIRED - values.keys()
    if missing:
        raise MalformedError(f"without {', '.join(sorted(missing))}")
    return _request(values, command)


def _add_item(values: dict[str, bytes], item: bytes) -> None:
    name, separator, value = item.partition(b"=")
    key = name.decode("ascii", "replace")
    if not separator or key not in _TEXT_KEYS | _NUMBER_KEYS:
        raise MalformedError("unknown item")
    if key in values:
        raise MalformedError(f"doubled item {key}")
    values[key] = value


def _request(values: dict[str, bytes], command: bytes | None) -> Request:
    display = values.get("display")
    cut = _number(values, "cut")
    if cut not in (0, 1):
        raise MalformedError("cut is neither 0 nor 1")
    return Request(
        phase=_word(values["phase"], ("auth", "account")),
        role=_word(values["role"], ("attempt", "decoy")),
        service=values.get("service"),
        user=values.get("user"),
        ruser=values.get("ruser"),
        rhost=values.get("rhost"),
        tty=values.get("tty"),
        conn=values.get("conn"),
        methods=values.get("methods"),
        display=None if display is None else _word(display, ("prompt", "info")),
        uid=_number(values, "uid"),
        loginuid=_number(values, "loginuid") if "loginuid" in values else None,
        sessionid=_number(values, "sessionid") if "sessionid" in values else None,
        pid=_number(values, "pid"),
        ppid=_number(values, "ppid"),
        flags=_number(values, "flags") if "flags" in values else 0,
        wait=_number(values, "wait"),
        cut=bool(cut),
        command=command,
    )


def _word(value: bytes, known: tuple[str, ...]) -> str:
    word = value.decode("ascii", "replace")
    if word not in known:
        raise MalformedError(f"neither {' nor '.join(known)}")
    return word


def _number(values: dict[str, bytes], key: str) -> int:
    value = values[key]
    # Not int(): it takes "1_0", " 1", "+1" and digits of other scripts.
    if not value.isdigit() or len(value) > 10 or int(value) > UNSET_LOGINUID:
        raise MalformedError(f"{key} is no number of 32 bits")
    return int(value)


def encode_info(text: str) -> bytes:
    """Return the datagram that shows text, 1 to 500 ASCII bytes."""
    return b"I" + _shown(text)


def encode_error(text: str) -> bytes:
    """Return the datagram that shows text as an error."""
    return b"E" + _shown(text)


def encode_prompt(text: str) -> bytes:
    """Return the datagram that shows text, one line, and asks for a line."""
    if "\n" in text:
        # The module refuses it: a second line could look like a second prompt.
        raise ValueError("a prompt is one line")
    return b"P" + _shown(text)


def encode_verdict(verdict: Verdict, text: str) -> bytes:
    """Return the last datagram; text explains a refusal, an approval has none."""
    return b"V" + verdict.value.encode("ascii") + b"\0" + _text(text)


def decode_typed(datagram: bytes) -> bytes:
    """Return what a person typed, empty for nothing; or raise MalformedError."""
    if datagram[:1] != b"A" or len(datagram) > MAX_TYPED + 1:
        raise MalformedError("not an answer of the PAM module")
    return datagram[1:]


def _shown(text: str) -> bytes:
    if not text:
        raise ValueError("nothing to show")
    return _text(text)


def _text(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    if any((byte < 0x20 and byte != 0x0A) or byte == 0x7F for byte in raw):
        raise ValueError("text for a terminal holds a control character")
    return raw[:MAX_TEXT]
