"""Who logs in while parts are killed, and the audit that must agree with it."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.terminal import Terminal

NUMBER: Final = re.compile(r"pushmfa: enter (\d\d) on ")
_TYPED_AGAIN: Final = 1.0
"""Seconds after which a line is typed again that the device did not take."""


class Screen(Terminal):
    """A terminal that can be asked whether its program has ended."""

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll()

    @property
    def pid(self) -> int:
        """The process that was started: nsenter, or the program itself."""
        return self._process.pid


class Person:
    """Types the password, presses Enter, and types each number into its card once."""

    def __init__(
        self, device_now: Callable[[], Screen], client: Screen, way: str, marker: str
    ) -> None:
        """Take the device into the hand, which is another after it was killed."""
        self._device_now = device_now
        self._client = client
        self._mark = "ssh" if way == "ssh" else marker
        self._device = device_now()
        self._from = len(self._device.text)
        self._is_prompted = way == "ssh"
        self._entered = 0
        self._answered: set[tuple[str, str]] = set()
        self._typed_at = 0.0
        self.answers = 0
        # It looks for a relay that is back.
        self._device.send_line()

    def act(self, before_answer: Callable[[], object]) -> None:
        """Do what can be done now."""
        seen = self._client.text
        self._type_at_terminal(seen)
        if self._device_now() is not self._device:
            self._device, self._from = self._device_now(), 0
            self._answered.clear()
            self._typed_at = 0.0
        numbers, letter = NUMBER.findall(seen), self._letter()
        if numbers and letter and f"\n{letter}: number" not in self._shown():
            self._answer(letter, numbers[-1], before_answer)

    def _type_at_terminal(self, seen: str) -> None:
        if not self._is_prompted:
            if self._entered == 0 and "assword" in seen:
                self._entered = 1
                self._client.send_line(dict(PEOPLE)["alice"])
        elif seen.count("press Enter: ") > self._entered:
            self._entered += 1
            self._client.send_line()

    def _answer(
        self, letter: str, number: str, before_answer: Callable[[], object]
    ) -> None:
        # The device drops what was typed before its newest question: type again.
        if time.monotonic() < self._typed_at + _TYPED_AGAIN:
            return
        if (letter, number) not in self._answered:
            before_answer()
            self._answered.add((letter, number))
            self.answers += 1
        self._typed_at = time.monotonic()
        self._device.send_line(f"{letter} {number}")

    def _shown(self) -> str:
        return self._device.text[self._from :]

    def _letter(self) -> str | None:
        """Return the name of the newest card of this login."""
        found = None
        for card in self._shown().split("\u256d")[1:]:
            name = re.match(r"\u2500* ([A-Z0-9]+) \u00b7", card)
            if name and "d = deny" in card and self._mark in card:
                found = name[1]
        return found


class AuditReader:
    """Reads the audit from inside: SQLite finds no file through /proc/PID/root.

    A copy, since no process but the daemon can open its database.
    """

    _PROGRAM: Final = """
import json, os, shutil, sqlite3, sys, tempfile
STATE = "/var/lib/pushmfa/pushmfa.db"
def look():
    return os.stat(STATE).st_mtime_ns
def read(folder, after):
    copy = os.path.join(folder, "copy.db")
    before = look()
    shutil.copyfile(STATE, copy)
    if os.path.exists(STATE + "-wal"):
        shutil.copyfile(STATE + "-wal", copy + "-wal")
    file = sqlite3.connect(copy)
    ask = "SELECT seq, record FROM audit WHERE seq > ? ORDER BY seq"
    rows = file.execute(ask, (after,)).fetchall()
    file.close()
    # Else a checkpoint came in between, and the two belong to different times.
    return rows if look() == before else None
for line in sys.stdin:
    rows = None
    while rows is None:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows = read(folder, int(line))
            except FileNotFoundError:
                pass
    print(json.dumps([(seq, record.decode()) for seq, record in rows]), flush=True)
"""

    def __init__(self, sandbox: Sandbox) -> None:
        self._process = subprocess.Popen(
            [*sandbox.enter(), sys.executable, "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def rows(self, after: int) -> list[tuple[int, bytes]]:
        """Return number and record of every row behind the one of that number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{after}\n")
        self._process.stdin.flush()
        found = json.loads(self._process.stdout.readline())
        return [(seq, record.encode()) for seq, record in found]

    def close(self) -> None:
        """End it."""
        self._process.communicate()
