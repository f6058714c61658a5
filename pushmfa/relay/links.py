"""The life of one link: greeting, hello, then frames until one side ends it."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Set

from pushmfa.errors import (
    LimitError,
    MalformedError,
    StoreError,
    VerificationError,
)
from pushmfa.relay.connections import Connection
from pushmfa.relay.gate import Gate
from pushmfa.relay.hello import VERSIONS, Peer, verify_hello
from pushmfa.relay.limits import HELLO_TIMEOUT, Bucket, RelayLimits
from pushmfa.relay.mailboxes import Link, Mailboxes, Send, Waiting
from pushmfa.relay.wakeups import Pusher
from pushmfa.terms import MailboxId, Nonce, Role
from pushmfa.wire.link import (
    FEATURE_ACCEPTED,
    FEATURE_QUIET,
    FEATURE_WAKEUP,
    HELLO_LATE,
    HELLO_REFUSED,
    MALFORMED,
    TOO_MANY,
    Allow,
    CloseCode,
    Envelope,
    Greeting,
    Hello,
    PeerFrame,
    Quiet,
    Ready,
    Received,
    Subscription,
    TryWakeUp,
    WakeUpKey,
    WakeUpReport,
    WakeUpResult,
    Withdraw,
    decode_peer_frame,
    encode_frame,
)

INTERNAL_ERROR = CloseCode(1011)
"""RFC 6455, section 7.4.1: the relay could not do what was asked."""

logger = logging.getLogger(__name__)


class Links:
    """All links of a relay; `handle` is the life of one."""

    def __init__(
        self,
        mailboxes: Mailboxes,
        gate: Gate,
        pusher: Pusher,
        *,
        names: Set[str],
        limits: RelayLimits,
        clock: Callable[[], float],
    ) -> None:
        """Serve mailboxes under the relay's names; clock counts seconds, forward."""
        self._mailboxes = mailboxes
        self._gate = gate
        self._pusher = pusher
        self._names = names
        self._limits = limits
        self._clock = clock
        self._connections: dict[Link, Connection] = {}
        self._tests: dict[Link, asyncio.Task[None]] = {}
        """Test pushes on their way, one a link."""

    async def handle(self, connection: Connection) -> None:
        """Serve one connection until it ends; close it with the code that fits."""
        try:
            peer = await self._greet(connection)
            if peer is not None:
                await self._serve(connection, peer)
        except MalformedError as error:
            # Our own words about its bytes may repeat them: the peer gets neither.
            logger.debug("malformed: %s", error)
            await connection.close(MALFORMED, "malformed")
        except VerificationError as error:
            logger.debug("hello refused: %s", error)
            self._gate.refuse_hello(connection.address, self._clock())
            await connection.close(HELLO_REFUSED, str(error))
        except LimitError as error:
            await connection.close(TOO_MANY, str(error))
        except StoreError as error:
            logger.error("%s", error)
            await connection.close(INTERNAL_ERROR, "internal error")

    async def _greet(self, connection: Connection) -> Peer | None:
        nonce = Nonce(secrets.token_bytes(Nonce.MAX))
        can_push = self._pusher.key is not None
        wakes = (FEATURE_WAKEUP,) if can_push else ()
        features = (FEATURE_ACCEPTED, FEATURE_QUIET, *wakes)
        greeting = Greeting(versions=VERSIONS, nonce=nonce, features=features)
        connection.send(encode_frame(greeting))
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                text = await connection.receive()
        except TimeoutError:
            await connection.close(HELLO_LATE, "no hello in time")
            return None
        if text is None:
            return None
        hello = decode_peer_frame(text.encode())
        if not isinstance(hello, Hello):
            raise MalformedError("the first frame is not a hello")
        return verify_hello(hello, nonce=nonce, names=self._names)

    async def _serve(self, connection: Connection, peer: Peer) -> None:
        link = Link(peer.role, peer.mailboxes, peer.features, connection.address)
        connection.end_waiting()
        connection.send(encode_frame(Ready()))
        if _wakes(link) and self._pusher.key is not None:
            connection.send(encode_frame(WakeUpKey(key=self._pusher.key)))
        waiting = self._mailboxes.open(link, self._clock())
        self._connections[link] = connection
        self._gate.begin_link(link.address)
        # Beside the reading, not before it: a peer that acknowledges each envelope
        # and a relay that reads none of it would wait for each other.
        sending = asyncio.create_task(self._send_waiting(link, connection, waiting))
        try:
            await self._read(link, connection)
        finally:
            sending.cancel()
            self._end_test(link)
            self._gate.end_link(link.address)
            del self._connections[link]
            self._mailboxes.close(link)

    async def _send_waiting(
        self, link: Link, connection: Connection, waiting: list[Waiting]
    ) -> None:
        for one in waiting:
            frame = self._mailboxes.stored(link, one, self._clock())
            if frame is not None:
                await connection.send_paced(encode_frame(frame))

    async def _read(self, link: Link, connection: Connection) -> None:
        bucket = Bucket(self._limits.frames_of(link.role), self._clock())
        while (text := await connection.receive()) is not None:
            if not bucket.take(self._clock()):
                raise LimitError("too many frames")
            frame = decode_peer_frame(text.encode())
            if self._is_free(link, frame):
                bucket.give_back()

    def _is_free(self, link: Link, frame: PeerFrame) -> bool:
        # Acts on frame; True if it does not count against the rate of frames.
        now = self._clock()
        match frame:
            case Envelope() | Quiet():
                self._take(link, frame, now)
            case Received():
                # Up to 64 * 64 of them come at once from whoever was away, each
                # for an envelope that was counted when it came in.
                return self._mailboxes.received(link, frame)
            case Withdraw():
                self._mailboxes.withdraw(link, frame)
            case Allow():
                self._mailboxes.allow(link, frame, now)
            case Subscription():
                self._subscribe(link, frame, now)
            case TryWakeUp():
                self._begin_test(link, frame.mailbox, now)
            case Hello():
                raise MalformedError("a second hello")
        return False

    def _take(self, link: Link, frame: Envelope | Quiet, now: float) -> None:
        wakes = isinstance(frame, Envelope)
        if not wakes and link.role is not Role.HOST:
            raise MalformedError("a quiet envelope of a device")
        envelope = frame if isinstance(frame, Envelope) else frame.envelope()
        self._send(self._mailboxes.take(link, envelope, now, wakes=wakes))

    def _send(self, sends: list[Send]) -> None:
        for link, frame in sends:
            self._connections[link].send(encode_frame(frame))

    def _subscribe(self, link: Link, frame: Subscription, now: float) -> None:
        _check_wakes(link, frame.mailbox)
        result = self._pusher.subscribe(frame.mailbox, frame.push, link.address, now)
        self._report(link, frame.mailbox, result)

    def _begin_test(self, link: Link, mailbox: MailboxId, now: float) -> None:
        _check_wakes(link, mailbox)
        if link in self._tests:
            self._report(link, mailbox, WakeUpResult.FAILED)
            return

        async def try_out() -> None:
            result = await self._pusher.try_out(mailbox, link.address, now)
            self._tests.pop(link, None)
            self._report(link, mailbox, result)

        self._tests[link] = asyncio.create_task(try_out())

    def _end_test(self, link: Link) -> None:
        test = self._tests.pop(link, None)
        if test is not None:
            test.cancel()

    def _report(self, link: Link, mailbox: MailboxId, result: WakeUpResult) -> None:
        report = WakeUpReport(mailbox=mailbox, result=result)
        self._connections[link].send(encode_frame(report))


def _wakes(link: Link) -> bool:
    return link.role is Role.DEVICE and FEATURE_WAKEUP in link.features


def _check_wakes(link: Link, mailbox: MailboxId) -> None:
    if not _wakes(link):
        raise MalformedError("the hello did not say that this device can be woken up")
    # Attack: another's mailbox, to be told whenever somebody logs in there.
    if mailbox not in link.mailboxes:
        raise MalformedError("this mailbox is not open on this link")
