"""The table of devices, for the commands that show one; imports no command."""

from typing import TYPE_CHECKING

from pushmfa.cli import output
from pushmfa.cli.objects import device_state
from pushmfa.wire.codec import encode_base64url

if TYPE_CHECKING:
    from pushmfa.wire import control


def print_devices(found: "tuple[control.DeviceInfo, ...]") -> None:
    """Print a table of devices."""
    output.print_table(
        ("DEVICE", "KIND", "STATE", "ENROLLED (UTC)", "LAST SEEN (UTC)", "ID"),
        [
            (
                device.label,
                device.kind.value,
                device_state(device),
                output.short_moment(device.enrolled_at),
                output.short_moment(device.last_seen_at),
                encode_base64url(device.device_id)[:8],
            )
            for device in found
        ],
    )
