"""Whether what authorized an enrollment still does when the device is to be added."""

from dataclasses import replace

import pytest

from pushmfa.errors import RefusedError
from pushmfa.login.authorization import (
    Authorization,
    ByDevice,
    ByRoot,
    ByTicket,
    verify_authorized,
)
from pushmfa.login.devices import Device
from tests.unit.test_daemon_registry import device

PIXEL, NOKIA = device(b"p"), device(b"n")
LOST, REVOKED = replace(PIXEL, lost_at=2_000), replace(PIXEL, revoked_at=2_000)
BY_PIXEL, BY_TICKET = ByDevice(PIXEL.device_id), ByTicket(b"t" * 32)


def test_the_device_that_approved_is_active() -> None:
    verify_authorized(BY_PIXEL, (NOKIA, PIXEL), is_muted=False)


@pytest.mark.parametrize(
    ("devices", "said"),
    [
        ((REVOKED, NOKIA), "phone p.* was revoked meanwhile"),
        ((LOST, NOKIA), "phone p.* was reported lost meanwhile"),
        ((replace(LOST, revoked_at=3_000),), "revoked"),
        ((NOKIA,), "revoked"),
        ((), "revoked"),
    ],
)
def test_attack_the_device_that_approved_is_active_no_more(
    devices: tuple[Device, ...], said: str
) -> None:
    with pytest.raises(RefusedError, match=said) as caught:
        verify_authorized(BY_PIXEL, devices, is_muted=False)
    assert "Nothing was enrolled" in caught.value.hint


def test_a_ticket_is_for_an_account_without_an_active_device() -> None:
    for devices in ((), (LOST,), (REVOKED,)):
        verify_authorized(BY_TICKET, devices, is_muted=False)
    with pytest.raises(RefusedError, match=r"has a device by now \(phone p\)"):
        verify_authorized(BY_TICKET, (PIXEL,), is_muted=False)


@pytest.mark.parametrize("authorization", [BY_PIXEL, BY_TICKET])
def test_attack_a_muted_account_gets_a_device(authorization: Authorization) -> None:
    devices = (PIXEL,) if authorization is BY_PIXEL else ()
    verify_authorized(authorization, devices, is_muted=False)
    with pytest.raises(RefusedError, match="muted"):
        verify_authorized(authorization, devices, is_muted=True)


def test_root_may_whatever_the_account_has() -> None:
    for devices in ((), (PIXEL,), (REVOKED,)):
        verify_authorized(ByRoot(), devices, is_muted=True)


def test_attack_a_label_that_forges_a_line_of_the_refusal() -> None:
    forged = replace(REVOKED, label="x\nhint: all is well")
    with pytest.raises(RefusedError) as caught:
        verify_authorized(BY_PIXEL, (forged,), is_muted=False)
    assert "\n" not in str(caught.value)
