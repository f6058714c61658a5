"""Tells the devices that were asked how an attempt ended, signed by the host.

So that a relay cannot pretend "answered elsewhere", and so that every card closes.
"""

from typing import Final

from pushmfa.daemon.clock import Clock
from pushmfa.daemon.post import Host, Post
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.waiting import Live
from pushmfa.terms import PROTOCOL_VERSION
from pushmfa.wire.payload import Outcome

OUTCOME_LIFETIME: Final = 120
"""Seconds that an outcome waits for a device that is away."""


class Outcomes:
    """Sends outcomes."""

    def __init__(
        self, host: Host, registry: Registry, post: Post, clock: Clock
    ) -> None:
        self._host = host
        self._registry = registry
        self._post = post
        self._clock = clock

    def tell(self, live: Live) -> None:
        """Tell every device that was asked and is still active how live ended."""
        end = live.attempt.end
        if end is None:
            return
        at = int(self._clock.now().wall)
        for asked in live.devices:
            device = self._registry.by_id(asked.device_id)
            if device is None or not device.is_active():
                continue
            answered = device.device_id == end.device_id
            if not answered:
                self._post.withdraw(live.envelopes[device.device_id])
            outcome = Outcome(
                version=PROTOCOL_VERSION,
                challenge_id=live.attempt.challenge_id,
                host_id=self._host.host_id,
                device_id=device.device_id,
                verdict=end.verdict,
                cause=end.cause,
                by_this_device=answered,
                press_enter=end.is_approved() and live.is_enter_awaited,
                at=at,
            )
            self._post.tell(device, outcome, OUTCOME_LIFETIME)
