"""What the text of a confirm may hold."""

import pytest

from pushmfa.errors import UsageError
from pushmfa.login.confirmation import MAX_BYTES, confirm_text
from pushmfa.text import make_harmless


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("Drop the table users", "Drop the table users"),
        ("  spaces at the ends ", "spaces at the ends"),
        ("no\u00a0break", "no break"),
        ("Cafe\u0301", "Caf\u00e9"),
        ("x" * MAX_BYTES, "x" * MAX_BYTES),
        ("\U0001f512" * (MAX_BYTES // 4), "\U0001f512" * (MAX_BYTES // 4)),
    ],
)
def test_what_is_asked(given: str, asked: str) -> None:
    assert confirm_text(given) == asked
    assert make_harmless(asked, MAX_BYTES) == asked


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \u2003 ", "empty"),
        ("x" * (MAX_BYTES + 1), "2001 bytes; 2000 are the most"),
        ("\U0001f512" * (MAX_BYTES // 4) + "x", "2001 bytes"),
        ("\udcff", "not valid UTF-8"),
    ],
)
def test_what_cannot_be_asked(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        confirm_text(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("harm", "shown"),
    [
        ("\n", r"\\x0a"),
        ("\x1b[2J", r"\\x1b"),
        ("\x7f", r"\\x7f"),
        ("\u202e", r"\\u202e"),
        ("\u200b", r"\\u200b"),
        ("\u2028", r"\\u2028"),
        ("\ufe0f", r"\\ufe0f"),
    ],
)
def test_attack_a_text_that_looks_like_another(harm: str, shown: str) -> None:
    with pytest.raises(UsageError, match=shown):
        confirm_text(f"Delete nothing{harm}at all")
