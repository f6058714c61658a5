"""Links that run while a block runs, and envelopes with fresh ids."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pushmfa.errors import NotReachableError
from pushmfa.link.link import Link
from pushmfa.terms import EnvelopeId, MailboxId
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope


@asynccontextmanager
async def running(*links: Link) -> AsyncIterator[None]:
    """Keep these links while the block runs.

    Not a TaskGroup: what the block raises must come out as it is, for the person.
    """
    tasks = [asyncio.create_task(link.run()) for link in links]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


async def until_ready(link: Link, seconds: float) -> None:
    """Wait for one relay of link; NotReachableError says what is wrong with each."""
    if await link.wait_ready(seconds):
        return
    problems = "; ".join(f"{state.relay}: {state.problem}" for state in link.states())
    raise NotReachableError(
        f"no relay can be reached ({problems})",
        hint="Is the relay running, and does this machine reach it?",
    )


def new_envelope(
    *, sender: MailboxId, to: MailboxId, lifetime: int, sealed: bytes
) -> Envelope:
    """Return an envelope with a new random id; lifetime is in seconds."""
    return Envelope(
        id=EnvelopeId(secrets.token_bytes(EnvelopeId.MAX)),
        to=to,
        sender=sender,
        lifetime=lifetime,
        sealed=Sealed(sealed),
    )
