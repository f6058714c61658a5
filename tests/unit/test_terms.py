"""The words of the glossary, as types."""

import pytest

from pushmfa import errors, terms
from pushmfa.errors import PushmfaError
from pushmfa.terms import (
    ALWAYS_CLOSED_CAUSES,
    APPROVING_CAUSES,
    Binary,
    Cause,
    Verdict,
)
from pushmfa.wire import payload


def sizes() -> list[type[Binary]]:
    found, known = [Binary], []
    while found:
        kind = found.pop()
        known.append(kind)
        found += kind.__subclasses__()
    return known


@pytest.mark.parametrize("kind", sizes(), ids=lambda kind: kind.__name__)
def test_bytes_have_the_length_of_their_kind(kind: type[Binary]) -> None:
    assert kind(bytes(kind.MIN)) == bytes(kind.MIN)
    assert type(kind(bytes(kind.MAX))) is kind
    with pytest.raises(ValueError, match=f"{kind.__name__}: {kind.MAX + 1} bytes"):
        kind(bytes(kind.MAX + 1))
    if kind.MIN:
        with pytest.raises(ValueError, match="bytes, not"):
            kind(bytes(kind.MIN - 1))


def test_a_length_that_is_wrong_says_which_is_right() -> None:
    with pytest.raises(ValueError, match=r"HostId: 3 bytes, not 32$"):
        terms.HostId(b"abc")
    with pytest.raises(ValueError, match=r"Statement: 1 bytes, not 2 to 8192$"):
        payload.Statement(b"1")


def test_no_cause_is_both_of_an_approval_and_closed() -> None:
    assert not APPROVING_CAUSES & ALWAYS_CLOSED_CAUSES
    assert set(Cause) >= APPROVING_CAUSES | ALWAYS_CLOSED_CAUSES
    assert Cause.RELAY_UNREACHABLE not in ALWAYS_CLOSED_CAUSES


def test_words_of_the_wire_are_words() -> None:
    for word in [*Verdict, *Cause]:
        assert word.isascii()
        assert word.replace("_", "").islower()


def test_every_error_has_an_exit_code_and_says_what_to_do() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    for kind in kinds:
        assert issubclass(kind, PushmfaError)
        assert kind.__doc__
        error = kind("what happened", hint="what to do")
        assert (str(error), error.hint) == ("what happened", "what to do")
        assert kind("what happened").hint == kind.hint
        assert kind.exit_code in {1, 2, 3, 4, 5, 6, 7, 8}
