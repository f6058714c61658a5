"""One request over control.sock, understood: who calls, for whom, and may they."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol

from pushmfa.daemon.audit import SCHEMA, ActRecord, Audit, StateRecord
from pushmfa.daemon.challenges import Context, labels_of
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.front import REACH_SECONDS
from pushmfa.daemon.health import Health
from pushmfa.daemon.logins import Logins
from pushmfa.daemon.mutes import Mutes
from pushmfa.daemon.notices import Notices
from pushmfa.daemon.offers import Offers
from pushmfa.daemon.places import Places
from pushmfa.daemon.post import Host
from pushmfa.daemon.refusals import Refusals
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.standing import Lane
from pushmfa.daemon.tickets import Tickets
from pushmfa.daemon.waiting import Waiting
from pushmfa.errors import (
    ExpiredError,
    LimitError,
    NotEnrolledError,
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    RefusedError,
)
from pushmfa.login.attempt import End
from pushmfa.login.authority import Caller, Command, Permission, decide
from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.login.verification import VerificationRule
from pushmfa.terms import Cause, DeviceId, Kind, Verdict
from pushmfa.wire import control
from pushmfa.wire.payload import NoticeKind

log = logging.getLogger("pushmfa.control")

SERVICE: Final = "pushmfa"
"""Of what pushmfa itself asks."""

_UNCHANGED: Final = "Nothing was changed."


class Exchange(Protocol):
    """The caller's connection, as a command needs it."""

    async def tell(self, event: control.Event) -> None:
        """Send an event."""

    async def next_request(self) -> control.Request:
        """Return what the caller sends next."""
        raise NotImplementedError


@dataclass(frozen=True)
class Parts:
    """The parts of the daemon that commands work with."""

    host: Host
    clock: Clock
    registry: Registry
    audit: Audit
    refusals: Refusals
    logins: Logins
    tickets: Tickets
    mutes: Mutes
    offers: Offers
    verification: VerificationRule
    notices: Notices
    places: Places
    lifetime: int
    is_ticket_enough: bool
    """Whether a ticket may authorize a first device ([enroll] first_device)."""
    reach_relay: Callable[[float], Awaitable[object]]
    """As in `Front`."""
    relays: Callable[[], tuple[control.RelayInfo, ...]]
    health: Health
    database: Path


@dataclass(frozen=True)
class Call:
    """One request: who calls, for which account, and with what permission."""

    uid: int
    account: Account
    permission: Permission
    exchange: Exchange


async def ask(
    parts: Parts,
    call: Call,
    kind: Kind,
    text: str,
    *,
    service: str = SERVICE,
    lifetime: int | None = None,
) -> tuple[End, str]:
    """Ask the account's devices; return how it ended, and the attempt's id.

    lifetime in seconds; None is the configured one. A caller that leaves cancels the
    attempt.
    """
    context = Context(
        kind=kind,
        service=service,
        user=call.account,
        approver=call.account,
        requesting_user=None if call.uid == call.account.uid else "root",
        text=text,
        lane=Lane.CONTROL,
    )
    # Awaited before the look at the mute, which may begin meanwhile.
    await parts.reach_relay(REACH_SECONDS)
    waiting: Waiting | End = End(Verdict.LOCKED, Cause.LOCKED)
    if kind is Kind.UNLOCK or parts.mutes.until(call.account) is None:
        waiting = parts.logins.begin(context, lifetime or parts.lifetime)
    if isinstance(waiting, End):
        # Attack: any user of this machine asks in a loop, device or not; a row for
        # each would fill the disk and lock everybody out.
        parts.refusals.count(f"uid {call.uid}")
        return waiting, "-"
    try:
        await call.exchange.tell(
            control.NumberShown(
                attempt_id=waiting.attempt_id,
                number=waiting.number,
                devices=labels_of(waiting.devices),
                lifetime=waiting.lifetime,
            )
        )
        # Shielded: a caller that leaves must not take the attempt's end with it.
        return await asyncio.shield(waiting.ended), waiting.attempt_id
    finally:
        waiting.cancel(Cause.HANGUP)


async def ask_to_end(
    parts: Parts,
    call: Call,
    kind: Kind,
    text: str,
    *,
    service: str = SERVICE,
    lifetime: int | None = None,
) -> control.AttemptEnded:
    """Ask the account's devices; return how it ended as the caller is told."""
    started = time.monotonic()
    end, attempt_id = await ask(
        parts, call, kind, text, service=service, lifetime=lifetime
    )
    device = parts.registry.by_id(end.device_id) if end.device_id else None
    return control.AttemptEnded(
        attempt_id=attempt_id,
        verdict=end.verdict,
        cause=end.cause,
        device_label=device.label if device else None,
        elapsed_ms=int((time.monotonic() - started) * 1000),
    )


async def need_approval(parts: Parts, call: Call, kind: Kind, text: str) -> None:
    """Return if call may go on: it is root's, or a device of the owner approves it.

    RefusedError, ExpiredError, LimitError, NotEnrolledError, NotReachableError.
    """
    if call.permission is not Permission.YES:
        await approval_of(parts, call, kind, text)


async def approval_of(parts: Parts, call: Call, kind: Kind, text: str) -> DeviceId:
    """Return the device of the owner that approves call; errors: `need_approval`."""
    end, _ = await ask(parts, call, kind, text)
    if not end.is_approved() or end.device_id is None:
        raise _error_of(end)
    return end.device_id


def write_act(parts: Parts, call: Call, act: str, device: Device | None) -> None:
    """Write an administrative act to the audit; StoreError."""
    parts.audit.append(act_of(parts, call, act, device))


def act_of(parts: Parts, call: Call, act: str, device: Device | None) -> ActRecord:
    """Return the record of an administrative act."""
    return ActRecord(
        schema=SCHEMA,
        at=int(parts.clock.now().wall),
        actor_uid=call.uid,
        act=act,
        user=call.account.name,
        uid=call.account.uid,
        device_id=device.device_id if device else None,
        device_label=device.label if device else None,
        attempt_id=None,
    )


def write_state_act(parts: Parts, act: str, detail: str) -> None:
    """Write down what root did with the state as a whole; StoreError."""
    parts.audit.append(
        StateRecord(
            schema=SCHEMA,
            at=int(parts.clock.now().wall),
            act=act,
            detail=detail,
            epoch=parts.registry.counter,
            seen=None,
            device_id=None,
        )
    )


def finish(
    parts: Parts, call: Call, act: str, device: Device, notice: NoticeKind
) -> control.Done:
    """Tell the owner's devices what was taken from device, write it down, and reply.

    For what counts even if the disk refuses it; else `Audit.append_with`, `tell_done`.
    """
    # The owner first: what was done must be told even if the disk is full.
    done = tell_done(parts, call, device, notice)
    write_act(parts, call, act, device)
    return done


def tell_done(
    parts: Parts, call: Call, device: Device, notice: NoticeKind
) -> control.Done:
    """Tell the owner's devices what was done to device, and return the reply."""
    by = "root" if call.uid == 0 else call.account.name
    parts.notices.tell(call.account, device, notice, by)
    return control.Done(user=call.account.name, device=info_of(device))


def refuse(command: Command, uid: int) -> NoReturn:
    """Say no to the user uid, in the log too."""
    log.warning("uid %d may not: %s", uid, command)
    hint = "Your own account needs no --user; for another one ask root."
    if decide(command, Caller.OWNER) is Permission.NO:
        hint = "Only root may do this: run it with sudo, or as root."
    raise NotPermittedError(f"you may not do this: {command}", hint=hint)


def _error_of(end: End) -> PushmfaError:
    """Return the error that tells why an approval was not given."""
    match end.verdict:
        case Verdict.DENIED:
            return RefusedError("it was denied on the device", hint=_UNCHANGED)
        case Verdict.WRONG_NUMBER:
            return RefusedError(
                "a wrong number was entered on the device",
                hint=f"{_UNCHANGED} Try again to get a new number.",
            )
        case Verdict.EXPIRED:
            return ExpiredError("nobody answered in time", hint=_UNCHANGED)
        case Verdict.LOCKED:
            return LimitError(
                "the devices of this account are muted and were not asked",
                hint="End that first: pushmfa unlock",
            )
        case Verdict.THROTTLED:
            return LimitError(
                "another request of yours waits for an answer",
                hint="Answer or deny it on your device, or wait a minute.",
            )
        case Verdict.NOT_ENROLLED:
            return _not_enrolled(end)
        case Verdict.UNAVAILABLE if end.cause is Cause.RELAY_UNREACHABLE:
            return NotReachableError(
                "no relay is reachable, so no device can be asked",
                hint="`pushmfa status` says what is wrong with each relay.",
            )
        case _:
            return RefusedError("it was not approved", hint=_UNCHANGED)


def _not_enrolled(end: End) -> PushmfaError:
    if end.cause is not Cause.NO_VERIFICATION:
        return NotEnrolledError("the account has no active device")
    # Not as if there was none: a ticket would not help.
    return RefusedError(
        "none of the devices of this account can verify its holder, which is asked"
        " for here",
        hint=f"{_UNCHANGED} Ask your administrator to enroll one that can.",
    )


def info_of(device: Device) -> control.DeviceInfo:
    """Return device as lists show it."""
    return control.DeviceInfo(
        device_id=device.device_id,
        label=device.label,
        kind=device.kind,
        enrolled_at=device.enrolled_at,
        last_seen_at=device.last_seen_at,
        lost_at=device.lost_at,
        revoked_at=device.revoked_at,
        verification=device.verification(),
    )
