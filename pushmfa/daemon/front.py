"""What every conversation shares: the policy, the facts, and what is remembered."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from pushmfa.config.model import HostConfig
from pushmfa.daemon.challenges import Context
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.health import Health
from pushmfa.daemon.logins import Logins
from pushmfa.daemon.mutes import Mutes
from pushmfa.daemon.refusals import Refusals
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.requests import Situation, remote_address
from pushmfa.daemon.sources import Sources
from pushmfa.daemon.tickets import Tickets
from pushmfa.daemon.waiting import Waiting
from pushmfa.errors import StoreError
from pushmfa.login.attempt import End, revisit
from pushmfa.login.moment import Moment
from pushmfa.login.numbers import choose_number
from pushmfa.login.policy import (
    Account,
    LoginFacts,
    PolicySettings,
    has_publickey,
    is_first_factor_proved,
)
from pushmfa.terms import AttemptId, Cause, Verdict
from pushmfa.text import decode_text
from pushmfa.wire.local import Request

REACH_SECONDS: Final = 3.5
"""From the request until a relay must be there that is dialed because of it. The
module waits 5 for our first word."""

REMEMBERED: Final = 4_096
"""Connections whose refusal is remembered; the oldest is forgotten first."""

MEMORY: Final = 600
"""Seconds that a refused connection is remembered; LoginGraceTime is shorter."""


class Front:
    """The policy of this host and what its conversations need to know."""

    def __init__(
        self,
        *,
        config: HostConfig,
        clock: Clock,
        registry: Registry,
        refusals: Refusals,
        logins: Logins,
        tickets: Tickets,
        mutes: Mutes,
        health: Health,
        is_relay_ready: "asyncio.Event",
        reach_relay: Callable[[float], Awaitable[object]],
    ) -> None:
        self.health = health
        self._config = config
        self._clock = clock
        self._registry = registry
        self._refusals = refusals
        self._tickets = tickets
        self._mutes = mutes
        self._is_relay_ready = is_relay_ready
        self.reach_relay = reach_relay
        """Dials now if no relay is connected, and waits for it, at most so many
        seconds."""
        self.logins = logins
        self.sources = Sources()
        self.lifetime = config.login.lifetime
        self.policy = policy_settings(config)
        self._refused: OrderedDict[tuple[bytes, int], tuple[End, Moment]] = (
            OrderedDict()
        )

    def display_of(self, request: Request) -> str | None:
        """Return what the configuration says of the service's display."""
        return self._config.service(decode_text(request.service or b"")).display

    def facts_of(self, situation: Situation) -> LoginFacts:
        """Return what the policy decides on."""
        request, now = situation.request, self._clock.now()
        approver = situation.approver
        devices = self._registry.devices_of(approver) if approver else ()
        active = sum(device.is_active() for device in devices)
        methods = None if request.methods is None else decode_text(request.methods)
        return LoginFacts(
            phase=request.phase,
            role=request.role,
            service=situation.service,
            is_cut=request.cut,
            user=situation.accounts.user,
            approver=approver,
            is_approver_certain=situation.is_approver_certain,
            has_publickey=has_publickey(methods),
            remote_address=situation.context.remote_address,
            active_devices=active,
            has_ticket=not active and self._has_ticket(approver, now),
            earlier_refusal=self._earlier_refusal(situation.context, now),
            is_relay_ready=self._is_relay_ready.is_set(),
            wall=now.wall,
            had_device=approver is None or bool(devices),
            is_muted=approver is not None and self._mutes.until(approver) is not None,
        )

    def _has_ticket(self, approver: Account | None, now: Moment) -> bool:
        # Asked last: it reads the disk, and a login with a device needs none.
        return approver is not None and self._tickets.is_out(approver, now)

    def label_of(self, end: End) -> str | None:
        """Return the label of the device that ended an attempt."""
        device = self._registry.by_id(end.device_id) if end.device_id else None
        return device.label if device else None

    # --- one refusal a connection (invariant 7) -------------------------------------

    def remember_refusal(self, context: Context, end: End) -> None:
        """Remember that this ssh connection was refused: its retries ask nobody."""
        if context.connection is None:
            return
        until = self._clock.now().after(MEMORY)
        self._refused[context.connection] = (end, until)
        self._refused.move_to_end(context.connection)
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)

    def _earlier_refusal(self, context: Context, now: Moment) -> End | None:
        if context.connection is None:
            return None
        found = self._refused.get(context.connection)
        if found is None or found[1].has_come(now):
            return None
        return found[0]

    # --- pretending -----------------------------------------------------------------

    def pretend(self, context: Context, lifetime: int) -> Waiting | End:
        """Return what waits like a real attempt and asks nobody.

        Attack: who is enrolled, who exists? Same number, same wait, same end. However
        many there are: if a flood of them ended at once, those that still wait would
        be the enrolled ones. What bounds them is the number of connections.
        """
        self.count_refusal(context)
        expired = End(Verdict.EXPIRED, Cause.NO_ANSWER)
        number = choose_number(self._config.login.digits, (), secrets.randbits(128))
        if number is None:
            return expired
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[End] = loop.create_future()

        def finish(end: End) -> None:
            if not ended.done():
                timer.cancel()
                ended.set_result(end)

        timer = loop.call_later(lifetime, finish, expired)
        return Waiting(
            attempt_id=AttemptId(secrets.token_hex(8)),
            number=number,
            devices=(),
            lifetime=lifetime,
            ended=ended,
            cancel=lambda cause: finish(End(Verdict.CANCELED, cause)),
            note_delivery=lambda _: None,
            note_enter=lambda _: None,
        )

    def end_unasked(self, situation: Situation, facts: LoginFacts, end: End) -> End:
        """Write down an end that nobody was asked for, or count it; return it.

        A refusal has a row of its own if it is known who was refused, and not too
        many of them. Attack: any person of this host logs in in a loop, unenrolled or
        muted, and fills the disk.
        """
        if end.is_approved():
            return self.logins.refuse(situation.context, end)
        who = None
        if facts.role == "attempt" and situation.approver is not None:
            proved = is_first_factor_proved(self.policy, facts)
            if proved or situation.accounts.caller == situation.approver:
                who = situation.approver.name
        if who is not None and self._refusals.may_write(who):
            return self.logins.refuse(situation.context, end)
        self.count_refusal(situation.context)
        return end

    def end_now(self, context: Context, end: End, until: Moment) -> End:
        """Return what an approval is worth now that the terminal can hear it."""
        account, device = context.approver, None
        if end.device_id is not None:
            device = self._registry.by_id(end.device_id)
        return revisit(
            end,
            has_device=device is not None and device.is_active(),
            is_muted=account is None or self._mutes.until(account) is not None,
            until=until,
            now=self._clock.now(),
        )

    def moment_after(self, seconds: float) -> Moment:
        """Return the moment that comes in so many seconds."""
        return self._clock.now().after(seconds)

    def count_refusal(self, context: Context) -> None:
        """Count a refusal without a first factor; no row is written for each."""
        self._refusals.count(context.remote_address or "local")

    def count_request(self, request: Request) -> None:
        """Count a refusal of whom nothing is known yet but where he calls from."""
        self._refusals.count(remote_address(request.conn) or "local")

    def write_counts(self) -> None:
        """Write the refusals counted since the last time; called once a minute."""
        self._refusals.write()

    # --- tickets --------------------------------------------------------------------

    def admit_by_ticket(self, context: Context, typed: str) -> End:
        """Return the end of a login whose person typed an enrollment ticket."""
        wrong = End(Verdict.DENIED, Cause.WRONG_CODE)
        if context.approver is None:
            return wrong
        try:
            admitted = self._tickets.admit(context.approver, typed, self._clock.now())
        except StoreError:
            return End(Verdict.UNAVAILABLE, Cause.INTERNAL)
        return End(Verdict.APPROVED, Cause.TICKET) if admitted else wrong


def policy_settings(config: HostConfig) -> PolicySettings:
    """Return what the decisions need of the configuration."""
    login = config.login
    is_open = login.unreachable == "allow"
    until = login.unenrolled_until
    return PolicySettings(
        stack_services=frozenset(
            name
            for name, service in config.services.items()
            if service.first_factor == "stack"
        ),
        su_ask=config.su.ask,
        unreachable_users=frozenset(login.unreachable_users if is_open else ()),
        unreachable_networks=tuple(login.unreachable_networks if is_open else ()),
        unenrolled_until=None if until is None else float(until),
    )
