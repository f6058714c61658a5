"""A device at work: its enrollments, the links to their relays, and the cards.

`run` and `answer` both are a session; they differ in what they do with a card.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from pushmfa.device.authenticator import (
    Choice,
    Verified,
    make_answer,
    open_to_device,
)
from pushmfa.device.cards import Card, Cards
from pushmfa.device.keyring import DeviceKeys, Enrollment, Keyring
from pushmfa.device.links import new_envelope, running, until_ready
from pushmfa.errors import NotReachableError, StoreError, VerificationError
from pushmfa.link.dialing import Network
from pushmfa.link.link import Link, LinkState, OpenMailbox
from pushmfa.terms import Bytes32, DeviceId, MailboxId, Role
from pushmfa.wire.link import MAX_MAILBOXES, Envelope, Stored
from pushmfa.wire.payload import Challenge, Notice, Outcome, Revoked

log = logging.getLogger("pushmfa.device")

MAX_NOTICES: Final = 1_024

RESERVED: Final = 64
"""Counters that `run` takes at a time: a file that is written and synced twice costs
more than all the rest of an answer."""


class Watcher(Protocol):
    """Whom a session tells what happens."""

    def on_card(self, card: Card) -> None:
        """A new card waits."""

    def on_end(self, card: Card) -> None:
        """A card ended, by a signed outcome or because its lifetime is over."""

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """Something happened to the account."""

    def on_revoked(self, enrollment: Enrollment) -> None:
        """The device may answer for that account no more; its keys are gone."""

    def on_state(self, state: LinkState) -> None:
        """A link became ready, or broke."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """An enrollment with its keys in memory."""

    enrollment: Enrollment
    keys: DeviceKeys = field(repr=False)


def boot_clock() -> float:
    """Return seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Session:
    """The enrollments of one device, connected while `running` runs."""

    def __init__(
        self,
        keyring: Keyring,
        unlocked: Sequence[Unlocked],
        watcher: Watcher,
        *,
        network: Network,
        acknowledges: bool,
        settle_seconds: float = 0.0,
        reserved: int = 1,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        """Prepare the links of unlocked, which are dialed by `running`.

        settle_seconds: how long a challenge that waited at the relay is held back, for
        an outcome that waited behind it: after a restart nobody is asked again about
        what was answered before it.
        """
        self.cards = Cards()
        self._settle_seconds = settle_seconds
        self.clock = clock
        self._keyring = keyring
        self._reserved = reserved
        self._counters: dict[DeviceId, Iterator[int]] = {}
        self._watcher = watcher
        self._unlocked = {item.enrollment.mailbox: item for item in unlocked}
        self._notices: dict[Bytes32, None] = {}
        self._links: dict[MailboxId, Link] = {}
        self._all_links: list[Link] = []
        for relays, items in _groups(unlocked):
            link = Link(
                urls=relays,
                role=Role.DEVICE,
                mailboxes=[_mailbox_of(item) for item in items],
                on_envelope=self._take,
                on_state=self._note_state,
                ca=network.ca,
                proxy=network.proxy,
                acknowledges=acknowledges,
            )
            self._all_links.append(link)
            self._links |= {item.enrollment.mailbox: link for item in items}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the links while the block runs."""
        async with running(*self._all_links):
            yield

    async def until_ready(self, seconds: float) -> None:
        """Wait for a relay of each enrollment; NotReachableError if none answers.

        One that cannot be reached does not stop the others.
        """
        failures: list[NotReachableError] = []
        for link in self._all_links:
            try:
                await until_ready(link, seconds)
            except NotReachableError as error:
                failures.append(error)
        if len(failures) == len(self._all_links):
            raise failures[0]

    def dial_now(self) -> None:
        """Look at once for relays that are back: somebody is here."""
        for link in self._all_links:
            link.dial_now()

    @property
    def is_empty(self) -> bool:
        """Whether no enrollment is left (each was revoked)."""
        return not self._unlocked

    def unlocked(self, card: Card) -> Unlocked | None:
        """Return the enrollment of card with its keys, unless it was revoked."""
        return self._unlocked.get(card.enrollment.mailbox)

    def answer(self, card: Card, choice: Choice) -> bool:
        """Sign and send an answer; say whether a relay was there to take it.

        If none was, it is sent as soon as one is. MalformedError for a number of
        other digits; StoreError if the counter cannot be written; VerificationError
        if the enrollment was revoked meanwhile.
        """
        item = self.unlocked(card)
        if item is None:
            raise VerificationError("this device was revoked")
        counter = self._next_counter(item.enrollment.device_id)
        sealed = make_answer(
            item.enrollment,
            item.keys,
            card.verified,
            choice,
            counter=counter,
            device_time=int(time.time()),
        )
        envelope = new_envelope(
            sender=item.enrollment.mailbox,
            to=item.enrollment.host_mailbox,
            lifetime=max(card.seconds_left(self.clock()), 1),
            sealed=sealed,
        )
        self.cards.mark_sent(card, choice, envelope)
        counted = msgspec.structs.replace(item.enrollment, counter=counter)
        self._unlocked[counted.mailbox] = Unlocked(counted, item.keys)
        return self._links[item.enrollment.mailbox].send(envelope)

    def _next_counter(self, device_id: DeviceId) -> int:
        counter = next(self._counters.get(device_id, iter(())), None)
        if counter is None:
            reserved = self._keyring.reserve_counters(device_id, self._reserved)
            counter = reserved[0]
            self._counters[device_id] = iter(reserved[1:])
        return counter

    def expire(self) -> None:
        """Tell of the cards whose lifetime is over; to be called every second."""
        for card in self.cards.expire(self.clock()):
            self._watcher.on_end(card)

    def _take(self, envelope: Envelope | Stored) -> None:
        item = self._unlocked.get(envelope.to)
        if item is None:
            raise VerificationError("an envelope for an enrollment that was revoked")
        verified = open_to_device(item.enrollment, item.keys, envelope)
        match verified.statement:
            case Challenge():
                self._take_challenge(item, verified, envelope)
            case Outcome() as outcome:
                ended = self.cards.end(item.enrollment, outcome)
                if ended is not None:
                    self._watcher.on_end(ended)
            case Notice() as notice:
                self._take_notice(item.enrollment, notice)
            case Revoked():
                self._revoke(item.enrollment)

    def _take_challenge(
        self, item: Unlocked, verified: Verified, envelope: Envelope | Stored
    ) -> None:
        if isinstance(envelope, Stored) and self._settle_seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(
                self._settle_seconds, self._add_card, item, verified, envelope
            )
        else:
            self._add_card(item, verified, envelope)

    def _add_card(
        self, item: Unlocked, verified: Verified, envelope: Envelope | Stored
    ) -> None:
        if item.enrollment.mailbox not in self._unlocked:
            return  # revoked meanwhile
        card = self.cards.add(
            item.enrollment, verified, lifetime=envelope.lifetime, now=self.clock()
        )
        if card is None:
            log.info("a challenge that is known or one too many was dropped")
            return
        self._note_epoch(item, card.challenge.epoch)
        self._watcher.on_card(card)

    def _note_epoch(self, item: Unlocked, epoch: int) -> None:
        """Remember how far the host's state is; it is told in every answer.

        A lower one than before is answered all the same: the host decides, and says
        what is wrong. A device that kept silent would lock people out without a word.
        """
        old = item.enrollment
        if epoch <= old.epoch:
            return
        noted = msgspec.structs.replace(old, epoch=epoch)
        self._unlocked[old.mailbox] = Unlocked(noted, item.keys)
        try:
            self._keyring.note_epoch(old.device_id, epoch)
        except StoreError as error:
            log.warning("the epoch of a host was not kept: %s", error)

    def _take_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        if notice.notice_id in self._notices:
            return
        self._notices[notice.notice_id] = None
        while len(self._notices) > MAX_NOTICES:
            del self._notices[next(iter(self._notices))]
        self._watcher.on_notice(enrollment, notice)

    def _revoke(self, enrollment: Enrollment) -> None:
        # First in memory: even if the disk refuses, nothing is signed any more.
        del self._unlocked[enrollment.mailbox]
        self.cards.drop(enrollment.device_id)
        self._watcher.on_revoked(enrollment)
        self._keyring.forget_keys(enrollment.device_id)

    def _note_state(self, state: LinkState) -> None:
        if state.is_ready:
            # An answer may have been lost with the link; the same envelope again
            # is dropped as a double where it was not.
            for card in self.cards.sent():
                if card.envelope is not None:
                    self._links[card.enrollment.mailbox].send(card.envelope)
        self._watcher.on_state(state)


def _mailbox_of(item: Unlocked) -> OpenMailbox:
    return OpenMailbox(item.keys.relay, (item.enrollment.host_mailbox,))


def _groups(
    unlocked: Sequence[Unlocked],
) -> list[tuple[tuple[str, ...], list[Unlocked]]]:
    """Return the enrollments by relays: one link for those that share them all."""
    by_relays: dict[tuple[str, ...], list[Unlocked]] = {}
    for item in unlocked:
        by_relays.setdefault(item.enrollment.relays, []).append(item)
    return [
        (relays, items[start : start + MAX_MAILBOXES])
        for relays, items in by_relays.items()
        for start in range(0, len(items), MAX_MAILBOXES)
    ]
