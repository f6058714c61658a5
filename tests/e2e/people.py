"""The documentation's blocks, and people who type them as they stand there."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.demo.terminal import Terminal
from tests.e2e.machine import STEP, Machine
from tests.e2e.support import ROOT

PASSWORD: Final = "alice-password"
PEOPLE: Final = {"root": "root", "alice": "alice", "device": "alice", "builder": "root"}
"""Who types a block: the account."""


class Block(NamedTuple):
    """A block of commands, or of output, of the documentation."""

    page: str
    line: int
    heading: str
    kind: str
    """`sh`: somebody types it. `text`: this is shown then. `conf`: a file has it."""
    who: str
    text: str


def read_blocks(page: Path) -> list[Block]:
    """Return every fenced block of page; AssertionError for one that is neither."""
    blocks: list[Block] = []
    heading, fence, start = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("#") and not fence:
            heading = line.lstrip("# ")
        elif line.startswith("```") and not fence:
            fence, start, lines = line, number, []
        elif fence and line == "```":
            kind, _, who = fence.removeprefix("```").partition(" ")
            assert kind in ("sh", "text", "conf"), f"{page.name}:{start}: {fence}"
            assert (who in PEOPLE) == (kind == "sh"), f"{page.name}:{start}: {fence}"
            text = "\n".join(lines)
            blocks.append(Block(page.name, start, heading, kind, who, text))
            fence = ""
        elif fence:
            lines.append(line)
    assert not fence, f"{page.name}:{start}: the block does not end"
    return blocks


class Session:
    """A terminal in which somebody types, and how much of it was looked at."""

    def __init__(self, terminal: Terminal, name: str) -> None:
        self.terminal = terminal
        self.name = name
        self.seen = 0


class Seen(NamedTuple):
    """What somebody saw who tried to log in."""

    status: int
    seconds: float
    text: str


class People:
    """Root, alice, and alice in front of her device: they type, look and answer."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._open: list[Session] = []
        self._link = ""
        self._number = ""
        self._hurried_at = 0.0
        self.shown = ""
        """All that ended blocks have shown."""

    def type_block(self, block: Block) -> None:
        """Type a block, and do what its programs ask for, until there is no more.

        A block that waits for the next one to do something stays open.
        """
        is_ours = block.who == "builder" or "make " in block.text
        lines = [f"cd {ROOT}"] if is_ours else ["cd"]
        lines.append(block.text.replace("LINK", self._link))
        user = PEOPLE[block.who]
        terminal = self._machine.terminal(["bash", "-ec", "\n".join(lines)], user)
        session = Session(terminal, f"{block.page}:{block.line}")
        self._open.append(session)
        self._until(session, lambda: self._is_over(session))
        self._look_at_all()
        if terminal.poll() is not None:
            status = self._end(session)
            text = terminal.text
            assert status == 0, f"{session.name} ended with {status}:\n{text}"

    def begin(self, script: str) -> Session:
        """Have alice type a script in a new terminal; see `finish` and `see`."""
        # A number from before that nobody needs any more is not typed again.
        self._number = ""
        terminal = self._machine.terminal(["bash", "-c", f"cd; {script}"], "alice")
        session = Session(terminal, script)
        self._open.append(session)
        return session

    def see(self, session: Session, pattern: str) -> None:
        """Wait until its terminal shows pattern; nothing is answered meanwhile."""
        session.terminal.expect(pattern, STEP)

    def finish(self, session: Session) -> Seen:
        """Answer what is to be answered until it ends; return what alice saw."""
        self._until(session, lambda: session.terminal.poll() is not None)
        status, seconds = self._end(session), session.terminal.elapsed
        return Seen(status, seconds, session.terminal.text)

    def _until(self, session: Session, is_over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STEP
        while not is_over():
            assert time.monotonic() < deadline, f"{session.name}: {self._all_text()}"
            self._look_at_all()
            time.sleep(0.02)

    def _end(self, session: Session) -> int:
        self._open.remove(session)
        status = session.terminal.wait(1)
        session.terminal.close()
        self.shown += f"{session.terminal.text}\n"
        return status

    def close(self) -> None:
        """Close all terminals."""
        for session in self._open:
            session.terminal.close()

    def have_seen(self, line: str) -> bool:
        """Whether a terminal has shown line, with any numbers in the place of its."""
        parts = [re.escape(part.strip()) for part in re.split(r"\d+", line)]
        pattern = r"\s*\d+\s*".join(re.sub(r"(\\\s)+", r"\\s+", part) for part in parts)
        return re.search(pattern, f"{self.shown}\n{self._all_text()}") is not None

    def _all_text(self) -> str:
        return "\n---\n".join(session.terminal.text for session in self._open)

    def _is_over(self, session: Session) -> bool:
        """Whether the block has ended, or waits for what the next block does."""
        text = session.terminal.text
        return (
            session.terminal.poll() is not None
            or "Waiting for the device" in text
            or "answers for" in text
        )

    def _look_at_all(self) -> None:
        for session in self._open:
            self._look(session)

    def _look(self, session: Session) -> None:
        """Answer the first thing in what is new that is to be answered."""
        new = session.terminal.text[session.seen :]
        for pattern, answer in _ANSWERS:
            found = re.search(pattern, new, re.MULTILINE)
            if found is not None and getattr(self, answer)(session.terminal, found):
                session.seen += found.end()
                return

    # -- what a person does when a terminal shows something ---------------------------

    def note_link(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Remember the link, for whoever types LINK."""
        self._link = found[1]
        return True

    def bring_digits(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Type the six digits of the device where the host asks for them."""
        for session in self._open:
            if "six digits that" in session.terminal.text:
                session.terminal.send_line(found[1] + found[2])
                return True
        return False

    def note_number(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Remember the number, and press Enter if that is asked for."""
        self._number = found[1]
        if "press Enter" in found[0]:
            terminal.send_line()
        return True

    def type_number(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Type the number on the device, once a terminal has shown it."""
        if not self._number:
            return False
        time.sleep(0.3)  # what is typed before the question does not count
        terminal.send_line(self._number)
        self._number = ""
        return True

    def type_password(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Type the password."""
        terminal.send_line(PASSWORD)
        return True

    def hurry(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Press Enter, again and again, on a device that has lost its relay."""
        if time.monotonic() - self._hurried_at > 1.1:
            terminal.send_line()
            self._hurried_at = time.monotonic()
        return False

    def leave(self, terminal: Terminal, found: re.Match[str]) -> bool:
        """Leave the shell that a login has opened."""
        terminal.send_line("exit")
        return True


_ANSWERS: Final = [
    (r"^\s*(http\S+/#1\S+)$", "note_link"),
    (r"^ +(\d{3}) (\d{3})$", "bring_digits"),
    (r"[Ee]nter (\d+) on your device[^:\n]*(?:press Enter: |\.$)", "note_number"),
    (r"number \(2 digits\), d = deny, n = it was not me: \Z", "type_number"),
    (r"[Pp]assword(?: for alice)?: \Z", "type_password"),
    (r"^alice@machine:~\$ \Z", "leave"),
    (r"(?s)Enter tries at once(?!.*\nconnected to)", "hurry"),
]
"""What is shown, and who answers it: a method of People."""
