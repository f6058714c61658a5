"""The Python API, against a scripted daemon."""

import os
import socket
import threading
from pathlib import Path

import pytest

from pushmfa.client import Client, local_host_id
from pushmfa.errors import (
    ConfigError,
    ExpiredError,
    LimitError,
    MalformedError,
    NotEnrolledError,
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    UsageError,
)
from pushmfa.terms import Cause, Verdict
from pushmfa.wire import control
from pushmfa.wire.control import FailureKind
from tests.unit.control_peer import (
    CLAIMED,
    DONE,
    HOST,
    LINK,
    NUMBER,
    PIXEL,
    STATUS,
    WAIT,
    ControlPeer,
    Listen,
    Step,
    ended,
    failure,
)

TICKET = control.Ticket(user="alice", ticket="B-AAAA", expires_at=1_760_000_000)
DEVICES = control.Devices(user="alice", devices=(PIXEL,))


def test_every_request_and_its_reply(tmp_path: Path) -> None:
    scripts: list[list[Step]] = [[HOST], [STATUS], [DEVICES], [DONE], [TICKET]]
    with ControlPeer(tmp_path, *scripts) as peer, Client(tmp_path) as client:
        assert client.host() == HOST
        assert client.status("alice") == STATUS
        assert client.devices() == DEVICES
        assert client.report_lost("Pixel") == DONE
        assert client.make_ticket("alice") == TICKET
    assert peer.requests == [
        control.GetHost(),
        control.GetStatus(user="alice"),
        control.ListDevices(user=None),
        control.ReportLost(user=None, device="Pixel"),
        control.MakeTicket(user="alice"),
    ]


def test_number_is_shown_before_reply(tmp_path: Path) -> None:
    verdict = ended(Verdict.APPROVED, Cause.DEVICE, "Pixel")
    scripts: list[list[Step]] = [[NUMBER, verdict], [NUMBER, DONE], [NUMBER, DONE]]
    shown: list[control.NumberShown] = []
    with ControlPeer(tmp_path, *scripts) as peer, Client(tmp_path) as client:
        assert client.test(on_number=shown.append) == verdict
        assert client.revoke_device("Pixel", on_number=shown.append) == DONE
        renamed = client.rename_device("Pixel", "Work", on_number=shown.append)
        assert renamed == DONE
    assert shown == [NUMBER] * 3
    assert peer.requests[1:] == [
        control.RevokeDevice(user=None, device="Pixel"),
        control.RenameDevice(user=None, device="Pixel", label="Work"),
    ]


def test_enrollment(tmp_path: Path) -> None:
    script: list[Step] = [NUMBER, LINK, CLAIMED, Listen(), DONE]
    links: list[control.EnrollLink] = []
    with ControlPeer(tmp_path, script) as peer, Client(tmp_path) as client:
        done = client.enroll(
            on_link=links.append,
            ask_code=lambda claimed: f"{len(claimed.label)}12345",
            label="Pixel",
            ticket="B-AAAA",
        )
    assert done == DONE
    assert links == [LINK]
    assert peer.requests == [
        control.Enroll(user=None, label="Pixel", ticket="B-AAAA"),
        control.EnrollCode(code="512345"),
    ]


@pytest.mark.parametrize(
    ("kind", "error", "exit_code"),
    [
        (FailureKind.REFUSED, RefusedError, 1),
        (FailureKind.USAGE, UsageError, 2),
        (FailureKind.NOT_REACHABLE, NotReachableError, 3),
        (FailureKind.EXPIRED, ExpiredError, 4),
        (FailureKind.LIMIT, LimitError, 5),
        (FailureKind.NOT_ENROLLED, NotEnrolledError, 6),
        (FailureKind.NOT_PERMITTED, NotPermittedError, 7),
        (FailureKind.CONFIG, ConfigError, 8),
        (FailureKind.INTERNAL, PushmfaError, 1),
    ],
)
def test_failures_become_exceptions(
    tmp_path: Path, kind: FailureKind, error: type[PushmfaError], exit_code: int
) -> None:
    with ControlPeer(tmp_path, [failure(kind)]), Client(tmp_path) as client:
        with pytest.raises(PushmfaError) as raised:
            client.status()
    assert type(raised.value) is error
    assert (str(raised.value), raised.value.hint) == ("no", "do this")
    assert raised.value.exit_code == exit_code


def test_every_failure_kind_has_an_exception(tmp_path: Path) -> None:
    scripts = [[failure(kind)] for kind in FailureKind]
    with ControlPeer(tmp_path, *scripts), Client(tmp_path) as client:
        for _ in FailureKind:
            with pytest.raises(PushmfaError):
                client.host()


def test_without_a_hint_the_class_has_one(tmp_path: Path) -> None:
    script = [failure(FailureKind.NOT_ENROLLED, hint="")]
    with ControlPeer(tmp_path, script), Client(tmp_path) as client:
        with pytest.raises(NotEnrolledError) as raised:
            client.status()
    assert raised.value.hint == NotEnrolledError.hint


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(NotReachableError) as raised:
        Client(tmp_path).host()
    assert "control.sock" in str(raised.value)
    assert "systemctl status pushmfa" in raised.value.hint


def test_refused_connection(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(tmp_path / "control.sock"))
    with pytest.raises(NotReachableError, match="Connection refused"):
        Client(tmp_path).host()


@pytest.mark.parametrize("name", ["x" * 200, "a\x00b"])
def test_impossible_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotReachableError):
        Client(tmp_path / name).host()


def test_silent_daemon(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [WAIT]), Client(tmp_path, timeout=0.1) as client:
        with pytest.raises(NotReachableError, match="no answer in time"):
            client.host()


def test_daemon_ends_without_an_answer(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [NUMBER]), Client(tmp_path) as client:
        with pytest.raises(NotReachableError, match="ended the connection") as raised:
            client.test()
    assert "journalctl" in raised.value.hint


@pytest.mark.parametrize(
    "raw",
    [b"\n", b"{}\n", b'{"type":"nonsense"}\n', b"\xff\n", b"x" * 70_000, b"[" * 9_000],
)
def test_nonsense(tmp_path: Path, raw: bytes) -> None:
    with ControlPeer(tmp_path, [raw]), Client(tmp_path) as client:
        with pytest.raises((MalformedError, NotReachableError)):
            client.host()


def test_reply_to_another_request(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [DONE]), Client(tmp_path) as client:
        with pytest.raises(MalformedError, match="answered Done, not Host"):
            client.host()


def test_event_of_an_enrollment_that_nobody_asked_for(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [LINK]), Client(tmp_path) as client:
        with pytest.raises(MalformedError, match="EnrollLink"):
            client.test()


def test_reply_in_pieces(tmp_path: Path) -> None:
    line = control.encode_line(HOST)
    script = [bytes([byte]) for byte in line]
    with ControlPeer(tmp_path, script), Client(tmp_path) as client:
        assert client.host() == HOST


def test_socket_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Attack: whoever may write into the folder listens in the daemon's place.
    import pushmfa.control_connection as module

    class Stranger:
        size = module._UCRED.size

        def unpack(self, raw: bytes) -> tuple[int, int, int]:
            return (1, 4_711, 4_711)

    monkeypatch.setattr(module, "_UCRED", Stranger())
    with ControlPeer(tmp_path, [HOST]) as peer:
        with pytest.raises(NotReachableError, match="uid 4711, neither to root"):
            Client(tmp_path).host()
    assert peer.requests == []


def test_interrupt_ends_the_request(tmp_path: Path) -> None:
    def interrupt(_: control.NumberShown) -> None:
        raise KeyboardInterrupt

    with ControlPeer(tmp_path, [NUMBER, WAIT]) as peer:
        with pytest.raises(KeyboardInterrupt), Client(tmp_path) as client:
            client.test(on_number=interrupt)
        assert peer.was_closed.wait(10)


def test_close_from_another_thread_ends_the_request(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [NUMBER, WAIT]) as peer, Client(tmp_path) as client:

        def end_soon(_: control.NumberShown) -> None:
            threading.Timer(0.1, client.close).start()

        with pytest.raises(NotReachableError):
            client.test(on_number=end_soon)
        assert peer.was_closed.wait(10)


def test_one_request_at_a_time(tmp_path: Path) -> None:
    with ControlPeer(tmp_path, [NUMBER, WAIT]), Client(tmp_path) as client:

        def ask_more(_: control.NumberShown) -> None:
            client.host()

        with pytest.raises(UsageError, match="one request at a time"):
            client.test(on_number=ask_more)


def test_local_host_id(tmp_path: Path) -> None:
    assert local_host_id(tmp_path) is None
    with ControlPeer(tmp_path, [HOST]):
        assert local_host_id(tmp_path) == HOST.host_id


@pytest.mark.parametrize("kind", control.FailureKind)
def test_an_error_arrives_as_it_left(kind: control.FailureKind) -> None:
    told = failure(kind, "what happened", "what to do")
    error = control.error_of(told)
    assert (str(error), error.hint) == ("what happened", "what to do")
    assert control.failure_of(error) == told


def test_an_error_without_a_kind_is_internal() -> None:
    told = control.failure_of(MalformedError("bytes"))
    assert told.kind is control.FailureKind.INTERNAL
