"""What commands write where the encoding or the terminal is narrow."""

import json
import os
import pty
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

import msgspec
import pytest

from pushmfa.wire import control
from tests.unit.cli_support import run
from tests.unit.control_peer import PIXEL, ControlPeer

PUSHMFA = [sys.executable, "-c", "from pushmfa.cli.main import main; main()"]


def test_json_of_errors_is_ascii(tmp_path: Path) -> None:
    result = run(tmp_path, "status", "--json", "--config", "/n\u00f6")
    assert result.stdout.isascii()
    assert json.loads(result.stdout)["error"].startswith("/n\u00f6: cannot be read")


def test_names_that_the_encoding_lacks(tmp_path: Path) -> None:
    device = msgspec.structs.replace(PIXEL, label="\u0416")
    config = tmp_path / "pushmfa.toml"
    config.write_text(f'paths.run = "{tmp_path}"\n')
    config.chmod(0o600)
    with ControlPeer(tmp_path, [control.Devices(user="alice", devices=(device,))]):
        done = subprocess.run(
            [*PUSHMFA, "--config", str(config), "devices"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        )
    assert "\\u0416" in done.stdout


def drawn(rows: str, columns: int) -> str:
    """Return what print_table writes on a terminal that wide."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    script = (
        f"from pushmfa.cli.output import print_table\nprint_table(('A', 'B'), {rows})\n"
    )
    subprocess.run([sys.executable, "-c", script], stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65_536).decode()
    os.close(ours)
    return shown


def test_tables_on_a_terminal_take_no_markup_and_no_escapes() -> None:
    shown = drawn("[('[red]x[/red] :bomb:', '\\x1b[2J')]", 80)
    assert "[red]x[/red] :bomb:" in shown
    assert "\\x1b[2J" in shown
    assert "\x1b[2J" not in shown


def test_a_narrow_terminal_cuts_nothing() -> None:
    shown = drawn("[('2026-11-24 05:00 UTC', 'wrong_number')]", 20)
    assert "2026-11-24 05:00 UTC  wrong_number" in shown


def test_heads_are_bold_unless_no_color_is_wished(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1m" in drawn("[('x', 'y')]", 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in drawn("[('x', 'y')]", 80)
