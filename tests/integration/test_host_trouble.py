"""A state that is damaged, lost, another machine's or cannot be written lets nobody in.

Each says why: at the terminal, in the log, in `pushmfa status`.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pushmfa.config.model import LoginSettings
from pushmfa.daemon import refusing
from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.state import COPY_NAME
from pushmfa.errors import DiskFullError, PushmfaError, StoreError, UnwritableError
from pushmfa.store import reserve
from tests.integration.daemon_world import scene, until
from tests.integration.host_state import (
    PIXEL,
    TABLET,
    StatefulHost,
    approve,
    refusal,
    stateful,
)

pytestmark = pytest.mark.integration

OPEN = LoginSettings(unenrolled_until=4_000_000_000)
"""Accounts that never had a device are let in: the state must not forget any."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "LOOK_EVERY", 0.05)


async def status_of(host: StatefulHost) -> tuple[str, ...]:
    status = await host.ask(lambda c: c.status(), uid=0)
    assert not status.healthy
    return status.problems


# --- damaged --------------------------------------------------------------------------


def zero_header(raw: bytearray) -> None:
    raw[:100] = bytes(100)


def truncate(raw: bytearray) -> None:
    del raw[4096 * 3 + 17 :]


def overwrite(raw: bytearray) -> None:
    raw[4096:] = b"\x5a" * (len(raw) - 4096)


def flip_a_bit_of_a_device(raw: bytearray) -> None:
    # Nothing that SQLite itself would notice: a letter of a label.
    at = raw.index(b"Tablet")
    raw[at] ^= 1


@pytest.mark.parametrize(
    "damage", [zero_header, truncate, overwrite, flip_a_bit_of_a_device]
)
@scene
async def test_a_damaged_database_lets_nobody_in_and_says_so(
    tmp_path: Path, damage: Callable[[bytearray], None]
) -> None:
    async with stateful(tmp_path, PIXEL, TABLET, login=OPEN) as (w, host):
        assert await approve(host, w.devices[0]) == ("approved", "")
        await host.stop()
        host.change_file(damage)
        for _ in range(2):
            await host.start(is_ready=False)
            for user in ("alice", "carol"):
                module = await host.log_in(user=user)
                verdict, text = await module.verdict()
                assert verdict == "unavailable"
                assert "damaged database" in text
                assert "pushmfa host repair" in text
                module.close()
            (problem,) = await status_of(host)
            assert "damaged" in problem
            assert "pushmfa host repair" in problem
            await host.stop()


@scene
async def test_attack_a_revoked_device_by_one_changed_bit(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (_w, host):
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        await host.stop()
        host.query("UPDATE devices SET revoked_at = NULL")
        await host.start(is_ready=False)
        assert "damaged" in await refusal(host)


def overwrite_the_audit(host: StatefulHost) -> None:
    """Overwrite a page behind the daemon's back, and have it forget what it read."""
    store = host.store._database
    store.query("PRAGMA wal_checkpoint(TRUNCATE)")
    (root,) = store.query("SELECT rootpage FROM sqlite_schema WHERE name = 'audit'")
    start = (root[0] - 1) * 4096

    def change(raw: bytearray) -> None:
        raw[start : start + 4096] = b"\x5a" * 4096

    host.change_file(change)
    store.query("PRAGMA shrink_memory")


@scene
async def test_damage_that_is_found_in_use_ends_the_service_until_repaired(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (_w, host):
        module = await host.log_in()
        await module.number()
        overwrite_the_audit(host)
        module.close()
        await until(lambda: not host.is_serving)
        assert "damaged" in await refusal(host)
        await host.stop()
        await host.start(is_ready=False)
        assert "damaged" in await refusal(host), "a restart does not forget it"


# --- lost -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_empty", [False, True])
@scene
async def test_attack_without_the_database_everybody_is_not_enrolled_yet(
    tmp_path: Path, is_empty: bool
) -> None:
    async with stateful(tmp_path, PIXEL, login=OPEN) as (w, host):
        assert await approve(host, w.devices[0]) == ("approved", "")
        await host.stop()
        host.database.unlink()
        if is_empty:
            host.database.touch(0o600)
        await host.start(is_ready=False)
        assert "lost its database" in await refusal(host)
        (problem,) = await status_of(host)
        assert "pushmfa host repair" in problem
        assert "pushmfa host reset" in problem


@scene
async def test_attack_the_database_is_taken_away_while_the_daemon_runs(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL, login=OPEN) as (w, host):
        host.database.unlink()
        module = await host.log_in()
        number = await module.number()
        module.type()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        # What is written now is gone with the process: it did not happen.
        assert (await module.verdict())[0] == "unavailable"
        await until(lambda: not host.is_serving)
        assert "lost its database" in await refusal(host)


@pytest.mark.parametrize("is_damaged", [False, True])
@scene
async def test_a_host_without_its_keys_makes_no_new_ones(
    tmp_path: Path, is_damaged: bool
) -> None:
    async with stateful(tmp_path, PIXEL) as (_w, host):
        await host.stop()
        keys = host.state / FILE_NAME
        if is_damaged:
            keys.write_bytes(b"{}")
        else:
            keys.unlink()
        await host.start(is_ready=False)
        assert "lost its keys" in await refusal(host)
        with pytest.raises(PushmfaError, match="identity") as caught:
            await host.ask(lambda c: c.status(), uid=0)
        assert "pushmfa host restore" in caught.value.hint
        assert is_damaged or not keys.exists()


@scene
async def test_the_keys_of_another_host_are_refused(tmp_path: Path) -> None:
    async with stateful(tmp_path / "a", PIXEL) as (_, host):
        await host.stop()
        async with stateful(tmp_path / "b", PIXEL) as (_, other):
            await other.stop()
            other.query("UPDATE host SET host_id = ?", b"x" * 32)
            await other.start(is_ready=False)
            assert "keys of another host" in await refusal(other)


# --- another machine ------------------------------------------------------------------


@pytest.mark.parametrize("now", [b"n" * 16, None])
@scene
async def test_attack_a_copy_of_the_host_on_another_machine(
    tmp_path: Path, now: bytes | None
) -> None:
    async with stateful(tmp_path, PIXEL, login=OPEN) as (w, host):
        assert await approve(host, w.devices[0]) == ("approved", "")
        await host.stop()
        host.machine = now
        await host.start(is_ready=False)
        said = await refusal(host)
        assert "pushmfa host adopt, or host reset" in said
        (problem,) = await status_of(host)
        assert "moved, or this is a copy" in problem
        await host.stop()
        host.machine = b"m" * 16
        await host.start()
        assert await approve(host, w.devices[0]) == ("approved", "")


@scene
async def test_a_machine_that_gets_its_id_later_is_bound_then(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, starts=False) as (_, host):
        for machine, is_served in ((None, True), (b"m" * 16, True), (b"n" * 16, False)):
            host.machine = machine
            await host.start(is_ready=is_served)
            assert host.is_serving == is_served
            await host.stop()


@scene
async def test_a_machine_that_gets_its_id_after_the_start_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        host.machine = None
        await host.start(is_ready=False)
        (problem,) = await status_of(host)
        assert "a machine with an /etc/machine-id" in problem
        host.machine = b"m" * 16
        await host.until_serving()
        assert await approve(host, w.devices[0]) == ("approved", "")


# --- full, and read-only --------------------------------------------------------------


class Disk:
    """Stands in for the disk: full or read-only when a test says so."""

    def __init__(self, host: StatefulHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: type[StoreError] | None = None
        database = host.store._database
        connection = database._connection
        self._real = connection.execute
        monkeypatch.setattr(database, "_connection", self)
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()

    def execute(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        if self.error is not None and sql.split()[0] in ("INSERT", "UPDATE", "BEGIN"):
            raise self.error("the test's disk", hint="Wait.")
        return self._real(sql, values)


@scene
async def test_a_full_disk_is_told_and_logins_go_on_in_the_reserve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with stateful(tmp_path, PIXEL) as (w, host):
            patch.setattr(reserve, "_free_on", lambda _: 1000)
            assert await approve(host, w.devices[0]) == ("approved", "")
            for _ in range(2):
                (problem,) = await status_of(host)
                assert "16.0 of 16 MiB of the reserve are left" in problem
                host.health.refill()
            assert caplog.text.count("of the reserve are left") == 1
            assert "no room on its disk" not in caplog.text
            # It is used up.
            disk = Disk(host, patch)
            disk.error = DiskFullError
            module = await host.log_in()
            number = await module.number()
            module.type()
            w.devices[0].approve(await w.devices[0].challenge(), number)
            verdict, text = await module.verdict()
            assert verdict == "unavailable", "what cannot be written did not happen"
            assert "no room on its disk" in text
            module.close()
            assert "no room on its disk" in await refusal(host), "and nobody is asked"
            # Somebody makes room: nothing else is to be done.
            disk.error = None
            patch.undo()
            assert await approve(host, w.devices[0]) == ("approved", "")
            host.health.refill()
            assert "there is room again" in caplog.text
            status = await host.ask(lambda c: c.status(), uid=0)
            assert status.healthy


@scene
async def test_a_disk_that_takes_nothing_refuses_and_recovers_by_itself(
    tmp_path: Path,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        async with stateful(tmp_path, PIXEL) as (w, host):
            disk = Disk(host, patch)
            disk.error = UnwritableError
            module = await host.log_in()
            number = await module.number()
            module.type()
            w.devices[0].approve(await w.devices[0].challenge(), number)
            verdict, text = await module.verdict()
            assert (verdict, "cannot write to its disk" in text) == (
                "unavailable",
                True,
            )
            module.close()
            assert "cannot write" in await refusal(host)
            problems = await status_of(host)
            assert "cannot be written" in problems[0]
            disk.error = None
            assert await approve(host, w.devices[0]) == ("approved", "")


# --- the automatic copy ---------------------------------------------------------------


@scene
async def test_the_copy_of_the_registry_follows_every_change(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (_, host):
        copy = host.state / COPY_NAME

        def states() -> list[object]:
            with sqlite3.connect(copy) as database:
                return database.execute(
                    "SELECT label, lost_at IS NULL, revoked_at IS NULL FROM devices"
                    " ORDER BY label"
                ).fetchall()

        assert states() == [("Pixel", 1, 1), ("Tablet", 1, 1)]
        await host.ask(lambda c: c.report_lost("Tablet", "alice"), uid=0)
        assert states() == [("Pixel", 1, 1), ("Tablet", 0, 1)]
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        assert states() == [("Pixel", 1, 1), ("Tablet", 0, 0)]
        assert copy.stat().st_mode & 0o777 == 0o600
        names = {path.name for path in host.state.iterdir()}
        assert not any("copy" in name and name != COPY_NAME for name in names)


@scene
async def test_a_change_is_kept_even_if_the_copy_cannot_be(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (_, host):
        copy = host.state / COPY_NAME
        copy.unlink()
        copy.mkdir()
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        (problem,) = await status_of(host)
        assert "copy of the registry" in problem
        copy.rmdir()
        host.health.refill()
        assert (await host.ask(lambda c: c.status(), uid=0)).healthy
        assert copy.is_file()
