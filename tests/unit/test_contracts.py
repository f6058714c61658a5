"""The rules about imports are kept, and a violation of each is found.

A copy of the package gets one violation at a time; the tools run on the copy with the
configuration of the repository.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent

BLIND = "The relay cannot import what opens an envelope"
PRIMITIVES = "Only crypto imports a library of primitives"
PURE = "Decisions and wire formats do no I/O, read no clock, draw no random number"
STORE = "The store knows rows and bytes, not decisions and not cryptography"
CYCLES = "No module imports, by whatever way, itself"
LAYERS = "Imports point down only"


@dataclass(frozen=True)
class Planted:
    """Lines to add to files of the copy, by their path in the package."""

    contract: str
    lines: dict[str, str]


VIOLATIONS = {
    "the relay imports sealing": Planted(
        BLIND, {"relay/hello.py": "import pushmfa.crypto.sealing"}
    ),
    "the relay imports sealing through a module of its own": Planted(
        BLIND,
        {
            "relay/planted.py": "import pushmfa.crypto.sealing",
            "relay/hello.py": "import pushmfa.relay.planted",
        },
    ),
    "the relay imports sealing through what it imports of crypto": Planted(
        BLIND, {"crypto/webpush.py": "import pushmfa.crypto.sealing"}
    ),
    "the relay has a primitive of its own": Planted(
        PRIMITIVES, {"relay/push_key.py": "import cryptography.hazmat"}
    ),
    "a decision reads the clock": Planted(PURE, {"login/attempt.py": "import time"}),
    "the store imports a decision": Planted(
        STORE, {"store/database.py": "import pushmfa.login.attempt"}
    ),
    "two modules import each other": Planted(
        CYCLES,
        {
            "login/attempt.py": "import pushmfa.login.throttle",
            "login/throttle.py": "import pushmfa.login.attempt",
        },
    ),
    "the wire imports a decision": Planted(
        LAYERS, {"wire/codec.py": "import pushmfa.login.moment"}
    ),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with the package and the configuration of the tools."""
    leave_out = shutil.ignore_patterns("__pycache__", "app")
    shutil.copytree(ROOT / "pushmfa", tmp_path / "pushmfa", ignore=leave_out)
    for name in (".importlinter", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    tool, *arguments = command
    return subprocess.run(
        [BIN / tool, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "200"},
    )


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "lint-imports", "--no-cache")


def plant(folder: Path, path: str, line: str) -> None:
    file = folder / "pushmfa" / path
    present = file.read_text("utf-8") if file.exists() else '"""A module."""\n'
    file.write_text(f"{present}\n{line}\n", "utf-8")


def test_every_contract_is_kept(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_found(copy: Path, name: str) -> None:
    planted = VIOLATIONS[name]
    for path, line in planted.lines.items():
        plant(copy, path, line)
    done = lint_imports(copy)
    assert done.returncode == 1
    broken = [line for line in done.stdout.splitlines() if line.endswith(" BROKEN")]
    assert any(line.startswith(planted.contract) for line in broken), done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "import pushmfa.daemon.main",
        "import pushmfa.relay.main",
        "from pushmfa.daemon.main import main",
        "from pushmfa.relay import main",
    ],
)
def test_the_command_line_imports_no_program_at_its_top(copy: Path, line: str) -> None:
    arguments = ("check", "--no-cache", "--select", "TID253", "pushmfa/cli")
    assert run(copy, "ruff", *arguments).returncode == 0
    plant(copy, "cli/planted.py", line)
    done = run(copy, "ruff", *arguments)
    assert done.returncode == 1
    assert "TID253" in done.stdout
    inside = "\n".join(["def command() -> None:", '    """Do it."""', f"    {line}"])
    (copy / "pushmfa/cli/planted.py").write_text(f"{inside}\n", "utf-8")
    assert run(copy, "ruff", *arguments).returncode == 0
