"""Typed lines on a real (pseudo) terminal: nothing is taken for another question."""

import asyncio
import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushmfa.device.lines import LineReader


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    keyboard, screen = pty.openpty()
    yield keyboard, screen
    os.close(keyboard)
    os.close(screen)


def is_echoing(descriptor: int) -> bool:
    return bool(termios.tcgetattr(descriptor)[3] & termios.ECHO)


async def settle() -> None:
    await asyncio.sleep(0.05)


def test_lines_arrive_whole(terminal: tuple[int, int]) -> None:
    keyboard, screen = terminal
    lines: list[str] = []

    async def scenario() -> None:
        reader = LineReader(screen, lines.append)
        reader.start()
        os.write(keyboard, b"4")
        await settle()
        assert lines == []
        os.write(keyboard, b"2\nd\n")
        await settle()
        reader.stop()

    asyncio.run(scenario())
    assert lines == ["42", "d"]


def test_attack_what_was_typed_before_a_card_appears_is_not_for_it(
    terminal: tuple[int, int],
) -> None:
    keyboard, screen = terminal
    lines: list[str] = []

    async def scenario() -> None:
        reader = LineReader(screen, lines.append)
        reader.start()
        os.write(keyboard, b"4")
        await settle()
        reader.discard()
        os.write(keyboard, b"2\n")
        await settle()
        # Whole lines that wait to be read as well.
        os.write(keyboard, b"42\n")
        reader.discard()
        await settle()
        reader.stop()

    asyncio.run(scenario())
    assert lines == ["2"]


def test_a_passphrase_is_not_echoed_and_the_terminal_is_left_as_it_was(
    terminal: tuple[int, int],
) -> None:
    _, screen = terminal

    async def scenario() -> None:
        reader = LineReader(screen, lambda line: None)
        reader.start()
        assert is_echoing(screen)
        reader.hide(is_hidden=True)
        assert not is_echoing(screen)
        reader.stop()

    asyncio.run(scenario())
    assert is_echoing(screen)


def test_without_a_keyboard_nothing_is_read(tmp_path: Path) -> None:
    async def scenario(descriptor: int) -> None:
        reader = LineReader(descriptor, lambda line: pytest.fail("a line"))
        reader.start()
        reader.discard()
        await settle()
        reader.stop()

    for path in (Path(os.devnull), tmp_path / "file"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            asyncio.run(scenario(descriptor))
        finally:
            os.close(descriptor)


def test_a_line_that_never_ends_fills_no_memory() -> None:
    lines: list[str] = []
    read_end, write_end = os.pipe()

    async def scenario() -> None:
        reader = LineReader(read_end, lines.append)
        reader.start()
        for _ in range(20):
            os.write(write_end, b"x" * 1_024)
        await settle()
        os.write(write_end, b"\n42\n")
        os.close(write_end)
        await settle()
        reader.stop()

    asyncio.run(scenario())
    os.close(read_end)
    assert lines[-1] == "42"
    assert all(len(line) <= 2_048 for line in lines)
