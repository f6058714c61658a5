"""A host whose state is opened as the real daemon does it, and what befalls a state."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pushmfa.daemon.health import Health
from pushmfa.daemon.main import Daemon
from pushmfa.daemon.serving import serve
from pushmfa.daemon.sockets import open_listeners
from pushmfa.daemon.state import DATABASE_NAME, Place, State
from tests.integration.daemon_device import TestDevice
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import RunningHost, World, until, within, world

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")


class StatefulHost(RunningHost):
    """Serves as `pushmfa daemon` does, also with a state that is of no use."""

    machine: bytes | None = b"m" * 16
    is_serving = False
    health: Health

    async def start(self, *, is_ready: bool = True) -> None:
        """Start; wait for the link unless told that there will be none."""
        self.listeners = open_listeners(self.run)
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(
            serve(
                lambda: Place(self.state, "web1", self.machine),
                self.listeners,
                self._stop,
                self._serve_state,
            )
        )
        if is_ready:
            await self.until_serving()
        else:
            await asyncio.sleep(0.05)

    async def _serve_state(self, state: State, health: Health) -> None:
        host, self.store = state
        self.health = health
        self.daemon = Daemon(
            self.config, host, self.store, self.listeners, self.clock, health
        )
        self.is_serving = True
        try:
            await self.daemon.serve(self._stop)
        finally:
            self.is_serving = False

    async def until_serving(self) -> None:
        """Wait until logins are served, with a link."""
        await until(lambda: self.is_serving)
        await within(self.daemon.is_relay_ready.wait())

    async def stop(self) -> None:
        """Stop, whatever it does."""
        if self._task is None:
            return
        self._stop.set()
        await within(self._task)
        self._task = None
        self.listeners.pam.close()
        self.listeners.control.close()

    # --- what befalls it ------------------------------------------------------------

    @property
    def database(self) -> Path:
        return self.state / DATABASE_NAME

    def change_file(self, change: Callable[[bytearray], None]) -> None:
        """Change the bytes of the database, which nobody has open."""
        raw = bytearray(self.database.read_bytes())
        change(raw)
        self.database.write_bytes(raw)

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Look into the database, which nobody has open."""
        connection = sqlite3.connect(self.database, isolation_level=None)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def snapshot(self, folder: Path) -> Path:
        """Keep all of the state, as a snapshot of the machine would."""
        shutil.copytree(self.state, folder)
        return folder

    def set_back(self, snapshot: Path) -> None:
        """Put a snapshot in the place of the state."""
        shutil.rmtree(self.state)
        shutil.copytree(snapshot, self.state)


@asynccontextmanager
async def stateful(
    folder: Path, *devices: tuple[str, str], **more: Any
) -> AsyncIterator[tuple[World, StatefulHost]]:
    """Give a world and its host, which is a StatefulHost."""
    async with world(folder, *devices, kind=StatefulHost, **more) as w:
        assert isinstance(w.host, StatefulHost)
        yield w, w.host


async def approve(host: RunningHost, device: TestDevice) -> tuple[str, str]:
    """Log in, answer on device, and return the verdict and its text."""
    module = await host.log_in()
    number = await module.number()
    module.type()
    device.approve(await device.challenge(), number)
    verdict = await module.verdict()
    module.close()
    return verdict


async def refusal(host: RunningHost) -> str:
    """Try to log in, and return the text of the refusal; nobody is asked."""
    module: Module = await host.log_in()
    verdict, text = await module.verdict()
    assert verdict == "unavailable"
    module.close()
    return text
