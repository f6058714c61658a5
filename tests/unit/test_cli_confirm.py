"""confirm: what it asks, prints and returns."""

from pathlib import Path

import pytest

from pushmfa.terms import Cause, Verdict
from pushmfa.wire.control_account import StartConfirm
from tests.unit.cli_support import parse_object, run
from tests.unit.control_peer import NUMBER, ControlPeer, ended

SHOWN = "Enter 42 on your device (Pixel).\n"


@pytest.mark.parametrize(
    ("verdict", "cause", "said", "exit_code"),
    [
        (Verdict.APPROVED, Cause.DEVICE, "Approved on Pixel (2.3 s).\n", 0),
        (Verdict.DENIED, Cause.CANCEL, "Denied on Pixel (2.3 s).\n", 1),
    ],
)
def test_confirm(
    tmp_path: Path, verdict: Verdict, cause: Cause, said: str, exit_code: int
) -> None:
    with ControlPeer(tmp_path, [NUMBER, ended(verdict, cause, "Pixel")]) as peer:
        result = run(tmp_path, "confirm", "  Drop the table  ")
    assert (result.exit_code, result.stdout) == (exit_code, said)
    assert result.stderr == SHOWN
    assert peer.requests == [
        StartConfirm(user=None, text="Drop the table", lifetime=None)
    ]


def test_confirm_json(tmp_path: Path) -> None:
    over = ended(Verdict.EXPIRED, Cause.NO_ANSWER)
    words = ["confirm", "--json", "--user", "alice", "--timeout", "300", "--", "-x"]
    with ControlPeer(tmp_path, [NUMBER, over]) as peer:
        result = run(tmp_path, *words)
    assert result.exit_code == 4
    assert result.stderr == SHOWN
    assert parse_object(result) == {
        "schema": 1,
        "command": "confirm",
        "ok": False,
        "attempt_id": "00112233aabbccdd",
        "verdict": "expired",
        "cause": "no_answer",
        "device_label": None,
        "elapsed_ms": 2340,
        "text": "-x",
    }
    assert peer.requests == [StartConfirm(user="alice", text="-x", lifetime=300)]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([""], "the text is empty"),
        (["a\nb"], "the text holds \\x0a, which a display would obey or hide"),
        (["x" * 2001], "the text has 2001 bytes; 2000 are the most"),
        (["\udcff"], "the text is not valid UTF-8"),
        (["x", "--timeout", "9"], "invalid value for '--timeout': 9 is not in"),
        (["one", "two"], "got unexpected extra argument (two)"),
        ([], "missing argument 'TEXT'"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, words: list[str], error: str) -> None:
    result = run(tmp_path, "confirm", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {error}")
    assert "\nhint: " in result.stderr
