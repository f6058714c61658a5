"""Which device is meant, by its label or the beginning of its id."""

from dataclasses import replace

import pytest

from pushmfa.errors import UsageError
from pushmfa.login.devices import Device, find_device
from pushmfa.terms import (
    DeviceId,
    DeviceKind,
    MailboxId,
    SealingKey,
    UserName,
    VerifyKey,
)
from pushmfa.wire.codec import encode_base64url


def device(label: str, first: str) -> Device:
    return Device(
        device_id=DeviceId(bytes.fromhex(first.ljust(64, "0"))),
        user=UserName("alice"),
        uid=1000,
        label=label,
        kind=DeviceKind.APP,
        capabilities=(),
        verify_key=VerifyKey(bytes(32)),
        sealing_key=SealingKey(bytes(65)),
        mailbox=MailboxId(bytes(16)),
        version=1,
        enrolled_at=0,
    )


PIXEL = device("Pixel", "9f2c41aa")
TABLET = device("Tablet", "9f2c41ab")
ALIKE = device("Pixel", "07de55b1")


def test_a_device_is_found_by_its_label() -> None:
    assert find_device((PIXEL, TABLET), "Tablet") == TABLET


def test_a_device_is_found_by_the_beginning_of_its_id() -> None:
    assert find_device((PIXEL, TABLET), "9f2c41ab") == TABLET
    assert find_device((PIXEL, ALIKE), "07DE") == ALIKE
    assert find_device((PIXEL, ALIKE), "9f2c 41aa") == PIXEL


def test_attack_a_label_that_is_the_beginning_of_an_id() -> None:
    named = device("07de55b1", "aaaa")
    assert find_device((PIXEL, named), "07de55b1") == named
    with pytest.raises(UsageError, match="several devices"):
        find_device((ALIKE, named), "07de55b1")
    assert find_device((ALIKE, named), "07de55") == ALIKE
    assert find_device((ALIKE, named), "aaaa") == named


@pytest.mark.parametrize("name", ["", "9f2", "    ", "pixel", "Phone", "ffff"])
def test_what_names_no_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no device is called"):
        find_device((PIXEL, TABLET), name)


@pytest.mark.parametrize(
    ("devices", "name"), [((PIXEL, ALIKE), "Pixel"), ((PIXEL, TABLET), "9f2c41")]
)
def test_what_names_several_devices_is_refused(
    devices: tuple[Device, ...], name: str
) -> None:
    with pytest.raises(UsageError, match="several devices") as caught:
        find_device(devices, name)
    assert "devices list" in caught.value.hint


def test_a_revoked_device_is_not_found_a_lost_one_is() -> None:
    revoked, lost = replace(PIXEL, revoked_at=5), replace(PIXEL, lost_at=5)
    with pytest.raises(UsageError):
        find_device((revoked,), "Pixel")
    assert find_device((lost, revoked), "Pixel") == lost
    assert not revoked.is_active()
    assert not lost.is_active()
    assert PIXEL.is_active()


def test_a_device_is_found_by_the_id_that_the_lists_show() -> None:
    shown = encode_base64url(PIXEL.device_id)
    assert find_device((PIXEL, TABLET), shown) == PIXEL
    assert find_device((PIXEL, TABLET), shown[:8]) == PIXEL
