"""What holds for all bytes, and for every message that there can be."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pushmfa.errors import MalformedError
from pushmfa.terms import Binary
from pushmfa.wire import control, link, payload
from pushmfa.wire.codec import (
    TAG,
    Message,
    decode_base64url,
    encode,
    encode_base64url,
)

Decode = Callable[[bytes], Message]

STATEMENTS: dict[type[Message], Decode] = {
    payload.Challenge: payload.decode_challenge,
    payload.Answer: payload.decode_answer,
    payload.Outcome: payload.decode_outcome,
    payload.Notice: payload.decode_notice,
    payload.Revoked: payload.decode_revoked,
    payload.EnrollDevice: payload.decode_enroll_device,
    payload.EnrollHost: payload.decode_enroll_host,
    payload.EnrollDone: payload.decode_enroll_done,
    payload.ToDevice: payload.decode_to_device,
    payload.ToHost: payload.decode_to_host,
    payload.EnrollCommit: payload.decode_enroll_commit,
    payload.EnrollClaim: payload.decode_enroll_claim,
    link.RelayHello: link.decode_relay_hello,
}
UNIONS: list[tuple[Any, Decode]] = [
    (link.PeerFrame, link.decode_peer_frame),
    (link.RelayFrame, link.decode_relay_frame),
    (control.Request, control.decode_request),
    (control.Event | control.Reply, control.decode_response),
]
KINDS: list[tuple[type[Message], Decode]] = list(STATEMENTS.items()) + [
    (kind, decode) for union, decode in UNIONS for kind in union.__args__
]
DECODERS: list[Decode] = list(dict.fromkeys(decode for _, decode in KINDS))
every_kind = pytest.mark.parametrize(
    ("kind", "decode"), KINDS, ids=[kind.__name__ for kind, _ in KINDS]
)
every_decoder = pytest.mark.parametrize("decode", DECODERS, ids=lambda _: "")

characters = st.characters(exclude_categories=["Cs"])


def values(kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:
    """Return a strategy for everything that a field of this type takes."""
    return SIMPLE[type(kind)](kind)


def binaries(kind: Any) -> st.SearchStrategy[Any]:
    binary: type[Binary] = kind.cls
    most = min(binary.MAX, binary.MIN + 30)
    return st.binary(min_size=binary.MIN, max_size=most).map(binary)


def texts(kind: Any) -> st.SearchStrategy[Any]:
    if kind.pattern is not None:
        return st.from_regex(kind.pattern)
    least = kind.min_length or 0
    most = least + 12 if kind.max_length is None else min(kind.max_length, least + 12)
    return st.text(characters, min_size=least, max_size=most)


def structs(kind: Any) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.type) for field in kind.fields}
    return st.builds(kind.cls, **fields)


def lists(kind: Any) -> st.SearchStrategy[Any]:
    least = kind.min_length or 0
    most = min(least + 3, kind.max_length or least + 3)
    items = values(kind.item_type)
    return st.lists(items, min_size=least, max_size=most).map(tuple)


SIMPLE: dict[Any, Callable[[Any], st.SearchStrategy[Any]]] = {
    msgspec.inspect.BoolType: lambda _: st.booleans(),
    msgspec.inspect.NoneType: lambda _: st.none(),
    msgspec.inspect.EnumType: lambda kind: st.sampled_from(kind.cls),
    msgspec.inspect.IntType: lambda kind: st.integers(
        0 if kind.ge is None else kind.ge, 2**53 if kind.le is None else kind.le
    ),
    msgspec.inspect.StrType: texts,
    msgspec.inspect.CustomType: binaries,
    msgspec.inspect.StructType: structs,
    msgspec.inspect.VarTupleType: lists,
    msgspec.inspect.UnionType: lambda kind: st.one_of(*map(values, kind.types)),
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(characters),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.text(characters, max_size=8), inside, max_size=3)
    ),
    max_leaves=12,
)


@cache
def messages(kind: type[Message]) -> st.SearchStrategy[Any]:
    return values(msgspec.inspect.type_info(kind))


valid_texts = st.sampled_from(KINDS).flatmap(lambda pair: messages(pair[0]).map(encode))


@every_kind
@settings(max_examples=10)
@given(st.data())
def test_what_is_encoded_decodes_to_the_same(
    kind: type[Message], decode: Decode, data: st.DataObject
) -> None:
    message = data.draw(messages(kind))
    raw = encode(message)
    again = decode(raw)
    assert again == message
    assert type(again) is kind
    assert encode(again) == raw
    assert next(iter(json.loads(raw))) == TAG


@every_kind
@settings(max_examples=5)
@given(st.data())
def test_a_doubled_key_at_any_depth_is_refused(
    kind: type[Message], decode: Decode, data: st.DataObject
) -> None:
    raw = encode(data.draw(messages(kind)))
    doubled = data.draw(st.sampled_from(doublings(raw.decode())))
    with pytest.raises(MalformedError):
        decode(doubled.encode())


def doublings(text: str) -> list[str]:
    """Return text once for each of its objects, with that object's first key twice."""
    found: list[str] = []

    def write(value: Any, path: tuple[Any, ...], target: tuple[Any, ...]) -> str:
        if isinstance(value, list):
            items = [write(v, (*path, i), target) for i, v in enumerate(value)]
            return "[" + ",".join(items) + "]"
        if not isinstance(value, dict):
            return json.dumps(value)
        pairs = [
            json.dumps(key) + ":" + write(item, (*path, key), target)
            for key, item in value.items()
        ]
        return "{" + ",".join(pairs + pairs[:1] * (path == target)) + "}"

    def visit(value: Any, path: tuple[Any, ...]) -> None:
        if isinstance(value, dict) and value:
            found.append(write(document, (), path))
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inside:
            if isinstance(item, dict | list):
                visit(item, (*path, key))

    document = json.loads(text)
    visit(document, ())
    return found


@every_decoder
@given(
    st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode())
)
def test_decoding_anything_gives_a_message_or_a_malformed_error(
    decode: Decode, raw: bytes
) -> None:
    decode_or_refuse(decode, raw)


@every_decoder
@settings(max_examples=20)
@given(st.data())
def test_decoding_a_damaged_message_gives_a_message_or_a_malformed_error(
    decode: Decode, data: st.DataObject
) -> None:
    raw = data.draw(valid_texts)
    start = data.draw(st.integers(0, len(raw)))
    length = data.draw(st.integers(0, 3))
    damage = data.draw(
        st.binary(max_size=3)
        | st.sampled_from([b'"', b"\\u", b"{", b"[", b"NaN", b"-"])
    )
    decode_or_refuse(decode, raw[:start] + damage + raw[start + length :])


def decode_or_refuse(decode: Decode, raw: bytes) -> None:
    try:
        message = decode(raw)
    except MalformedError:
        return
    assert isinstance(message, Message)
    assert decode(encode(message)) == message


@every_decoder
@pytest.mark.parametrize("text", ["[", '{"a":', '{"type":', "[{"], ids=repr)
def test_depth_is_refused_and_nothing_else_happens(decode: Decode, text: str) -> None:
    with pytest.raises(MalformedError):
        decode(text.encode() * 5_000)
    with pytest.raises(MalformedError):
        decode(text.encode() * 1_000)


@given(st.binary(max_size=100))
def test_base64url_of_all_bytes_is_theirs_alone(raw: bytes) -> None:
    text = encode_base64url(raw)
    assert decode_base64url(text) == raw
    assert "=" not in text


@given(st.text(max_size=12) | st.from_regex(r"\A[A-Za-z0-9_=+/-]{0,12}\Z"))
def test_all_texts_stand_for_bytes_or_are_refused(text: str) -> None:
    try:
        raw = decode_base64url(text)
    except MalformedError:
        return
    assert encode_base64url(raw) == text


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_two_texts_never_stand_for_the_same_bytes(one: bytes, two: bytes) -> None:
    assume(one != two)
    assert encode_base64url(one) != encode_base64url(two)
