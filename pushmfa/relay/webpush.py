"""Sends push messages (RFC 8030, 8291, 8292): which, how many at once, and how often.

    what                                       bound
    -----------------------------------------  ------------------------------------
    pushes on their way or waiting             1,000, then none is begun
    ... to services that never took one        250 of these
    messages being sent at once                24, and 16 to such services
    tries of one push                          8, within the envelope's lifetime
    a test push                                one try

A service that does not answer holds up its own pushes, and none of a service that
has proved itself. Attack: end points at names of the attacker's, any number of them,
that take a connection and then say nothing.
"""

import asyncio
import logging
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pushmfa.crypto.webpush import PushKey, encrypt_push
from pushmfa.relay.errands import Errands
from pushmfa.relay.pauses import Pauses
from pushmfa.relay.push_client import Outcome, PushClient, Reply
from pushmfa.relay.push_places import EndPoint, decode_endpoint
from pushmfa.terms import EnvelopeId
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.link import PushSubscription

MAX_PUSHES: Final = 1_000
MAX_STRANGE_PUSHES: Final = 250
MAX_SENDING: Final = 24
MAX_STRANGE_SENDING: Final = 16
MAX_TRIES: Final = 8
MAX_PROVED: Final = 256
"""Services that are known to have taken a message."""
MAX_TTL: Final = 2_419_200
"""Four weeks, in seconds: what push services take."""
TEST_TTL: Final = 60
TOKEN_LIFETIME: Final = 3_600
"""Seconds; RFC 8292 allows a day."""
WARN_INTERVAL: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """How many pushes a service took, and how many never reached one."""

    sent: int = 0
    failed: int = 0


class WebPush:
    """Sends push messages to the end points of subscriptions."""

    def __init__(
        self,
        key: PushKey,
        client: PushClient,
        *,
        contact: str,
        clock: Callable[[], float],
    ) -> None:
        """Sign with key and name contact; clock counts seconds, forward."""
        self._key = key
        self._client = client
        self._contact = contact
        self._clock = clock
        self._pauses = Pauses()
        self._proved: OrderedDict[str, None] = OrderedDict()
        self._errands = Errands(MAX_PUSHES)
        self._strange = Errands(MAX_STRANGE_PUSHES)
        self._sending = asyncio.Semaphore(MAX_SENDING)
        self._strange_sending = asyncio.Semaphore(MAX_STRANGE_SENDING)
        self._warned_at = -math.inf
        self.counts = Counts()

    @property
    def public_key(self) -> bytes:
        """The key that a subscription has to be made with, 65 bytes."""
        return self._key.public_key

    def start(
        self,
        push: PushSubscription,
        envelope_id: EnvelopeId,
        expires_at: float,
        on_gone: Callable[[], None],
    ) -> bool:
        """Begin to send a push for an envelope, or return False.

        False if too many are on their way, or the service wants none before it expires.
        expires_at is by the clock; on_gone is called if the subscription is no more.
        """
        endpoint = decode_endpoint(push.endpoint)
        errands = self._errands if endpoint.host in self._proved else self._strange
        if len(self._errands) + len(self._strange) >= MAX_PUSHES:
            return False
        if self._pauses.until(endpoint, self._clock()) >= expires_at:
            return False
        work = self._deliver(endpoint, push, envelope_id, expires_at, on_gone)
        return errands.start(work)

    async def try_out(self, push: PushSubscription) -> Outcome:
        """Send a test push, once."""
        endpoint = decode_endpoint(push.endpoint)
        nobodys = EnvelopeId(secrets.token_bytes(EnvelopeId.MAX))
        expires_at = self._clock() + TEST_TTL
        reply = await self._send(endpoint, push, nobodys, expires_at)
        self._note(endpoint, reply, 1)
        self._count(reply.outcome)
        return reply.outcome

    async def stop(self) -> None:
        """End what is on its way."""
        await asyncio.gather(self._errands.stop(), self._strange.stop())

    async def _deliver(
        self,
        endpoint: EndPoint,
        push: PushSubscription,
        envelope_id: EnvelopeId,
        expires_at: float,
        on_gone: Callable[[], None],
    ) -> None:
        outcome, tries = Outcome.AGAIN, 0
        while outcome is Outcome.AGAIN and tries < MAX_TRIES:
            now = self._clock()
            at = self._pauses.until(endpoint, now)
            if at >= expires_at:
                break
            if at > now:
                # What it waits for may be longer when it wakes up: it looks again.
                await asyncio.sleep(at - now)
                continue
            reply = await self._send(endpoint, push, envelope_id, expires_at)
            tries += 1
            self._note(endpoint, reply, tries)
            outcome = reply.outcome
        self._count(outcome)
        if outcome is Outcome.GONE:
            on_gone()

    async def _send(
        self,
        endpoint: EndPoint,
        push: PushSubscription,
        envelope_id: EnvelopeId,
        expires_at: float,
    ) -> Reply:
        is_proved = endpoint.host in self._proved
        async with self._sending if is_proved else self._strange_sending:
            left = expires_at - self._clock()
            if left <= 0:
                return Reply(Outcome.AGAIN)
            content = encode_base64url(envelope_id)
            body = encrypt_push(
                content.encode(), public_key=push.p256dh, auth=push.auth
            )
            headers = {
                "TTL": str(min(math.ceil(left), MAX_TTL)),
                "Urgency": "high",
                # A copy that waits is replaced by this one, and no other push.
                "Topic": content,
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "Authorization": self._key.authorization(
                    audience=endpoint.origin,
                    contact=self._contact,
                    expires_at=int(time.time()) + TOKEN_LIFETIME,
                ),
            }
            return await self._client.post(endpoint, headers, body, left)

    def _note(self, endpoint: EndPoint, reply: Reply, tries: int) -> None:
        now = self._clock()
        match reply.outcome:
            case Outcome.SENT:
                self._pauses.note_success(endpoint)
                self._proved[endpoint.host] = None
                self._proved.move_to_end(endpoint.host)
                if len(self._proved) > MAX_PROVED:
                    self._proved.popitem(last=False)
            case Outcome.AGAIN:
                self._pauses.note_trouble(endpoint, reply, tries, now)
                if reply.status is None:
                    # It did not answer: its next pushes wait among strangers'.
                    self._proved.pop(endpoint.host, None)
            case Outcome.FAILED if reply.status is not None:
                self._warn(reply.status, now)
            case Outcome.GONE | Outcome.FAILED:
                pass

    def _count(self, outcome: Outcome) -> None:
        if outcome is Outcome.SENT:
            self.counts.sent += 1
        else:
            self.counts.failed += 1

    def _warn(self, status: int, now: float) -> None:
        # Never the end point, nor its host: who knows it can wake the device up.
        if now - self._warned_at >= WARN_INTERVAL:
            self._warned_at = now
            logger.warning("a push service refused a push: HTTP status %d", status)
