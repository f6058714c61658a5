"""An event loop whose time leaps: a minute of waiting costs nothing.

There are no sockets and no threads in it; when nothing is ready, it goes on to the
next timer. So ten thousand logins of a minute each take a minute or two in all.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Iterable
from random import Random
from typing import Any, TypeVar

from pushmfa.daemon.clock import Clock
from pushmfa.login.moment import Moment

T = TypeVar("T")

START = Moment(boot=5_000.0, wall=1_790_000_000.0)


class _Leap(selectors.SelectSelector):
    """Never waits: it moves the time on by what it was told to wait."""

    now = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Let timeout seconds go by; nothing ever becomes ready by itself."""
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing will ever happen")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio with leaping time."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._leap.now


class VirtualClock(Clock):
    """Boot and wall clock of the virtual machine, which may sleep or be set."""

    def __init__(self) -> None:
        self.slept = 0.0
        self.set_by = 0.0

    def now(self) -> Moment:
        """Return both clocks."""
        passed = asyncio.get_running_loop().time() + self.slept
        return Moment(START.boot + passed, START.wall + passed + self.set_by)


def run_virtual(play: Coroutine[Any, Any, T]) -> T:
    """Return what play returns; whatever it left running is canceled."""
    loop = VirtualLoop()
    # A task that died is told of by who waits for it, not on standard error.
    loop.set_exception_handler(lambda _loop, _context: None)
    try:
        return loop.run_until_complete(play)
    finally:
        loop.run_until_complete(_cancel(asyncio.all_tasks(loop)))
        loop.close()


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class SeededSecrets:
    """Stands for the module `secrets`, so that a seed gives the same run again."""

    def __init__(self) -> None:
        self.rng = Random(0)  # noqa: S311  a seed is what is wanted

    def token_bytes(self, size: int) -> bytes:
        """Return size bytes."""
        return self.rng.randbytes(size)

    def token_hex(self, size: int) -> str:
        """Return 2 * size hexadecimal digits."""
        return self.rng.randbytes(size).hex()

    def randbits(self, bits: int) -> int:
        """Return a number of so many bits."""
        return self.rng.getrandbits(bits)

    def SystemRandom(self) -> Random:  # noqa: N802  also stands for the module `random`
        """Return what draws the jitter of links."""
        return self.rng
