"""An attempt that waits, as its conversation sees it and as the daemon holds it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pushmfa.daemon.challenges import Context
from pushmfa.login.attempt import Attempt, End
from pushmfa.login.devices import Device
from pushmfa.terms import AttemptId, Cause, DeviceId
from pushmfa.wire.link import Envelope


@dataclass
class Waiting:
    """An attempt that waits, as its conversation sees it."""

    attempt_id: AttemptId
    number: str
    devices: tuple[Device, ...]
    lifetime: int
    ended: asyncio.Future[End]
    cancel: Callable[[Cause], None]
    note_delivery: Callable[[bool], None]
    note_enter: Callable[[bool], None]
    """Whether the terminal waits for Enter now: the device says to press it."""


@dataclass
class Live:
    """An attempt that waits, and what belongs to it."""

    attempt: Attempt
    context: Context
    devices: tuple[Device, ...]
    envelopes: dict[DeviceId, Envelope]
    ended: asyncio.Future[End]
    timer: asyncio.TimerHandle
    is_enter_awaited: bool = False

    def note_enter(self, is_awaited: bool) -> None:
        """Note whether the terminal waits for Enter now."""
        self.is_enter_awaited = is_awaited
