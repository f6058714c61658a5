"""A service without memory ends at once, wherever it noticed."""

import subprocess
import sys

import pytest

from pushmfa.loop import OUT_OF_MEMORY

PROGRAM = """
import asyncio
from pushmfa.loop import end_if_out_of_memory, run_service

class Falls:
    def __del__(self):
        raise ERROR

def fall():
    raise ERROR

async def catch():
    try:
        fall()
    except Exception as error:
        end_if_out_of_memory(error)

async def main():
    loop = asyncio.get_running_loop()
    WHERE
    await asyncio.sleep(0.1)
    print("goes on")

run_service(main())
"""

PLACES = {
    "in a callback": "loop.call_soon(fall)",
    "where no exception can go": "Falls()",
    "in a task that catches": "asyncio.ensure_future(catch())",
}


def run_with(error: str, where: str) -> subprocess.CompletedProcess[str]:
    program = PROGRAM.replace("ERROR", error).replace("WHERE", where)
    argv = [sys.executable, "-c", program]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
def test_no_memory_ends_the_service(where: str) -> None:
    ended = run_with("MemoryError", where)
    assert (ended.returncode, ended.stdout) == (OUT_OF_MEMORY, ""), ended.stderr
    assert "out of memory" in ended.stderr


@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
def test_another_error_does_not(where: str) -> None:
    ended = run_with("ValueError", where)
    assert (ended.returncode, ended.stdout) == (0, "goes on\n"), ended.stderr
