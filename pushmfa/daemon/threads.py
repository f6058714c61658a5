"""Threads for calls that may hang in the C library: user database, name server.

Those of concurrent.futures are waited for at the end of a program: one look-up that
hangs, and the daemon could not be stopped, nor restarted, until systemd kills it.
"""

import _thread
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = 32
"""Calls at once, by one of these; more fail at once, they would hang as well."""


class Threads(ThreadPoolExecutor):
    """Runs each call in a thread that nobody waits for when the program ends.

    A ThreadPoolExecutor for asyncio, which takes nothing else as its default.
    """

    def __init__(self, name: str, most: int = MOST) -> None:
        super().__init__(1, name)
        self._most = most
        self._busy = 0
        self._counting = threading.Lock()

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Return the future result; it is an OSError if too many calls hang."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                with self._place():
                    future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the future's to tell
                future.set_exception(error)

        try:
            # Not threading.Thread, whose start() waits for ever for a thread that
            # found no memory to begin (measured): the event loop would hang with it.
            _thread.start_new_thread(work, ())
        except RuntimeError as error:
            future.set_exception(OSError(str(error)))
        return future

    @contextmanager
    def _place(self) -> Iterator[None]:
        with self._counting:
            if self._busy >= self._most:
                raise OSError("too many look-ups hang")
            self._busy += 1
        try:
            yield
        finally:
            with self._counting:
                self._busy -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""
