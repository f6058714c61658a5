"""Tasks that nobody waits for: so many at once, and none is left at the end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final

STOP_TIMEOUT: Final = 3.0
"""Seconds that the end waits for errands that were told to end."""

logger = logging.getLogger(__name__)


class Errands:
    """Work beside the links; what it does wrong ends itself and nothing else."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[None, None, None]) -> bool:
        """Begin with work, or return False and drop it: there is too much already."""
        if len(self._tasks) >= self._most:
            work.close()
            return False
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return True

    async def stop(self) -> None:
        """End all of them, and wait for that, but not for ever."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_TIMEOUT)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Not its text: an end point, or an address, may stand in it.
            logger.error("a wake-up went wrong: %s", type(error).__name__)
