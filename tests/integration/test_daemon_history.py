"""audit tail and verify over control.sock."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from pushmfa.daemon.state import DATABASE_NAME
from pushmfa.errors import NotPermittedError
from pushmfa.login.chain import FIRST, chain
from pushmfa.wire.control_audit import AuditEntry
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import World, caller_uid, scene, until, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
PHONE = ("bob", "Phone")
ROOT, ALICE, BOB = 0, 1001, 1002


async def have_denied(w: World, count: int) -> None:
    """Have alice's device deny so many tests."""
    on_number = w.host.on_number()
    for _ in range(count):
        task = asyncio.create_task(w.host.ask(lambda c: c.test(on_number=on_number)))
        await w.host.shown()
        w.devices[0].deny(await w.devices[0].challenge())
        await task


def gist(entries: list[AuditEntry]) -> list[tuple[int, str, str]]:
    records = [(e.seq, json.loads(e.record)) for e in entries]
    return [(n, r["type"], str(r.get("verdict") or r.get("act"))) for n, r in records]


@scene
async def test_root_sees_all_and_the_owner_its_own(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, PHONE) as w:
        await have_denied(w, 2)
        await w.host.ask(lambda client: client.mute(60), uid=BOB)
        everything = await w.host.ask(lambda c: list(c.audit()), uid=ROOT)
        denied = [(n, "attempt", "denied") for n in (1, 2)]
        assert gist(everything) == [*denied, (3, "act", "mute")]
        previous = FIRST
        for entry in everything:
            previous = chain(previous, entry.record.encode())
            assert entry.hash == previous
        assert gist(await w.host.ask(lambda c: list(c.audit()))) == denied
        last = await w.host.ask(lambda c: list(c.audit(last=1)))
        assert gist(last) == denied[1:]
        assert await w.host.ask(lambda c: list(c.audit(last=0))) == []
        bobs = await w.host.ask(lambda c: list(c.audit("bob")), uid=ROOT)
        assert gist(bobs) == [(3, "act", "mute")]
        with pytest.raises(NotPermittedError):
            await w.host.ask(lambda c: list(c.audit("alice")), uid=BOB)


@scene
async def test_who_follows_hears_of_new_rows(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, PHONE) as w:
        await have_denied(w, 1)
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("tail-audit", user=None, last=5, follow=True)
            assert (await caller.hear())["seq"] == 1
            await w.host.ask(lambda client: client.mute(60), uid=BOB)
            await w.host.ask(lambda client: client.mute(60), uid=ALICE)
            heard = await caller.hear()
        assert (heard["type"], heard["seq"]) == ("audit-entry", 3)


def harm(w: World, *statements: str) -> None:
    """Change the file as root could."""
    with sqlite3.connect(w.host.state / DATABASE_NAME) as database:
        for trigger in ("audit_stays", "audit_remains", "audit_keeps"):
            database.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        for statement in statements:
            database.execute(statement)
    database.close()


@scene
async def test_the_chain_is_whole(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        empty = await w.host.ask(lambda c: c.verify_audit(), uid=ROOT)
        assert (empty.rows, empty.broken, empty.hash) == (0, None, FIRST)
        await have_denied(w, 3)
        found = await w.host.ask(lambda c: c.verify_audit(), uid=ROOT)
        assert (found.rows, found.broken, found.problem) == (3, None, None)
        assert found.hash == w.host.store.load_audit(1)[0].hash
        for uid in (ALICE, BOB):
            with pytest.raises(NotPermittedError):
                await w.host.ask(lambda c: c.verify_audit(), uid=uid)


@pytest.mark.parametrize(
    ("statement", "broken", "says"),
    [
        ("UPDATE audit SET record = x'00' WHERE seq = 2", 2, "row 2 was changed"),
        ("DELETE FROM audit WHERE seq = 2", 2, "the rows from 2 on are missing"),
        ("DELETE FROM audit WHERE seq = 3", 3, "from 3 to 3 are missing at the end"),
    ],
)
@scene
async def test_attack_root_changes_what_happened(
    statement: str, broken: int, says: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        await have_denied(w, 3)
        await until(lambda: len(w.host.records()) == 3)
        harm(w, statement)
        found = await w.host.ask(lambda c: c.verify_audit(), uid=ROOT)
        assert (found.rows, found.broken) == (broken - 1, broken)
        assert says in (found.problem or "")
