"""What no disk could take counts all the same, whatever state is served after it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.daemon import refusing, rescue
from pushmfa.daemon.unwritten import Unwritten
from pushmfa.errors import DiskFullError, PushmfaError
from tests.integration.daemon_world import scene, until
from tests.integration.host_state import PIXEL, TABLET, StatefulHost, refusal, stateful
from tests.integration.test_host_rescue import do

pytestmark = pytest.mark.integration

ROOT, ALICE = 0, 1001


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "LOOK_EVERY", 0.05)


def _unwritten(host: StatefulHost) -> Unwritten:
    return host.health.unwritten


def _pixel(host: StatefulHost) -> list[Any]:
    rows = host.store.load_devices()
    return [(row.revoked_at, row.lost_at) for row in rows if row.label == "Pixel"]


ACTS: dict[str, tuple[Callable[[Client], Any], int]] = {
    "revoke": (lambda c: c.revoke_device("Pixel", "alice"), ROOT),
    "lost": (lambda c: c.report_lost("Pixel"), ALICE),
}


@pytest.mark.parametrize("act", ACTS)
@scene
async def test_attack_the_database_is_taken_away_before_a_revocation(
    act: str, tmp_path: Path
) -> None:
    """The repair puts back an older copy, in which the stolen phone is active."""
    async with stateful(tmp_path, PIXEL, TABLET) as (_, host):
        host.database.unlink()
        ask, uid = ACTS[act]
        with pytest.raises(PushmfaError, match="removed or replaced"):
            await host.ask(ask, uid=uid)
        await until(lambda: not host.is_serving)
        assert "lost its database" in await refusal(host)
        status = await host.ask(lambda c: c.status(), uid=ROOT)
        assert any("Leave the daemon running" in line for line in status.problems)
        assert do(host, rescue.repair) == ["Pixel", "Tablet"], "the copy is older"
        await host.until_serving()
        module = await host.log_in()
        assert "(Tablet)" in await module.text("P")
        module.close()
        assert _unwritten(host).count() == 0
        ((revoked_at, lost_at),) = _pixel(host)
        assert (revoked_at is not None, lost_at is not None) == (
            act == "revoke",
            act == "lost",
        )


@scene
async def test_attack_the_database_is_taken_away_before_a_mute(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        host.database.unlink()
        with pytest.raises(PushmfaError, match="removed or replaced"):
            await host.ask(lambda c: c.mute(3_600), uid=ALICE)
        await until(lambda: not host.is_serving)
        do(host, rescue.repair)
        await host.until_serving()
        module = await host.log_in()
        assert (await module.verdict())[0] == "locked"
        assert len(host.store.load_mutes()) == 1


@scene
async def test_a_reset_host_knows_nothing_of_what_was_before(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        host.database.unlink()
        with pytest.raises(PushmfaError):
            await host.ask(lambda c: c.revoke_device("Pixel", "alice"), uid=ROOT)
        await until(lambda: not host.is_serving)
        do(host, rescue.reset)
        await host.until_serving()
        assert not host.store.load_devices()
        assert _unwritten(host).count() == 0


@scene
async def test_a_mute_that_the_disk_refused_is_tried_again_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFullError("no room")

    async with stateful(tmp_path, PIXEL) as (_, host):
        monkeypatch.setattr(host.store, "set_mute", full)
        for _ in range(2):
            with pytest.raises(PushmfaError, match="no room"):
                await host.ask(lambda c: c.mute(3_600), uid=ALICE)
        status = await host.ask(lambda c: c.status(), uid=ROOT)
        assert any(
            "muted" in line and "memory only" in line for line in status.problems
        )
        module = await host.log_in()
        assert (await module.verdict())[0] == "locked"
        host.daemon._write_counts()
        assert _unwritten(host).count() == 1
        monkeypatch.undo()
        host.daemon._write_counts()
        assert _unwritten(host).count() == 0
        assert len(host.store.load_mutes()) == 1
