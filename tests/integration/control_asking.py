"""A call to the daemon that waits for a person."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pushmfa.client import Client
from tests.integration.daemon_world import (
    World,
)

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")
PHONE = ("bob", "Phone")


ROOT, ALICE, BOB, CAROL = 0, 1001, 1002, 1003

Ask = Callable[[Client], Any]


@asynccontextmanager
async def asking(w: World, call: Ask) -> AsyncIterator["asyncio.Task[Any]"]:
    """Give the task of a call that needs a person; it ends with the block."""
    task = asyncio.create_task(w.host.ask(call))
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)
