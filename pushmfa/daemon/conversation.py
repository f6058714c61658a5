"""One login, from the module's first datagram to the verdict.

    request -> situation -> plan -> ask | pretend | ticket | end -> verdict

Whatever goes wrong on the way is a refusal with a reason in the log.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from pushmfa.daemon import words
from pushmfa.daemon.front import Front
from pushmfa.daemon.module import ModuleConnection
from pushmfa.daemon.requests import Situation, understand
from pushmfa.daemon.sources import source_of
from pushmfa.daemon.standing import Lane
from pushmfa.daemon.waiting import Waiting
from pushmfa.errors import MalformedError, NotReachableError
from pushmfa.login import policy
from pushmfa.login.attempt import End
from pushmfa.login.devices import Device
from pushmfa.login.policy import Action, LoginFacts
from pushmfa.terms import Cause, Verdict
from pushmfa.text import decode_text
from pushmfa.wire.local import (
    Request,
    decode_request,
    decode_typed,
    encode_info,
    encode_prompt,
    encode_verdict,
)

log = logging.getLogger("pushmfa.logins")

FIRST_DEADLINE: Final = 5.0
"""Seconds that a module may take for its first datagram."""

MARGIN: Final = 5
"""Seconds by which a challenge ends before the module's own deadline."""


NUMBER_AFTER: Final = 0.025
END_AFTER: Final = 0.2
"""Seconds after the request, and after the lifetime, when a terminal that proved
nothing hears. Attack: who is enrolled? To sign, seal and write takes milliseconds,
to pretend takes none (measured: 0.4 until the number, 4 at the end)."""


class HangUpError(Exception):
    """The module is not there any more: there is nobody to tell."""


@dataclass
class Shown:
    """What the terminal shows, and how it hears more."""

    number: str
    devices: tuple[Device, ...]
    is_prompted: bool
    is_proved: bool
    """A first factor was proved: the terminal may show what it knows."""
    is_entered: bool = False
    is_told: bool = False


class Conversation:
    """One connection of the PAM module."""

    def __init__(self, module: ModuleConnection, front: Front) -> None:
        self._module = module
        self._front = front
        self._began = 0.0

    async def hold(self) -> None:
        """Hold the conversation; raises HangUpError when the module has gone."""
        try:
            async with asyncio.timeout(FIRST_DEADLINE):
                request = decode_request(await self._receive())
        except (MalformedError, TimeoutError) as error:
            log.error("a request of the PAM module was refused: %r", error)
            self._say_end(End(Verdict.UNAVAILABLE, Cause.INTERNAL), None, 0)
            return
        self._began = asyncio.get_running_loop().time()
        source = source_of(request)
        with self._front.sources.place(source) as has_place:
            if has_place:
                await self._hold_in_time(request)
                return
        log.warning("too many logins of %s wait: no more are taken", source)
        self._say_end(End(Verdict.THROTTLED, Cause.LIMIT), None, 0)

    async def _hold_in_time(self, request: Request) -> None:
        try:
            async with asyncio.timeout(max(request.wait, 1)):
                await self._decide(request)
        except NotReachableError as error:
            log.error("a login was refused: %s (%s)", error, error.hint)
            self._say_end(End(Verdict.UNAVAILABLE, Cause.INTERNAL), None, 0)
        except TimeoutError:
            self._say_end(End(Verdict.EXPIRED, Cause.NO_ANSWER), None, request.wait)

    async def _decide(self, request: Request) -> None:
        situation = await understand(
            request, self._front.policy, self._front.display_of(request)
        )
        if self._module.has_left():
            # It waits 5 s for us; after a pause of the whole machine, or of this
            # process, many have gone. Their cards would ring for nobody.
            raise HangUpError
        facts = self._front.facts_of(situation)
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
                await self._take_ticket(situation, lifetime)
            case Action.END:
                end = plan.end or End(Verdict.UNAVAILABLE, Cause.INTERNAL)
                is_repeated = facts.earlier_refusal is not None
                if not is_repeated and end.cause is Cause.RELAY_UNREACHABLE:
                    self._refuse_unreachable(situation, facts, end)
                    return
                self._refuse_at_once(situation, end, is_repeated)

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
        end = await self._wait(waiting, shown)
        if end.is_approved():
            await self._deliver(waiting, shown, end)
            return
        await self._even_out(shown, end, lifetime)
        self._front.remember_refusal(situation.context, end)
        label = self._front.label_of(end) if is_proved else None
        self._say_end(end, label, lifetime)
        await self._linger(shown)

    async def _not_asked(
        self, situation: Situation, facts: LoginFacts, end: End, lifetime: int
    ) -> None:
        if end.cause is Cause.RELAY_UNREACHABLE:
            end = policy.relay_unreachable(self._front.policy, facts)
        elif not policy.is_first_factor_proved(self._front.policy, facts):
            # Attack: "too many logins wait" tells who is enrolled.
            await self._pretend(situation, lifetime)
            return
        self._refuse_at_once(situation, end, is_repeated=False)

    async def _pretend(self, situation: Situation, lifetime: int) -> None:
        waiting = self._front.pretend(situation.context, lifetime)
        if isinstance(waiting, End):
            self._say_end(waiting, None, lifetime)
            return
        shown = Shown(waiting.number, (), situation.is_prompted(), is_proved=False)
        end = await self._wait(waiting, shown)
        await self._even_out(shown, end, lifetime)
        self._front.remember_refusal(situation.context, end)
        self._say_end(end, None, lifetime)
        await self._linger(shown)

    async def _take_ticket(self, situation: Situation, lifetime: int) -> None:
        context = situation.context
        shown = Shown("", (), situation.is_prompted(), is_proved=True)
        try:
            self._show(words.ticket_prompt(), is_prompted=shown.is_prompted)
            async with asyncio.timeout(lifetime):
                typed = decode_text(decode_typed(await self._receive()))
            shown.is_entered = True
            end = self._front.admit_by_ticket(context, typed)
        except TimeoutError:
            end = End(Verdict.EXPIRED, Cause.NO_ANSWER)
        except (HangUpError, MalformedError, asyncio.CancelledError):
            self._front.logins.refuse(context, End(Verdict.CANCELED, Cause.HANGUP))
            raise
        end = self._front.logins.refuse(context, end)
        if not end.is_approved():
            self._front.remember_refusal(context, end)
        self._say_end(end, None, lifetime)
        await self._linger(shown)

    def _refuse_unreachable(
        self, situation: Situation, facts: LoginFacts, end: End
    ) -> None:
        proved = policy.is_first_factor_proved(self._front.policy, facts)
        if proved and facts.role == "attempt":
            self._refuse_at_once(situation, end, is_repeated=False)
            return
        # Attack: while the relay is away, a scanner fills the audit.
        self._front.count_refusal(situation.context)
        self._front.remember_refusal(situation.context, end)
        self._say_end(end, None, self._front.lifetime)

    def _refuse_at_once(
        self, situation: Situation, end: End, is_repeated: bool
    ) -> None:
        if is_repeated:
            # The client's own retries: no second row, no second text.
            self._module.send(encode_verdict(end.verdict, ""))
            return
        end = self._front.logins.refuse(situation.context, end)
        if not end.is_approved():
            self._front.remember_refusal(situation.context, end)
        self._say_end(end, None, self._front.lifetime)

    # --- waiting --------------------------------------------------------------------

    async def _wait(self, waiting: Waiting, shown: Shown) -> End:
        """Show the number and return the end; a module that leaves cancels."""
        text = (
            words.number_prompt(shown.number, shown.devices)
            if shown.is_prompted
            else words.number_info(shown.number, shown.devices)
        )
        try:
            if not shown.is_proved:
                await self._sleep_until(NUMBER_AFTER)
            self._show(text, is_prompted=shown.is_prompted)
            waiting.note_enter(shown.is_prompted)
            while not waiting.ended.done():
                typed = await self._typed_before(waiting.ended)
                if typed is not None:
                    self._take_typed(typed, shown)
                    waiting.note_enter(not shown.is_entered)
        except BaseException:
            # Also a mistake of ours: no device may approve what nobody waits for.
            _give_up(waiting)
            raise
        return waiting.ended.result()

    async def _even_out(self, shown: Shown, end: End, lifetime: int) -> None:
        """Wait as long as it takes to look like every account that nobody answers."""
        if not shown.is_proved and end.verdict is Verdict.EXPIRED:
            await self._sleep_until(lifetime + END_AFTER)

    async def _sleep_until(self, seconds: float) -> None:
        """Sleep until so many seconds after the request."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(self._began + seconds - now, 0))

    async def _typed_before(self, ended: asyncio.Future[End]) -> bytes | None:
        """Return what is typed before the end, None if the end comes first."""
        receiving = asyncio.ensure_future(self._receive())
        try:
            both: set[asyncio.Future[Any]] = {receiving, ended}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if receiving.done():
                return decode_typed(receiving.result())
        finally:
            receiving.cancel()
        return None

    def _take_typed(self, typed: bytes, shown: Shown) -> None:
        """Answer what was typed: nothing means wait, and nothing else counts."""
        shown.is_entered = True
        text = decode_text(typed).strip()
        # Attack: who exists? What is typed for a stranger, or for a root that may
        # not log in, arrives from sshd as junk of the same length: without a proof
        # only the length may count.
        if not (text if shown.is_proved else typed):
            return
        if shown.is_proved and text == shown.number:
            say = words.number_again
        elif not shown.is_told:
            say = words.nothing_to_type
        else:
            return
        shown.is_told = True
        shown.is_entered = not shown.is_prompted
        said = say(shown.number, shown.devices, is_prompted=shown.is_prompted)
        self._show(said, is_prompted=shown.is_prompted)

    async def _deliver(self, waiting: Waiting, shown: Shown, end: End) -> None:
        """Tell an approval when the terminal is ready for it: after Enter."""
        try:
            while shown.is_prompted and not shown.is_entered:
                decode_typed(await self._receive())
                shown.is_entered = True
        except BaseException:
            _give_up(waiting)
            raise
        sent = self._module.send(encode_verdict(end.verdict, ""))
        waiting.note_delivery(sent)

    async def _linger(self, shown: Shown) -> None:
        """Stay until the module has left its prompt and can read the verdict."""
        while shown.is_prompted and not shown.is_entered:
            await self._receive()
            shown.is_entered = True

    # --- datagrams ------------------------------------------------------------------

    async def _receive(self) -> bytes:
        datagram = await self._module.receive()
        if datagram is None:
            raise HangUpError
        return datagram

    def _show(self, text: str, *, is_prompted: bool) -> None:
        encode: Callable[[str], bytes] = encode_prompt if is_prompted else encode_info
        if not self._module.send(encode(text)):
            raise HangUpError

    def _say_end(self, end: End, label: str | None, lifetime: int) -> None:
        text = "" if end.is_approved() else words.refusal(end, label, lifetime)
        self._module.send(encode_verdict(end.verdict, text))


def _give_up(waiting: Waiting) -> None:
    """Cancel an attempt, or note that its approval came to nobody."""
    if waiting.ended.done() and waiting.ended.result().is_approved():
        waiting.note_delivery(False)
    else:
        waiting.cancel(Cause.HANGUP)
