"""The terminal behind the PAM module: what is shown on it, what is typed into it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pushmfa.daemon import words
from pushmfa.daemon.module import ModuleConnection
from pushmfa.daemon.waiting import Waiting
from pushmfa.login.attempt import End
from pushmfa.login.devices import Device
from pushmfa.terms import Cause, Verdict
from pushmfa.text import decode_text
from pushmfa.wire.local import (
    decode_typed,
    encode_info,
    encode_prompt,
    encode_verdict,
)

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


class Terminal:
    """One connection of the module, spoken to as the person's terminal."""

    def __init__(self, module: ModuleConnection) -> None:
        self._module = module
        self._began = asyncio.get_running_loop().time()

    def note_request(self) -> None:
        """Note that the request came in now: the evening-out counts from here."""
        self._began = asyncio.get_running_loop().time()

    def seconds_since_request(self) -> float:
        """Return how long the module has waited for us."""
        return asyncio.get_running_loop().time() - self._began

    def has_left(self) -> bool:
        """Whether the module is not there any more."""
        return self._module.has_left()

    def repeat_end(self, end: End) -> None:
        """Tell the verdict again, without a text: to a retry that asked nobody."""
        self._module.send(encode_verdict(end.verdict, ""))

    async def wait_for(self, waiting: Waiting, shown: Shown) -> End:
        """Show the number and return the end; a module that leaves cancels."""
        text = (
            words.number_prompt(shown.number, shown.devices)
            if shown.is_prompted
            else words.number_info(shown.number, shown.devices)
        )
        try:
            if not shown.is_proved:
                await self._sleep_until(NUMBER_AFTER)
            self.show(text, is_prompted=shown.is_prompted)
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

    async def even_out(self, shown: Shown, end: End, lifetime: int) -> None:
        """Wait as long as it takes to look like every account that nobody answers."""
        if not shown.is_proved and end.verdict is Verdict.EXPIRED:
            await self._sleep_until(lifetime + END_AFTER)

    async def _sleep_until(self, seconds: float) -> None:
        """Sleep until so many seconds after the request."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(self._began + seconds - now, 0))

    async def _typed_before(self, ended: asyncio.Future[End]) -> bytes | None:
        """Return what is typed before the end, None if the end comes first."""
        if await self._module.has_more_before(ended):
            return decode_typed(await self.receive())
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
        self.show(said, is_prompted=shown.is_prompted)

    async def wait_for_enter(self, waiting: Waiting, shown: Shown) -> None:
        """Wait until the terminal is ready for an approval."""
        try:
            while shown.is_prompted and not shown.is_entered:
                decode_typed(await self.receive())
                shown.is_entered = True
        except BaseException:
            _give_up(waiting)
            raise

    def say_approved(self, waiting: Waiting) -> None:
        """Tell an approval, and note whether anybody was there to hear it."""
        waiting.note_delivery(self._module.send(encode_verdict(Verdict.APPROVED, "")))

    async def linger(self, shown: Shown) -> None:
        """Stay until the module has left its prompt and can read the verdict."""
        while shown.is_prompted and not shown.is_entered:
            await self.receive()
            shown.is_entered = True

    # --- datagrams ------------------------------------------------------------------

    async def receive(self) -> bytes:
        """Return the module's next datagram, or raise HangUpError."""
        datagram = await self._module.receive()
        if datagram is None:
            raise HangUpError
        return datagram

    def show(self, text: str, *, is_prompted: bool) -> None:
        """Show text, and ask for a line if is_prompted; or raise HangUpError."""
        encode: Callable[[str], bytes] = encode_prompt if is_prompted else encode_info
        if not self._module.send(encode(text)):
            raise HangUpError

    def say_end(self, end: End, label: str | None, lifetime: int) -> None:
        """Tell the verdict, with the text that explains a refusal."""
        text = "" if end.is_approved() else words.refusal(end, label, lifetime)
        self._module.send(encode_verdict(end.verdict, text))

    def say_trouble(self, said: str) -> None:
        """Tell that this host can take no login at all, and why."""
        self._module.send(encode_verdict(Verdict.UNAVAILABLE, said))


def _give_up(waiting: Waiting) -> None:
    """Cancel an attempt, or note that its approval came to nobody."""
    waiting.cancel(Cause.HANGUP)
    if waiting.ended.done() and waiting.ended.result().is_approved():
        waiting.note_delivery(False)
