"""Enrollment, asked for over control.sock: tickets, and the enrollment itself.

Authorized by root, by a device that the account has, or for a first device by an
enrollment ticket.
"""

import asyncio

from pushmfa.daemon.calls import Call, Parts, act_of, approval_of, tell_done, write_act
from pushmfa.daemon.enrollments import Offer
from pushmfa.daemon.names import account_named
from pushmfa.daemon.offers import WaitingOffer
from pushmfa.errors import (
    ExpiredError,
    NotEnrolledError,
    NotPermittedError,
    PushmfaError,
    RefusedError,
    UsageError,
)
from pushmfa.login.authority import Permission
from pushmfa.login.authorization import Authorization, ByDevice, ByRoot, ByTicket
from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.login.verification import is_enough
from pushmfa.terms import Kind
from pushmfa.wire import control
from pushmfa.wire.payload import NoticeKind


async def make_ticket(
    parts: Parts, call: Call, request: control.MakeTicket
) -> control.Ticket:
    """Make an enrollment ticket; root only, and older ones of the account are void."""
    if not parts.is_ticket_enough:
        raise NotPermittedError(
            "tickets are turned off on this host",
            hint='pushmfa.toml says [enroll] first_device = "root".',
        )
    ticket, expires_at = parts.audit.append_with(
        lambda audit: parts.tickets.make(call.account, parts.clock.now(), audit),
        act_of(parts, call, "ticket", None),
    )
    return control.Ticket(user=call.account.name, ticket=ticket, expires_at=expires_at)


async def enroll(parts: Parts, call: Call, request: control.Enroll) -> control.Reply:
    """Enroll a device: link, claim, six digits, one try."""
    authorization = await _authorize(parts, call, request)
    waiting = parts.offers.wait(call.account, authorization)
    try:
        device = await _enroll(parts, call, request, waiting)
    except PushmfaError:
        if waiting.why is not None:
            write_act(parts, call, "enroll failed: authorized no more", None)
        raise
    if device is None:
        write_act(parts, call, "enroll failed: wrong six digits", None)
        raise RefusedError(
            "the six digits are not the ones that the device shows",
            hint="Nothing was enrolled. Run `pushmfa enroll` again for a new link;"
            " if it happens twice, somebody may be in between.",
        )
    return tell_done(parts, call, device, NoticeKind.DEVICE_ENROLLED)


async def _enroll(
    parts: Parts, call: Call, request: control.Enroll, waiting: WaitingOffer
) -> Device | None:
    """Return the new device, None if the six digits are not right."""

    def keep(device: Device) -> None:
        parts.audit.append_with(
            lambda audit: parts.registry.add(device, call.uid, audit),
            act_of(parts, call, "enroll", device),
        )

    asked = parts.verification.of(call.account)
    offer = Offer(
        host=parts.host,
        places=parts.places,
        registry=parts.registry,
        clock=parts.clock,
        account=call.account,
        verification=asked,
    )
    async with offer:
        async with waiting:
            await call.exchange.tell(
                control.EnrollLink(link=offer.link, lifetime=offer.lifetime)
            )
            claim = await offer.claimed()
            await call.exchange.tell(
                control.EnrollClaimed(
                    label=claim.device.label,
                    kind=claim.device.kind,
                    can_approve=is_enough(claim.verification(), asked),
                )
            )
            typed = await _next_code(call, offer.lifetime)
            await _verify_still_there(call.account)
        # From here to the new device nothing is awaited: what was looked at holds.
        waiting.verify()
        if isinstance(waiting.authorization, ByTicket):
            _use_ticket(parts, call, waiting.authorization.digest)
        return offer.confirm(typed, request.label, keep)


async def _verify_still_there(account: Account) -> None:
    """Return if the user database knows account as it did before the wait.

    Attack: the account is removed meanwhile, and the next one gets its uid or name.
    """
    if await account_named(account.name) != account:
        raise RefusedError(
            f"the account {account.name} is not the same any more",
            hint="Nothing was enrolled. It was removed or changed meanwhile:"
            f" see `getent passwd {account.name}`.",
        )


async def _next_code(call: Call, seconds: float) -> str:
    """Return what the person typed; ExpiredError after that many seconds."""
    try:
        async with asyncio.timeout(seconds):
            typed = await call.exchange.next_request()
    except TimeoutError as error:
        raise ExpiredError(
            "the six digits were not typed in time",
            hint="Run `pushmfa enroll` again for a new link.",
        ) from error
    if not isinstance(typed, control.EnrollCode):
        raise UsageError("only the six digits can come now")
    return typed.code


async def _authorize(
    parts: Parts, call: Call, request: control.Enroll
) -> Authorization:
    """Return what authorizes it, as of now."""
    if call.permission is Permission.YES:
        return ByRoot()
    registry = parts.registry
    if registry.active_devices_of(call.account):
        text = f"Enroll another device for {call.account.name}."
        return ByDevice(await approval_of(parts, call, Kind.ENROLL, text))
    if not parts.is_ticket_enough:
        raise NotPermittedError(
            "a first device is enrolled by root on this host",
            hint=f"Ask your administrator: pushmfa enroll --user {call.account.name}",
        )
    if request.ticket is None:
        raise NotEnrolledError(
            "an enrollment ticket is needed for a first device",
            hint="Ask your administrator: pushmfa enroll --user "
            f"{call.account.name} --ticket",
        )
    now = parts.clock.now()
    return ByTicket(parts.tickets.check_enroll(call.account, request.ticket, now))


def _use_ticket(parts: Parts, call: Call, digest: bytes) -> None:
    if not parts.tickets.use_enroll(digest, parts.clock.now()):
        raise RefusedError(
            "the enrollment ticket was used meanwhile",
            hint="Nothing was enrolled. Ask your administrator for a new one: pushmfa "
            f"enroll --user {call.account.name} --ticket",
        )
