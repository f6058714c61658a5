"""Tells the devices of an account what happened to it: signed, kept for 7 days."""

import secrets

from pushmfa.daemon.clock import Clock
from pushmfa.daemon.post import NOTICE_LIFETIME, Host, Post
from pushmfa.daemon.registry import Registry
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.terms import PROTOCOL_VERSION, Nonce
from pushmfa.wire.payload import Notice, NoticeKind, Revoked


class Notices:
    """Sends notices and revocations."""

    def __init__(
        self, host: Host, registry: Registry, post: Post, clock: Clock
    ) -> None:
        self._host = host
        self._registry = registry
        self._post = post
        self._clock = clock

    def tell(
        self, account: Account, subject: Device, kind: NoticeKind, by: str
    ) -> None:
        """Tell every other active device of account what happened to subject.

        Attack: who took over a shell adds a device of his own; the owner's devices
        say so at once.
        """
        at = int(self._clock.now().wall)
        for device in self._registry.active_devices_of(account):
            if device.device_id == subject.device_id:
                continue
            notice = Notice(
                version=PROTOCOL_VERSION,
                host_id=self._host.host_id,
                device_id=device.device_id,
                notice_id=Nonce(secrets.token_bytes(32)),
                kind=kind,
                subject_id=subject.device_id,
                subject_label=subject.label,
                by=by,
                at=at,
            )
            self._post.tell(device, notice, NOTICE_LIFETIME)

    def tell_revoked(self, device: Device, now: Moment) -> None:
        """Tell a device that it is revoked, so that it forgets its keys."""
        revoked = Revoked(
            version=PROTOCOL_VERSION,
            host_id=self._host.host_id,
            device_id=device.device_id,
            at=int(now.wall),
        )
        self._post.tell(device, revoked, NOTICE_LIFETIME)
