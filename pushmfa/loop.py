"""The event loop of a service, which ends the service when there is no more memory.

Whatever a MemoryError interrupts is in a state that nobody knows. Measured: uvloop
crashes, or loses the callback that accepts logins and goes on without it, alive to
systemd's watchdog and deaf to everybody. A service that has ended lets nobody in, and
systemd starts it again with memory that is its own.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

OUT_OF_MEMORY: Final = os.EX_OSERR
"""The exit code; sysexits(3)."""

_LAST_WORDS: Final = b"CRITICAL pushmfa out of memory: the service ends\n"


def run_service(main: Coroutine[Any, Any, None]) -> None:
    """Run main to its end."""
    sys.unraisablehook = _end_or_show
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(_end_or_log)
        runner.run(main)


def end_if_out_of_memory(error: object) -> None:
    """End the process at once if error says that there is no more memory.

    To be called by whoever catches every Exception.
    """
    if isinstance(error, MemoryError):
        # No exception, no log: both need memory.
        os.write(2, _LAST_WORDS)
        os._exit(OUT_OF_MEMORY)


def _end_or_log(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    end_if_out_of_memory(context.get("exception"))
    loop.default_exception_handler(context)


def _end_or_show(unraisable: "sys.UnraisableHookArgs") -> None:
    end_if_out_of_memory(unraisable.exc_value)
    sys.__unraisablehook__(unraisable)
