"""People: at terminals, and with devices in their hands.

What a person wants is decided by the seed and never by what the program says.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Literal, Protocol

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card, CardState
from pushmfa.device.keyring import Enrollment
from pushmfa.device.session import Session
from pushmfa.errors import PushmfaError
from pushmfa.link.link import LinkState
from pushmfa.terms import DenialReason, Verification, VerificationRequired
from pushmfa.wire.payload import Notice
from tests.fakes.ledger import Act, Ledger, Told, now
from tests.integration.daemon_device import TestDevice
from tests.integration.daemon_module import request

Intent = Literal["approve", "deny", "mistype", "ignore", "leave"]
INTENTS: Final[tuple[Intent, ...]] = (
    *("approve",) * 60,
    *("deny",) * 12,
    *("mistype",) * 6,
    *("ignore",) * 6,
    *("leave",) * 16,
)

_NUMBER: Final = re.compile(r"enter ([0-9]+) on ", re.IGNORECASE)


class ModuleEnd(Protocol):
    """The module of a login, as the person at its terminal uses it."""

    async def hear(self, seconds: float) -> bytes:
        """Return the daemon's next datagram, b"" at the end."""
        raise NotImplementedError

    def type(self) -> None:
        """Press Enter."""

    def leave(self) -> None:
        """Go away."""


@dataclass(eq=False)
class Seat:
    """A terminal, and who sits there."""

    address: str
    intent: Intent
    rng: Random
    user: str = "alice"
    number: str | None = None
    verdict: str | None = None
    """As the module heard it; None: it had left, "": the connection ended."""
    left_at: float | None = None
    heard_at: float | None = None
    began_at: float = 0.0
    has_acted: bool = False
    is_intruder: bool = False
    pace: float = 1.0
    """How long everything takes, against a lifetime of a minute."""

    @property
    def who(self) -> str:
        """How the findings call this login."""
        if self.is_intruder:
            return f"the intruder's login as {self.user}"
        return f"the login of {self.user} who would {self.intent}"

    async def sit(
        self, log_in: Callable[[bytes], Awaitable[ModuleEnd]], deadline: float
    ) -> None:
        """Log in, and wait for the verdict; TimeoutError after deadline seconds."""
        self.began_at = now()
        conn = f"{self.address} 40000 192.0.2.1 22"
        module = await log_in(request(user=self.user, conn=conn))
        stays = self.rng.uniform(0.0, 50.0) * self.pace
        leaving = stays if self.intent == "leave" else None
        entering = self.rng.choice([0.0, 0.0, 0.0, 30.0]) * self.pace
        try:
            async with asyncio.timeout(leaving):
                await self._listen(module, entering, deadline)
        except TimeoutError:
            if leaving is None:
                raise
            self.left_at = now()
            module.leave()

    async def _listen(
        self, module: ModuleEnd, entering: float, deadline: float
    ) -> None:
        while self.verdict is None:
            datagram = await module.hear(deadline)
            if datagram[:1] == b"P":
                found = _NUMBER.search(datagram.decode())
                self.number = found[1] if found else None
                # Before the card, or long after it.
                asyncio.get_running_loop().call_later(entering, module.type)
            elif datagram[:1] in {b"V", b""}:
                self.verdict = datagram[1:].partition(b"\0")[0].decode()
                self.heard_at = now()


@dataclass(eq=False)
class Holder:
    """A person with one device; the Watcher of its session."""

    device: TestDevice
    ledger: Ledger
    rng: Random
    seats: list[Seat]
    """The terminals of this person, in the order of their beginning."""
    session: Session | None = None
    answers: Callable[["Holder", Card, Choice, Seat | None], bool] | None = None
    """How a device of another make answers instead; it says whether it did."""
    is_in_hand: bool = True
    pace: float = 1.0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    # --- what the session tells -----------------------------------------------------

    def on_card(self, card: Card) -> None:
        """Look at a card after a while."""
        device_id, challenge_id = card.key
        told = Told("card", device_id, challenge_id, card.verified.raw)
        self.ledger.told.append(told)
        if self.is_in_hand:
            task = asyncio.ensure_future(self._look(card))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def on_end(self, card: Card) -> None:
        """Note what the device says of the end."""
        if card.outcome is not None:
            device_id, challenge_id = card.key
            verdict = card.outcome.verdict.value
            told = Told("outcome", device_id, challenge_id, verdict=verdict)
            self.ledger.told.append(told)

    def on_notice(self, enrollment: Enrollment, _notice: Notice) -> None:
        """Note a notice."""
        self.ledger.told.append(Told("notice", enrollment.device_id))

    def on_revoked(self, enrollment: Enrollment) -> None:
        """Note a revocation."""
        self.ledger.told.append(Told("revoked", enrollment.device_id))

    def on_state(self, state: LinkState) -> None:
        """Links come and go."""

    # --- what the person does -------------------------------------------------------

    async def _look(self, card: Card) -> None:
        await asyncio.sleep(self.rng.uniform(0.3, 15.0) * self.pace)
        mine = [s for s in self.seats if s.address == card.challenge.remote_address]
        seat = mine[0] if mine else None
        choice = self._choose(seat)
        if choice is not None:
            self._answer(card, choice[0], choice[1])

    def _choose(self, seat: Seat | None) -> tuple[Choice, Seat | None] | None:
        """Return what is answered, and for which terminal."""
        if seat is None:
            return self._choose_for_a_stranger()
        if seat.has_acted and self.rng.random() < 0.7:
            return None
        if seat.number is None or seat.verdict is not None:
            return None
        match seat.intent:
            case "approve" | "leave":
                choice = Choice(number=seat.number)
            case "mistype":
                choice = Choice(number=str(10 + (int(seat.number) - 9) % 90))
            case "deny":
                choice = Choice(reason=self.rng.choice(list(DenialReason)))
            case _:
                return None
        seat.has_acted = True
        return choice, seat

    def _choose_for_a_stranger(self) -> tuple[Choice, Seat | None] | None:
        """Return what she does with the card of a login that is not hers."""
        dice = self.rng.random()
        waiting = [s for s in self.seats if s.number and s.verdict is None]
        if dice < 0.15 and waiting:
            # The mistake: she types the number of her own terminal into it.
            return Choice(number=waiting[-1].number), waiting[-1]
        if dice < 0.4:
            return Choice(reason=DenialReason.NOT_ME), None
        return None

    def _answer(self, card: Card, choice: Choice, seat: Seat | None) -> None:
        session = self.session
        if session is None or session.cards.now(card).state is not CardState.WAITING:
            return
        if self.answers is not None and self.answers(self, card, choice, seat):
            return
        is_asked = card.challenge.verification is VerificationRequired.REQUIRED
        if is_asked and choice.number is not None:
            choice = Choice(choice.number, None, Verification.PASSPHRASE)
        try:
            session.answer(card, choice)
        except PushmfaError:
            return
        envelope = session.cards.now(card).envelope
        if envelope is not None:
            self.note(card, choice.number, seat, bytes(envelope.sealed), counts=True)

    def note(
        self,
        card: Card,
        number: str | None,
        seat: Seat | None,
        sealed: bytes,
        *,
        counts: bool,
    ) -> None:
        """Write down what the person did."""
        self.ledger.acts[sealed] = Act(
            at=now(),
            seat=seat.address if seat else None,
            challenge_id=card.challenge.challenge_id,
            device_id=self.device.keys.device_id,
            shown=card.verified.raw,
            number=number,
            counts=counts,
        )
