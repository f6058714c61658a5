"""A relay that can push, a push service beside it, and devices that sleep."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushmfa.crypto.signing import Signer
from pushmfa.relay.main import Relay, running
from pushmfa.relay.push_client import Reach
from pushmfa.terms import MailboxId, Role
from pushmfa.wire.link import (
    PushSubscription,
    Subscription,
    TryWakeUp,
    WakeUpKey,
    WakeUpReport,
    WakeUpResult,
)
from tests.fakes.push_service import FakePushService
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    Peer,
    allow_of,
    mailbox_of,
    settings_in,
)

WAKES = ("accepted", "wakeup")


@dataclass
class PushWorld:
    """A relay, the push service that it reaches, and what devices do."""

    relay: Relay
    service: FakePushService

    async def open(self, *keys: Signer) -> tuple[Peer, bytes]:
        """Return a device's link that names `wakeup`, and the relay's key."""
        device = await Peer.open(
            self.relay, Role.DEVICE, *(keys or (DEVICE,)), features=WAKES
        )
        first = await device.hear()
        assert isinstance(first, WakeUpKey)
        return device, first.key

    async def subscribe(
        self, key: Signer = DEVICE, host: str = "push.example"
    ) -> PushSubscription:
        """Have a device allow HOST, subscribe, and go to sleep."""
        device, server_key = await self.open(key)
        push = self.service.subscribe(server_key, host)
        await device.say(allow_of(key, HOST))
        assert await said(device, mailbox_of(key), push) is WakeUpResult.KEPT
        await device.close()
        return push

    async def host(self) -> Peer:
        """Return a link of HOST."""
        return await Peer.open(self.relay, Role.HOST, HOST)


async def said(
    device: Peer, mailbox: MailboxId, push: PushSubscription | None
) -> WakeUpResult:
    """Send a subscription and return the relay's answer."""
    await device.say(Subscription(mailbox=mailbox, push=push))
    return await result_of(device, mailbox)


async def tried(device: Peer, mailbox: MailboxId) -> WakeUpResult:
    """Ask for a test push and return the relay's answer."""
    await device.say(TryWakeUp(mailbox=mailbox))
    return await result_of(device, mailbox)


async def result_of(device: Peer, mailbox: MailboxId) -> WakeUpResult:
    report = await device.hear()
    assert isinstance(report, WakeUpReport)
    assert report.mailbox == mailbox
    return report.result


@asynccontextmanager
async def push_world(
    folder: Path,
    service: FakePushService,
    reach: Reach | None = None,
    **changes: Any,
) -> AsyncIterator[PushWorld]:
    """Give a relay whose pushes all go to service."""
    settings = settings_in(folder, **changes)
    async with running(settings, reach or service.reach) as relay:
        yield PushWorld(relay, service)


async def until_pushes(relay: Relay, *, sent: int = 0, failed: int = 0) -> None:
    """Wait until so many pushes were sent, and so many failed."""
    async with asyncio.timeout(20):
        while True:
            health = relay.health()
            if (health.pushes_sent, health.pushes_failed) == (sent, failed):
                return
            await asyncio.sleep(0.01)
