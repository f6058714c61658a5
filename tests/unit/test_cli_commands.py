"""enroll, devices, status, test: what they ask, print and return."""

from pathlib import Path

import msgspec
import pytest

from pushmfa.cli.verdicts import EXIT_CODES, describe
from pushmfa.terms import Cause, Verdict
from pushmfa.wire import control
from pushmfa.wire.control import FailureKind
from tests.unit.cli_support import parse_object, run
from tests.unit.control_peer import (
    CLAIMED,
    DONE,
    LINK,
    NUMBER,
    PIXEL,
    STATUS,
    ControlPeer,
    Listen,
    Step,
    ended,
    failure,
)

DEVICE_OBJECT = {
    "device_id": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "label": "Pixel",
    "kind": "app",
    "state": "active",
    "enrolled_at": "2025-10-09T08:53:20Z",
    "last_seen_at": "2025-10-09T09:03:20Z",
    "lost_at": None,
    "revoked_at": None,
    "verification": "webauthn",
}

ENROLLED = f"""\
On the new device open this link, within 5 minutes:

{LINK.link}

A terminal as the device: pushmfa device enroll LINK
Waiting for the device ...
Type the six digits that Pixel shows: 123 456
Enrolled: Pixel is now a device of alice.
Try it: pushmfa test
"""

HOSTILE = msgspec.structs.replace(PIXEL, label="\x1b[2J[red]\u202e")


@pytest.fixture(autouse=True)
def not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushmfa.cli.enroll.is_root", lambda: False)


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, not_root: None) -> None:
    monkeypatch.setattr("pushmfa.cli.enroll.is_root", lambda: True)


# --- enroll -------------------------------------------------------------------------


def test_enroll(tmp_path: Path) -> None:
    script: list[Step] = [LINK, CLAIMED, Listen(), DONE]
    with ControlPeer(tmp_path, script) as peer:
        result = run(tmp_path, "enroll", "--label", "Pixel", typed="123 456\n")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == ENROLLED
    assert peer.requests == [
        control.Enroll(user=None, label="Pixel", ticket=None),
        control.EnrollCode(code="123456"),
    ]


def test_enroll_with_json_talks_on_standard_error(tmp_path: Path) -> None:
    script: list[Step] = [LINK, CLAIMED, Listen(), DONE]
    with ControlPeer(tmp_path, script):
        result = run(tmp_path, "enroll", "--json", typed="123456\n")
    assert LINK.link in result.stderr
    assert parse_object(result) == {
        "schema": 1,
        "command": "enroll",
        "ok": True,
        "user": "alice",
        "device": DEVICE_OBJECT,
    }


def test_what_cannot_be_the_code_does_not_use_up_the_try(tmp_path: Path) -> None:
    script: list[Step] = [LINK, CLAIMED, Listen(), DONE]
    with ControlPeer(tmp_path, script) as peer:
        typed = "12345\n1234567\nabcdef\n\u0661\u0662\u0663\u0664\u0665\u0666\n"
        result = run(tmp_path, "enroll", typed=typed + " 12 34 56 \n")
    assert result.exit_code == 0
    assert result.stdout.count("That is not six digits.") == 4
    assert peer.requests[1:] == [control.EnrollCode(code="123456")]


def test_a_device_that_could_approve_nothing_is_told_before_the_code(
    tmp_path: Path,
) -> None:
    blank = msgspec.structs.replace(CLAIMED, can_approve=False)
    script: list[Step] = [LINK, blank, Listen(), DONE]
    with ControlPeer(tmp_path, script):
        result = run(tmp_path, "enroll", typed="123456\n")
    assert result.exit_code == 0
    told = result.stdout.index("Pixel cannot verify who holds it")
    assert told < result.stdout.index("Type the six digits")


def test_second_device_is_approved_on_the_first(tmp_path: Path) -> None:
    script: list[Step] = [NUMBER, LINK, CLAIMED, Listen(), DONE]
    with ControlPeer(tmp_path, script):
        result = run(tmp_path, "enroll", typed="123456\n")
    assert result.stdout.startswith("To allow it, enter 42 on your device (Pixel).\n")


def test_what_is_no_ticket_is_not_sent(tmp_path: Path) -> None:
    refusal = failure(FailureKind.NOT_ENROLLED, "a ticket is needed", "ask root")
    with ControlPeer(tmp_path, [refusal]) as peer:
        result = run(tmp_path, "enroll", typed="x" * 65 + "\n")
    assert (result.exit_code, len(peer.requests)) == (2, 1)
    assert "error: that is no enrollment ticket\nhint: Type the ticket" in result.stderr


def test_first_device_asks_for_a_ticket(tmp_path: Path) -> None:
    refusal = failure(FailureKind.NOT_ENROLLED, "a ticket is needed", "ask root")
    scripts: list[list[Step]] = [[refusal], [LINK, CLAIMED, Listen(), DONE]]
    with ControlPeer(tmp_path, *scripts) as peer:
        result = run(tmp_path, "enroll", typed=" B-AAAA \n123456\n")
    assert result.exit_code == 0
    assert "Enrollment ticket:  B-AAAA" in result.stdout
    assert peer.requests[1] == control.Enroll(user=None, label=None, ticket="B-AAAA")


def test_first_device_without_anybody_who_types(tmp_path: Path) -> None:
    refusal = failure(FailureKind.NOT_ENROLLED, "a ticket is needed", "ask root")
    with ControlPeer(tmp_path, [refusal]):
        result = run(tmp_path, "enroll")
    assert result.exit_code == 6
    assert result.stderr.endswith("error: a ticket is needed\nhint: ask root\n")


@pytest.mark.usefixtures("root")
def test_root_is_not_asked_for_a_ticket(tmp_path: Path) -> None:
    refusal = failure(FailureKind.NOT_ENROLLED, "no such account", "")
    with ControlPeer(tmp_path, [refusal]):
        result = run(tmp_path, "enroll", "--user", "alice", typed="x\n")
    assert result.exit_code == 6
    assert "ticket" not in result.output


def test_wrong_six_digits(tmp_path: Path) -> None:
    refusal = failure(FailureKind.REFUSED, "wrong six digits", "again")
    with ControlPeer(tmp_path, [LINK, CLAIMED, Listen(), refusal]):
        result = run(tmp_path, "enroll", typed="123456\n")
    assert result.exit_code == 1
    assert result.stderr == "error: wrong six digits\nhint: again\n"


def test_end_of_input_instead_of_the_code(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [LINK, CLAIMED, Listen()]):
        result = run(tmp_path, "enroll")
    assert result.exit_code == 130


def test_label_of_a_device_is_made_harmless(tmp_path: Path) -> None:
    claimed = msgspec.structs.replace(CLAIMED, label=HOSTILE.label)
    done = msgspec.structs.replace(DONE, device=HOSTILE)
    with ControlPeer(tmp_path, [LINK, claimed, Listen(), done]):
        result = run(tmp_path, "enroll", typed="123456\n")
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    assert result.output.count("\\x1b[2J[red]\\u202e") == 2


@pytest.mark.usefixtures("root")
def test_through_sudo_it_is_not_clear_whose_device(tmp_path: Path) -> None:
    env = {"SUDO_UID": "1000", "SUDO_USER": "alice"}
    result = run(tmp_path, "enroll", env=env)
    assert result.exit_code == 2
    assert "through sudo it is not clear whose device" in result.stderr
    assert "sudo pushmfa enroll --user alice" in result.stderr
    with ControlPeer(tmp_path, [LINK, CLAIMED, Listen(), DONE]):
        words = ["enroll", "--user", "alice"]
        assert run(tmp_path, *words, typed="123456\n", env=env).exit_code == 0


def test_ticket(tmp_path: Path) -> None:
    made = control.Ticket(user="alice", ticket="B-AAAA-BBBB", expires_at=1_760_000_000)
    with ControlPeer(tmp_path, [made], [made]) as peer:
        result = run(tmp_path, "enroll", "--user", "alice", "--ticket")
        as_object = run(tmp_path, "enroll", "--user", "alice", "--ticket", "--json")
    assert result.exit_code == 0
    assert "\n    B-AAAA-BBBB\n" in result.stdout
    assert "Good until 2025-10-09 08:53 UTC" in result.stdout
    assert "pushmfa enroll" in result.stdout
    assert parse_object(as_object) == {
        "schema": 1,
        "command": "enroll",
        "ok": True,
        "user": "alice",
        "ticket": "B-AAAA-BBBB",
        "expires_at": "2025-10-09T08:53:20Z",
    }
    assert peer.requests == [control.MakeTicket(user="alice")] * 2


def test_ticket_for_nobody(tmp_path: Path) -> None:
    result = run(tmp_path, "enroll", "--ticket")
    assert result.exit_code == 2
    assert "--ticket needs the account it is for" in result.stderr


# --- devices ------------------------------------------------------------------------

LISTED = """\
DEVICE  KIND  STATE   ENROLLED (UTC)    LAST SEEN (UTC)   ID
Pixel   app   active  2025-10-09 08:53  2025-10-09 09:03  AAECAwQF
"""


@pytest.mark.parametrize("words", [["devices"], ["devices", "list"]])
def test_list(tmp_path: Path, words: list[str]) -> None:
    found = control.Devices(user="alice", devices=(PIXEL,))
    with ControlPeer(tmp_path, [found]):
        result = run(tmp_path, *words)
    assert (result.exit_code, result.stdout) == (0, LISTED)


def test_list_json(tmp_path: Path) -> None:
    found = control.Devices(user="alice", devices=(PIXEL,))
    with ControlPeer(tmp_path, [found]) as peer:
        result = run(tmp_path, "devices", "--json", "--user", "alice")
    assert parse_object(result) == {
        "schema": 1,
        "command": "devices list",
        "ok": True,
        "user": "alice",
        "devices": [DEVICE_OBJECT],
    }
    assert peer.requests == [control.ListDevices(user="alice")]


def test_list_of_none_and_of_hostile_ones(tmp_path: Path) -> None:
    none = control.Devices(user="alice", devices=())
    hostile = control.Devices(user="alice", devices=(HOSTILE,))
    with ControlPeer(tmp_path, [none], [hostile]):
        result = run(tmp_path, "devices")
        assert result.stdout == "alice has no device. Enroll: pushmfa enroll\n"
        assert "\x1b" not in run(tmp_path, "devices").stdout


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, "active"),
        ({"lost_at": 1}, "lost"),
        ({"revoked_at": 1}, "revoked"),
        ({"lost_at": 1, "revoked_at": 2}, "revoked"),
    ],
)
def test_states(tmp_path: Path, change: dict[str, int], state: str) -> None:
    device = msgspec.structs.replace(PIXEL, **change)
    with ControlPeer(tmp_path, [control.Devices(user="alice", devices=(device,))]):
        result = run(tmp_path, "devices", "--json")
    assert parse_object(result)["devices"][0]["state"] == state


def test_revoke(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [NUMBER, DONE]) as peer:
        result = run(tmp_path, "devices", "revoke", "Pixel", "--yes")
    assert result.exit_code == 0
    assert result.stdout == (
        "Enter 42 on your device (Pixel).\nPixel is revoked and can approve nothing.\n"
    )
    assert peer.requests == [control.RevokeDevice(user=None, device="Pixel")]


def test_revoke_without_a_terminal_needs_yes(tmp_path: Path) -> None:
    result = run(tmp_path, "devices", "revoke", "Pixel", typed="y\n")
    assert result.exit_code == 2
    assert result.stderr.endswith("hint: Add --yes if it is meant.\n")


@pytest.mark.parametrize(("typed", "exit_code"), [("y\n", 0), ("\n", 1), ("n\n", 1)])
def test_revoke_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, exit_code: int
) -> None:
    monkeypatch.setattr("pushmfa.cli.devices.has_terminal", lambda: True)
    with ControlPeer(tmp_path, [DONE]) as peer:
        result = run(tmp_path, "devices", "revoke", "Pix\x1b", typed=typed)
    assert result.exit_code == exit_code
    assert result.stdout.startswith("Revoke Pix\\x1b? It cannot be undone. [y/N]: ")
    assert bool(peer.requests) == (exit_code == 0)


def test_rename_and_lost(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [NUMBER, DONE], [DONE]) as peer:
        renamed = run(tmp_path, "devices", "rename", "Old", "Pixel", "--json")
        lost = run(tmp_path, "devices", "lost", "Pixel", "--user", "alice")
    assert renamed.stderr == "Enter 42 on your device (Pixel).\n"
    assert parse_object(renamed) == {
        "schema": 1,
        "command": "devices rename",
        "ok": True,
        "user": "alice",
        "device": DEVICE_OBJECT,
    }
    assert lost.stdout == "Pixel is muted: it is not asked any more.\n"
    assert peer.requests == [
        control.RenameDevice(user=None, device="Old", label="Pixel"),
        control.ReportLost(user="alice", device="Pixel"),
    ]


# --- status -------------------------------------------------------------------------

GOOD = """\
host      web1, fingerprint 0000 0000 0000 0000
pushmfa   0.1.0
health    good
relay     wss://relay.example  connected
accounts  1 enrolled; 0 logins wait now

Devices of alice:
DEVICE  KIND  STATE   ENROLLED (UTC)    LAST SEEN (UTC)   ID
Pixel   app   active  2025-10-09 08:53  2025-10-09 09:03  AAECAwQF

Last attempts:
WHEN (UTC)        SERVICE  FROM  HOW IT ENDED
2025-10-09 09:05  sudo     here  approved on Pixel
"""

BAD = """\
host      w\\x0aeb1, fingerprint 0000 0000 0000 0000
pushmfa   0.1.0
health    NOT GOOD
          - relay \\x1b[2J
relay     wss://relay.example  NOT CONNECTED (refused\\x07)
accounts  1 enrolled; 0 logins wait now
"""

ILL = msgspec.structs.replace(
    STATUS,
    host_name="w\neb1",
    healthy=False,
    problems=("relay \x1b[2J",),
    relays=(
        control.RelayInfo(
            url="wss://relay.example", connected=False, problem="refused\x07"
        ),
    ),
    user=None,
    devices=None,
    attempts=None,
)


def test_status(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [STATUS], [ILL]):
        good = run(tmp_path, "status")
        bad = run(tmp_path, "status")
    assert (good.exit_code, good.stdout) == (0, GOOD)
    assert (bad.exit_code, bad.stdout) == (1, BAD)


def test_status_json(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [STATUS], [ILL]):
        good = parse_object(run(tmp_path, "status", "--json"))
        bad = parse_object(run(tmp_path, "status", "--json"))
    assert good == {
        "schema": 1,
        "command": "status",
        "ok": True,
        "version": "0.1.0",
        "host_id": "A" * 43,
        "host_name": "web1",
        "healthy": True,
        "problems": [],
        "relays": [{"url": "wss://relay.example", "connected": True, "problem": None}],
        "pending_attempts": 0,
        "enrolled_accounts": 1,
        "user": "alice",
        "muted_until": None,
        "devices": [DEVICE_OBJECT],
        "attempts": [
            {
                "attempt_id": "00112233aabbccdd",
                "at": "2025-10-09T09:05:00Z",
                "kind": "sudo",
                "service": "sudo",
                "remote_address": None,
                "verdict": "approved",
                "cause": "device",
                "device_label": "Pixel",
            }
        ],
    }
    assert (bad["ok"], bad["devices"], bad["attempts"]) == (False, None, None)


def test_status_without_a_daemon(tmp_path: Path) -> None:
    result = run(tmp_path, "status", "--json")
    assert result.exit_code == 3
    whole = parse_object(result)
    assert (whole["command"], whole["ok"]) == ("status", False)
    assert whole["hint"] == "Is pushmfa running? systemctl status pushmfa"
    assert result.stderr.startswith("error: cannot reach the daemon at ")


# --- test -----------------------------------------------------------------------------


def test_every_verdict_has_its_exit_code_and_text() -> None:
    assert {verdict.value: EXIT_CODES[verdict] for verdict in Verdict} == {
        "approved": 0,
        "denied": 1,
        "wrong_number": 1,
        "expired": 4,
        "canceled": 130,
        "throttled": 5,
        "locked": 5,
        "not_enrolled": 6,
        "unavailable": 3,
    }
    for verdict in Verdict:
        for cause in Cause:
            assert describe(ended(verdict, cause)).endswith(".")


@pytest.mark.parametrize(
    ("verdict", "cause", "label", "said", "exit_code"),
    [
        (Verdict.APPROVED, Cause.DEVICE, "Pixel", "Approved on Pixel (2.3 s).", 0),
        (Verdict.DENIED, Cause.CANCEL, "Pixel", "Denied on Pixel (2.3 s).", 1),
        (
            Verdict.DENIED,
            Cause.NOT_ME,
            "Pixel",
            'Denied on Pixel: "this was not me" (2.3 s).',
            1,
        ),
        (
            Verdict.EXPIRED,
            Cause.NO_ANSWER,
            None,
            "Expired: nobody answered in time (2.3 s).",
            4,
        ),
        (
            Verdict.UNAVAILABLE,
            Cause.RELAY_UNREACHABLE,
            None,
            "Not possible: the relay cannot be reached.",
            3,
        ),
        (Verdict.CANCELED, Cause.HANGUP, None, "Canceled (2.3 s).", 130),
    ],
)
def test_attempt(
    tmp_path: Path,
    verdict: Verdict,
    cause: Cause,
    label: str | None,
    said: str,
    exit_code: int,
) -> None:
    with ControlPeer(tmp_path, [NUMBER, ended(verdict, cause, label)]) as peer:
        result = run(tmp_path, "test")
    assert result.exit_code == exit_code
    assert result.stdout == f"Enter 42 on your device (Pixel).\n{said}\n"
    assert peer.requests == [control.StartTest(user=None)]


def test_attempt_json(tmp_path: Path) -> None:
    over = ended(Verdict.WRONG_NUMBER, Cause.WRONG_NUMBER, "Pixel")
    with ControlPeer(tmp_path, [NUMBER, over]):
        result = run(tmp_path, "test", "--user", "alice", "--json")
    assert result.exit_code == 1
    assert result.stderr == "Enter 42 on your device (Pixel).\n"
    assert parse_object(result) == {
        "schema": 1,
        "command": "test",
        "ok": False,
        "attempt_id": "00112233aabbccdd",
        "verdict": "wrong_number",
        "cause": "wrong_number",
        "device_label": "Pixel",
        "elapsed_ms": 2340,
    }


@pytest.mark.parametrize("option", ["--key", "--no-key"])
def test_a_key_without_a_service_is_not_ignored(tmp_path: Path, option: str) -> None:
    with ControlPeer(tmp_path, []) as peer:
        result = run(tmp_path, "test", option)
    assert (result.exit_code, peer.requests) == (2, [])
    assert "mean nothing without --service" in result.stderr
    assert "hint: Add --service sshd" in result.stderr


@pytest.mark.parametrize(
    ("options", "has_key"), [([], True), (["--key"], True), (["--no-key"], False)]
)
def test_a_service_is_tried_with_a_key_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], has_key: bool
) -> None:
    given: dict[str, bool] = {}

    def try_service(service: str, user: str | None, **more: bool) -> int:
        given.update(more)
        return 0

    monkeypatch.setattr("pushmfa.cli.service_test.run", try_service)
    result = run(tmp_path, "test", "--service", "sshd", *options)
    assert (result.exit_code, given["has_key"]) == (0, has_key)


@pytest.mark.parametrize("kind", FailureKind)
def test_failures_of_the_daemon(tmp_path: Path, kind: FailureKind) -> None:
    codes = dict(zip(FailureKind, [1, 2, 3, 4, 5, 6, 7, 8, 1], strict=True))
    with ControlPeer(tmp_path, [failure(kind, "why\x1b[2J", "do\nthis")]):
        result = run(tmp_path, "test")
    assert result.exit_code == codes[kind]
    assert result.stderr == "error: why\\x1b[2J\nhint: do\\x0athis\n"
