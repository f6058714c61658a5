"""Ends of attempts: decided at once, then written down, and only then told.

    end -> one sync of the audit for all of a round of the loop -> terminal -> devices

What nobody waits for comes last: the log, that a verdict was delivered, when a device
was last seen. A sync waits for the disk, and all logins wait with it.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from pushmfa.daemon.audit import SCHEMA, AttemptRecord, Audit, DeliveryRecord
from pushmfa.daemon.challenges import attempt_record
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.outcomes import Outcomes
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.waiting import Live
from pushmfa.errors import StoreError, VerificationError
from pushmfa.login.attempt import Attempt, End, close
from pushmfa.login.devices import Device
from pushmfa.loop import end_if_out_of_memory
from pushmfa.store.credential_rows import CounterRow
from pushmfa.terms import Cause, Verdict

log = logging.getLogger("pushmfa.logins")

TELL_AFTER: Final = 0.001
"""Seconds from the end of an attempt until its devices are told: to sign and to seal
takes time, and the terminal is to hear first."""

WRITE_AFTER: Final = 0.2
"""Seconds until what only confirms a row of the audit is on the disk, too."""


@dataclass(frozen=True, slots=True)
class _Ending:
    """An attempt that has ended; the audit does not have it yet."""

    live: Live
    before: Attempt
    """As it was while it waited."""

    end: End
    counter: CounterRow | None = None
    """How far the authenticator of the device that ended it has counted."""


class Endings:
    """Ends attempts, each once; on_end is told of each that is in the audit."""

    def __init__(
        self,
        *,
        clock: Clock,
        registry: Registry,
        audit: Audit,
        outcomes: Outcomes,
        on_end: Callable[[Live], None],
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._audit = audit
        self._outcomes = outcomes
        self._on_end = on_end
        self._ending: list[_Ending] = []
        self._untold: list[Live] = []
        self._writing: asyncio.TimerHandle | None = None
        self._is_over = False

    def end(self, live: Live, end: End, counter: CounterRow | None = None) -> None:
        """End an attempt: nothing changes that any more, but nobody is told yet.

        counter is written with its row of the audit.
        """
        try:
            closed = close(live.attempt, end)
        except VerificationError:
            return
        live.timer.cancel()
        if not self._ending:
            asyncio.get_running_loop().call_soon(self.finish)
        self._ending.append(_Ending(live, live.attempt, end, counter))
        live.attempt = closed

    def finish(self) -> None:
        """Write down what has ended, and then tell it."""
        ending, self._ending = self._ending, []
        if not ending:
            return
        try:
            records = [self._record(one.live, one.end) for one in ending]
            counters = [one.counter for one in ending if one.counter is not None]
            self._audit.append_quietly(*records, counters=counters)
        except Exception as error:
            # What cannot be written did not happen (audit before success). Whatever it
            # was: who waits for these would wait for ever, and all of them at once.
            end_if_out_of_memory(error)
            if isinstance(error, StoreError):
                log.critical("the audit cannot be written: %s", error)
            else:
                log.exception("attempts ended by an error of ours")
            failed = End(Verdict.UNAVAILABLE, Cause.INTERNAL)
            ending = [replace(one, end=failed) for one in ending]
            for one in ending:
                one.live.attempt = close(one.before, failed)
        for one in ending:
            self._tell(one.live, one.end)

    def _tell(self, live: Live, end: End) -> None:
        # Who waits first: nothing that follows may keep it from him.
        if not live.ended.done():
            live.ended.set_result(end)
        self._on_end(live)
        if not self._untold:
            asyncio.get_running_loop().call_later(TELL_AFTER, self.tell_all)
        self._untold.append(live)

    def tell_all(self) -> None:
        """Tell the devices of all attempts that have ended, if they do not know yet."""
        untold, self._untold = self._untold, []
        for live in untold:
            try:
                self._outcomes.tell(live)
            except Exception as error:
                # One card that stays must not keep those of everybody else open.
                end_if_out_of_memory(error)
                log.exception("the devices of an attempt were not told its end")
        self._audit.log_rows()

    # --- what nobody waits for ------------------------------------------------------

    def note_answer(self, device: Device, counter: int) -> None:
        """Note that device answered now."""
        self._registry.note_answer(device, counter, self._clock.now())
        self._write_later()

    def note_delivery(self, live: Live, delivered: bool) -> None:
        """Note whether an approval was still wanted when it could be told."""
        record = DeliveryRecord(
            schema=SCHEMA,
            at=int(self._clock.now().wall),
            attempt_id=live.attempt.attempt_id,
            delivered=delivered,
        )
        self._audit.append_later(record)
        self._write_later()

    def _write_later(self) -> None:
        if self._writing is None and not self._is_over:
            loop = asyncio.get_running_loop()
            self._writing = loop.call_later(WRITE_AFTER, self.write_down)

    def write_down(self) -> None:
        """Bring to the disk what was left for later."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        try:
            self._audit.flush()
        except StoreError as error:
            log.critical("the audit cannot be written: %s", error)
        try:
            self._registry.write_seen()
        except StoreError as error:
            log.error("last_seen_at of devices was not kept: %s", error)

    def stop(self) -> None:
        """Write and tell all that is left; nothing is written after this."""
        self.finish()
        self.tell_all()
        self._is_over = True
        self.write_down()

    def _record(self, live: Live, end: End) -> AttemptRecord:
        now = self._clock.now()
        device = self._registry.by_id(end.device_id) if end.device_id else None
        latency = int((now.boot - live.attempt.started.boot) * 1000)
        return attempt_record(
            live.attempt.attempt_id, live.context, end, device, now, latency
        )
