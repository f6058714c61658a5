"""Is this host protected and healthy: the reply to get-status."""

from typing import Final

from pushmfa.daemon.audit import AttemptRecord
from pushmfa.daemon.calls import Parts, info_of
from pushmfa.login.policy import Account
from pushmfa.login.verification import locked_out
from pushmfa.terms import VERSION
from pushmfa.wire import control

LAST_ATTEMPTS: Final = 10


def status_of(parts: Parts, account: Account | None) -> control.Status:
    """Return the health of the host, and what concerns account if there is one."""
    relays = parts.relays()
    problems = list(parts.health.problems())
    if parts.health.unwritten.count():
        problems.append(
            "a device that was revoked or reported lost, or an account that was muted,"
            " is so in memory only: the disk refused it. It is tried again each minute;"
            " do not restart the daemon"
        )
    if not any(relay.connected for relay in relays):
        problems.append("no relay is reachable: logins are refused")
    elif not all(relay.connected for relay in relays):
        problems.append("not every relay is reachable")
    shut = locked_out(parts.verification, parts.registry.all_devices())
    if shut:
        # Only how many: the log of the daemon says who, when it starts.
        problems.append(
            f"{len(shut)} of the accounts that have devices have none that can verify"
            " its holder, which [login] verification asks for: they cannot log in"
        )
    attempts = devices = None
    if account is not None:
        records = parts.audit.last_attempts(account, LAST_ATTEMPTS)
        attempts = tuple(_attempt(record) for record in records)
        owned = parts.registry.devices_of(account)
        devices = tuple(info_of(device) for device in reversed(owned))
    return control.Status(
        version=VERSION,
        host_id=parts.host.host_id,
        host_name=parts.host.name,
        healthy=not problems,
        problems=tuple(problems),
        relays=relays,
        pending_attempts=parts.logins.count_pending(),
        enrolled_accounts=parts.registry.count_accounts(),
        user=account.name if account else None,
        muted_until=parts.mutes.until(account) if account else None,
        devices=devices,
        attempts=attempts,
    )


def _attempt(record: AttemptRecord) -> control.AttemptInfo:
    return control.AttemptInfo(
        attempt_id=record.attempt_id,
        at=record.at,
        kind=record.kind,
        service=record.service,
        remote_address=record.remote_address,
        verdict=record.verdict,
        cause=record.cause,
        device_label=record.device_label,
    )
