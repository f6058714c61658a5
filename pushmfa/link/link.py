"""The links of a host or a device to all its relays, as one object.

    link = Link(urls=..., role=Role.HOST, mailboxes=[OpenMailbox(signer)],
                on_envelope=take)
    async with asyncio.TaskGroup() as group:
        group.create_task(link.run())
        ...
        is_handed = link.send(envelope)

Everything is called on the loop that runs `run`. docs/protocol.md 3.
"""

import asyncio
import contextlib
import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from pushmfa.errors import ConfigError, PushmfaError
from pushmfa.link.connection import Conversation, LinkState, RelayConnection
from pushmfa.link.dialing import Network, make_dialer
from pushmfa.link.endpoints import relay_name
from pushmfa.link.hello import OpenMailbox, make_allows, make_hello
from pushmfa.link.seen import SeenEnvelopes
from pushmfa.terms import EnvelopeId, MailboxId, Role
from pushmfa.wire.link import (
    FEATURE_ACCEPTED,
    FEATURE_QUIET,
    MAX_MAILBOXES,
    MAX_SENDERS,
    Accepted,
    Envelope,
    Frame,
    Greeting,
    Hello,
    Quiet,
    Received,
    Refused,
    RelayFrame,
    Stored,
    Withdraw,
)

__all__ = ["Link", "LinkState", "OpenMailbox"]

MAX_RELAYS: Final = 3

log = logging.getLogger("pushmfa.link")


class Link:
    """Links to up to three relays, each with the same mailboxes open.

    `on_envelope` gets every envelope once, whichever relay brings it, one after the
    other; it may be a coroutine function, and the only thing it may raise is a
    PushmfaError, which is logged. Of a stored envelope the relay is then told
    `received`, unless `acknowledges` is false: then it stays there for who comes next.
    `on_accepted` and `on_refused` get the relay's name and its frame about an
    envelope of ours, `on_state` each change: when a link becomes ready a host sends
    its pending challenges again, with the same ids.

    urls: 1 to 3 relay URLs; ca: a file of certificates to trust instead of the
    system's; proxy: the URL of an HTTP proxy (the environment is never asked); draw:
    the source of jitter, 0 to 1. ConfigError for what cannot be used of these.
    """

    def __init__(
        self,
        *,
        urls: Sequence[str],
        role: Role,
        mailboxes: Sequence[OpenMailbox],
        on_envelope: Callable[[Envelope | Stored], Awaitable[None] | None],
        on_accepted: Callable[[str, Accepted], None] | None = None,
        on_refused: Callable[[str, Refused], None] | None = None,
        on_state: Callable[[LinkState], None] | None = None,
        ca: Path | None = None,
        proxy: str | None = None,
        acknowledges: bool = True,
        draw: Callable[[], float] | None = None,
    ) -> None:
        names = tuple(dict.fromkeys(relay_name(url) for url in urls))
        if not 1 <= len(names) <= MAX_RELAYS:
            raise ConfigError(f"{len(names)} relays, not 1 to {MAX_RELAYS}")
        self._role = role
        self._mailboxes = _checked(mailboxes)
        self._by_mailbox = {ours.mailbox: ours for ours in self._mailboxes}
        self._on_envelope = on_envelope
        self._on_accepted = on_accepted
        self._on_refused = on_refused
        self._on_state = on_state
        self._acknowledges = acknowledges
        self._seen = SeenEnvelopes()
        self._sent = SeenEnvelopes()
        self._ready = asyncio.Event()
        self._knows_quiet: set[str] = set()
        """Names of relays, by their last greeting."""
        dial = make_dialer(Network(ca=ca, proxy=proxy), names)
        conversation = Conversation(
            hello=self._hello,
            first=lambda: make_allows(self._mailboxes),
            on_frame=self._take,
            on_state=self._note_state,
        )
        jitter = draw or random.SystemRandom().random
        self._connections = [
            RelayConnection(name, dial, conversation, jitter) for name in names
        ]

    async def run(self) -> None:
        """Keep a link to each relay until canceled; raises no failure of theirs."""
        async with asyncio.TaskGroup() as group:
            for connection in self._connections:
                group.create_task(connection.run())

    def send(self, envelope: Envelope, *, quiet: bool = False) -> bool:
        """Hand envelope to every relay that is ready; say whether one took it.

        quiet: nobody is to be woken up for it, where the relay knows of that.
        True does not mean that it arrived anywhere; it means that it may have left
        this machine. The same envelope may be sent again: receivers drop doubles.
        """
        self._sent.is_new(envelope, now=_now())
        frames = [
            Quiet.of(envelope) if quiet and one.name in self._knows_quiet else envelope
            for one in self._connections
        ]
        pairs = zip(self._connections, frames, strict=True)
        # A list, not a generator: any() would stop at the first that takes it.
        return any([connection.send(frame) for connection, frame in pairs])

    def withdraw(
        self, *, identifier: EnvelopeId, to: MailboxId, sender: MailboxId
    ) -> bool:
        """Ask the relays to forget an envelope of ours; say whether one was asked."""
        return self._send_to_all(Withdraw(id=identifier, to=to, sender=sender))

    async def flush(self, timeout: float) -> None:  # noqa: ASYNC109  gives up, does not fail
        """Wait, at most timeout seconds, until what was handed on was written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await asyncio.gather(*(c.flush() for c in self._connections))

    def states(self) -> tuple[LinkState, ...]:
        """Return the state of the link to each relay, in the order of the URLs."""
        return tuple(connection.state for connection in self._connections)

    async def wait_ready(self, timeout: float) -> bool:  # noqa: ASYNC109  asks, does not cancel
        """Wait until a link is ready, at most timeout seconds; say whether one is."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True

    async def hurry(self, timeout: float) -> bool:  # noqa: ASYNC109  asks, does not cancel
        """Dial now what would only be dialed later; say whether a link is ready.

        After a long outage the next try may be a minute away, and somebody waits.
        Returns as soon as one is ready or every try has failed, at the latest after
        timeout seconds.
        """
        if self._ready.is_set():
            return True
        tries = [connection.hurry() for connection in self._connections]

        async def until_all_over() -> None:
            for over in tries:
                if over is not None:
                    await over.wait()

        waits = {
            asyncio.ensure_future(self._ready.wait()),
            asyncio.ensure_future(until_all_over()),
        }
        try:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(waits, timeout=timeout, return_when=first)
        finally:
            for wait in waits:
                wait.cancel()
        return self._ready.is_set()

    def dial_now(self) -> None:
        """Dial now what would only be dialed later, and wait for nothing."""
        for connection in self._connections:
            connection.hurry()

    def _hello(self, name: str, greeting: Greeting) -> Hello:
        if FEATURE_QUIET in greeting.features:
            self._knows_quiet.add(name)
        else:
            self._knows_quiet.discard(name)
        return make_hello(
            greeting,
            name=name,
            role=self._role,
            mailboxes=self._mailboxes,
            features=(FEATURE_ACCEPTED,) if self._on_accepted else (),
        )

    def _send_to_all(self, frame: Frame) -> bool:
        # A list, not a generator: any() would stop at the first that takes it.
        return any([connection.send(frame) for connection in self._connections])

    async def _take(self, connection: RelayConnection, frame: RelayFrame) -> None:
        match frame:
            case Accepted() if self._on_accepted:
                self._on_accepted(connection.name, frame)
            case Refused():
                log.warning("%s refused an envelope: %s", connection.name, frame.reason)
                if self._on_refused:
                    self._on_refused(connection.name, frame)
            case Envelope():
                await self._take_envelope(connection, frame)
            case Stored():
                if await self._take_envelope(connection, frame) and self._acknowledges:
                    connection.send(Received(mailbox=frame.to, id=frame.id))
            case _:
                pass  # `accepted`, which we did not ask for.

    async def _take_envelope(
        self, connection: RelayConnection, envelope: Envelope | Stored
    ) -> bool:
        """Hand envelope on if it is new; say whether the relay may forget it."""
        mailbox = self._find(envelope.to)
        if mailbox is None or not mailbox.takes_from(envelope.sender):
            log.warning("%s brings an envelope that is not for us", connection.name)
            return False
        if self._sent.has(envelope):
            # Attack: our own envelope comes back to the meeting mailbox.
            log.warning("%s brings our own envelope back", connection.name)
            return False
        if self._seen.is_new(envelope, now=_now()):
            await self._hand_on(connection, envelope)
        return True

    async def _hand_on(
        self, connection: RelayConnection, envelope: Envelope | Stored
    ) -> None:
        try:
            result = self._on_envelope(envelope)
            if inspect.isawaitable(result):
                await result
        except PushmfaError as error:
            # By anybody who may write to the mailbox; it must not end the link.
            log.warning("dropped an envelope from %s: %s", connection.name, error)

    def _find(self, mailbox: MailboxId) -> OpenMailbox | None:
        return self._by_mailbox.get(mailbox)

    def _note_state(self, state: LinkState) -> None:
        if any(connection.state.is_ready for connection in self._connections):
            self._ready.set()
        else:
            self._ready.clear()
        if self._on_state:
            self._on_state(state)


def _checked(mailboxes: Iterable[OpenMailbox]) -> tuple[OpenMailbox, ...]:
    checked = tuple(mailboxes)
    if not 1 <= len(checked) <= MAX_MAILBOXES:
        raise ConfigError(f"{len(checked)} mailboxes on a link, not 1 to 64")
    if any(len(mailbox.senders or ()) > MAX_SENDERS for mailbox in checked):
        raise ConfigError("more than 256 senders for one mailbox")
    return checked


def _now() -> float:
    return asyncio.get_running_loop().time()
