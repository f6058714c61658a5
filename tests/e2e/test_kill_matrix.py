"""A part of `make kill-matrix`, once: the steps where the most could go wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from pushmfa.demo.sandbox import Sandbox
from tests.e2e.kill_matrix import CELLS, Cell, run_cell
from tests.e2e.kill_world import TIMEOUT, KillWorld
from tests.e2e.support import find_pushmfa

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CHOSEN: Final[dict[tuple[str, ...], str | tuple[str, ...]]] = {
    ("sudo", "daemon", "request received", "SIGSTOP"): "in",
    ("sudo", "daemon", "answer verified, audit not yet flushed", "SIGKILL"): "refused",
    ("sudo", "daemon", "audit flushed", "SIGKILL"): "refused",
    ("sudo", "daemon", "verdict sent", "SIGKILL"): "in",
    ("sudo", "relay", "challenge accepted", "SIGKILL"): "in",
    ("sudo", "relay", "answer accepted", "SIGSTOP"): "in",
    ("sudo", "device", "card shown", "SIGKILL"): "in",
    ("sudo", "device", "answer sent", "SIGSTOP"): "in",
    ("sudo", "module in sudo", "verdict received", "SIGKILL"): "no shell",
    ("ssh", "daemon", "verdict decided, not yet sent", "SIGKILL"): "refused",
    # sshd ends, or what it hears first is the end of the pipe: then its client asks
    # anew, and gets in by another number that is approved.
    ("ssh", "module in sshd [pam]", "Enter sent", "SIGKILL"): ("no shell", "in"),
}


@pytest.fixture(scope="module")
def world(module: Path) -> Iterator[KillWorld]:
    arguments, programs = f"timeout={TIMEOUT}", find_pushmfa()[:1]
    with Sandbox(module=module, arguments=arguments, programs=programs) as sandbox:
        whole = KillWorld(sandbox)
        try:
            yield whole
        finally:
            whole.close()


def find_cell(title: tuple[str, ...]) -> Cell:
    return next(cell for cell in CELLS if cell.title() == title)


@pytest.mark.parametrize("title", CHOSEN, ids=" ".join)
def test_a_killed_or_stopped_process_lets_nobody_in_and_is_survived(
    world: KillWorld, title: tuple[str, str, str, str]
) -> None:
    seen = run_cell(world, find_cell(title), "continue")
    assert seen.problems == ()
    assert seen.got.startswith(CHOSEN[title])
