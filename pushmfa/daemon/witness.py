"""What devices bear witness of: a state of this host that is later than its own."""

import logging

from pushmfa.daemon import trouble
from pushmfa.daemon.audit import SCHEMA, Audit, StateRecord
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.health import Health
from pushmfa.daemon.post import Host
from pushmfa.daemon.registry import Registry
from pushmfa.errors import ClonedError, RolledBackError, StoreError, VerificationError
from pushmfa.login.devices import Device
from pushmfa.terms import DeviceId
from pushmfa.wire.payload import Answer

log = logging.getLogger("pushmfa.daemon")


class Witness:
    """Looks at the epoch in every verified answer."""

    def __init__(
        self,
        host: Host,
        registry: Registry,
        audit: Audit,
        clock: Clock,
        health: Health,
    ) -> None:
        self._host = host
        self._registry = registry
        self._audit = audit
        self._clock = clock
        self._health = health
        self._liars: set[DeviceId] = set()
        self._cloned: set[DeviceId] = set()

    def verify_seen(self, answer: Answer, device: Device) -> None:
        """Return if answer, which device signed, speaks of no state to come.

        VerificationError for a lie, which concerns this device alone; RolledBackError
        for the truth, with which this host takes no login any more.
        """
        own = self._registry.counter
        try:
            if device.device_id in self._liars:
                # Attack: guess until a tag fits (2**26). One guess a device and start.
                self._verify_not_above(answer.epoch, own)
                return
            self._host.epoch_key.verify_seen(answer.epoch, own)
        except RolledBackError as error:
            self._write(device, f"the state is an old one: {error}", error.seen)
            self._registry.note_seen(error.seen)
            self._health.end(trouble.rolled_back(error.seen, own))
            raise
        except VerificationError as error:
            if device.device_id not in self._liars:
                self._liars.add(device.device_id)
                log.critical("ALARM: %s: %s", device.device_id.hex()[:16], error)
                self._write(device, f"alarm: {error}", None)
            raise

    def note_cloned(self, device: Device, error: ClonedError) -> None:
        """Raise the alarm, once a device and start: its credential may be a copy's."""
        # Once. Attack: the holder of a copy sends it in a loop and fills the disk.
        if device.device_id in self._cloned:
            return
        self._cloned.add(device.device_id)
        log.critical("ALARM: %s: %s", device.device_id.hex()[:16], error)
        self._write(device, f"alarm: {error}", None, act="credential")

    def _verify_not_above(self, epoch: int, own: int) -> None:
        if epoch > self._host.epoch_key.epoch_of(own):
            raise VerificationError("the device lied about the epoch before")

    def _write(
        self, device: Device, what: str, seen: int | None, act: str = "epoch"
    ) -> None:
        record = StateRecord(
            schema=SCHEMA,
            at=int(self._clock.now().wall),
            act=act,
            detail=what,
            epoch=self._registry.counter,
            seen=seen,
            device_id=device.device_id,
        )
        try:
            self._audit.append(record)
        except StoreError as error:
            log.critical("the audit cannot be written: %s", error)
