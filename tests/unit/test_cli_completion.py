"""Completion in a shell: what the scripts are, and what they are told."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pushmfa.wire import control
from tests.unit.cli_support import run
from tests.unit.control_peer import PIXEL, ControlPeer

PUSHMFA = [sys.executable, "-c", "from pushmfa.cli.main import main; main()"]
SPACED = msgspec.structs.replace(PIXEL, label="Work phone")
REVOKED = msgspec.structs.replace(PIXEL, label="Papaya", revoked_at=1)
HARMFUL = msgspec.structs.replace(PIXEL, label="$(reboot)")


def complete(folder: Path, *words: str) -> list[str]:
    """Return what bash would offer for the last of words."""
    config = folder / "pushmfa.toml"
    config.write_text(f'paths.run = "{folder}"\n')
    config.chmod(0o600)
    done = subprocess.run(
        PUSHMFA,
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PUSHMFA_CONFIG": str(config),
            "_PUSHMFA_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["pushmfa", *words]),
            "COMP_CWORD": str(len(words)),
        },
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script(tmp_path: Path, shell: str) -> None:
    result = run(tmp_path, "completion", shell)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"_PUSHMFA_COMPLETE={shell}_complete" in result.stdout
    if shutil.which(shell) is not None:
        subprocess.run([shell, "-n"], input=result.stdout, text=True, check=True)


def test_a_shell_that_is_not_known(tmp_path: Path) -> None:
    result = run(tmp_path, "completion", "csh")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: invalid value for 'bash|zsh|fish': 'csh'")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], ["status"]),
        (["dev"], ["devices", "device"]),
        (["devices", "re"], ["revoke", "rename"]),
        (["status", "--j"], ["--json"]),
        (["nonsense", "x"], []),
    ],
)
def test_commands_and_options(
    tmp_path: Path, words: list[str], expected: list[str]
) -> None:
    assert complete(tmp_path, *words) == expected


def test_all_commands(tmp_path: Path) -> None:
    found = complete(tmp_path, "")
    assert {"status", "confirm", "audit", "completion"} <= set(found)


def test_names_of_devices(tmp_path: Path) -> None:
    devices = control.Devices(user="alice", devices=(PIXEL, SPACED, REVOKED))
    with ControlPeer(tmp_path, [devices]):
        found = complete(tmp_path, "devices", "revoke", "")
    assert found == ["Pixel", "AAECAwQF"]


def test_attack_a_label_that_a_shell_would_run(tmp_path: Path) -> None:
    devices = control.Devices(user="alice", devices=(HARMFUL,))
    with ControlPeer(tmp_path, [devices]):
        found = complete(tmp_path, "devices", "revoke", "")
    assert found == ["AAECAwQF"]


def test_without_a_daemon_there_are_no_names(tmp_path: Path) -> None:
    assert complete(tmp_path, "devices", "revoke", "P") == []
