"""One strict JSON decoder and encoder for everything that crosses a boundary.

msgspec decodes and checks types; what it lets through is caught here (measured
with 0.22): UnicodeDecodeError and RecursionError get out of it as they are; of
doubled keys it silently keeps the last, so that two readers of the same bytes could
see two messages; and where one kind only is expected it does without its tag.
"""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from pushmfa.errors import MalformedError
from pushmfa.terms import Binary
from pushmfa.text import make_harmless

M = TypeVar("M")

TAG: Final = "type"
"""The field that says which message it is; no message does without."""

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST: Final = (
    frozenset(("", *_ALPHABET)),
    frozenset[str](),
    frozenset(_ALPHABET[::16]),
    frozenset(_ALPHABET[::4]),
)
"""What a text may end in, by its length modulo 4: the bits left over are zero."""

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/=", b"+/!!!")
"""Refuses the other alphabet and what we have left out by what is in no alphabet."""


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field=TAG,
):
    """What every frame, statement and payload is: frozen, tagged, nothing unknown."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An object inside a message; it has no tag."""


def encode_base64url(raw: bytes) -> str:
    """Return raw as unpadded base64url (RFC 4648, section 5)."""
    return b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """Return the bytes of text, or raise MalformedError.

    Exactly one text stands for given bytes: padding, other alphabets, white space
    and non-zero trailing bits are refused.
    """
    over = len(text) % 4
    if over == 1:
        raise MalformedError("not unpadded base64url")
    if text[-1:] not in _LAST[over]:
        raise MalformedError("base64url with trailing bits, or none")
    try:
        padded = text.encode("ascii").translate(_FROM_URL) + b"==="[: -over % 4]
        return a2b_base64(padded, strict_mode=True)
    except ValueError as error:
        raise MalformedError("not unpadded base64url") from error


def _encode_hook(value: Any) -> str:
    if isinstance(value, Binary):
        return encode_base64url(value)
    raise NotImplementedError(f"{type(value).__name__} does not go on a wire")


def _decode_hook(kind: type[Any], value: Any) -> Any:
    if not issubclass(kind, Binary) or not isinstance(value, str):
        raise ValueError("expected unpadded base64url")
    try:
        return kind(decode_base64url(value))
    except MalformedError as error:
        raise ValueError(str(error)) from error


_encoder: Final = msgspec.json.Encoder(enc_hook=_encode_hook)


def encode(message: Message) -> bytes:
    """Return message as compact UTF-8 JSON, its tag first."""
    return _encoder.encode(message)


def make_decoder(kind: type[M], max_bytes: int) -> Callable[[bytes], M]:
    """Return a function that decodes kind, or raises MalformedError and nothing else.

    kind may be a union of messages, told apart by their tags; more than max_bytes
    are refused before they are looked at.
    """
    decoder: msgspec.json.Decoder[M] = msgspec.json.Decoder(
        kind, strict=True, dec_hook=_decode_hook
    )

    def decode(raw: bytes) -> M:
        if len(raw) > max_bytes:
            raise MalformedError(f"{len(raw)} bytes, at most {max_bytes}")
        try:
            message = decoder.decode(raw)
            # Attack: {"decision": "denial", ..., "decision": "approval"}.
            if TAG not in _names_in(raw.decode("utf-8")):
                raise ValueError("without a type")
        except (ValueError, RecursionError) as error:
            # Attack: a field name with line ends and escapes, repeated into a log.
            raise MalformedError(make_harmless(str(error))) from error
        return message

    return decode


def _refuse_doubled(pairs: list[tuple[str, Any]]) -> frozenset[str]:
    keys = frozenset(key for key, _ in pairs)
    if len(keys) != len(pairs):
        raise ValueError("doubled key")
    return keys


_names_in: Final = json.JSONDecoder(object_pairs_hook=_refuse_doubled).decode
"""The names in an object; made once, since json.loads makes a decoder each time."""
