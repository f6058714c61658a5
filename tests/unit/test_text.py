"""Text from outside, made harmless; the table of characters is in the vectors."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.text import MAX_SHOWN, decode_text, json_line, make_ascii, make_harmless

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
texts = st.text(max_size=80) | st.text(
    st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"]), max_size=40
)


@given(texts)
def test_nothing_that_a_display_obeys_is_left(text: str) -> None:
    shown = make_harmless(text)
    assert not {unicodedata.category(character) for character in shown} & HARMFUL
    assert "\n" not in shown
    assert len(shown) <= MAX_SHOWN


@given(texts)
def test_ascii_is_printable_ascii(text: str) -> None:
    shown = make_ascii(text)
    assert all(0x20 <= ord(character) < 0x7F for character in shown)
    assert len(shown) <= MAX_SHOWN


@given(texts)
def test_a_line_of_json_is_printable_ascii_and_says_the_same(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    line = json_line({"label": text})
    assert all(0x20 <= ord(character) < 0x7F for character in line)
    assert json.loads(line) == {"label": text}


@given(texts, st.integers(3, 40))
def test_the_limit_holds_and_a_cut_is_seen(text: str, limit: int) -> None:
    whole = make_harmless(text, 10_000)
    for shown in (make_harmless(text, limit), make_ascii(text, limit)):
        assert len(shown) <= limit
    if len(whole) > limit:
        assert make_harmless(text, limit).endswith("...")


@given(texts)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    once = make_harmless(text)
    assert make_harmless(once) == unicodedata.normalize("NFC", once)


@given(st.binary(max_size=100))
def test_all_bytes_are_text(raw: bytes) -> None:
    assert "\ufffd" not in decode_text(raw) or b"\xef\xbf\xbd" in raw
    make_ascii(decode_text(raw)).encode("ascii")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_in_utf_8_comes_back(text: str) -> None:
    assert decode_text(text.encode()) == text


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07",
        "\x1b[2J\x1b[1;1Hpassword: ",
        "alice\r\nNov 24 03:00:00 web1 sshd: Accepted publickey for root",
        "user\u202egnp.exe",
        "admin\u200b",
        "<img onerror=alert(1)>",
        "\u0000\u0001\u009b31m",
    ],
    ids=ascii,
)
def test_attack_text_that_a_terminal_or_a_log_would_obey(text: str) -> None:
    shown = make_ascii(text)
    assert all(0x20 <= ord(character) < 0x7F for character in shown)
    if any(ord(character) < 0x20 or ord(character) > 0x7E for character in text):
        assert "\\" in shown
