"""What the terminal shows: ASCII, short, and nothing that a terminal obeys."""

import itertools

import pytest

from pushmfa.daemon import words
from pushmfa.login.attempt import End
from pushmfa.login.devices import Device
from pushmfa.terms import (
    Cause,
    DeviceId,
    DeviceKind,
    MailboxId,
    SealingKey,
    UserName,
    Verdict,
    VerifyKey,
)
from pushmfa.wire.local import encode_info, encode_prompt, encode_verdict

LABELS = [
    "Pixel",
    "Zoë's téléphone",
    "\x1b[2J\x07",
    "\u202eabc\u2028",
    "a\nP",
    "😀" * 64,
    "x" * 64,
]


def device(label: str, kind: DeviceKind = DeviceKind.APP) -> Device:
    return Device(
        device_id=DeviceId(bytes(32)),
        user=UserName("alice"),
        uid=1001,
        label=label,
        kind=kind,
        capabilities=(),
        verify_key=VerifyKey(bytes(32)),
        sealing_key=SealingKey(bytes(65)),
        mailbox=MailboxId(bytes(16)),
        version=1,
        enrolled_at=0,
    )


def is_shown_as_it_is(text: str) -> bool:
    return text.isascii() and text.isprintable() and len(text) <= 500


@pytest.mark.parametrize("first", LABELS, ids=ascii)
@pytest.mark.parametrize("rest", [LABELS[1:3], LABELS[3:5], LABELS[5:], []], ids=len)
def test_attack_a_label_writes_to_the_terminal(first: str, rest: list[str]) -> None:
    labels = [first, *rest]
    devices = [device(label) for label in labels]
    for text in (
        words.number_prompt("12345678", devices),
        words.number_again("12345678", devices, is_prompted=True),
        words.nothing_to_type("12345678", devices, is_prompted=True),
    ):
        assert is_shown_as_it_is(text)
        assert text.endswith("then press Enter: "), "not cut"
        assert encode_prompt(text)[1:].decode() == text
    info = words.number_info("12345678", devices)
    assert is_shown_as_it_is(info)
    assert encode_info(info)[1:].decode() == info


@pytest.mark.parametrize("label", [None, *LABELS], ids=ascii)
def test_every_end_has_a_text_of_its_own(label: str | None) -> None:
    for verdict, cause in itertools.product(Verdict, Cause):
        try:
            end = End(verdict, cause)
        except ValueError:
            continue
        if end.is_approved():
            continue
        text = words.refusal(end, label, 60)
        assert text.startswith("pushmfa: ")
        assert is_shown_as_it_is(text)
        assert encode_verdict(verdict, text).partition(b"\0")[2].decode() == text


def test_a_terminal_authenticator_is_no_phone() -> None:
    laptop = device("laptop", DeviceKind.TERMINAL)
    assert words.where_to_type([laptop]) == "your device (laptop)"
    assert words.where_to_type([laptop, device("Pixel")]).startswith("your phone")
    assert words.where_to_type([]) == "your phone"


def test_a_prompt_is_as_the_documentation_shows_it() -> None:
    assert (
        words.number_prompt("42", [device("Pixel")])
        == "pushmfa: enter 42 on your phone (Pixel), then press Enter: "
    )


def test_a_fourth_device_is_not_named_but_asked() -> None:
    devices = [device(label) for label in ("one", "two", "three", "four")]
    assert "four" not in words.number_info("42", devices)
