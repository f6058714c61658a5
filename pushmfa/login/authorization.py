"""What allows an enrollment, and whether it still does when the device is to be added.

Between the approval and the six digits lie minutes, in which the owner may find out
that a device was stolen: what that device approved must not outlive it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pushmfa.errors import RefusedError
from pushmfa.login.devices import Device
from pushmfa.terms import DeviceId
from pushmfa.text import make_harmless


@dataclass(frozen=True, slots=True)
class ByRoot:
    """Root asked for it."""


@dataclass(frozen=True, slots=True)
class ByDevice:
    """A device of the account approved it."""

    device_id: DeviceId


@dataclass(frozen=True, slots=True)
class ByTicket:
    """An enrollment ticket was typed."""

    digest: bytes


Authorization: TypeAlias = ByRoot | ByDevice | ByTicket


def verify_authorized(
    authorization: Authorization, devices: Iterable[Device], *, is_muted: bool
) -> None:
    """Return if authorization still allows to enroll; RefusedError.

    devices are all that the account ever had; is_muted: the account is, now.
    """
    if isinstance(authorization, ByRoot):
        return
    if is_muted:
        # Attack: the owner mutes the account, and the thief adds a device meanwhile.
        raise RefusedError(
            "the account is muted, and gets no new device meanwhile",
            hint="Nothing was enrolled. End the mute (pushmfa unlock), or wait;"
            " then run `pushmfa enroll` again.",
        )
    if isinstance(authorization, ByTicket):
        _verify_first(devices)
    else:
        _verify_active(authorization.device_id, devices)


def _verify_first(devices: Iterable[Device]) -> None:
    """Return if no device is active: beside one a ticket authorizes nothing."""
    active = [device for device in devices if device.is_active()]
    if active:
        label = make_harmless(active[0].label, 64)
        raise RefusedError(
            f"the account has a device by now ({label}), beside which a ticket is not"
            " enough",
            hint="Nothing was enrolled. If that device is yours, run `pushmfa enroll`"
            " again and approve on it; if not, tell your administrator at once.",
        )


def _verify_active(device_id: DeviceId, devices: Iterable[Device]) -> None:
    """Return if the device that approved is still one that may."""
    found = next((each for each in devices if each.device_id == device_id), None)
    if found is not None and found.is_active():
        return
    # Attack: a stolen phone approves; it is revoked before the six digits are typed.
    label = make_harmless(found.label, 64) if found is not None else "unknown"
    lost = found is not None and found.revoked_at is None
    raise RefusedError(
        f"the device that approved this ({label}) was"
        f" {'reported lost' if lost else 'revoked'} meanwhile",
        hint="Nothing was enrolled. Run `pushmfa enroll` again and approve on another"
        " device, or ask your administrator.",
    )
