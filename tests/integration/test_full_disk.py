"""Somebody keeps the disk full: nobody is locked out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pushmfa.store.reserve import LEAST_LEFT
from tests.integration.full_disk import LOGINS, ROWS, STARTS

pytestmark = pytest.mark.integration


def play(name: str, folder: Path) -> dict[str, Any]:
    """Return what came out of a play."""
    folder.mkdir()
    alone = ["unshare", "--mount"]
    if os.geteuid() != 0:
        alone += ["--user", "--map-root-user"]
    program = [sys.executable, "-m", "tests.integration.full_disk", name, str(folder)]
    done = subprocess.run(
        [*alone, *program], stdout=subprocess.PIPE, check=False, timeout=110
    )
    assert done.returncode == 0
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_attack_a_local_user_takes_the_room_that_is_kept(tmp_path: Path) -> None:
    found = play("store", tmp_path / "disk")
    assert found["written"] == ROWS >= 1_000
    assert found["started"] == STARTS
    (problem,) = found["problems"]
    assert "the disk is full" in problem
    assert "MiB of the reserve are left" in problem
    assert found["problems after"] == [], "once there is room, nothing is to be done"
    assert found["left after"] >= LEAST_LEFT


def test_attack_a_local_user_keeps_the_disk_full_while_people_log_in(
    tmp_path: Path,
) -> None:
    found = play("daemon", tmp_path / "disk")
    assert found["verdicts"] == ["approved"] * (LOGINS + 6)
    (problem,) = found["problems"]
    assert "the disk is full" in problem
    assert found["problems after"] == []
    assert found["left after"] >= LEAST_LEFT
