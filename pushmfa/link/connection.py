"""One relay: dialed, greeted, listened to, and dialed again when the link breaks."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from websockets.exceptions import ConnectionClosed

from pushmfa.errors import MalformedError
from pushmfa.link.backoff import STEADY_SECONDS, delay_before
from pushmfa.link.dialing import (
    FAILURES,
    GOING_AWAY,
    OPEN_SECONDS,
    RelaySocket,
    describe,
)
from pushmfa.wire.link import (
    HELLO_REFUSED,
    MALFORMED,
    Frame,
    Greeting,
    Hello,
    Ready,
    RelayFrame,
    decode_relay_frame,
    encode_frame,
)

MAX_UNSENT: Final = 1_048_576
"""Bytes that wait for a slow relay; beyond that it does not take more."""

_FLUSH_STEP: Final = 0.01

HURRY_SECONDS: Final = 1.0
"""Between tries that somebody asked for. Attack: a scanner's logins make a host dial
a relay that is down as fast as they come."""

PROBE_SECONDS: Final = 3.0
"""Until a link that took a frame must have shown a sign of life. What carries frames
may be gone without a word (a firewall that forgot it, a relay that hangs); the ping of
every 20 s would notice long after the login that needs it now."""

log = logging.getLogger("pushmfa.link")


@dataclass(frozen=True, slots=True)
class LinkState:
    """One relay, and whether the link to it is ready; problem says why not."""

    relay: str
    is_ready: bool
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a connection asks its owner."""

    hello: Callable[[str, Greeting], Hello]
    """The hello for the relay of that name."""

    first: Callable[[], Iterable[Frame]]
    """Frames to send right after `ready`."""

    on_frame: Callable[["RelayConnection", RelayFrame], Awaitable[None]]
    on_state: Callable[[LinkState], None]


class RelayConnection:
    """The link to one relay, for as long as `run` runs."""

    def __init__(
        self,
        name: str,
        dial: Callable[[str], AbstractAsyncContextManager[RelaySocket]],
        conversation: Conversation,
        draw: Callable[[], float],
    ) -> None:
        self.name = name
        self.state = LinkState(name, is_ready=False, problem="not connected yet")
        self._dial = dial
        self._conversation = conversation
        self._draw = draw
        self._socket: RelaySocket | None = None
        self._failures = 0
        self._hurry = asyncio.Event()
        self._over = asyncio.Event()
        """Set when the try that is made now, or next, has succeeded or failed."""
        self._tried_at = 0.0
        self._heard_at = 0.0
        self._probe: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Keep a link to the relay until canceled; failures are told, not raised."""
        while True:
            self._tried_at = asyncio.get_running_loop().time()
            try:
                await self._hold_one_link()
            except FAILURES as error:
                self._note(error)
            self._failures += 1
            await self._rest(delay_before(self._failures, self._draw))

    def hurry(self) -> asyncio.Event | None:
        """Cut the wait for the next try short; return what is set when it is over.

        None where the link is ready.
        """
        if self.state.is_ready:
            return None
        self._hurry.set()
        return self._over

    async def _rest(self, seconds: float) -> None:
        """Wait before the next try, unless somebody needs the link now."""
        self._over.set()
        self._over = asyncio.Event()
        self._hurry.clear()
        least = self._tried_at + HURRY_SECONDS - asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
                await asyncio.sleep(least)

    def send(self, frame: Frame) -> bool:
        """Write frame to this link; False if it is not ready or far behind."""
        if self._socket is None:
            return False
        text = encode_frame(frame)
        if self._socket.unsent + len(text) > MAX_UNSENT:
            return False
        self._socket.write(text)
        self._expect_life(self._socket)
        return True

    async def flush(self) -> None:
        """Return when everything handed to this link was written, or it ended."""
        while self._socket is not None and self._socket.unsent:  # noqa: ASYNC110  nobody tells of an empty buffer
            await asyncio.sleep(_FLUSH_STEP)

    async def _hold_one_link(self) -> None:
        async with self._dial(self.name) as socket:
            try:
                await self._talk(socket)
            except MalformedError:
                await socket.close(MALFORMED, "malformed")
                raise
            except asyncio.CancelledError:
                await socket.close(GOING_AWAY, "going away")
                raise

    async def _talk(self, socket: RelaySocket) -> None:
        """Say hello, then send and take frames; raises whatever ends the link."""
        loop = asyncio.get_running_loop()
        await self._say_hello(socket)
        self._begin(socket)
        ready_at = loop.time()
        try:
            problem = await self._read(socket)
        finally:
            self._socket = None
            if self._probe is not None:
                self._probe.cancel()
        if loop.time() - ready_at >= STEADY_SECONDS:
            # Not at `ready`: a relay that says it and hangs up would be dialed as
            # fast as it answers.
            self._failures = 0
        raise problem

    async def _say_hello(self, socket: RelaySocket) -> None:
        async with asyncio.timeout(OPEN_SECONDS):
            greeting = await _receive(socket)
            if not isinstance(greeting, Greeting):
                raise MalformedError("the relay does not begin with a greeting")
            hello = self._conversation.hello(self.name, greeting)
            await socket.send(encode_frame(hello))
            if not isinstance(await _receive(socket), Ready):
                raise MalformedError("the relay does not answer the hello")

    def _begin(self, socket: RelaySocket) -> None:
        self._socket = socket
        self._heard_at = asyncio.get_running_loop().time()
        for frame in self._conversation.first():
            self.send(frame)
        log.info("link to %s is ready", self.name)
        self._become(is_ready=True)
        self._over.set()

    async def _read(self, socket: RelaySocket) -> Exception:
        """Take frames until the link ends; return why it did."""
        while True:
            try:
                frame = await _receive(socket)
                self._heard_at = asyncio.get_running_loop().time()
                if isinstance(frame, (Greeting, Ready)):
                    raise MalformedError("the relay greets twice")
                await self._conversation.on_frame(self, frame)
            except (ConnectionClosed, MalformedError) as error:
                return error

    def _expect_life(self, socket: RelaySocket) -> None:
        """Have a quiet link show that it is one, now that something depends on it."""
        now = asyncio.get_running_loop().time()
        if now - self._heard_at < PROBE_SECONDS:
            return
        if self._probe is None or self._probe.done():
            self._probe = asyncio.create_task(_end_unless_alive(socket))

    def _note(self, error: Exception) -> None:
        problem = describe(error)
        is_refused = (
            isinstance(error, ConnectionClosed)
            and error.rcvd is not None
            and error.rcvd.code == HELLO_REFUSED
        )
        # A relay that is away for a night should not fill the log.
        is_news = self.state.is_ready or problem != self.state.problem
        level = logging.DEBUG
        if is_news:
            level = logging.ERROR if is_refused else logging.WARNING
        log.log(level, "link to %s: %s", self.name, problem)
        self._become(is_ready=False, problem=problem)

    def _become(self, *, is_ready: bool, problem: str = "") -> None:
        state = LinkState(self.name, is_ready=is_ready, problem=problem)
        if state != self.state:
            self.state = state
            self._conversation.on_state(state)


async def _receive(socket: RelaySocket) -> RelayFrame:
    message = await socket.recv()
    if not isinstance(message, str):
        raise MalformedError("the relay sends binary messages")
    try:
        return decode_relay_frame(message.encode("utf-8"))
    except MalformedError as error:
        raise MalformedError(f"the relay sends garbage: {error}") from error


async def _end_unless_alive(socket: RelaySocket) -> None:
    """End a link whose other end does not answer a ping."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await (await socket.ping())
    except TimeoutError:
        log.warning("a link is silent and is dialed again")
        socket.transport.abort()
    except ConnectionClosed:
        return  # The reader hears of it too, and says so.
