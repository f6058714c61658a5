"""One login, from the module's first datagram to the verdict.

    request -> situation -> plan -> ask | pretend | ticket | end -> verdict

Whatever goes wrong on the way is a refusal with a reason in the log.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Final

from pushmfa.daemon import words
from pushmfa.daemon.front import REACH_SECONDS, Front
from pushmfa.daemon.module import ModuleConnection
from pushmfa.daemon.requests import Situation, understand
from pushmfa.daemon.sources import source_of
from pushmfa.daemon.standing import Lane
from pushmfa.daemon.terminal import HangUpError, Shown, Terminal
from pushmfa.errors import MalformedError, NotReachableError
from pushmfa.login import policy
from pushmfa.login.attempt import End
from pushmfa.login.policy import Action, LoginFacts
from pushmfa.terms import Cause, Verdict
from pushmfa.text import decode_text
from pushmfa.wire.local import (
    Request,
    decode_request,
    decode_typed,
)

log = logging.getLogger("pushmfa.logins")

FIRST_DEADLINE: Final = 5.0
"""Seconds that a module may take for its first datagram."""

MARGIN: Final = 5
"""Seconds by which a challenge ends before the module's own deadline."""


class Conversation:
    """One connection of the PAM module."""

    def __init__(self, module: ModuleConnection, front: Front) -> None:
        self._terminal = Terminal(module)
        self._front = front

    async def hold(self) -> None:
        """Hold the conversation; raises HangUpError when the module has gone."""
        try:
            async with asyncio.timeout(FIRST_DEADLINE):
                request = decode_request(await self._terminal.receive())
        except (MalformedError, TimeoutError) as error:
            log.error("a request of the PAM module was refused: %r", error)
            self._terminal.say_end(End(Verdict.UNAVAILABLE, Cause.INTERNAL), None, 0)
            return
        self._terminal.note_request()
        trouble = self._front.health.trouble()
        if trouble is not None:
            self._front.count_request(request)
            self._terminal.say_trouble(trouble.said)
            return
        source = source_of(request)
        with self._front.sources.place(source) as has_place:
            if has_place:
                await self._hold_in_time(request)
                return
        log.warning("too many logins of %s wait: no more are taken", source)
        self._front.count_request(request)
        self._terminal.say_end(End(Verdict.THROTTLED, Cause.LIMIT), None, 0)

    async def _hold_in_time(self, request: Request) -> None:
        try:
            async with asyncio.timeout(max(request.wait, 1)):
                await self._decide(request)
        except NotReachableError as error:
            log.error("a login was refused: %s (%s)", error, error.hint)
            self._front.count_request(request)
            self._terminal.say_end(End(Verdict.UNAVAILABLE, Cause.INTERNAL), None, 0)
        except TimeoutError:
            self._terminal.say_end(
                End(Verdict.EXPIRED, Cause.NO_ANSWER), None, request.wait
            )

    async def _decide(self, request: Request) -> None:
        situation = await understand(
            request, self._front.policy, self._front.display_of(request)
        )
        if self._terminal.has_left():
            # It waits 5 s for us; after a pause of the whole machine, or of this
            # process, many have gone. Their cards would ring for nobody.
            raise HangUpError
        facts = await self._facts_of(situation)
        plan = policy.plan(self._front.policy, facts)
        lifetime = min(self._front.lifetime, request.wait - MARGIN)
        if lifetime < 1:
            log.error("timeout= leaves no time: %d s", request.wait)
            plan = policy.Plan(
                Action.END, End(Verdict.UNAVAILABLE, Cause.MISCONFIGURED)
            )
        match plan.action:
            case Action.ASK:
                await self._ask(situation, facts, lifetime)
            case Action.PRETEND:
                await self._pretend(situation, lifetime)
            case Action.TICKET:
                await self._take_ticket(situation, facts, lifetime)
            case Action.END:
                end = plan.end or End(Verdict.UNAVAILABLE, Cause.INTERNAL)
                is_repeated = facts.earlier_refusal is not None
                self._refuse_at_once(situation, facts, end, is_repeated=is_repeated)

    async def _facts_of(self, situation: Situation) -> LoginFacts:
        facts = self._front.facts_of(situation)
        if facts.is_relay_ready or facts.earlier_refusal is not None:
            return facts
        # For every account alike: before anything is known that could be told.
        spent = self._terminal.seconds_since_request()
        await self._front.reach_relay(max(REACH_SECONDS - spent, 0))
        return self._front.facts_of(situation)

    # --- the four plans -------------------------------------------------------------

    async def _ask(
        self, situation: Situation, facts: LoginFacts, lifetime: int
    ) -> None:
        # Without a proof no device is named: that would tell who is enrolled.
        is_proved = policy.is_first_factor_proved(self._front.policy, facts)
        context = situation.context
        if not is_proved and situation.accounts.caller != situation.approver:
            # Neither a first factor, nor the approver at the keyboard of a sudo.
            context = replace(context, lane=Lane.STRANGER)
        waiting = self._front.logins.begin(context, lifetime)
        if isinstance(waiting, End):
            await self._not_asked(situation, facts, waiting, lifetime)
            return
        devices = waiting.devices if is_proved else ()
        shown = Shown(
            waiting.number, devices, situation.is_prompted(), is_proved=is_proved
        )
        until = self._front.moment_after(situation.request.wait)
        end = await self._terminal.wait_for(waiting, shown)
        if end.is_approved():
            await self._terminal.wait_for_enter(waiting, shown)
            end = self._front.end_now(context, end, until)
            if end.is_approved():
                self._terminal.say_approved(waiting)
                return
            waiting.note_delivery(False)
        await self._terminal.even_out(shown, end, lifetime)
        self._front.remember_refusal(context, end)
        label = self._front.label_of(end) if is_proved else None
        trouble = self._front.health.known_trouble()
        if trouble is not None and end.cause is Cause.INTERNAL:
            self._terminal.say_trouble(trouble.said)
        else:
            self._terminal.say_end(end, label, lifetime)
        await self._terminal.linger(shown)

    async def _not_asked(
        self, situation: Situation, facts: LoginFacts, end: End, lifetime: int
    ) -> None:
        if end.cause is Cause.RELAY_UNREACHABLE:
            end = policy.relay_unreachable(self._front.policy, facts)
        elif not policy.is_first_factor_proved(self._front.policy, facts):
            # Attack: "too many logins wait" tells who is enrolled.
            await self._pretend(situation, lifetime)
            return
        self._refuse_at_once(situation, facts, end, is_repeated=False)

    async def _pretend(self, situation: Situation, lifetime: int) -> None:
        waiting = self._front.pretend(situation.context, lifetime)
        if isinstance(waiting, End):
            self._terminal.say_end(waiting, None, lifetime)
            return
        shown = Shown(waiting.number, (), situation.is_prompted(), is_proved=False)
        end = await self._terminal.wait_for(waiting, shown)
        await self._terminal.even_out(shown, end, lifetime)
        self._front.remember_refusal(situation.context, end)
        self._terminal.say_end(end, None, lifetime)
        await self._terminal.linger(shown)

    async def _take_ticket(
        self, situation: Situation, facts: LoginFacts, lifetime: int
    ) -> None:
        context = situation.context
        shown = Shown("", (), situation.is_prompted(), is_proved=True)
        try:
            self._terminal.show(words.ticket_prompt(), is_prompted=shown.is_prompted)
            async with asyncio.timeout(lifetime):
                typed = decode_text(decode_typed(await self._terminal.receive()))
            shown.is_entered = True
            end = self._front.admit_by_ticket(context, typed)
        except TimeoutError:
            end = End(Verdict.EXPIRED, Cause.NO_ANSWER)
        except (HangUpError, MalformedError, asyncio.CancelledError):
            canceled = End(Verdict.CANCELED, Cause.HANGUP)
            self._front.end_unasked(situation, facts, canceled)
            raise
        end = self._front.end_unasked(situation, facts, end)
        if not end.is_approved():
            self._front.remember_refusal(context, end)
        self._terminal.say_end(end, None, lifetime)
        await self._terminal.linger(shown)

    def _refuse_at_once(
        self, situation: Situation, facts: LoginFacts, end: End, *, is_repeated: bool
    ) -> None:
        if is_repeated:
            # The client's own retries: no second row, no second text.
            self._terminal.repeat_end(end)
            return
        end = self._front.end_unasked(situation, facts, end)
        if not end.is_approved():
            self._front.remember_refusal(situation.context, end)
        self._terminal.say_end(end, None, self._front.lifetime)
