"""Plots in which the victim's own device is of another make."""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.terms import MailboxId, Role
from tests.fakes import attacker, other_makes
from tests.fakes.people import Holder, Seat

if TYPE_CHECKING:
    from tests.fakes.hostile_run import Run


async def broken_device(run: "Run") -> None:
    """Her device is of another make and breaks one rule."""
    name = run.report.detail = run.rng.choice(sorted(other_makes.BROKEN))

    def answers(holder: Holder, card: Card, choice: Choice, seat: Seat | None) -> bool:
        if choice.number is None:
            return False
        sealed = other_makes.in_dialect(
            name, holder.device, card.verified, choice.number
        )
        to = other_makes.ELSEWHERE if name == other_makes.WRITES_ELSEWHERE else None
        return _send(
            run, holder, card, choice.number, seat, sealed, counts=False, to=to
        )

    run.holders["pixel"].answers = answers


async def zero_before(run: "Run") -> None:
    """Her device sends a zero in front of the number."""

    def answers(holder: Holder, card: Card, choice: Choice, seat: Seat | None) -> bool:
        if choice.number is None:
            return False
        sealed = other_makes.zero_before(holder.device, card.verified, choice.number)
        return _send(run, holder, card, "0" + choice.number, seat, sealed, counts=True)

    run.holders["pixel"].answers = answers


async def unverified_holder(run: "Run") -> None:
    """The host asks to verify the holder, and her device does not."""
    run.stage.is_verification_asked = True

    def answers(holder: Holder, card: Card, choice: Choice, seat: Seat | None) -> bool:
        if choice.number is None:
            return False
        sealed = other_makes.unverified(holder.device, card.verified, choice.number)
        return _send(run, holder, card, choice.number, seat, sealed, counts=False)

    run.holders["pixel"].answers = answers


def _send(
    run: "Run",
    holder: Holder,
    card: Card,
    number: str,
    seat: Seat | None,
    sealed: bytes,
    *,
    counts: bool,
    to: MailboxId | None = None,
) -> bool:
    letter = attacker.envelope_of(run.rng, holder.device, sealed)
    if to is not None:
        # The relay brings it to the host all the same.
        letter = msgspec.structs.replace(letter, to=to)
        task = run.relay.deliver(letter, Role.HOST, run.stage.host.mailbox)
        run.tasks.add(asyncio.ensure_future(task))
    elif not run.send(holder, letter):
        return True
    holder.note(card, number, seat, sealed, counts=counts)
    return True
