"""Datagrams between PAM module and daemon: all bytes, and all that the module sends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.errors import MalformedError
from pushmfa.terms import Verdict
from pushmfa.wire.local import (
    MAX_DATAGRAM,
    MAX_TEXT,
    Request,
    decode_request,
    decode_typed,
    encode_error,
    encode_info,
    encode_prompt,
    encode_verdict,
)

numbers = st.integers(0, 2**32 - 1).map(lambda number: str(number).encode())
raw_values = st.binary(max_size=60).map(lambda raw: raw.replace(b"\0", b""))
required = {
    b"phase": st.sampled_from([b"auth", b"account"]),
    b"role": st.sampled_from([b"attempt", b"decoy"]),
    b"uid": numbers,
    b"pid": numbers,
    b"ppid": numbers,
    b"wait": numbers,
    b"cut": st.sampled_from([b"0", b"1"]),
}
optional = {
    b"service": raw_values,
    b"user": raw_values,
    b"ruser": raw_values,
    b"rhost": raw_values,
    b"tty": raw_values,
    b"conn": raw_values,
    b"methods": raw_values,
    b"loginuid": numbers,
    b"sessionid": numbers,
    b"flags": numbers,
    b"display": st.sampled_from([b"prompt", b"info"]),
}
items = st.fixed_dictionaries(required, optional=optional).flatmap(
    lambda chosen: st.permutations(list(chosen.items()))
)
commands = st.none() | st.binary(max_size=80)


def write(chosen: list[tuple[bytes, bytes]], command: bytes | None) -> bytes:
    body = b"".join(key + b"=" + value + b"\0" for key, value in chosen)
    tail = b"" if command is None else b"command=" + command
    return b"pushmfa1\0" + body + tail


@given(items, commands)
def test_what_the_module_sends_is_read_as_it_was_meant(
    chosen: list[tuple[bytes, bytes]], command: bytes | None
) -> None:
    request = decode_request(write(chosen, command))
    sent = {key.decode(): value for key, value in chosen}
    assert request.command == command
    for key in Request.__struct_fields__:
        if key == "command":
            continue
        value: Any = getattr(request, key)
        if key not in sent:
            assert value is None or (key == "flags" and value == 0)
        elif isinstance(value, bytes):
            assert value == sent[key]
        elif isinstance(value, str):
            assert value.encode() == sent[key]
        else:
            assert int(value) == int(sent[key])


@given(items, commands, st.data())
def test_a_doubled_item_is_refused_wherever_it_stands(
    chosen: list[tuple[bytes, bytes]], command: bytes | None, data: st.DataObject
) -> None:
    again = data.draw(st.sampled_from(chosen))
    place = data.draw(st.integers(0, len(chosen)))
    with pytest.raises(MalformedError):
        decode_request(write([*chosen[:place], again, *chosen[place:]], command))


@given(items, st.data())
def test_a_missing_item_is_refused_if_it_must_be_there(
    chosen: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    left_out = data.draw(st.sampled_from(sorted(required)))
    rest = [item for item in chosen if item[0] != left_out]
    with pytest.raises(MalformedError):
        decode_request(write(rest, b""))


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(b"pushmfa1\0".__add__)
    | st.tuples(items, st.binary(max_size=20), st.integers(0, 200)).map(
        lambda drawn: damaged(write(drawn[0], b"id\0"), drawn[1], drawn[2])
    )
)
def test_all_bytes_are_a_request_or_malformed(datagram: bytes) -> None:
    try:
        request = decode_request(datagram)
    except MalformedError:
        return
    assert request.phase in ("auth", "account")
    assert request.role in ("attempt", "decoy")


def damaged(datagram: bytes, damage: bytes, place: int) -> bytes:
    return datagram[:place] + damage + datagram[place + 1 :]


@given(st.binary(max_size=600))
def test_all_bytes_are_typed_or_malformed(datagram: bytes) -> None:
    try:
        typed = decode_typed(datagram)
    except MalformedError:
        return
    assert datagram == b"A" + typed


@given(st.sampled_from(Verdict), st.text(max_size=700))
def test_what_the_daemon_says_is_ascii_without_control_and_short(
    verdict: Verdict, text: str
) -> None:
    for make in (encode_info, encode_error, encode_prompt):
        try:
            datagram = make(text)
        except ValueError:
            assert not text or any(ord(c) < 0x20 or ord(c) == 0x7F for c in text)
            continue
        check_shown(datagram[1:])
        assert len(datagram) > 1
        assert make is not encode_prompt or b"\n" not in datagram
    try:
        datagram = encode_verdict(verdict, text)
    except ValueError:
        return
    letter_and_verdict, _, shown = datagram.partition(b"\0")
    assert letter_and_verdict == b"V" + verdict.encode()
    check_shown(shown)


def check_shown(shown: bytes) -> None:
    assert len(shown) <= MAX_TEXT
    assert all(byte == 0x0A or 0x20 <= byte < 0x7F for byte in shown)


def test_a_datagram_of_the_greatest_size_is_read() -> None:
    least = [
        (b"phase", b"auth"),
        (b"role", b"attempt"),
        (b"uid", b"0"),
        (b"pid", b"1"),
        (b"ppid", b"1"),
        (b"wait", b"1"),
        (b"cut", b"0"),
    ]
    room = MAX_DATAGRAM - len(write([*least, (b"user", b"")], b"x"))
    user = b"u" * room
    request = decode_request(write([*least, (b"user", user)], b"x"))
    assert request.user == user
    with pytest.raises(MalformedError):
        decode_request(write([*least, (b"user", user)], b"xx"))
