"""Look-ups that hang: they hold neither the others nor the end of the daemon."""

import _thread
import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor

import pytest

from pushmfa.daemon import threads as module
from pushmfa.daemon.threads import MOST, Threads

HANG_AND_END = """
import asyncio, time
from pushmfa.daemon.threads import Threads

async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads("hangs"))
    loop.run_in_executor(None, time.sleep, 60)
    await asyncio.sleep(0.05)
    print("ends", flush=True)

asyncio.run(main())
"""


async def run(threads: Executor, value: int) -> int:
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: value)


def test_a_result_and_an_error_come_back() -> None:
    threads = Threads("test")
    assert asyncio.run(run(threads, 42)) == 42
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 // 0).result(5)


def test_the_next_call_takes_the_thread_that_is_done() -> None:
    threads = Threads("test")
    used = {threads.submit(threading.get_ident).result(5) for _ in range(20)}
    assert len(used) == 1


def test_a_program_ends_although_a_look_up_hangs() -> None:
    argv = [sys.executable, "-c", HANG_AND_END]
    result = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ends\n", "")


def test_more_than_hang_already_are_refused_at_once_until_one_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    threads, goes_on = Threads("test"), threading.Event()
    hanging = [threads.submit(goes_on.wait, 30) for _ in range(MOST)]
    error = threads.submit(lambda: None).exception(5)
    assert isinstance(error, OSError)
    assert "too many" in str(error)
    goes_on.set()
    assert all(each.result(5) for each in hanging)
    assert threads.submit(lambda: 7).result(5) == 7


def test_more_than_there_are_threads_take_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    threads = Threads("test", most=2)
    assert threads.submit(lambda: 7).result(5) == 7
    time.sleep(0.3)  # nobody called: that is no hanging
    calls = [threads.submit(time.sleep, 0.001) for _ in range(100)]
    assert [call.exception(5) for call in calls] == [None] * 100


def test_a_call_that_nobody_waits_for_any_more_is_not_made() -> None:
    threads, goes_on = Threads("test", most=1), threading.Event()
    made: list[int] = []
    busy = threads.submit(goes_on.wait, 30)
    given_up = threads.submit(made.append, 1)
    assert given_up.cancel()
    goes_on.set()
    assert busy.result(5)
    assert threads.submit(lambda: 7).result(5) == 7
    assert not made


def test_without_memory_for_a_thread_the_look_up_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_thread(*args: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", no_thread)
    with pytest.raises(OSError, match="start new thread"):
        Threads("test").submit(lambda: None).result(5)
