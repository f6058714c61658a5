"""`pushmfa confirm` in scripts without a terminal: real daemon, relay and device."""

import json
import subprocess

import pytest

from pushmfa.demo.auto import other_number
from pushmfa.demo.stacks import BIN
from tests.e2e.support import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


class Script:
    """A shell script of alice's, without a terminal."""

    def __init__(self, system: System, text: str) -> None:
        sandbox = system.sandbox
        self.process = subprocess.Popen(
            [*sandbox.enter("alice"), "sh", "-c", f"PATH={BIN}:$PATH\n{text}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=sandbox.environment(),
        )

    def number(self) -> str:
        """Return the next number, from standard error."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert line.endswith(" on your device (demo phone).\n"), line
        return line.split()[1]

    def end(self) -> tuple[int, str]:
        """Return the exit code and the rest of standard output."""
        wrote, _ = self.process.communicate(timeout=60)
        return self.process.returncode, wrote


def test_two_confirms_in_a_script(system: System) -> None:
    script = Script(
        system,
        'for part in 1 2; do pushmfa confirm "Release $part" >&2 && echo "did $part"\n'
        'echo "exit code $?"; done',
    )
    system.parts.answer("--number", script.number())
    assert script.process.stderr is not None
    assert script.process.stderr.readline().startswith("Approved on demo phone")
    system.parts.answer("--deny")
    assert script.number()
    assert script.end() == (0, "did 1\nexit code 0\nexit code 1\n")


def test_json_and_a_wrong_number(system: System) -> None:
    script = Script(system, 'pushmfa confirm --json --timeout 30 "Drop the table"')
    system.parts.answer("--number", other_number(script.number()))
    code, wrote = script.end()
    found = json.loads(wrote)
    assert code == 1
    assert found["text"] == "Drop the table"
    assert (found["ok"], found["verdict"]) == (False, "wrong_number")


def test_nobody_answers(system: System) -> None:
    script = Script(system, 'pushmfa confirm --timeout 10 "Drop the table"')
    assert script.number()
    code, wrote = script.end()
    assert code == 4
    assert wrote.startswith("Expired: nobody answered in time")


def test_an_interrupted_script_takes_it_back(system: System) -> None:
    script = Script(
        system,
        'env --default-signal=INT pushmfa confirm "Drop the table" & sleep 4\n'
        'kill -INT $!; wait $!; echo "exit code $?"',
    )
    assert script.number()
    code, wrote = script.end()
    assert (code, wrote) == (0, "exit code 130\n")
    log = system.sandbox.log("daemon").read_text()
    last = [line for line in log.splitlines() if '"kind":"confirm"' in line][-1]
    assert '"verdict":"canceled","cause":"hangup"' in last
