"""Tells systemd how the service is (sd_notify(3)), where systemd asked for it."""

import asyncio
import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Send state, such as READY=1; does nothing without NOTIFY_SOCKET."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    # The service works whether or not systemd hears of it.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.setblocking(False)
        peer.connect(address)
        peer.send(state.encode())


async def keep_alive() -> None:
    """Give signs of life until canceled; nothing if systemd watches nobody.

    They come from the event loop: if that hangs, systemd hears nothing within
    WatchdogSec=, kills the service and starts it again.
    """
    interval = _watchdog_interval()
    while interval is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)


def _watchdog_interval() -> float | None:
    """Return seconds from sign to sign, a third of the limit; None without one."""
    limit = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(limit) / 3e6 if limit.isdigit() and int(limit) > 0 else None
