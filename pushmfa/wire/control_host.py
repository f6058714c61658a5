"""control.sock: the backup of a host.

A part of `pushmfa.wire.control`, whose unions hold all of it.
"""

from typing import Annotated

import msgspec

from pushmfa.terms import Binary, Digest
from pushmfa.wire.codec import Message


class BackupBytes(Binary):
    """A piece of a backup."""

    MIN, MAX = 1, 32_768


class GetBackup(Message, frozen=True, tag="get-backup"):
    """Ask for a backup of everything, the private keys too; root only."""


class BackupPiece(Message, frozen=True, tag="backup-piece"):
    """The next bytes of the backup."""

    data: BackupBytes


class BackupDone(Message, frozen=True, tag="backup-done"):
    """All pieces were sent."""

    size: Annotated[int, msgspec.Meta(ge=1)]
    sha256: Digest
    """Of all pieces together."""
