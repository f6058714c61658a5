"""Where a new device finds the app and the relays: what the enrollment link says."""

from dataclasses import dataclass
from pathlib import Path

from pushmfa.wire.codec import encode_base64url


@dataclass(frozen=True)
class Places:
    """Where the device finds the app and the relays."""

    origin: str
    relays: tuple[str, ...]
    ca: Path | None
    proxy: str | None


def link_text(origin: str, secret: bytes, relay: str) -> str:
    """Return the enrollment link: origin, "/#1", the secret, the relay if another."""
    place = relay.split("://", 1)[1]
    same = place == origin.split("://", 1)[1]
    return f"{origin}/#1{encode_base64url(secret)}{'' if same else place}"
