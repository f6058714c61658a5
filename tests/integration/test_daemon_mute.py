"""mute and unlock: no push while it lasts, but for the one that ends it."""

import asyncio
from pathlib import Path

import pytest

from pushmfa.daemon.audit import ActRecord
from pushmfa.errors import LimitError, NotPermittedError, RefusedError
from pushmfa.login.mute import UNLOCKS
from pushmfa.terms import Kind
from pushmfa.wire.payload import Challenge
from tests.integration.daemon_world import World, scene, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
ROOT, ALICE, BOB = 0, 1001, 1002


async def unlocking(w: World, *, approve: bool = True) -> bool:
    """Unlock as alice; return whether it was approved."""
    on_number = w.host.on_number()
    task = asyncio.create_task(w.host.ask(lambda c: c.unlock(on_number=on_number)))
    shown = await w.host.shown()
    card = await w.devices[0].challenge()
    assert isinstance(card.statement, Challenge)
    assert card.statement.kind is Kind.UNLOCK
    assert card.statement.text == (
        "End the mute of alice: logins ask your devices again."
    )
    if approve:
        w.devices[0].approve(card, shown.number)
        return (await task).was_muted
    w.devices[0].deny(card)
    with pytest.raises(RefusedError):
        await task
    return False


@scene
async def test_a_mute_refuses_and_asks_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        muted = await w.host.ask(lambda client: client.mute(3_600))
        now = w.host.clock.now().wall
        assert 3_595 < muted.until - now <= 3_600
        assert (muted.user, muted.ended) == ("alice", 0)
        module = await w.host.log_in()
        verdict, text = await module.verdict()
        assert verdict == "locked"
        assert text == (
            "pushmfa: the devices of this account are muted for now; this login is"
            " refused. Wait, or ask your administrator to unlock it."
        )
        ended = await w.host.ask(lambda client: client.test())
        assert (ended.verdict, ended.cause) == ("locked", "locked")
        with pytest.raises(LimitError, match="muted"):
            await w.host.ask(lambda client: client.revoke_device("Pixel"))
        assert await w.devices[0].hears_no(Challenge)
        assert w.host.verdicts() == [("locked", "locked")]
        status = await w.host.ask(lambda client: client.status())
        assert status.muted_until == muted.until


@scene
async def test_a_mute_takes_away_what_waits(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        card = await w.devices[0].challenge()
        module.type()
        muted = await w.host.ask(lambda client: client.mute(60))
        assert muted.ended == 1
        assert (await module.verdict())[0] == "locked"
        assert (await w.devices[0].outcome()).verdict == "locked"
        w.devices[0].approve(card, number)
        await asyncio.sleep(0.2)
        assert w.host.approvals() == 0


@scene
async def test_a_mute_ends_by_itself(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(60))
        w.host.clock.advance(61)
        module = await w.host.log_in()
        await module.number()


@scene
async def test_a_mute_outlives_the_daemon(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(3_600))
        await w.host.stop()
        await w.host.start()
        module = await w.host.log_in()
        assert (await module.verdict())[0] == "locked"
        await w.host.ask(lambda client: client.unlock("alice"), uid=ROOT)
        await w.host.stop()
        await w.host.start()
        module = await w.host.log_in()
        await module.number()


@scene
async def test_the_owner_unlocks_with_an_approval(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(3_600))
        assert not await unlocking(w, approve=False)
        assert await unlocking(w)
        module = await w.host.log_in()
        await module.number()
        acts = [r for r in w.host.records() if isinstance(r, ActRecord)]
        assert [(act.act, act.actor_uid) for act in acts] == [
            ("mute", ALICE),
            ("unlock", ALICE),
        ]


@scene
async def test_root_unlocks_and_frees_the_places(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        modules = [await w.host.log_in() for _ in range(3)]
        for module in modules:
            await module.number()
            module.type()
        refused = await w.host.log_in()
        assert (await refused.verdict())[0] == "throttled"
        done = await w.host.ask(lambda client: client.unlock("alice"), uid=ROOT)
        assert (done.was_muted, done.ended) == (False, 3)
        for module in modules:
            assert (await module.verdict())[0] == "canceled"
        again = await w.host.log_in()
        await again.number()


@scene
async def test_attack_push_bombing_by_unlock(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(86_400))
        for _ in range(UNLOCKS):
            await unlocking(w, approve=False)
        with pytest.raises(LimitError, match="too often"):
            await w.host.ask(lambda client: client.unlock())
        assert await w.devices[0].hears_no(Challenge)
        await w.host.ask(lambda client: client.unlock("alice"), uid=ROOT)


@scene
async def test_attack_a_shorter_mute_as_an_unlock(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        long = await w.host.ask(lambda client: client.mute(86_400))
        short = await w.host.ask(lambda client: client.mute(60))
        assert short.until == long.until


@scene
async def test_attack_muting_another(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        for ask in (lambda c: c.mute(60, "alice"), lambda c: c.unlock("alice")):
            with pytest.raises(NotPermittedError):
                await w.host.ask(ask, uid=BOB)
        status = await w.host.ask(lambda client: client.status())
        assert status.muted_until is None


@scene
async def test_attack_who_is_muted(tmp_path: Path) -> None:
    """Without a first factor a muted account looks like any other."""
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(3_600))
        module = await w.host.log_in(methods=None)
        assert await module.number()
        assert await w.devices[0].hears_no(Challenge)
