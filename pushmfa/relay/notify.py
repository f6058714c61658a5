"""Tells systemd how the service is (sd_notify(3)), where systemd asked for it.

The same as daemon/notify.py: the two services share no layer that talks to a system,
and twelve lines are no reason for one.
"""

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
        peer.connect(address)
        peer.send(state.encode())
