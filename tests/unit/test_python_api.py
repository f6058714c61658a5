"""docs/python-api.md: every example runs, and every method is named."""

import re
from pathlib import Path

import pytest

from pushmfa import client
from pushmfa.terms import Cause, Digest, Verdict
from pushmfa.wire import control
from pushmfa.wire.control_account import Muted, StartConfirm
from pushmfa.wire.control_audit import AuditEntry, AuditShown
from tests.unit.control_peer import (
    NUMBER,
    PIXEL,
    STATUS,
    ControlPeer,
    Step,
    ended,
    failure,
)

PAGE = (Path(__file__).parents[2] / "docs/python-api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
CONFIRM, LOOK, WRONG = EXAMPLES
ROW = AuditEntry(seq=7, hash=Digest(bytes(32)), record='{"type":"act"}')
ASKED = "enter 42 on ('Pixel',)\n"


def play(
    example: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *scripts: list[Step],
) -> list[control.Request]:
    """Run an example whose client asks a daemon made of scripts."""
    real = client.Client

    def beside(*, timeout: float = client.ANSWER_TIMEOUT) -> client.Client:
        return real(folder, timeout=timeout)

    monkeypatch.setattr(client, "Client", beside)
    with ControlPeer(folder, *scripts) as peer:
        exec(compile(example, "docs/python-api.md", "exec"), {})  # noqa: S102  our own page
    return peer.requests


@pytest.mark.parametrize(
    ("verdict", "cause", "label", "printed"),
    [
        (Verdict.APPROVED, Cause.DEVICE, "Pixel", "approved on Pixel\n"),
        (Verdict.DENIED, Cause.NOT_ME, "Pixel", "not approved: denied not_me\n"),
        (Verdict.EXPIRED, Cause.NO_ANSWER, None, "not approved: expired no_answer\n"),
    ],
)
def test_an_approval(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verdict: Verdict,
    cause: Cause,
    label: str | None,
    printed: str,
) -> None:
    script: list[Step] = [NUMBER, ended(verdict, cause, label)]
    asked = play(CONFIRM, tmp_path, monkeypatch, script)
    assert capsys.readouterr().out == ASKED + printed
    text = "Drop the table users on db1"
    assert asked == [StartConfirm(user=None, text=text, lifetime=120)]


def test_what_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    devices = control.Devices(user="alice", devices=(PIXEL,))
    scripts: list[list[Step]] = [[STATUS], [devices], [ROW, AuditShown()]]
    play(LOOK, tmp_path, monkeypatch, *scripts)
    assert capsys.readouterr().out == (
        'web1 is healthy\nPixel app None None\n7 {"type":"act"}\n'
    )


@pytest.mark.parametrize(
    ("step", "printed"),
    [
        (Muted(user="alice", until=1_760_000_000, ended=0), ""),
        (failure(control.FailureKind.NOT_PERMITTED), "no - do this - exit code 7\n"),
    ],
)
def test_what_goes_wrong(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: Step,
    printed: str,
) -> None:
    play(WRONG, tmp_path, monkeypatch, [step])
    assert capsys.readouterr().out == printed


def test_every_method_is_named_and_documented() -> None:
    table = PAGE.partition("## All methods")[2]
    named = set(re.findall(r"^\| `(\w+)\(", table, re.MULTILINE))
    public = {
        name: method
        for name, method in vars(client.Client).items()
        if not name.startswith("_") and name != "close"
    }
    assert named == set(public)
    assert all(method.__doc__ for method in public.values())
