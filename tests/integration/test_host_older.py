"""After a state that is older than the last: tickets are void, epochs no alarm."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pushmfa.daemon import rescue
from pushmfa.daemon.backups import read_backup
from pushmfa.daemon.state import COPY_NAME, locked
from pushmfa.daemon.tickets import Tickets
from pushmfa.errors import RefusedError
from pushmfa.login.policy import Account
from pushmfa.terms import UserName
from tests.integration.daemon_world import scene
from tests.integration.host_state import (
    PIXEL,
    TABLET,
    StatefulHost,
    approve,
    stateful,
)
from tests.integration.test_host_rescue import back_up, do, place

pytestmark = pytest.mark.integration


@scene
async def test_after_a_repair_from_an_older_copy_what_devices_remember_is_no_alarm(
    tmp_path: Path,
) -> None:
    async with stateful(tmp_path, PIXEL, TABLET) as (w, host):
        pixel, copy = w.devices[0], host.state / COPY_NAME
        older = copy.read_bytes()
        await host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=0)
        seen = host.keys.epoch_key.epoch_of(host.daemon._front._registry.counter)
        pixel.enrollment = msgspec.structs.replace(pixel.enrollment, epoch=seen)
        await host.stop()
        # The disk was full when the device was revoked: the copy is from before.
        copy.write_bytes(older)
        host.database.unlink()
        with locked(host.state):
            done = rescue.repair(place(host), time.time())
        assert done.is_from_copy
        labels = sorted(device.label for device in done.devices)
        assert labels == ["Pixel", "Tablet"], "told, so that it can be revoked again"
        await host.start()
        assert await approve(host, pixel) == ("approved", "")
        assert host.is_serving


def restore_older(host: StatefulHost, raw: bytes) -> list[str]:
    backup = read_backup(raw, None)
    return do(host, lambda p, wall: rescue.restore(p, backup, wall))


def adopt_snapshot(host: StatefulHost, raw: bytes) -> list[str]:
    host.database.with_name("pushmfa.db-wal").unlink(missing_ok=True)
    host.database.write_bytes(read_backup(raw, None).database)
    return do(host, rescue.adopt)


def repair_from_copy(host: StatefulHost, raw: bytes) -> list[str]:
    assert raw
    host.database.unlink()
    return do(host, rescue.repair)


@pytest.mark.parametrize("go_back", [restore_older, adopt_snapshot, repair_from_copy])
@scene
async def test_attack_a_ticket_that_was_used_is_good_again_in_an_older_state(
    tmp_path: Path, go_back: Callable[[StatefulHost, bytes], list[str]]
) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        carol, now = Account(UserName("carol"), 1003), host.clock.now()
        tickets = Tickets(host.store)
        ticket, _expires = tickets.make(carol, now)
        host.store.after_change()
        raw = await back_up(host)
        assert tickets.admit(carol, ticket, now)
        assert tickets.use_enroll(tickets.check_enroll(carol, ticket, now), now)
        await host.stop()
        assert go_back(host, raw) == ["Pixel"]
        await host.start()
        tickets = Tickets(host.store)
        assert not tickets.is_out(carol, now)
        assert not tickets.admit(carol, ticket, now)
        with pytest.raises(RefusedError, match="ticket is not valid"):
            tickets.check_enroll(carol, ticket, now)
