"""A relay in the hands of an attacker, driven by a seed.

It speaks `/v1/link` and does what it likes with what it sees: frames, mailbox ids, no
key that opens anything. What it knows beyond that (an enrolled device of somebody
else, another host, the first factor) is in `attacker.py`, which sends through it.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec
from websockets.exceptions import ConnectionClosed

from pushmfa.crypto.signing import mailbox_id_of
from pushmfa.errors import MalformedError
from pushmfa.terms import EnvelopeId, MailboxId, Nonce, Role, WakeUp
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    Envelope,
    Greeting,
    Hello,
    Ready,
    RefusalReason,
    Refused,
    RelayFrame,
    Stored,
    decode_peer_frame,
    decode_relay_hello,
    encode_frame,
)
from tests.fakes.fates import FATES
from tests.fakes.pipe import Wire

MOODS: Final = {
    "honest": 0.0,
    "sly": 0.1,
    "rough": 0.4,
    "brutal": 0.8,
}
"""How many envelopes get something else than a plain delivery."""

GARBAGE: Final = (
    "",
    "{}",
    "[" * 5_000,
    '{"type":"ready"}',
    '{"type":"ready","type":"envelope"}',
    '{"type":"withdraw","id":"AAAAAAAAAAAAAAAAAAAAAA"}',
    '{"type":"move","relay":"wss://elsewhere.example"}',
    '{"type":"' + "x" * 16_000 + '"}',
)


@dataclass(eq=False)
class Link:
    """A link that a peer holds to this relay."""

    wire: Wire
    role: Role
    mailboxes: tuple[MailboxId, ...]
    features: tuple[str, ...]


@dataclass
class HostileRelay:
    """One relay; `serve` is one link, `misbehave` a thing that it does by itself."""

    rng: Random
    mood: str = "honest"
    links: list[Link] = field(default_factory=list)
    letters: list[Envelope] = field(default_factory=list)
    """Every envelope it ever saw, to be replayed."""
    watchers: list[Callable[[Envelope, Role], bool]] = field(default_factory=list)
    """Asked about every envelope; one that says True has taken it out of the post."""
    pace: float = 1.0
    """How long it keeps things back, against a lifetime of a minute."""
    is_deaf: bool = False
    """It accepts links and says nothing."""

    def __post_init__(self) -> None:
        self._shelf: dict[MailboxId, list[Envelope]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def become_honest(self) -> None:
        """Behave from now on."""
        self.mood, self.is_deaf = "honest", False
        self.watchers.clear()
        for task in self._tasks:
            task.cancel()

    # --- links ----------------------------------------------------------------------

    async def serve(self, wire: Wire) -> None:
        """Hold one link until it ends."""
        link: Link | None = None
        try:
            link = await self._greet(wire)
            self.links.append(link)
            await self._unshelve(link)
            while True:
                message = await wire.recv()
                frame = decode_peer_frame(_bytes(message))
                if isinstance(frame, Envelope):
                    await self.take(link, frame)
        except (ConnectionClosed, MalformedError):
            await wire.close(4400, "malformed")
        finally:
            if link is not None:
                self.links.remove(link)

    async def _greet(self, wire: Wire) -> Link:
        versions: tuple[int, ...] = (1,)
        features: tuple[str, ...] = ()
        if self._draws(0.3):
            versions = self.rng.choice([(2,), (1, 2), (2, 1, 65_535)])
            features = ("accepted", "move", "later-feature")
        nonce = Nonce(self.rng.randbytes(32))
        greeting = Greeting(versions=versions, nonce=nonce, features=features)
        await wire.send(encode_frame(greeting))
        hello = decode_peer_frame(_bytes(await wire.recv()))
        if not isinstance(hello, Hello):
            raise MalformedError("no hello")
        if self._draws(0.1):
            await wire.close(self.rng.choice([4401, 4403, 4408, 4429, 1001, 1000]))
        while self.is_deaf:  # noqa: ASYNC110  in virtual time looking costs nothing
            await asyncio.sleep(1)
        await wire.send(encode_frame(Ready()))
        return Link(
            wire,
            decode_relay_hello(hello.statement).role,
            tuple(mailbox_id_of(proof.key) for proof in hello.mailboxes),
            hello.features,
        )

    async def _unshelve(self, link: Link) -> None:
        for mailbox in link.mailboxes:
            for letter in self._shelf.pop(mailbox, []):
                if not self._draws(0.5):
                    await self.push(link, stored(letter))

    def _draws(self, chance: float) -> bool:
        return self.mood != "honest" and self.rng.random() < chance * MOODS[self.mood]

    # --- envelopes ------------------------------------------------------------------

    async def take(self, link: Link, letter: Envelope) -> None:
        self.letters.append(letter)
        if any([watch(letter, link.role) for watch in self.watchers]):
            return
        other = Role.HOST if link.role is Role.DEVICE else Role.DEVICE
        if not self._draws(1.0):
            await self.deliver(letter, other)
            return
        fate = self.rng.choice(FATES)
        self._later(0.0, lambda: fate(self, letter, other))

    def altered(self, letter: Envelope) -> Envelope:
        """Return letter with a bit, its end or all of what is sealed changed."""
        raw = bytearray(letter.sealed)
        how = self.rng.randrange(4)
        if how == 0:
            raw[self.rng.randrange(len(raw))] ^= 1 << self.rng.randrange(8)
        elif how == 1:
            del raw[self.rng.randrange(28, len(raw)) :]
        elif how == 2:
            raw += self.rng.randbytes(self.rng.randint(1, 40))
        else:
            raw[:] = self.rng.randbytes(len(raw))
        if self.rng.random() < 0.5:
            letter = msgspec.structs.replace(
                letter, id=EnvelopeId(self.rng.randbytes(16))
            )
        return msgspec.structs.replace(letter, sealed=Sealed(bytes(raw)))

    def any_mailbox(self, but: MailboxId) -> MailboxId:
        """Return a mailbox that it has seen, or one that nobody has."""
        known = sorted({letter.to for letter in self.letters} - {but})
        return self.rng.choice([*known, MailboxId(self.rng.randbytes(16))])

    async def deliver(
        self,
        letter: Envelope,
        role: Role,
        mailbox: MailboxId | None = None,
        *,
        is_stored: bool = False,
    ) -> None:
        """Send letter to the links of role that have its mailbox (or mailbox) open."""
        to = mailbox or letter.to
        links = [
            link for link in self.links if link.role is role and to in link.mailboxes
        ]
        if not links:
            self._shelf.setdefault(to, []).append(letter)
        frame: RelayFrame = stored(letter) if is_stored else letter
        for link in links:
            await self.push(link, frame)

    async def push(self, link: Link, frame: RelayFrame | str | bytes) -> None:
        """Send any frame over link."""
        text = frame if isinstance(frame, (str, bytes)) else encode_frame(frame)
        with contextlib.suppress(ConnectionClosed):
            await link.wire.send(text)

    # --- what it does by itself -----------------------------------------------------

    def begin(self, seconds: float) -> None:
        """Do something bad now and then for so many seconds."""
        for _ in range(int(MOODS[self.mood] * 12)):
            self._later(self.rng.uniform(0.0, seconds), self._misbehave)

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            await act()  # type: ignore[misc]  # every act is a coroutine function

        task = asyncio.ensure_future(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _misbehave(self) -> None:
        acts = (self._replay, self._lie, self._babble, self._flood, self._hang_up)
        if self.links:
            await self.rng.choice(acts)(self.rng.choice(self.links))

    async def _replay(self, link: Link) -> None:
        for letter in self.rng.choices(self.letters, k=3) if self.letters else ():
            again = letter
            if self.rng.random() < 0.7:
                fresh = EnvelopeId(self.rng.randbytes(16))
                again = msgspec.structs.replace(letter, id=fresh)
            await self.deliver(again, link.role)

    async def _lie(self, link: Link) -> None:
        for letter in self.letters[-4:]:
            wakeup = self.rng.choice(list(WakeUp))
            reason = self.rng.choice(list(RefusalReason))
            await self.push(link, Accepted(id=letter.id, wakeup=wakeup))
            await self.push(link, Refused(id=letter.id, reason=reason))

    async def _babble(self, link: Link) -> None:
        noise = self.rng.randbytes(40)
        await self.push(link, noise if self.rng.random() < 0.3 else noise.hex())
        await self.push(link, self.rng.choice(GARBAGE))

    async def _flood(self, link: Link) -> None:
        for _ in range(40):
            letter = Envelope(
                id=EnvelopeId(self.rng.randbytes(16)),
                to=self.rng.choice(link.mailboxes),
                sender=self.any_mailbox(link.mailboxes[0]),
                lifetime=self.rng.randint(1, 604_800),
                sealed=Sealed(self.rng.randbytes(self.rng.randint(28, 400))),
            )
            await self.push(link, letter)

    async def _hang_up(self, link: Link) -> None:
        await link.wire.close(self.rng.choice([1000, 1001, 1011, 4400, 4401, 4429]))


def stored(letter: Envelope) -> Stored:
    """Return letter as one that waited."""
    return Stored(
        id=letter.id,
        to=letter.to,
        sender=letter.sender,
        lifetime=letter.lifetime,
        sealed=letter.sealed,
    )


def _bytes(message: str | bytes) -> bytes:
    return message.encode() if isinstance(message, str) else message
