"""daemon, relay, demo, device: what they hand to the programs that they start."""

import sys
from pathlib import Path
from typing import Any

import pytest

from pushmfa.config.host import parse_host_config
from pushmfa.device.keyring import Enrollment, EnrollmentStatus, KeyBytes
from pushmfa.errors import NotReachableError, UsageError
from pushmfa.terms import DeviceId, HostId, MailboxId, SealingKey, VerifyKey
from tests.unit.cli_support import parse_object, run
from tests.unit.control_peer import HOST, ControlPeer

HOST_CONFIG = """\
[relay]
urls = ["wss://relay.example"]
[web]
origin = "https://app.example"
"""

ENROLLMENT = Enrollment(
    file_version=1,
    status=EnrollmentStatus.ACTIVE,
    device_id=DeviceId(bytes(32)),
    mailbox=MailboxId(bytes(16)),
    label="Terminal",
    host_id=HostId(bytes(32)),
    host_name="web\x1b1",
    host_verify_key=VerifyKey(bytes(32)),
    host_sealing_key=SealingKey(bytes(65)),
    host_mailbox=MailboxId(bytes(16)),
    user="alice",
    uid=1000,
    relays=("wss://relay.example",),
    version=1,
    enrolled_at=1_760_000_000,
    has_passphrase=False,
    keys=KeyBytes(bytes(96)),
    counter=0,
)


class Spy:
    """Stands for a function of a program: keeps its arguments."""

    def __init__(self, result: object = 0, error: BaseException | None = None) -> None:
        self.args: tuple[Any, ...] = ()
        self.given: dict[str, Any] = {}
        self._result = result
        self._error = error

    def __call__(self, *args: Any, **given: Any) -> Any:
        """Keep the arguments; raise or return what was said."""
        self.args, self.given = args, given
        if self._error is not None:
            raise self._error
        return self._result


def write(folder: Path, text: str) -> Path:
    path = folder / "written.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Spy(result=3)
    monkeypatch.setattr("pushmfa.daemon.main.run", started)
    path = write(tmp_path, HOST_CONFIG)
    result = run(tmp_path, "daemon", "--config", str(path))
    assert result.exit_code == 3
    assert started.args == (parse_host_config(HOST_CONFIG), path)


def test_relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Spy()
    monkeypatch.setattr("pushmfa.relay.main.run", started)
    path = write(tmp_path, '[public]\nurls = ["ws://localhost:8300"]\n')
    assert run(tmp_path, "--config", str(path), "relay").exit_code == 0
    (settings,) = started.args
    assert settings.public_urls == {"ws://localhost:8300"}
    assert settings.port == 8300


@pytest.mark.parametrize("command", ["daemon", "relay"])
def test_services_refuse_a_wrong_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    started = Spy()
    monkeypatch.setattr(f"pushmfa.{command}.main.run", started)
    path = write(tmp_path, "[nonsense]\nx = 1\n[more]\n")
    result = run(tmp_path, command, "--config", str(path))
    assert result.exit_code == 8
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert any(f"{path}:1: nonsense: unknown key" in line for line in errors)
    assert any(f"{path}:3: more: unknown key" in line for line in errors)
    assert started.args == ()


def test_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = NotReachableError("cannot listen", hint="another port")
    monkeypatch.setattr("pushmfa.relay.main.run", Spy(error=error))
    path = write(tmp_path, '[public]\nurls = ["ws://localhost:8300"]\n')
    result = run(tmp_path, "relay", "--config", str(path))
    assert result.exit_code == 3
    assert result.stderr == "error: cannot listen\nhint: another port\n"


def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Spy()
    monkeypatch.setattr("pushmfa.demo.main.run", started)
    monkeypatch.setattr("pushmfa.cli.demo.is_root", lambda: True)
    module = write(tmp_path, "")
    assert run(tmp_path, "demo", "--module", str(module), "--auto").exit_code == 0
    assert started.given["module"] == module
    assert started.given["auto"] is True
    assert started.given["pushmfa"] == [sys.argv[0]]
    result = run(tmp_path, "demo", "--module", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert "make module" in result.stderr


# --- device -------------------------------------------------------------------------


def test_device_enroll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = Spy()
    monkeypatch.setattr("pushmfa.device.main.enroll", called)
    state = tmp_path / "state"
    words = ["device", "--state", str(state), "enroll", "LINK", "--force"]
    assert run(tmp_path, *words, "--label", "Laptop").exit_code == 0
    assert called.args == ("LINK",)
    assert called.given["state"] == state
    assert called.given["label"] == "Laptop"
    assert called.given["force"] is True
    assert called.given["passphrase"] is None
    with ControlPeer(tmp_path, [HOST]):
        assert called.given["local_host_id"]() == HOST.host_id


def test_device_enroll_asks_for_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = Spy()
    monkeypatch.setattr("pushmfa.device.main.enroll", called)
    monkeypatch.setattr("pushmfa.cli.options.has_terminal", lambda: True)
    words = ["device", "enroll", "LINK", "--passphrase", "--state", str(tmp_path)]
    result = run(tmp_path, *words, typed="correct\ncorrect\n")
    assert result.exit_code == 0
    assert called.given["passphrase"] == b"correct"
    assert 1 <= len(called.given["label"]) <= 64
    assert "correct" not in result.output


def test_the_passphrase_of_keys_needs_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = Spy()
    monkeypatch.setattr("pushmfa.device.main.run", called)
    run(tmp_path, "device", "run", "--state", str(tmp_path))
    with pytest.raises(UsageError, match="no terminal to ask") as caught:
        called.given["ask_passphrase"]("alice on web1")
    assert str(caught.value).startswith("the keys for alice on web1 are under a")
    assert caught.value.hint == "Run it in a terminal."


def test_device_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = Spy()
    monkeypatch.setattr("pushmfa.device.main.run", called)
    assert run(tmp_path, "device", "run", "--state", str(tmp_path)).exit_code == 0
    assert called.given["state"] == tmp_path
    monkeypatch.setattr("pushmfa.device.main.run", Spy(error=KeyboardInterrupt()))
    assert run(tmp_path, "device", "run").exit_code == 130


def test_device_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = Spy()
    monkeypatch.setattr("pushmfa.device.main.answer", called)
    words = ["device", "--state", str(tmp_path), "answer", "--number", "42"]
    assert run(tmp_path, *words, "--timeout", "5", "--json").exit_code == 0
    assert called.given.pop("ask_passphrase")
    assert called.given == {
        "state": tmp_path,
        "number": "42",
        "deny": False,
        "not_me": False,
        "attempt": None,
        "timeout": 5.0,
        "as_json": True,
        "ca": None,
        "proxy": None,
    }


def test_device_answer_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Spy(error=UsageError("only one of them"))
    monkeypatch.setattr("pushmfa.device.main.answer", refused)
    result = run(tmp_path, "device", "answer", "--deny", "--json")
    assert result.exit_code == 2
    assert parse_object(result) == {
        "schema": 1,
        "command": "device answer",
        "ok": False,
        "error": "only one of them",
        "hint": "",
    }


def test_device_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pushmfa.device.main.list_enrollments", Spy(result=[ENROLLMENT])
    )
    result = run(tmp_path, "device", "list")
    assert result.stdout == (
        "ACCOUNT  HOST      STATE   ENROLLED              LABEL     ID\n"
        "alice    web\\x1b1  active  2025-10-09 08:53 UTC  Terminal  AAAAAAAA\n"
    )
    assert parse_object(run(tmp_path, "device", "list", "--json")) == {
        "schema": 1,
        "command": "device list",
        "ok": True,
        "enrollments": [
            {
                "device_id": "A" * 43,
                "label": "Terminal",
                "state": "active",
                "user": "alice",
                "uid": 1000,
                "host_id": "A" * 43,
                "host_name": "web\x1b1",
                "relays": ["wss://relay.example"],
                "enrolled_at": "2025-10-09T08:53:20Z",
                "has_passphrase": False,
            }
        ],
    }


def test_device_list_of_none(tmp_path: Path) -> None:
    result = run(tmp_path, "device", "list", "--state", str(tmp_path / "state"))
    assert result.exit_code == 0
    assert result.stdout.startswith("This device is not enrolled.")
