"""What the codec refuses that its library would take; the rest is in the vectors."""

import json

import msgspec
import pytest

from pushmfa.errors import MalformedError
from pushmfa.terms import VerifyKey, WakeUp
from pushmfa.wire import control, link
from pushmfa.wire.codec import Message, Part, encode, make_decoder


class Inner(Part, frozen=True):
    """A part."""

    key: VerifyKey | None


class Outer(Message, frozen=True, tag="outer"):
    """A message with parts."""

    inner: tuple[Inner, ...]


decode = make_decoder(Outer, 1_000)


def test_a_message_is_compact_and_its_type_comes_first() -> None:
    assert encode(Outer(inner=(Inner(key=None),))) == (
        b'{"type":"outer","inner":[{"key":null}]}'
    )


def test_a_message_needs_its_type() -> None:
    with pytest.raises(MalformedError, match="without a type"):
        decode(b'{"inner":[]}')
    # The library alone would do without.
    assert msgspec.json.decode(b'{"inner":[]}', type=Outer) == Outer(inner=())


def test_attack_a_key_that_stands_twice() -> None:
    doubled = b'{"type":"outer","inner":[{"key":null,"key":null}]}'
    with pytest.raises(MalformedError, match="doubled key"):
        decode(doubled)
    assert msgspec.json.decode(doubled, type=Outer) == Outer(inner=(Inner(key=None),))


def test_attack_depth_and_bytes_that_are_no_text() -> None:
    with pytest.raises(MalformedError):
        make_decoder(Outer, 1_000_000)(b'{"type":' + b"[" * 500_000)
    with pytest.raises(MalformedError):
        decode(b'{"type":"outer","inn\xffer":[]}')


def test_more_bytes_than_allowed_are_not_looked_at() -> None:
    text = b'{"type":"outer","inner":[]}'
    assert decode(text.ljust(1_000)) == Outer(inner=())
    with pytest.raises(MalformedError, match="1001 bytes, at most 1000"):
        decode(text.ljust(1_001))


@pytest.mark.parametrize("value", ["1", "[]", "true", '"AA"', '"=="', '"A"'])
def test_what_is_not_base64url_of_the_right_length_is_refused(value: str) -> None:
    with pytest.raises(MalformedError):
        decode(b'{"type":"outer","inner":[{"key":%b}]}' % value.encode())


def test_what_has_no_place_on_a_wire_is_not_encoded() -> None:
    class Wrong(Message, frozen=True, tag="wrong"):
        value: complex

    with pytest.raises(NotImplementedError, match="complex"):
        encode(Wrong(value=1j))


def test_bytes_on_a_wire_have_a_length() -> None:
    class Wrong(Message, frozen=True, tag="wrong-bytes"):
        value: complex

    with pytest.raises(MalformedError, match="base64url"):
        make_decoder(Wrong, 100)(b'{"type":"wrong-bytes","value":"AA"}')


def test_a_message_cannot_be_changed() -> None:
    message = Outer(inner=())
    with pytest.raises(AttributeError):
        message.inner = (Inner(key=None),)  # type: ignore[misc]  # what is tested


def test_a_frame_is_text_and_a_line_has_an_end() -> None:
    assert link.encode_frame(link.Ready()) == '{"type":"ready"}'
    assert control.encode_line(control.GetHost()) == b'{"type":"get-host"}\n'
    assert control.decode_request(b'{"type":"get-host"}\n') == control.GetHost()


def test_a_reserved_frame_is_no_frame() -> None:
    tags = {
        kind.__struct_config__.tag
        for kind in (*link.PeerFrame.__args__, *link.RelayFrame.__args__)
    }
    assert not tags & set(link.RESERVED_FRAMES)
    for name in link.RESERVED_FRAMES:
        for decode_frame in (link.decode_peer_frame, link.decode_relay_frame):
            with pytest.raises(MalformedError):
                decode_frame(json.dumps({"type": name}).encode())


def test_close_codes_and_hints_are_those_of_the_protocol() -> None:
    codes = (link.MALFORMED, link.HELLO_REFUSED, link.NOT_INVITED, link.HELLO_LATE)
    assert codes == (4400, 4401, 4403, 4408)
    assert link.TOO_MANY == 4429
    assert [*WakeUp] == ["sent", "none", "gone"]
