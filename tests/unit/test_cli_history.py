"""mute, unlock and audit: what they ask, print and return."""

import json
from pathlib import Path

import msgspec
import pytest

from pushmfa.terms import Digest
from pushmfa.text import make_harmless
from pushmfa.wire.control_account import Mute, Muted, Unlock, Unlocked
from pushmfa.wire.control_audit import (
    AuditEntry,
    AuditShown,
    AuditVerified,
    TailAudit,
    VerifyAudit,
)
from tests.unit.cli_support import parse_object, run
from tests.unit.control_peer import NUMBER, STATUS, ControlPeer

ATTEMPT = {
    "type": "attempt",
    "schema": 1,
    "at": 1_760_000_000,
    "attempt_id": "00112233aabbccdd",
    "kind": "sudo",
    "service": "sudo",
    "user": "root",
    "uid": 0,
    "approver": "alice",
    "approver_uid": 1000,
    "requesting_user": "alice",
    "remote_address": "192.0.2.7",
    "tty": None,
    "first_factor": None,
    "verdict": "approved",
    "cause": "device",
    "device_id": None,
    "device_label": "Pixel\u202e",
    "latency_ms": 3_000,
}
RECORDS = (
    ATTEMPT,
    {"type": "delivery", "at": 1_760_000_001, "attempt_id": "00aa", "delivered": True},
    {"type": "delivery", "at": 1_760_000_002, "attempt_id": "00aa", "delivered": False},
    {"type": "act", "at": 1_760_000_003, "actor_uid": 0, "act": "revoke", "user": "al"}
    | {"uid": 7, "device_label": "Pixel"},
    {"type": "act", "at": 1_760_000_004, "actor_uid": 7, "act": "mute", "user": "al"}
    | {"uid": 7, "device_label": None},
    {"type": "refusals", "at": 1_760_000_005, "remote_address": "::1", "count": 12},
    {"type": "later", "at": 1_760_000_006},
)
LINES = """\
     1  2025-10-09 08:53:20 UTC  approved (device) on Pixel\\u202e: root \
(asked alice), sudo, from 192.0.2.7  [00112233aabbccdd]
     2  2025-10-09 08:53:21 UTC  approval delivered  [00aa]
     3  2025-10-09 08:53:22 UTC  approval NOT delivered, the terminal had gone  [00aa]
     4  2025-10-09 08:53:23 UTC  revoke: al, device Pixel, by root
     5  2025-10-09 08:53:24 UTC  mute: al, by the owner
     6  2025-10-09 08:53:25 UTC  12 refused without a first factor, from ::1
     7  2025-10-09 08:53:26 UTC  {"type": "later", "at": 1760000006}
     8  -  {"type": "damaged"}
     9  -  {"type": "damaged"}
"""


def entry(seq: int, record: str) -> AuditEntry:
    return AuditEntry(seq=seq, hash=Digest(bytes(32)), record=record)


ENTRIES = [
    *(entry(n, json.dumps(record)) for n, record in enumerate(RECORDS, start=1)),
    entry(8, "\x1b[2J"),
    entry(9, "[]"),
]


def test_tail(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [*ENTRIES, AuditShown()]) as peer:
        result = run(tmp_path, "audit", "tail", "-n", "9", "--user", "alice")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == LINES
    assert peer.requests == [TailAudit(user="alice", last=9, follow=False)]


def test_tail_json(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [*ENTRIES[:1], AuditShown()]) as peer:
        result = run(tmp_path, "audit", "tail", "--json")
    assert parse_object(result) == {
        "schema": 1,
        "command": "audit tail",
        "ok": True,
        "entries": [
            {
                "seq": 1,
                "at": "2025-10-09T08:53:20Z",
                "hash": "00" * 32,
                "record": ATTEMPT,
            }
        ],
    }
    assert peer.requests == [TailAudit(user=None, last=20, follow=False)]


def test_follow_has_one_object_a_row(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, ENTRIES[:2]) as peer:
        result = run(tmp_path, "audit", "tail", "--json", "--follow")
    # Until the daemon ends.
    assert result.exit_code == 3
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["entry"]["seq"] for row in rows[:2]] == [1, 2]
    assert (rows[2]["ok"], len(rows)) == (False, 3)
    assert peer.requests == [TailAudit(user=None, last=20, follow=True)]


def test_verify(tmp_path: Path) -> None:
    found = AuditVerified(rows=7, hash=Digest(bytes(32)), broken=None, problem=None)
    with ControlPeer(tmp_path, [found], [found]) as peer:
        result = run(tmp_path, "audit", "verify")
        as_object = run(tmp_path, "audit", "verify", "--json")
    assert (result.exit_code, as_object.exit_code) == (0, 0)
    assert result.stdout == (
        f"7 rows, each as it was written.\nThe last one is 7, hash {'00' * 32}\n"
    )
    assert parse_object(as_object) == {
        "schema": 1,
        "command": "audit verify",
        "ok": True,
        "rows": 7,
        "hash": "00" * 32,
        "broken": None,
        "problem": None,
    }
    assert peer.requests == [VerifyAudit()] * 2


def test_verify_what_is_broken(tmp_path: Path) -> None:
    problem = "row 5 was changed after it was written"
    found = AuditVerified(rows=4, hash=Digest(bytes(32)), broken=5, problem=problem)
    with ControlPeer(tmp_path, [found], [found]):
        result = run(tmp_path, "audit", "verify")
        as_object = run(tmp_path, "audit", "verify", "--json")
    assert (result.exit_code, as_object.exit_code) == (1, 1)
    assert result.stdout.startswith(
        "NOT AS IT WAS WRITTEN, from row 5 on:\n"
        "  row 5 was changed after it was written.\n"
        "4 rows before it are whole.\n"
    )
    assert parse_object(as_object)["broken"] == 5


def test_mute(tmp_path: Path) -> None:
    done = Muted(user="alice", until=1_760_000_000, ended=2)
    with ControlPeer(tmp_path, [done], [done]) as peer:
        result = run(tmp_path, "mute")
        as_object = run(tmp_path, "mute", "--for", "2d", "--user", "alice", "--json")
    assert result.exit_code == 0
    assert result.stdout == (
        "alice is muted until 2025-10-09 08:53 UTC: no device is asked, logins are "
        "refused.\n2 logins that waited were ended.\n"
        "End it early, from a shell that is open: pushmfa unlock\n"
    )
    assert parse_object(as_object) == {
        "schema": 1,
        "command": "mute",
        "ok": True,
        "user": "alice",
        "muted_until": "2025-10-09T08:53:20Z",
        "ended": 2,
    }
    assert peer.requests == [
        Mute(user=None, seconds=3_600),
        Mute(user="alice", seconds=172_800),
    ]


@pytest.mark.parametrize("time", ["", "1", "h", "1.5h", "-1h", "1w", "\u0661h", "1 h"])
def test_a_time_that_is_none(tmp_path: Path, time: str) -> None:
    result = run(tmp_path, "mute", "--for", time)
    assert result.exit_code == 2
    what = f"invalid value for '--for': {time!r} is no time; write 30m, 2h or 1d"
    assert result.stderr.startswith(f"error: {make_harmless(what)}\n")


def test_unlock(tmp_path: Path) -> None:
    done = Unlocked(user="alice", was_muted=True, ended=1)
    not_muted = msgspec.structs.replace(done, was_muted=False, ended=0)
    with ControlPeer(tmp_path, [NUMBER, done], [not_muted]) as peer:
        result = run(tmp_path, "unlock")
        as_object = run(tmp_path, "unlock", "--json")
    assert (result.exit_code, as_object.exit_code) == (0, 0)
    assert result.stdout == (
        "Enter 42 on your device (Pixel).\n"
        "alice is not muted any more.\n"
        "1 login that waited was ended.\n"
    )
    assert parse_object(as_object) == {
        "schema": 1,
        "command": "unlock",
        "ok": True,
        "user": "alice",
        "was_muted": False,
        "ended": 0,
    }
    assert peer.requests == [Unlock(user=None)] * 2


def test_status_of_a_muted_account(tmp_path: Path) -> None:
    muted = msgspec.structs.replace(STATUS, muted_until=1_760_000_000)
    with ControlPeer(tmp_path, [muted]):
        result = run(tmp_path, "status")
    assert "muted     until 2025-10-09 08:53 UTC; end it: pushmfa unlock\n" in (
        result.stdout
    )
