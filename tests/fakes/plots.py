"""What the attacker is after in a run; each plot is aimed at one step or more.

A plot is a coroutine that runs beside the logins. It knows what an attacker knows.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import msgspec

from pushmfa.crypto.signing import Label
from pushmfa.terms import EnvelopeId, Role
from pushmfa.wire.link import Envelope
from tests.fakes import attacker, other_makes
from tests.fakes.device_plots import broken_device, unverified_holder, zero_before
from tests.fakes.ledger import now
from tests.integration.daemon_device import TestDevice

if TYPE_CHECKING:
    from tests.fakes.hostile_run import Run

Plot = Callable[["Run"], Awaitable[None]]


async def crowd(run: "Run") -> None:
    """Log in as the victim at the same time; she may mix up the cards."""
    run.intrude()


async def forged_signature(run: "Run") -> None:
    """Answer an own login as the victim's device, without its key."""
    begun, challenge = await run.intruder_begun()
    for number in (begun.number, None):
        sealed = attacker.forged_answer(run.rng, run.pixel, challenge, number)
        await _to_host(run, run.pixel, sealed)
        await asyncio.sleep(run.rng.uniform(0.1, 5.0))


async def other_users_device(run: "Run") -> None:
    """Answer an own login as the victim by a device of another account."""
    begun, challenge = await run.intruder_begun()
    own = run.rng.choice([run.phone, run.old])
    sealed = attacker.answer_of_another(own, run.pixel, challenge, begun.number)
    await _to_host(run, own, sealed)


async def revoked_device(run: "Run") -> None:
    """Steal a device, and answer after it was revoked."""
    run.holders["tablet"].is_in_hand = False
    begun, _ = await run.intruder_begun()
    challenge = run.challenge_of(begun, run.tablet)
    run.stage.revoke(run.tablet.keys.device_id, is_lost=run.rng.random() < 0.5)
    await asyncio.sleep(run.rng.uniform(0.0, 5.0))
    sealed = attacker.stolen_answer(run.tablet, challenge, begun.number)
    await _to_host(run, run.tablet, sealed)


async def late_revocation(run: "Run") -> None:
    """Keep her own answer back until the device that gave it is revoked.

    Or she presses Enter when it is.
    """
    if run.rng.random() < 0.5:
        await _revoke_before_enter(run)
        return
    kept: list[Envelope] = []

    def keep(letter: Envelope, role: Role) -> bool:
        mine = role is Role.DEVICE and letter.sender == run.tablet.keys.mailbox
        if mine:
            kept.append(letter)
        return mine

    run.relay.watchers.append(keep)
    run.holders["pixel"].is_in_hand = False
    while not kept:  # noqa: ASYNC110  virtual time: looking costs nothing
        await asyncio.sleep(0.5)
    run.stage.revoke(run.tablet.keys.device_id, is_lost=True)
    for letter in kept:
        await run.relay.deliver(letter, Role.HOST)


async def lying_witness(run: "Run") -> None:
    """Stop the host with an own device that says to have seen a later state of it."""
    begun, challenge = await run.intruder_begun()
    for _ in range(20):
        sealed = attacker.lie_about_the_epoch(run.rng, run.phone, challenge)
        await _to_host(run, run.phone, sealed)
        await asyncio.sleep(run.rng.uniform(0.0, 1.0))
    sealed = attacker.answer_of_another(run.phone, run.pixel, challenge, begun.number)
    await _to_host(run, run.phone, sealed)


async def evil_host(run: "Run") -> None:
    """She approves at another host, with a device that has one key for both."""
    begun, challenge = await run.intruder_begun()
    sealed = attacker.answer_for_another_host(
        run.pixel, run.evil, challenge, begun.number
    )
    await _to_host(run, run.pixel, sealed)


async def clocks(run: "Run") -> None:
    """The machine sleeps, or its clock is set, forward or backward."""
    await asyncio.sleep(run.rng.uniform(1.0, 12.0))
    jump = run.rng.choice([-3_600.0, -30.0, 30.0, 61.0, 3_600.0])
    if run.rng.random() < 0.5:
        run.stage.clock.slept += abs(jump)
        run.stage.ledger.sleeps.append(now())
    else:
        run.stage.clock.set_by += jump


async def full_disk(run: "Run") -> None:
    """The disk is full for a while."""
    start = now() + run.rng.uniform(0.0, 15.0)
    run.stage.ledger.disk_is_full.append((start, start + run.rng.uniform(5.0, 40.0)))


async def restart(run: "Run") -> None:
    """The daemon restarts, and the relay replays all it ever saw."""
    await asyncio.sleep(run.rng.uniform(2.0, 20.0))
    await asyncio.shield(asyncio.ensure_future(run.stage.restart()))
    for delay in (1.0, 5.0, 20.0):
        await asyncio.sleep(delay)
        await _replay_all(run)


async def replay(run: "Run") -> None:
    """Log in after the victim has, and replay her answers to that login."""
    seat = run.seats[0]
    while seat.verdict is None and seat.left_at is None:  # noqa: ASYNC110  as above
        await asyncio.sleep(0.2)
    await asyncio.sleep(run.rng.uniform(0.0, 3.0))
    run.intrude()
    for delay in (0.5, 5.0, 20.0):
        await asyncio.sleep(delay)
        await _replay_all(run)


async def twins(run: "Run") -> None:
    """Deliver each of her answers many times, at once and later."""

    def multiply(letter: Envelope, role: Role) -> bool:
        if role is Role.DEVICE:
            task = asyncio.ensure_future(_deliver_often(run, letter))
            run.tasks.add(task)
        return role is Role.DEVICE

    run.relay.watchers.append(multiply)


async def _deliver_often(run: "Run", letter: Envelope) -> None:
    for delay in (0.0, 0.0, 0.1, 1.0, 30.0):
        await asyncio.sleep(delay)
        fresh = EnvelopeId(run.rng.randbytes(16))
        again = msgspec.structs.replace(letter, id=fresh)
        await run.relay.deliver(again, Role.HOST)


async def swapped_sender(run: "Run") -> None:
    """Bring her answers as if they came from a mailbox that nobody has."""

    def swap(letter: Envelope, role: Role) -> bool:
        is_hers = role is Role.DEVICE and letter.sender == run.pixel.keys.mailbox
        if is_hers:
            changed = msgspec.structs.replace(letter, sender=other_makes.ELSEWHERE)
            task = run.relay.deliver(changed, Role.HOST)
            run.tasks.add(asyncio.ensure_future(task))
        return is_hers

    run.relay.watchers.append(swap)


async def forged_card(run: "Run") -> None:
    """Show her a card of the own login that looks like that of her login."""
    await _forge_cards(run, is_own_name=False)


async def card_of_another_host(run: "Run") -> None:
    """Show her a card that says to be of the other host, where this one's belong."""
    await _forge_cards(run, is_own_name=True)


async def _forge_cards(run: "Run", *, is_own_name: bool) -> None:
    held: list[Envelope] = []

    def hold(letter: Envelope, role: Role) -> bool:
        if role is Role.HOST:
            held.append(letter)
        return role is Role.HOST

    await run.begun(run.seats[0])
    await asyncio.sleep(run.rng.uniform(0.0, 3.0))
    run.relay.watchers.append(hold)
    begun = await run.begun(run.intrude())
    run.relay.watchers.remove(hold)
    for device in (run.pixel, run.tablet):
        challenge = run.challenge_of(begun, device)
        name = run.evil.host_id if is_own_name else run.stage.host.host_id
        text = attacker.other_text(challenge, run.seats[0].address, name)
        letter = attacker.to_victim(run.rng, device, text, Label.CHALLENGE, run.evil)
        await run.relay.deliver(letter, Role.DEVICE)
    for letter in held:
        await run.relay.deliver(letter, Role.DEVICE)


async def forged_outcome(run: "Run") -> None:
    """Tell her device what its host never said."""
    begun = await run.begun(run.seats[0])
    challenge = run.challenge_of(begun, run.pixel)
    await asyncio.sleep(run.rng.uniform(0.0, 5.0))
    for statement, label in run.rng.sample(
        attacker.forged_statements(run.rng, run.pixel, challenge), 2
    ):
        letter = attacker.to_victim(run.rng, run.pixel, statement, label, run.evil)
        await run.relay.deliver(letter, Role.DEVICE)


async def card_again(run: "Run") -> None:
    """Deliver every challenge again, under new and old ids."""
    for _ in range(6):
        await asyncio.sleep(run.rng.uniform(1.0, 15.0))
        for letter in [
            x for x in run.relay.letters if x.sender == run.stage.host.mailbox
        ]:
            await run.relay.deliver(letter, Role.DEVICE)
            fresh = EnvelopeId(run.rng.randbytes(16))
            again = msgspec.structs.replace(letter, id=fresh)
            await run.relay.deliver(again, Role.DEVICE, is_stored=True)


async def silence(run: "Run") -> None:
    """Accept links and say nothing for a while."""
    await asyncio.sleep(run.rng.uniform(0.0, 10.0))
    run.relay.is_deaf = True
    for link in list(run.relay.links):
        await link.wire.close(1001)
    await asyncio.sleep(run.rng.uniform(1.0, 40.0))
    run.relay.is_deaf = False


async def nothing(run: "Run") -> None:
    """Only what the relay's mood brings."""


PLOTS: Final[dict[str, tuple[int, Plot]]] = {
    "nothing": (20, nothing),
    "crowd": (10, crowd),
    "forged signature": (4, forged_signature),
    "other user's device": (4, other_users_device),
    "revoked device": (4, revoked_device),
    "late revocation": (3, late_revocation),
    "broken device": (16, broken_device),
    "zero before": (3, zero_before),
    "unverified holder": (3, unverified_holder),
    "evil host": (4, evil_host),
    "lying witness": (3, lying_witness),
    "clocks": (7, clocks),
    "full disk": (4, full_disk),
    "restart": (5, restart),
    "replay": (6, replay),
    "twins": (5, twins),
    "swapped sender": (3, swapped_sender),
    "forged card": (4, forged_card),
    "card of another host": (3, card_of_another_host),
    "forged outcome": (4, forged_outcome),
    "card again": (3, card_again),
    "silence": (3, silence),
}
"""How often, of all; and the plot."""


async def _revoke_before_enter(run: "Run") -> None:
    run.holders["pixel"].is_in_hand = False
    seat, arrivals = run.seats[0], run.stage.ledger.arrivals
    mailbox = run.tablet.keys.mailbox
    while not any(arrival.sender == mailbox for arrival in arrivals):
        if seat.verdict is not None or seat.left_at is not None:
            return
        await asyncio.sleep(0.2)
    await asyncio.sleep(run.rng.uniform(0.2, 5.0))
    run.stage.revoke(run.tablet.keys.device_id, is_lost=run.rng.random() < 0.5)


async def _to_host(run: "Run", sender: TestDevice, sealed: bytes) -> None:
    letter = attacker.envelope_of(run.rng, sender, sealed)
    run.relay.letters.append(letter)
    await run.relay.deliver(letter, Role.HOST)


async def _replay_all(run: "Run") -> None:
    for letter in list(run.relay.letters):
        fresh = EnvelopeId(run.rng.randbytes(16))
        again = msgspec.structs.replace(letter, id=fresh)
        for role in Role:
            await run.relay.deliver(again, role)
