"""A daemon made of a script, at the other end of control.sock."""

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from pushmfa.terms import (
    Cause,
    DeviceId,
    DeviceKind,
    HostId,
    Kind,
    Verdict,
    Verification,
)
from pushmfa.wire import control

PIXEL = control.DeviceInfo(
    device_id=DeviceId(bytes(range(32))),
    label="Pixel",
    kind=DeviceKind.APP,
    enrolled_at=1_760_000_000,
    last_seen_at=1_760_000_600,
    lost_at=None,
    revoked_at=None,
    verification=Verification.WEBAUTHN,
)
HOST = control.Host(host_id=HostId(bytes(32)), host_name="web1", version="0.1.0")
NUMBER = control.NumberShown(
    attempt_id="00112233aabbccdd", number="42", devices=("Pixel",), lifetime=60
)
LINK = control.EnrollLink(link="https://app.example/#1" + "A" * 22, lifetime=300)
CLAIMED = control.EnrollClaimed(label="Pixel", kind=DeviceKind.APP, can_approve=True)
DONE = control.Done(user="alice", device=PIXEL)
ATTEMPT = control.AttemptInfo(
    attempt_id="00112233aabbccdd",
    at=1_760_000_700,
    kind=Kind.SUDO,
    service="sudo",
    remote_address=None,
    verdict=Verdict.APPROVED,
    cause=Cause.DEVICE,
    device_label="Pixel",
)
STATUS = control.Status(
    version="0.1.0",
    host_id=HostId(bytes(32)),
    host_name="web1",
    healthy=True,
    problems=(),
    relays=(
        control.RelayInfo(url="wss://relay.example", connected=True, problem=None),
    ),
    pending_attempts=0,
    enrolled_accounts=1,
    user="alice",
    muted_until=None,
    devices=(PIXEL,),
    attempts=(ATTEMPT,),
)


def ended(
    verdict: Verdict, cause: Cause, label: str | None = None
) -> control.AttemptEnded:
    return control.AttemptEnded(
        attempt_id="00112233aabbccdd",
        verdict=verdict,
        cause=cause,
        device_label=label,
        elapsed_ms=2_340,
    )


def failure(
    kind: control.FailureKind, message: str = "no", hint: str = "do this"
) -> control.Failure:
    return control.Failure(kind=kind, message=message, hint=hint)


class Listen:
    """A step: wait for one more request, such as enroll-code."""


Step = control.Event | control.Reply | bytes | Listen | Callable[[], None]


class ControlPeer:
    """Serves one script a connection, in order, and keeps what it was asked."""

    def __init__(self, run_dir: Path, *scripts: Sequence[Step]) -> None:
        self.requests: list[control.Request] = []
        self.was_closed = threading.Event()
        self._scripts = scripts
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(os.fspath(run_dir / "control.sock"))
        self._listener.listen()
        self._listener.settimeout(20)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "ControlPeer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.settimeout(20)
                # A client that does not want to hear the rest has gone.
                with suppress(ConnectionError):
                    self._play(connection, lines, script)

    def _play(
        self, connection: socket.socket, lines: BinaryIO, script: Sequence[Step]
    ) -> None:
        self._take(lines.readline())
        for step in script:
            if isinstance(step, Listen):
                self._take(lines.readline())
            elif isinstance(step, bytes):
                connection.sendall(step)
            elif callable(step):
                step()
            else:
                connection.sendall(control.encode_line(step))
        if not lines.closed and script and script[-1] is WAIT:
            self.was_closed.set()

    def _take(self, line: bytes) -> None:
        if line:
            self.requests.append(control.decode_request(line.rstrip(b"\n")))


WAIT = Listen()
"""As the last step: the connection stays open until the client ends it."""
