"""A device as decisions see it: what the host recorded when it was enrolled."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pushmfa.errors import UsageError
from pushmfa.terms import (
    DeviceId,
    DeviceKind,
    MailboxId,
    SealingKey,
    UserName,
    Verification,
    VerifyKey,
)
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.webauthn import Credential

CAPABILITY_PASSPHRASE: Final = "passphrase"  # noqa: S105  a word of the wire
CAPABILITY_WEBAUTHN: Final = "webauthn"


@dataclass(frozen=True, slots=True)
class Device:
    """One device, enrolled for one account; times are Unix seconds."""

    device_id: DeviceId
    user: UserName
    uid: int
    label: str
    kind: DeviceKind
    capabilities: tuple[str, ...]
    verify_key: VerifyKey
    sealing_key: SealingKey
    mailbox: MailboxId
    version: int
    enrolled_at: int
    last_seen_at: int | None = None
    lost_at: int | None = None
    revoked_at: int | None = None
    credential: Credential | None = None
    """What verifies its holder, with the last counter seen; None: nothing does."""

    def verification(self) -> Verification:
        """Return how it verifies its holder."""
        return verification_of(self.capabilities, self.credential)

    def is_active(self) -> bool:
        """Whether it is asked, and whether what it signs counts."""
        return self.revoked_at is None and self.lost_at is None


def verification_of(
    capabilities: Sequence[str], credential: Credential | None
) -> Verification:
    """Return how a device verifies its holder; with a credential by nothing less."""
    if credential is not None:
        return Verification.WEBAUTHN
    if CAPABILITY_PASSPHRASE in capabilities:
        return Verification.PASSPHRASE
    return Verification.NONE


def find_device(devices: tuple[Device, ...], name: str) -> Device:
    """Return the one device that is not revoked and is called name.

    name is a label, or the beginning (4 characters or more) of an id, in base64url as
    the lists show it or in hexadecimal as logs and fingerprints do. Raises UsageError
    if none is, or if several are: a revocation must not guess.
    """
    present = [device for device in devices if device.revoked_at is None]
    # Both at once. Attack: a device whose label is the beginning of another's id, so
    # that the wrong one of the two is revoked.
    found = [
        device
        for device in present
        if device.label == name or _is_beginning(name, device)
    ]
    if len(found) == 1:
        return found[0]
    hint = "See `pushmfa devices list`; the beginning of an id tells alike ones apart."
    if found:
        raise UsageError(f"several devices are called {name}", hint=hint)
    raise UsageError(f"no device is called {name}", hint=hint)


def _is_beginning(name: str, device: Device) -> bool:
    hexadecimal = name.lower().replace(" ", "")
    if len(name) < 4 or len(hexadecimal) < 4:
        # Blanks are no name: everything begins with nothing.
        return False
    shown = encode_base64url(device.device_id)
    return shown.startswith(name) or device.device_id.hex().startswith(hexadecimal)
