"""A host that signs whatever it likes: texts that the honest daemon would refuse.

Keys, link and relay are those of a daemon that runs; only what is said is not its own.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from pushmfa.crypto.signing import Label
from pushmfa.daemon import enrollments
from pushmfa.daemon.post import Post
from pushmfa.login.devices import Device
from pushmfa.terms import (
    PROTOCOL_VERSION,
    Cause,
    ChallengeId,
    Kind,
    Nonce,
    Verdict,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import (
    Challenge,
    EnrollHost,
    HostStatement,
    Notice,
    NoticeKind,
    Outcome,
)
from tests.integration.daemon_world import RunningHost

LATEST = 2**53 - 1
"""An epoch that nothing comes after: no card says that the host went back."""


class HostileHost:
    """Says anything to the devices of a host, in its name."""

    def __init__(self, host: RunningHost) -> None:
        self._host = host
        self._post = Post(host.keys, host.daemon._link)

    def newest(self) -> Device:
        """Return the device that was enrolled last."""
        return list(self._host.daemon._registry.all_devices())[-1]

    def say(self, device: Device, statement: HostStatement) -> None:
        """Sign, seal and send statement; its limits are for who reads it to check."""
        assert self._post.tell(device, statement, 60)

    def say_raw(self, device: Device, statement: bytes) -> None:
        """Sign, seal and send bytes as a challenge."""
        assert self._post.send(
            self._post.address(device, statement, Label.CHALLENGE, 60)
        )

    def challenge(self, device: Device, **fields: Any) -> Challenge:
        """Return a challenge for device, with other fields."""
        usual: dict[str, Any] = {
            "version": PROTOCOL_VERSION,
            "versions": (PROTOCOL_VERSION,),
            "challenge_id": ChallengeId(secrets.token_bytes(32)),
            "kind": Kind.LOGIN,
            "host_id": self._host.keys.host_id,
            "device_id": device.device_id,
            "host_name": self._host.keys.name,
            "user": "alice",
            "uid": 1001,
            "approver": "alice",
            "requesting_user": None,
            "service": "sshd",
            "first_factor": None,
            "command": None,
            "text": None,
            "tty": None,
            "remote_address": "192.0.2.9",
            "remote_notes": (),
            "issued_at": int(time.time()),
            "lifetime": 60,
            "digits": 2,
            "verification": "none",
            "grant_offered": 0,
            "others_pending": 0,
            "risk": (),
            "epoch": LATEST,
        }
        return Challenge(**{**usual, **fields})

    def outcome(self, asked: Challenge, **fields: Any) -> Outcome:
        """Return that another device approved what was asked, with other fields."""
        usual: dict[str, Any] = {
            "version": PROTOCOL_VERSION,
            "challenge_id": asked.challenge_id,
            "host_id": asked.host_id,
            "device_id": asked.device_id,
            "verdict": Verdict.APPROVED,
            "cause": Cause.DEVICE,
            "by_this_device": False,
            "press_enter": False,
            "at": int(time.time()),
        }
        return Outcome(**{**usual, **fields})

    def notice(self, device: Device, label: str, by: str) -> Notice:
        """Return that a device of this label was enrolled."""
        return Notice(
            version=PROTOCOL_VERSION,
            host_id=self._host.keys.host_id,
            device_id=device.device_id,
            notice_id=Nonce(secrets.token_bytes(32)),
            kind=NoticeKind.DEVICE_ENROLLED,
            subject_id=device.device_id,
            subject_label=label,
            by=by,
            at=int(time.time()),
        )


@contextmanager
def enrolling_as(host_name: str, user: str) -> Iterator[None]:
    """Have the daemon name itself and the account as here, when it enrolls."""

    def reveal(**fields: Any) -> EnrollHost:
        return EnrollHost(**{**fields, "host_name": host_name, "user": user})

    with mock.patch.object(enrollments, "EnrollHost", reveal):
        yield


def with_half_of_a_pair(asked: Challenge) -> bytes:
    """Return asked with a user whose name JSON can say and Unicode cannot."""
    raw = encode(asked)
    user = b'"user":"alice"'
    assert raw.count(user) == 1
    return raw.replace(user, b'"user":"alice\\ud800"')
