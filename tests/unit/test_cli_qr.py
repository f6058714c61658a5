"""The QR code of an enrollment link in a terminal."""

import os
import pty
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest
import segno

from pushmfa.cli import qr

LINK = "https://app.example/#1" + "A" * 22
LONGEST = "https://" + "a" * 73 + "/#1" + "A" * 22
ON, OFF = "\x1b[38;5;231;48;5;16m", "\x1b[0m"
LIGHT = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}


def modules_of(lines: list[str]) -> list[list[int]]:
    """Return what a camera sees: 1 for dark, two rows a line."""
    rows: list[list[int]] = []
    for line in lines:
        assert line.startswith(ON)
        assert line.endswith(OFF)
        pairs = [LIGHT[sign] for sign in line.removeprefix(ON).removesuffix(OFF)]
        rows += [[1 - upper for upper, _ in pairs], [1 - lower for _, lower in pairs]]
    return rows


@pytest.mark.parametrize("link", [LINK, LONGEST])
def test_size_and_modules(link: str) -> None:
    lines = qr.draw(link)
    assert len(lines) == 21
    rows = modules_of(lines)
    assert {len(row) for row in rows} == {41}
    code = segno.make(link, version=5, error="l", boost_error=False, micro=False)
    assert rows[:41] == [list(row) for row in code.matrix_iter(border=2)]
    assert set(rows[41]) == {0}


def test_longest_link_is_106_bytes() -> None:
    assert len(LONGEST) == 106
    with pytest.raises(segno.DataOverflowError):
        qr.draw(LONGEST + "A")


SCRIPT = "from pushmfa.cli import qr; import sys; sys.exit(not qr.fits_terminal())"


@pytest.mark.parametrize(
    ("columns", "lines", "encoding", "fits"),
    [
        (80, 24, "utf-8", True),
        (41, 24, "utf-8", True),
        (40, 24, "utf-8", False),
        (80, 23, "utf-8", False),
        (80, 24, "ascii", False),
        (0, 0, "utf-8", False),
    ],
)
def test_terminals(columns: int, lines: int, encoding: str, fits: bool) -> None:
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    try:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], stdout=theirs, env=environment, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode == 0) == fits


def test_no_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 1
