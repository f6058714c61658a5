"""A desktop without a screen: a bus of its own, and who shows notifications on it.

It keeps what a program shows, and taps on it as a person does: what the program gets
then is what it gets from any desktop (org.freedesktop.Notifications, version 1.2).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from dbus_fast import NameFlag
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import (
    DBusDict,
    DBusInt32,
    DBusSignature,
    DBusStr,
    DBusUInt32,
)
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

NAME: Final = "org.freedesktop.Notifications"
PATH: Final = "/org/freedesktop/Notifications"

_Strings = Annotated[list[str], DBusSignature("as")]
_FourStrings = Annotated[list[str], DBusSignature("ssss")]
_Tapped = Annotated[list[int | str], DBusSignature("us")]
_Closed = Annotated[list[int], DBusSignature("uu")]

_BUS: Final = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
"""A session bus that starts no other services."""

_START: Final = 20
"""Seconds."""

_BY_PERSON, _BY_PROGRAM = 2, 3
"""Why a notification is closed."""


class Shown(NamedTuple):
    """A notification, and the monotonic second at which it came."""

    number: int
    title: str
    body: str
    actions: tuple[str, ...]
    """Names and labels, in turn; the tap on it is called `default`."""
    at: float


class Desktop(ServiceInterface):
    """Who shows notifications."""

    def __init__(self, address: str) -> None:
        """Use the bus at address; see `desktop`."""
        super().__init__(NAME)
        self.address = address
        self.shown: asyncio.Queue[Shown] = asyncio.Queue()
        """What nobody has looked at."""
        self.open: set[int] = set()
        self._last = 0

    def tap(self, shown: Shown) -> None:
        """Tap on a notification."""
        assert "default" in shown.actions, shown
        assert shown.number in self.open, "it is gone"
        self.action_invoked(shown.number, "default")

    def forget(self) -> None:
        """Wipe all of them away, those too that nobody has looked at."""
        while not self.shown.empty():
            self.shown.get_nowait()
        for number in sorted(self.open):
            self.notification_closed(number, _BY_PERSON)
        self.open.clear()

    @dbus_method("GetCapabilities")
    def get_capabilities(self) -> _Strings:
        return ["actions", "body", "persistence"]

    @dbus_method("GetServerInformation")
    def get_server_information(self) -> _FourStrings:
        return ["desktop", "pushmfa", "1", "1.2"]

    @dbus_method("Notify")
    def notify(
        self,
        app: DBusStr,
        replaces: DBusUInt32,
        icon: DBusStr,
        summary: DBusStr,
        body: DBusStr,
        actions: _Strings,
        hints: DBusDict,
        timeout: DBusInt32,
    ) -> DBusUInt32:
        if not replaces:
            self._last += 1
        number = replaces or self._last
        self.open.add(number)
        self.shown.put_nowait(
            Shown(number, summary, body, tuple(actions), time.monotonic())
        )
        return number

    @dbus_method("CloseNotification")
    def close_notification(self, number: DBusUInt32) -> None:
        self.open.discard(number)
        self.notification_closed(number, _BY_PROGRAM)

    @dbus_signal("ActionInvoked")
    def action_invoked(self, number: int, action: str) -> _Tapped:
        return [number, action]

    @dbus_signal("NotificationClosed")
    def notification_closed(self, number: int, reason: int) -> _Closed:
        return [number, reason]


@asynccontextmanager
async def desktop(folder: Path) -> AsyncIterator[Desktop]:
    """Give a desktop on a bus of its own, whose configuration is kept in folder."""
    config = folder / "bus.conf"
    config.write_text(_BUS.format(folder=folder))
    daemon = await asyncio.create_subprocess_exec(
        *("dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert daemon.stdout is not None
    try:
        async with asyncio.timeout(_START):
            address = (await daemon.stdout.readline()).decode().strip()
            bus = await MessageBus(bus_address=address).connect()
            it = Desktop(address)
            bus.export(PATH, it)
            await bus.request_name(NAME, NameFlag.DO_NOT_QUEUE)
        yield it
        bus.disconnect()
    finally:
        daemon.terminate()
        await daemon.wait()
