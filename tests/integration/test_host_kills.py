"""A command of `pushmfa host` that is killed at any step makes no new host by itself.

Afterwards the host is as before, or as after; or it refuses and names the command,
which then does what it would have done. Each kill: `rescue_kills`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PROGRAM = "tests.integration.rescue_kills"
ROOT = Path(__file__).resolve().parents[2]
MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it


def end_at_every_step(act: str, start: str, how: str) -> dict[str, int]:
    """Return how often the host was found as before, as after, and refusing."""
    # Without a disk to wait for: what a kill leaves is in the kernel already.
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        result = subprocess.run(
            [sys.executable, "-m", PROGRAM, folder, act, start, how],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["wrong"] == []
    found: dict[str, int] = told["found"]
    return found


@pytest.mark.parametrize(
    ("act", "start"),
    [
        ("restore", "whole"),
        ("restore", "marked"),
        ("restore", "no keys"),
        ("restore", "nothing"),
        ("reset", "whole"),
        ("reset", "moved"),
        ("reset", "no keys"),
        ("repair", "damaged"),
        ("repair", "marked"),
        ("repair", "no database"),
        ("adopt", "whole"),
        ("adopt", "moved"),
    ],
)
def test_attack_a_killed_command_makes_a_new_host_without_a_word(
    act: str, start: str
) -> None:
    found = end_at_every_step(act, start, "kill")
    assert found["before"] > 0
    assert found["after"] > 0
    assert sum(found.values()) > 10, "the steps were counted"


@pytest.mark.parametrize("start", ["whole", "no keys"])
def test_a_restore_that_fails_at_any_step_is_undone(start: str) -> None:
    found = end_at_every_step("restore", start, "error")
    assert set(found) == {"before", "after"}, found
    assert found["before"] > 40
