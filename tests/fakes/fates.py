"""What a hostile relay does with an envelope in place of a plain delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from pushmfa.terms import EnvelopeId, Role
from pushmfa.wire.link import Envelope

if TYPE_CHECKING:
    from tests.fakes.hostile_relay import HostileRelay

Fate = Callable[["HostileRelay", Envelope, Role], Awaitable[None]]


async def drop(_relay: "HostileRelay", _letter: Envelope, _to: Role) -> None:
    """Deliver nothing."""


async def delay(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver later, also after the lifetime; so later ones overtake it."""
    seconds = relay.rng.choice([0.5, 5.0, 30.0, 59.9, 61.0, 90.0])
    await asyncio.sleep(seconds * relay.pace)
    await relay.deliver(letter, to)


async def duplicate(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver several times."""
    for _ in range(relay.rng.randint(2, 4)):
        await relay.deliver(letter, to)


async def late_twin(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver, and again later under another id."""
    await relay.deliver(letter, to)
    await asyncio.sleep(relay.rng.uniform(0.1, 120.0) * relay.pace)
    await relay.deliver(replace(letter, id=_fresh(relay)), to)


async def alter(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver with other bytes."""
    await relay.deliver(relay.altered(letter), to)


async def alter_one_of_two(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver with other bytes first, then as it is; at times under one id."""
    await relay.deliver(relay.altered(letter), to)
    await relay.deliver(letter, to)


async def swap_to(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver to another device, and to the right one under a wrong name."""
    changed = replace(letter, to=relay.any_mailbox(letter.to))
    await relay.deliver(changed, to)
    await relay.deliver(changed, to, letter.to)


async def swap_from(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver as if it came from another."""
    sender = relay.any_mailbox(letter.sender)
    await relay.deliver(replace(letter, sender=sender), to)


async def other_lifetime(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver with a lifetime that the sender did not give."""
    lifetime = relay.rng.choice([1, 600, 604_800])
    await relay.deliver(replace(letter, lifetime=lifetime), to)


async def as_stored(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver as if it had waited."""
    await relay.deliver(letter, to, is_stored=True)


async def send_back(relay: "HostileRelay", letter: Envelope, to: Role) -> None:
    """Deliver to its author, and under another id to whom it is for."""
    author = Role.HOST if to is Role.DEVICE else Role.DEVICE
    await relay.deliver(letter, author, letter.sender)
    await relay.deliver(replace(letter, id=_fresh(relay)), to)


FATES: Final[tuple[Fate, ...]] = (
    drop,
    delay,
    duplicate,
    late_twin,
    alter,
    alter_one_of_two,
    swap_to,
    swap_from,
    other_lifetime,
    as_stored,
    send_back,
)


def _fresh(relay: "HostileRelay") -> EnvelopeId:
    return EnvelopeId(relay.rng.randbytes(16))
