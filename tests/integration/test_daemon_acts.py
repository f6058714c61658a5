"""What is done, and its row of the audit: both are on the disk, or neither."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.daemon.audit import ActRecord
from pushmfa.errors import DiskFullError, PushmfaError, RefusedError
from tests.integration.daemon_world import World, scene, world
from tests.integration.enrollment_person import Person

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
ROOT = 0


def _full(*_: object) -> None:
    raise DiskFullError("no room")


def _acts(w: World) -> list[str]:
    return [each.act for each in w.host.records() if isinstance(each, ActRecord)]


async def _state(w: World) -> tuple[object, ...]:
    """Return all that the acts change, as it is in memory and on the disk."""
    listed = await w.host.ask(lambda client: client.devices())
    status = await w.host.ask(lambda client: client.status())
    labels = sorted(row.label for row in w.host.store.load_devices())
    ticket = w.host.store.has_ticket("alice", 1001, int(w.host.clock.now().wall))
    assert sorted(device.label for device in listed.devices) == labels
    return labels, status.muted_until, w.host.store.load_mutes(), ticket


ACTS: dict[str, Callable[[Client], Any]] = {
    "rename": lambda c: c.rename_device("Pixel", "Mine", "alice"),
    "unlock": lambda c: c.unlock("alice"),
    "ticket": lambda c: c.make_ticket("alice"),
}


@pytest.mark.parametrize("broken", ["_add_audit", "the change"])
@pytest.mark.parametrize("act", ACTS)
@scene
async def test_attack_an_act_and_its_row_on_a_full_disk(
    act: str, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who fills the disk makes no act without its row, and no row without its act."""
    changes = {
        "rename": "set_device_label",
        "unlock": "end_mute",
        "ticket": "add_ticket",
    }
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda client: client.mute(600))
        before, rows = await _state(w), _acts(w)
        name = changes[act] if broken == "the change" else broken
        monkeypatch.setattr(w.host.store, name, _full)
        with pytest.raises(PushmfaError, match="no room"):
            await w.host.ask(ACTS[act], uid=ROOT)
        assert (await _state(w), _acts(w)) == (before, rows)
        monkeypatch.undo()
        await w.host.ask(ACTS[act], uid=ROOT)
        assert await _state(w) != before
        assert _acts(w) == [*rows, act]
        assert (await w.host.ask(lambda c: c.verify_audit(), uid=ROOT)).broken is None


@pytest.mark.parametrize("broken", ["_add_audit", "_add_event", "add_device"])
@scene
async def test_attack_an_enrollment_on_a_full_disk(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told as failed, and active all the same: root would not know of that device."""
    async with world(tmp_path, PIXEL) as w:
        before, person = await _state(w), Person(w)
        monkeypatch.setattr(w.host.store, broken, _full)
        with pytest.raises(PushmfaError, match="no room"):
            await w.host.ask(person.call("alice"), uid=ROOT)
        with pytest.raises(RefusedError, match="canceled"):
            await person.enrolled()
        assert (await _state(w), _acts(w)) == (before, [])
        monkeypatch.undo()
        again = Person(w, "again")
        await w.host.ask(again.call("alice"), uid=ROOT)
        assert (await again.enrolled()).user == "alice"
        assert _acts(w) == ["enroll"]
        assert (await w.host.ask(lambda c: c.verify_audit(), uid=ROOT)).broken is None


@scene
async def test_a_change_that_is_on_the_disk_is_told_as_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is read after the change: what could fail then would be a lie."""
    async with world(tmp_path, PIXEL) as w:
        monkeypatch.setattr(w.host.store, "load_host", _full)
        person = Person(w)
        await w.host.ask(person.call("alice"), uid=ROOT)
        assert (await person.enrolled()).user == "alice"
        await w.host.ask(lambda c: c.revoke_device("Pixel", "alice"), uid=ROOT)
        assert _acts(w) == ["enroll", "revoke"]
