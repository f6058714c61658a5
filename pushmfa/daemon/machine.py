"""What stands for this machine in the state, so that a copy of it is noticed.

/etc/machine-id identifies a machine and is not to be shown around (machine-id(5));
the state holds what systemd's sd_id128_get_machine_app_specific(3) makes of it: an
HMAC that is of no use to any other program.
"""

import hashlib
import hmac
import uuid
from pathlib import Path
from typing import Final

MACHINE_ID: Final = Path("/etc/machine-id")
_APPLICATION: Final = uuid.UUID("7a0d5f3e-6c1b-4e57-9c92-3f5b8d6e1a40").bytes
_HEX_DIGITS: Final = 32


def read_machine(path: Path = MACHINE_ID) -> bytes | None:
    """Return what stands for this machine (16 bytes), None if it has no id.

    As `systemd-id128 machine-id --app-specific=7a0d5f3e6c1b4e579c923f5b8d6e1a40`.
    """
    try:
        text = path.read_text("ascii").strip()
        raw = bytes.fromhex(text) if len(text) == _HEX_DIGITS else b""
    except (OSError, ValueError):
        # Not there, or "uninitialized": a container or a machine at its first boot.
        return None
    if not any(raw):
        return None
    mark = bytearray(hmac.digest(raw, _APPLICATION, hashlib.sha256)[:16])
    # Made a UUID of version 4 (RFC 4122), as systemd does.
    mark[6] = (mark[6] & 0x0F) | 0x40
    mark[8] = (mark[8] & 0x3F) | 0x80
    return bytes(mark)
