"""Threads for calls that may hang in the C library: user database, name server.

Those of concurrent.futures are waited for at the end of a program: one look-up that
hangs, and the daemon could not be stopped, nor restarted, until systemd kills it.
"""

import _thread
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST: Final = 32
"""Threads of one of these. While all are busy a call waits for its turn."""

PATIENCE: Final = 3.0
"""Seconds, as long as a look-up may take; if all are busy and none was done for so
long, they hang, and a call that waited for its turn would as well: it fails at once."""


class Threads(ThreadPoolExecutor):
    """Runs each call in a thread that nobody waits for when the program ends.

    A ThreadPoolExecutor for asyncio, which takes nothing else as its default. A
    thread that is done waits for the next call: to begin one costs each login
    more than the look-up itself, and memory of its own.
    """

    def __init__(self, name: str, most: int = MOST) -> None:
        super().__init__(1, name)
        self._most = most
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._counting = threading.Lock()
        self._count = 0
        self._free = 0
        """Threads that are done, or will be when they have told a result, less the
        calls that wait for their turn."""
        self._moved_at = time.monotonic()
        """When a call was done last, or the last free thread was taken."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Return the future result; it is an OSError if too many calls hang."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                # Whoever asked has stopped to wait while it waited for its turn.
                self._note_free()
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - the future's to tell
                self._note_free()
                future.set_exception(error)
            else:
                self._note_free()
                future.set_result(result)

        try:
            self._have_thread()
        except OSError as error:
            future.set_exception(error)
        else:
            self._calls.put(call)
        return future

    def _have_thread(self) -> None:
        """Take a free thread, a new one, or a turn; OSError if there is none."""
        with self._counting:
            if self._free <= 0:
                self._have_another()
            self._free -= 1
            if self._free == 0:
                self._moved_at = time.monotonic()

    def _have_another(self) -> None:
        if self._count >= self._most:
            if time.monotonic() - self._moved_at > PATIENCE:
                raise OSError("too many look-ups hang")
            return
        try:
            # Not threading.Thread, whose start() waits for ever for a thread that
            # found no memory to begin (measured): the event loop would hang with it.
            _thread.start_new_thread(self._work, ())
        except RuntimeError as error:
            raise OSError(str(error)) from error
        self._count += 1
        self._free += 1

    def _note_free(self) -> None:
        # Before the result is told: whoever hears it may call at once.
        with self._counting:
            self._free += 1
            self._moved_at = time.monotonic()

    def _work(self) -> None:
        while True:
            self._calls.get()()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""
