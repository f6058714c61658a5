"""A state that was set back is noticed by what devices remember, and by no lie."""

import logging
from pathlib import Path

import msgspec
import pytest

from pushmfa.daemon import refusing
from pushmfa.daemon.audit import StateRecord
from pushmfa.terms import MAX_EPOCH
from pushmfa.wire.payload import Challenge
from tests.integration.daemon_device import TestDevice
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

MAX_ON_THE_WIRE = 2**53 - 1


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "LOOK_EVERY", 0.05)


def remember(device: TestDevice, epoch: int) -> None:
    """Have the device remember an epoch, as its keyring does."""
    device.enrollment = msgspec.structs.replace(device.enrollment, epoch=epoch)


async def seen_epoch(host: StatefulHost, device: TestDevice) -> int:
    """Return the epoch in a new challenge, which nobody answers."""
    module = await host.log_in()
    await module.number()
    challenge = await device.challenge()
    module.close()
    await device.outcome()
    assert isinstance(challenge.statement, Challenge)
    return challenge.statement.epoch


@scene
async def test_the_epoch_grows_with_every_change_of_factors(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        first = await seen_epoch(host, w.devices[0])
        assert await seen_epoch(host, w.devices[0]) == first
        await host.ask(lambda c: c.rename_device("Pixel", "Mine", "alice"), uid=0)
        assert await seen_epoch(host, w.devices[0]) == first, "a name is no factor"
        await host.ask(lambda c: c.report_lost("Tablet", "alice"), uid=0)
        second = await seen_epoch(host, w.devices[0])
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        third = await seen_epoch(host, w.devices[0])
        assert first < second < third
        await host.stop()
        await host.start()
        assert await seen_epoch(host, w.devices[0]) == third, "also after a restart"


@scene
async def test_attack_a_snapshot_from_before_a_revocation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        pixel = w.devices[0]
        assert await approve(host, pixel) == ("approved", "")
        await host.stop()
        snapshot = host.snapshot(tmp_path / "snapshot")
        await host.start()
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        remember(pixel, await seen_epoch(host, pixel))
        await host.stop()
        host.set_back(snapshot)
        await host.start()

        module = await host.log_in()
        number = await module.number()
        pixel.approve(await pixel.challenge(), number)
        await until(lambda: not host.is_serving)
        assert await module.hear() == b"", "refused: the module gets no verdict"
        assert "gone back to an old state" in await refusal(host)
        assert "pushmfa host adopt" in await refusal(host)
        await host.stop()

        # A restart forgets nothing.
        await host.start(is_ready=False)
        assert "gone back to an old state" in await refusal(host)
        status = await host.ask(lambda c: c.status(), uid=0)
        assert not status.healthy
        assert "old one" in status.problems[0]
        assert "pushmfa host adopt" in status.problems[0]
        await host.stop()
        rows = host.query("SELECT record FROM audit ORDER BY seq")
        assert sum(b'"type":"state"' in record for (record,) in rows) == 1
        assert "is an old one" in caplog.text


@scene
async def test_attack_a_stolen_device_claims_an_epoch_to_lock_the_host(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        pixel, stolen = w.devices
        for claim in (MAX_ON_THE_WIRE, MAX_EPOCH << 26, MAX_ON_THE_WIRE):
            module = await host.log_in()
            number = await module.number()
            module.type()
            remember(stolen, claim)
            stolen.approve(await stolen.challenge(), number)
            assert await module.hears_nothing(), "the lie closes nothing"
            pixel.approve(await pixel.challenge(), number)
            assert await module.verdict() == ("approved", "")
            module.close()
        alarms = [r for r in host.records() if isinstance(r, StateRecord)]
        assert len(alarms) == 1, "written once, however often it lies"
        assert alarms[0].device_id == stolen.enrollment.device_id
        assert "never had" in alarms[0].detail
        assert sum(r.levelno == logging.CRITICAL for r in caplog.records) == 1


@scene
async def test_attack_a_liar_guesses_until_a_tag_is_right(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        pixel, stolen = w.devices
        right = host.keys.epoch_key.epoch_of(9_999)
        for claim in (right + 1, right):
            module = await host.log_in()
            number = await module.number()
            remember(stolen, claim)
            stolen.approve(await stolen.challenge(), number)
            assert await module.hears_nothing()
            module.close()
            await pixel.challenge()
        assert host.is_serving, "after a lie not even the truth is believed"
        assert await approve(host, pixel) == ("approved", "")


@scene
async def test_attack_the_relay_repeats_an_answer_from_before_an_adoption(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        pixel = w.devices[0]
        assert await approve(host, pixel) == ("approved", "")
        pixel.send_again(pixel.envelopes[-1])
        assert await approve(host, pixel) == ("approved", "")
        assert host.is_serving
