"""What a kill or somebody who went away leaves in the state is removed."""

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path

import pytest

from pushmfa.daemon.control_commands import Commands
from pushmfa.daemon.control_host import back_up
from pushmfa.daemon.identity import FILE_NAME
from pushmfa.daemon.state import COPY_NAME
from pushmfa.store.host_copy import copy_whole
from pushmfa.wire.control import Request
from tests.integration.daemon_world import scene, until
from tests.integration.host_state import PIXEL, approve, stateful

pytestmark = pytest.mark.integration


@scene
async def test_a_backup_that_nobody_waits_for_leaves_nothing(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (_, host):
        may_go, began, was_made = (threading.Event() for _ in range(3))

        def slow(path: Path, copy: Path) -> None:
            began.set()
            may_go.wait(30)
            copy_whole(path, copy)
            was_made.set()

        commands = host.daemon._control._commands
        assert isinstance(commands, Commands)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pushmfa.daemon.control_host.copy_whole", slow)
            making = asyncio.create_task(back_up(commands._parts, Nobody()))
            await until(began.is_set)
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
            may_go.set()
            await until(was_made.is_set)
        await until(lambda: not list(host.state.glob("*.tmp*")))


class Nobody:
    """Who asked for a backup, and is gone."""

    async def tell(self, event: object) -> None:
        raise AssertionError(event)

    async def next_request(self) -> Request:
        raise AssertionError


@scene
async def test_a_start_removes_what_was_left_unfinished(tmp_path: Path) -> None:
    async with stateful(tmp_path, PIXEL) as (w, host):
        await host.stop()
        keys = (host.state / FILE_NAME).read_bytes()
        (host.state / "restore.new").mkdir(mode=0o700)
        left = (
            "restore.new/identity.json",
            ".identity.json.0123456789abcdef",
            "backup-0123456789abcdef.tmp",
            "pushmfa.db.new",
            "pushmfa.db.salvage-wal",
            "registry-copy.db.tmp",
        )
        for name in left:
            (host.state / name).write_bytes(keys)
        # As after a kill between a change of devices and its copy.
        host.query("UPDATE host SET epoch = epoch + 1")
        await host.start()
        assert await approve(host, w.devices[0]) == ("approved", "")
        names = {path.name for path in host.state.iterdir()}
        assert not names & {name.split("/")[0] for name in left}
        told = "SELECT epoch FROM host"
        with contextlib.closing(sqlite3.connect(host.state / COPY_NAME)) as copy:
            assert copy.execute(told).fetchall() == host.query(told)
