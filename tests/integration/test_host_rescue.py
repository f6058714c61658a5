"""adopt, reset, restore, repair: after each, real logins go on, or rightly do not."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pushmfa.daemon import refusing, rescue
from pushmfa.daemon.audit import Audit, StateRecord
from pushmfa.daemon.backups import lock_up, read_backup
from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.state import COPY_NAME, Place, locked, open_unjudged
from pushmfa.daemon.trouble import TroubleError
from pushmfa.errors import (
    DamagedError,
    NotPermittedError,
    PushmfaError,
    UsageError,
)
from pushmfa.login.chain import chain
from pushmfa.store.host_rows import HostStore
from tests.integration.daemon_world import scene
from tests.integration.host_state import (
    PIXEL,
    TABLET,
    StatefulHost,
    approve,
    refusal,
    stateful,
)
from tests.integration.test_host_trouble import (
    flip_a_bit_of_a_device,
    overwrite,
    truncate,
    zero_header,
)

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "LOOK_EVERY", 0.05)


def place(host: StatefulHost) -> Place:
    return Place(host.state, "web1", host.machine)


def do(host: StatefulHost, act: Callable[[Place, float], rescue.Rescued]) -> list[str]:
    """Do what a command does, and return the labels of the active devices."""
    with locked(host.state):
        return sorted(d.label for d in act(place(host), time.time()).devices)


async def back_up(host: StatefulHost, uid: int = 0) -> bytes:
    pieces: list[bytes] = []
    await host.ask(lambda client: client.back_up(pieces.append), uid=uid)
    return b"".join(pieces)


def state_records(host: StatefulHost) -> list[str]:
    return [r.act for r in host.records() if isinstance(r, StateRecord)]


# --- adopt and reset ------------------------------------------------------------------


@scene
async def test_a_moved_host_is_adopted_while_the_daemon_refuses(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        host.machine = b"n" * 16
        await host.start(is_ready=False)
        assert "moved or copied" in await refusal(host)
        # One command, no restart: the daemon looks again by itself.
        assert do(host, rescue.adopt) == ["Pixel"]
        await host.until_serving()
        assert await approve(host, w.devices[0]) == ("approved", "")
        assert state_records(host) == ["adopt"]


@scene
async def test_after_an_adoption_what_devices_remember_is_no_alarm(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        host.query("UPDATE host SET seen = 7")
        await host.start(is_ready=False)
        assert "old state" in await refusal(host)
        do(host, rescue.adopt)
        await host.until_serving()
        pixel = w.devices[0]
        seen = host.keys.epoch_key.epoch_of(7)
        pixel.enrollment = msgspec.structs.replace(pixel.enrollment, epoch=seen)
        assert await approve(host, pixel) == ("approved", "")


@scene
async def test_attack_a_clone_that_was_reset_is_another_host(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        host.machine = b"n" * 16
        old = (host.state / FILE_NAME).read_bytes()
        await host.start(is_ready=False)
        assert do(host, rescue.reset) == []
        await host.until_serving()
        assert (host.state / FILE_NAME).read_bytes() != old
        kept = [path for path in host.state.rglob("*") if path.is_file()]
        assert not any(path.read_bytes() == old for path in kept), "the keys are gone"
        module = await host.log_in()
        assert (await module.verdict())[0] == "not_enrolled"
        assert w.devices


@scene
async def test_attack_the_keys_of_a_host_that_was_reset_are_nowhere(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        backup = read_backup(await back_up(host), None)
        await host.stop()
        do(host, lambda p, wall: rescue.restore(p, backup, wall))
        (host.state / ".identity.json.0123456789abcdef").write_bytes(backup.head.keys)
        do(host, rescue.reset)
        files = [path for path in host.state.rglob("*") if path.is_file()]
        found = [path.read_bytes() for path in files]
        assert any(raw.startswith(b"SQLite") for raw in found), "the database is kept"
        assert bytes(backup.head.keys) not in b"".join(found)


def test_what_is_not_there_is_not_adopted(tmp_path: Path) -> None:
    where = Place(tmp_path, "web1", b"m" * 16)
    for act in (rescue.active_devices, lambda p: rescue.adopt(p, 0)):
        with pytest.raises(UsageError, match="no state of a host") as caught:
            act(where)
        assert "host restore" in caught.value.hint
    assert not list(tmp_path.iterdir()), "to look makes nothing"


@scene
async def test_a_state_in_use_is_not_touched(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        with (
            pytest.raises(UsageError, match="in use") as caught,
            locked(host.state, patience=0),
        ):
            rescue.reset(place(host), 0)
        assert "systemctl stop" in caught.value.hint
        assert (host.state / FILE_NAME).exists()


@scene
async def test_a_daemon_that_refuses_waits_while_somebody_thinks_about_a_question(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        host.machine = b"n" * 16
        await host.start(is_ready=False)
        with locked(host.state):
            await asyncio.sleep(0.3)
            assert "moved or copied" in await refusal(host)
            rescue.adopt(place(host), time.time())
        await host.until_serving()
        assert await approve(host, w.devices[0]) == ("approved", "")


# --- backup and restore ---------------------------------------------------------------


@scene
async def test_a_backup_brings_back_a_host_that_is_gone(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        pixel = w.devices[0]
        assert await approve(host, pixel) == ("approved", "")
        raw, again = await asyncio.gather(back_up(host), back_up(host))
        assert read_backup(again, None).head.keys == read_backup(raw, None).head.keys
        assert not list(host.state.glob("*.tmp*"))
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        later = host.daemon._front._registry.counter
        await host.stop()
        for path in host.state.iterdir():
            path.unlink()
        host.machine = b"n" * 16
        backup = read_backup(raw, None)
        back = do(host, lambda p, wall: rescue.restore(p, backup, wall))
        assert back == ["Pixel", "Tablet"], "told, so that it can be revoked again"
        await host.start()
        seen = host.keys.epoch_key.epoch_of(later)
        pixel.enrollment = msgspec.structs.replace(pixel.enrollment, epoch=seen)
        assert await approve(host, pixel) == ("approved", "")
        assert state_records(host)[-1] == "restore"


@scene
async def test_a_backup_that_cannot_be_restored_changes_nothing(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        raw = await back_up(host)
        await host.stop()
        whole = read_backup(raw, None)
        at = whole.database.index(b"Pixel")
        changed = bytearray(whole.database)
        changed[at] ^= 1
        bad = msgspec.structs.replace(whole, database=bytes(changed))
        before = (host.state / FILE_NAME).read_bytes()
        with pytest.raises(PushmfaError, match="damaged"):
            do(host, lambda p, wall: rescue.restore(p, bad, wall))
        assert (host.state / FILE_NAME).read_bytes() == before
        assert not list(host.state.glob("before-*"))
        await host.start()
        assert await approve(host, w.devices[0]) == ("approved", "")


@scene
async def test_attack_somebody_else_asks_for_a_backup(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        with pytest.raises(NotPermittedError):
            await back_up(host, uid=1001)


@scene
async def test_a_backup_is_whole_and_its_passphrase_right_or_it_is_refused(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        raw = await back_up(host)
    protected = lock_up(raw, b"a passphrase")
    assert b"Pixel" in raw
    assert b"Pixel" not in protected
    assert read_backup(protected, b"a passphrase") == read_backup(raw, None)
    assert "Keys(...)" in repr(read_backup(raw, None).head)
    for wrong, passphrase in (
        (raw[:-1], None),
        (raw[:-1] + bytes([raw[-1] ^ 1]), None),
        (b"", None),
        (b"SQLite format 3\0", None),
        (protected, None),
        (protected, b"another"),
        (protected[:-1], b"a passphrase"),
    ):
        with pytest.raises(UsageError):
            read_backup(wrong, passphrase)


# --- repair ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [zero_header, truncate, overwrite, flip_a_bit_of_a_device]
)
@scene
async def test_a_damaged_database_is_repaired_by_one_command(
    tmp_path: Path, damage: Callable[[bytearray], None]
) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        assert await approve(host, w.devices[0]) == ("approved", "")
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        await host.stop()
        host.change_file(damage)
        broken = host.database.read_bytes()
        await host.start(is_ready=False)
        assert "pushmfa host repair" in await refusal(host)
        assert do(host, rescue.repair) == ["Pixel"], "the revoked one stays revoked"
        await host.until_serving()
        assert await approve(host, w.devices[0]) == ("approved", "")
        assert "repair" in state_records(host)
        (kept,) = host.state.glob("before-repair-*")
        assert (kept / host.database.name).read_bytes() == broken
        await host.stop()
        assert do(host, rescue.repair) == ["Pixel"], "nothing is damaged any more"
        assert len(list(host.state.glob("before-repair-*"))) == 1


@scene
async def test_a_lost_database_is_made_of_the_automatic_copy(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        await host.stop()
        host.database.unlink()
        await host.start(is_ready=False)
        assert "lost its database" in await refusal(host)
        assert do(host, rescue.repair) == ["Pixel"]
        await host.until_serving()
        assert await approve(host, w.devices[0]) == ("approved", "")


@scene
async def test_a_repair_adopts_nothing_and_takes_no_other_hosts_devices(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path / "a", PIXEL) as (_, host):
        await host.stop()
        host.machine = b"n" * 16
        host.database.unlink()
        do(host, rescue.repair)
        await host.start(is_ready=False)
        assert "moved or copied" in await refusal(host)
        async with stateful(tmp_path / "b", PIXEL) as (_, other):
            await other.stop()
            copy = (host.state / COPY_NAME).read_bytes()
            (other.state / COPY_NAME).write_bytes(copy)
            other.database.unlink()
            with pytest.raises(TroubleError, match="two different hosts"):
                do(other, rescue.repair)
            assert not list(other.state.glob("before-*")), "nothing is changed"


@scene
async def test_attack_devices_that_nobody_can_vouch_for_are_not_taken(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        await host.stop()
        host.change_file(flip_a_bit_of_pixel)
        (host.state / COPY_NAME).unlink()
        with pytest.raises(DamagedError, match="neither") as caught:
            do(host, rescue.repair)
        assert "host restore" in caught.value.hint
        await host.start(is_ready=False)
        assert "damaged" in await refusal(host)


def flip_a_bit_of_pixel(raw: bytearray) -> None:
    raw[raw.index(b"Pixel")] ^= 1


def test_rows_of_the_audit_around_a_hole_are_kept_and_the_hole_is_told(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state"
    where = Place(folder, "web1", None)
    folder.mkdir(mode=0o700)
    state = open_unjudged(where)
    audit = Audit(state.store)
    for number in range(400):
        audit.append(
            StateRecord(
                schema=1,
                at=number,
                act="test",
                detail="x" * 100,
                epoch=1,
                seen=None,
                device_id=None,
            )
        )
    state.store.close()
    path = folder / "pushmfa.db"
    raw = bytearray(path.read_bytes())
    for page in range(len(raw) // 4096):
        if b'"at":200,' in raw[page * 4096 : (page + 1) * 4096]:
            raw[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(raw)

    done = rescue.repair(where, 1_000.0)
    (lost,) = done.lost_rows
    first, last = (int(part) for part in lost.split("-"))
    assert first <= 201 <= last
    assert last - first < 40, "no more than the page that is gone"
    store = HostStore.open(path)
    rows = {row.seq: row for row in store.load_audit(1_000)}
    store.close()
    assert set(rows) == set(range(1, 402)) - set(range(first, last + 1))
    assert lost.encode() in rows[401].record
    broken = [
        seq
        for seq, row in rows.items()
        if seq > 1
        and (
            seq - 1 not in rows
            or rows[seq - 1].hash != row.previous
            or chain(row.previous, row.record) != row.hash
        )
    ]
    assert broken == [last + 1], "the chain shows where, and nowhere else"


def test_repair_of_what_is_whole_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    where = Place(folder, "web1", None)
    open_unjudged(where).store.close()
    before = sqlite3.connect(folder / "pushmfa.db").execute("SELECT * FROM host")
    assert not rescue.repair(where, 0).is_changed
    after = sqlite3.connect(folder / "pushmfa.db").execute("SELECT * FROM host")
    assert before.fetchall() == after.fetchall()
