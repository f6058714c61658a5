"""A device written from docs/protocol.md alone, at a real host and relay."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.parts import Parts
from pushmfa.demo.sandbox import Sandbox
from tests.e2e.support import find_pushmfa
from tests.integration import independent_device as device

pytestmark = pytest.mark.e2e

Attempt = tuple[device.Fields, device.Fields, int]


class Box:
    """A host with its relay, and the device that was enrolled at it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        Parts(sandbox, find_pushmfa(), lifetime=30).start()
        enroll = [*find_pushmfa(), "enroll", "--user", "alice", "--no-qr"]
        host = sandbox.terminal(enroll)
        link = host.expect(r"^\s*(http://localhost:\d+/#1\S+)", 15)[1]
        self.enrollment = asyncio.run(device.enroll(link, "stranger", host.send_line))
        assert host.wait(15) == 0

    def attempt(self, choose: Callable[[str], str | None]) -> Attempt:
        """Answer a test with what is chosen; return challenge, outcome, exit code."""
        test = [*find_pushmfa(), "test", "--user", "alice"]
        host = self._sandbox.terminal(test)
        number = host.expect(r"Enter ([0-9]{2}) on", 15)[1]
        asked: list[device.Fields] = []

        def ask(challenge: device.Fields) -> str | None:
            asked.append(challenge)
            return choose(number)

        outcome = asyncio.run(device.answer(self.enrollment, ask))
        return asked[0], outcome, host.wait(15)


@pytest.fixture(scope="module")
def box(module: Path) -> Iterator[Box]:
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people(PEOPLE)
        yield Box(world)


def test_a_device_written_from_the_document_alone_enrolls_and_approves(
    box: Box,
) -> None:
    challenge, outcome, code = box.attempt(lambda number: number)
    assert box.enrollment.host["host_name"] == "demo"
    assert (challenge["kind"], challenge["user"]) == ("test", "alice")
    assert (outcome["verdict"], outcome["by_this_device"]) == ("approved", True)
    assert code == 0


def test_its_denial_ends_the_attempt(box: Box) -> None:
    _, outcome, code = box.attempt(lambda number: None)
    assert (outcome["verdict"], outcome["cause"], code) == ("denied", "cancel", 1)


def test_a_wrong_number_typed_into_it_ends_the_attempt(box: Box) -> None:
    _, outcome, code = box.attempt(lambda number: "10" if number != "10" else "11")
    assert (outcome["verdict"], code) == ("wrong_number", 1)
