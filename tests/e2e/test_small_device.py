"""Somebody else's device against the whole product: tests/e2e/small_device.py."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.terminal import Terminal
from tests.e2e.support import System, find_pushmfa

pytestmark = pytest.mark.e2e

SMALL_DEVICE = Path(__file__).with_name("small_device.py")

STEP = 30.0
"""Seconds for each step."""


@pytest.fixture(scope="module")
def bare_system(module: Path) -> Iterator[System]:
    """Everything but an enrolled device."""
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people(PEOPLE)
        yield System(world, lifetime=30, max_startups="30")


def test_a_small_device_written_from_the_document_alone_enrolls_and_approves_a_real_login(  # noqa: E501  the name is a sentence
    bare_system: System,
) -> None:
    enroll = bare_system.sandbox.terminal(
        [*bare_system.parts.pushmfa, "enroll", "--user", "alice", "--no-qr"],
        environment={"NO_COLOR": "1", "TERM": "dumb"},
    )
    with closing(enroll):
        link = enroll.expect(r"^\s*(http://localhost:\d+/#1\S+)", STEP)[1]
        device = Terminal([sys.executable, str(SMALL_DEVICE), link], os.environ)
        with closing(device):
            digits = device.expect(r"six digits: (\d{6})$", STEP)[1]
            enroll.expect("six digits", STEP)
            enroll.send_line(digits)
            assert enroll.wait(STEP) == 0, enroll.text
            approve_a_login(bare_system, device)


def approve_a_login(system: System, device: Terminal) -> None:
    """Log in as alice and type the number into the device."""
    with closing(system.ssh("demo")) as ssh:
        number = ssh.expect(r"pushmfa: enter (\d+) on ", STEP)[1]
        device.expect(r"'alice' on 'demo' for 'sshd'; number: ", STEP)
        device.send_line(number)
        device.expect(r"^verdict: approved$", STEP)
        assert device.wait(STEP) == 0, device.text
        ssh.send_line()
        ssh.send_line("echo in-as-$(id -un)")
        ssh.expect(r"^in-as-alice$", STEP)
        ssh.send_line("exit")
        assert ssh.wait(STEP) == 0, ssh.text
