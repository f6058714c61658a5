"""Replies of the daemon as the objects of `--json`.

Times are RFC 3339 in UTC, ids unpadded base64url; absent is null.
"""

from typing import TYPE_CHECKING, Any

from pushmfa.cli.output import rfc3339
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.control import AttemptEnded, AttemptInfo, DeviceInfo, Status

if TYPE_CHECKING:
    from pushmfa.device.keyring import Enrollment

Object = dict[str, Any]


def device_state(device: DeviceInfo) -> str:
    """Return active, lost or revoked."""
    if device.revoked_at is not None:
        return "revoked"
    return "active" if device.lost_at is None else "lost"


def device_object(device: DeviceInfo) -> Object:
    """Return one device."""
    return {
        "device_id": encode_base64url(device.device_id),
        "label": device.label,
        "kind": device.kind.value,
        "state": device_state(device),
        "enrolled_at": rfc3339(device.enrolled_at),
        "last_seen_at": rfc3339(device.last_seen_at),
        "lost_at": rfc3339(device.lost_at),
        "revoked_at": rfc3339(device.revoked_at),
        "verification": device.verification.value,
    }


def attempt_object(attempt: AttemptInfo) -> Object:
    """Return one attempt of the audit."""
    return {
        "attempt_id": attempt.attempt_id,
        "at": rfc3339(attempt.at),
        "kind": attempt.kind.value,
        "service": attempt.service,
        "remote_address": attempt.remote_address,
        "verdict": attempt.verdict.value,
        "cause": attempt.cause.value,
        "device_label": attempt.device_label,
    }


def ended_object(ended: AttemptEnded) -> Object:
    """Return how an attempt ended."""
    return {
        "attempt_id": ended.attempt_id,
        "verdict": ended.verdict.value,
        "cause": ended.cause.value,
        "device_label": ended.device_label,
        "elapsed_ms": ended.elapsed_ms,
    }


def status_object(status: Status) -> Object:
    """Return the health of the host, and of the user what may be seen."""
    devices, attempts = status.devices, status.attempts
    return {
        "version": status.version,
        "host_id": encode_base64url(status.host_id),
        "host_name": status.host_name,
        "healthy": status.healthy,
        "problems": list(status.problems),
        "relays": [
            {"url": relay.url, "connected": relay.connected, "problem": relay.problem}
            for relay in status.relays
        ],
        "pending_attempts": status.pending_attempts,
        "enrolled_accounts": status.enrolled_accounts,
        "user": status.user,
        "muted_until": rfc3339(status.muted_until),
        "devices": None if devices is None else [device_object(d) for d in devices],
        "attempts": None if attempts is None else [attempt_object(a) for a in attempts],
    }


def enrollment_object(enrollment: "Enrollment") -> Object:
    """Return one enrollment as the terminal authenticator recorded it; no key."""
    return {
        "device_id": encode_base64url(enrollment.device_id),
        "label": enrollment.label,
        "state": enrollment.status.value,
        "user": enrollment.user,
        "uid": enrollment.uid,
        "host_id": encode_base64url(enrollment.host_id),
        "host_name": enrollment.host_name,
        "relays": list(enrollment.relays),
        "enrolled_at": rfc3339(enrollment.enrolled_at),
        "has_passphrase": enrollment.has_passphrase,
    }
