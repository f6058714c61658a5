"""Devices, asked about over control.sock: list, revoke, rename, lost, test."""

from dataclasses import replace

from pushmfa.crypto.keys import fingerprint
from pushmfa.daemon.calls import (
    Call,
    Parts,
    act_of,
    ask_to_end,
    finish,
    info_of,
    need_approval,
    tell_done,
)
from pushmfa.errors import UsageError
from pushmfa.login.devices import Device, find_device
from pushmfa.terms import Kind
from pushmfa.text import make_harmless
from pushmfa.wire import control
from pushmfa.wire.payload import NoticeKind


async def list_devices(
    parts: Parts, call: Call, request: control.ListDevices
) -> control.Devices:
    """Return all devices that the account ever had, newest first."""
    devices = parts.registry.devices_of(call.account)
    return control.Devices(
        user=call.account.name,
        devices=tuple(info_of(device) for device in reversed(devices)),
    )


async def revoke_device(
    parts: Parts, call: Call, request: control.RevokeDevice
) -> control.Done:
    """Revoke a device: what it signs counts no more, from this moment on."""
    device = _find(parts, call, request.device)
    # With its fingerprint. Attack: two devices of one label, and the person believes
    # that the other one is meant.
    label, mark = make_harmless(device.label, 64), fingerprint(device.device_id)
    text = f"Revoke the device {label} ({mark})."
    await need_approval(parts, call, Kind.REVOKE, text)
    now = parts.clock.now()
    try:
        revoked = parts.registry.revoke(_current(parts, device), call.uid, now)
    finally:
        # A revocation counts even if the disk refuses it.
        parts.logins.device_gone(device.device_id)
    parts.notices.tell_revoked(revoked, now)
    return finish(parts, call, "revoke", revoked, NoticeKind.DEVICE_REVOKED)


async def rename_device(
    parts: Parts, call: Call, request: control.RenameDevice
) -> control.Done:
    """Give a device another label."""
    device = _find(parts, call, request.device)
    shown = f"{make_harmless(device.label, 64)} to {make_harmless(request.label, 64)}"
    await need_approval(parts, call, Kind.CONFIRM, f"Rename the device {shown}.")
    now = parts.clock.now()
    current = _current(parts, device)
    renamed = parts.audit.append_with(
        lambda audit: parts.registry.rename(
            current, request.label, call.uid, now, audit
        ),
        act_of(parts, call, "rename", replace(current, label=request.label)),
    )
    return tell_done(parts, call, renamed, NoticeKind.DEVICE_RENAMED)


async def report_lost(
    parts: Parts, call: Call, request: control.ReportLost
) -> control.Done:
    """Mute a device; a uid alone may do it, since it can only take something away."""
    device = _find(parts, call, request.device)
    if device.lost_at is not None:
        raise UsageError(
            f"{make_harmless(device.label, 64)} is reported lost already",
            hint="It is not asked any more. If it stays lost, revoke it: "
            "pushmfa devices revoke DEVICE",
        )
    try:
        lost = parts.registry.report_lost(device, call.uid, parts.clock.now())
    finally:
        parts.logins.device_gone(device.device_id)
    return finish(parts, call, "lost", lost, NoticeKind.DEVICE_LOST)


async def start_test(
    parts: Parts, call: Call, request: control.StartTest
) -> control.AttemptEnded:
    """Ask the account's devices once, for nothing but the test."""
    return await ask_to_end(parts, call, Kind.TEST, "A test of pushmfa.")


def _find(parts: Parts, call: Call, name: str) -> Device:
    return find_device(parts.registry.devices_of(call.account), name)


def _current(parts: Parts, device: Device) -> Device:
    """Return device as it is after the wait for an approval."""
    current = parts.registry.by_id(device.device_id)
    if current is None or current.revoked_at is not None:
        raise UsageError(
            "the device was revoked meanwhile",
            hint="It can approve nothing any more. See: pushmfa devices list",
        )
    return current
