"""The two listening sockets: made safely, or passed by systemd; one listen() each."""

import os
import pwd
import socket
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from pushmfa.daemon.peer import peer_of
from pushmfa.daemon.sockets import Listeners, give_up_root, open_listeners
from pushmfa.errors import ConfigError, UsageError


def _close(listeners: Listeners) -> None:
    listeners.pam.close()
    listeners.control.close()


# --- made by the daemon ---------------------------------------------------------------


def test_both_sockets_are_made_whatever_the_umask(tmp_path: Path) -> None:
    run = tmp_path / "run"
    previous = os.umask(0o077)
    try:
        listeners = open_listeners(run)
    finally:
        os.umask(previous)
    try:
        assert stat.S_IMODE(run.stat().st_mode) == 0o755
        assert stat.S_IMODE((run / "pam.sock").stat().st_mode) == 0o600
        assert stat.S_IMODE((run / "control.sock").stat().st_mode) == 0o666
        assert listeners.pam.type == socket.SOCK_SEQPACKET
        assert listeners.control.type == socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as module:
            module.connect(str(run / "pam.sock"))
            assert peer_of(module).uid == os.geteuid()
    finally:
        _close(listeners)


def test_the_umask_is_as_it_was(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        _close(open_listeners(tmp_path / "run"))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(previous)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_attack_a_folder_that_others_may_write(tmp_path: Path, mode: int) -> None:
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(mode)
    with pytest.raises(ConfigError, match="nobody else may write"):
        open_listeners(run)
    assert list(run.iterdir()) == []


def test_attack_a_folder_of_another_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests run as anybody: instead of the folder's owner, ours is another.
    owner = tmp_path.stat().st_uid
    if owner == 0:
        os.chown(tmp_path, 12_345, -1)
        owner = 12_345
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match="root's"):
        open_listeners(tmp_path)


def test_attack_a_link_in_the_place_of_the_folder(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "run"
    real.mkdir(mode=0o755)
    link.symlink_to(real)
    with pytest.raises(ConfigError):
        open_listeners(link)
    link.unlink()
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError):
        open_listeners(link)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError):
        open_listeners(tmp_path / "file" / "run")


def test_the_sockets_of_a_daemon_that_died_are_replaced(tmp_path: Path) -> None:
    run = tmp_path / "run"
    _close(open_listeners(run))
    assert (run / "pam.sock").is_socket()
    _close(open_listeners(run))


def test_a_second_daemon_does_not_start(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = open_listeners(run)
    try:
        with pytest.raises(UsageError, match="another daemon"):
            open_listeners(run)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as module:
            module.connect(str(run / "pam.sock"))
    finally:
        _close(first)


def test_only_one_of_the_two_lives(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = open_listeners(run)
    first.pam.close()
    try:
        with pytest.raises(UsageError, match=r"control\.sock"):
            open_listeners(run)
    finally:
        first.control.close()


def test_a_socket_of_another_kind_is_not_taken_away(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o755)
    with (
        _listening(run / "pam.sock", socket.SOCK_STREAM),
        pytest.raises(ConfigError, match="not the socket of a daemon"),
    ):
        open_listeners(run)
    assert (run / "pam.sock").is_socket()


@pytest.mark.parametrize("name", ["pam.sock", "control.sock"])
def test_what_is_no_socket_is_not_removed(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o755)
    (run / name).write_text("precious")
    with pytest.raises(ConfigError, match="cannot listen"):
        open_listeners(run)
    assert (run / name).read_text() == "precious"


def test_a_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    run = tmp_path / ("x" * 120)
    with pytest.raises(ConfigError):
        open_listeners(run)


def test_who_is_not_root_gives_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    give_up_root(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_root_without_the_service_user_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Never as root, not even for a moment to look.
    monkeypatch.setattr("os.geteuid", lambda: 0)

    def nobody(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("pwd.getpwnam", nobody)
    with pytest.raises(ConfigError, match="does not exist"):
        give_up_root(tmp_path / "state")


def test_attack_a_link_where_the_state_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "etc")
    given = []

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        given.append(path.resolve() if follow_symlinks else path)

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", lambda name: pwd.getpwuid(0))
    monkeypatch.setattr("os.chown", chown)
    for name in ("setgroups", "setresgid", "setresuid"):
        monkeypatch.setattr(f"os.{name}", lambda *ids: None)
    give_up_root(tmp_path / "state")
    assert given == [tmp_path / "state"]


# --- passed by systemd ----------------------------------------------------------------

CHILD = """
import asyncio, os, sys
from pathlib import Path
from pushmfa.daemon.acceptor import Acceptor
from pushmfa.daemon.sockets import open_listeners

first, second, names = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
high = os.dup(first), os.dup(second)
os.dup2(high[0], 3), os.dup2(high[1], 4)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", LISTEN_FDNAMES=names)
try:
    listeners = open_listeners(Path("/nonexistent"))
except Exception as error:
    sys.exit(type(error).__name__)
assert not [name for name in os.environ if name.startswith("LISTEN_")]

async def main():
    done = asyncio.Event()
    async def serve(connection, peer):
        connection.send(str(peer.uid).encode())
        done.set()
    acceptors = [
        Acceptor(name, listener, lambda peer: None, serve)
        for name, listener in (("pam", listeners.pam), ("control", listeners.control))
    ]
    for acceptor in acceptors:
        acceptor.start()
    await asyncio.wait_for(done.wait(), 20)
    await acceptors[0].stop()
    await acceptors[1].stop()

asyncio.run(main())
"""


def _as_systemd(
    listeners: tuple[socket.socket, socket.socket], names: str
) -> "subprocess.Popen[str]":
    fds = [listener.fileno() for listener in listeners]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *map(str, fds), names],
        pass_fds=fds,
        stderr=subprocess.PIPE,
        text=True,
    )


def _listening(path: Path, kind: socket.SocketKind) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    listener.bind(str(path))
    listener.listen()
    return listener


@pytest.mark.parametrize("names", ["pam:control", "control:pam"])
@pytest.mark.parametrize("spoken", ["pam", "control"])
def test_attack_who_listens_stays_whom_the_kernel_shows(
    tmp_path: Path, names: str, spoken: str
) -> None:
    """SO_PEERCRED at the other end is still who called listen(): here the parent.

    A second listen() by the daemon would rewrite it, root would become pushmfa, and
    the module would refuse; the pid shows the same without root.
    """
    pam = _listening(tmp_path / "pam", socket.SOCK_SEQPACKET)
    control = _listening(tmp_path / "control", socket.SOCK_STREAM)
    passed = (pam, control) if names == "pam:control" else (control, pam)
    with pam, control, _as_systemd(passed, names) as child:
        kind = socket.SOCK_SEQPACKET if spoken == "pam" else socket.SOCK_STREAM
        with socket.socket(socket.AF_UNIX, kind) as caller:
            caller.settimeout(20)
            caller.connect(str(tmp_path / spoken))
            assert caller.recv(64) == str(os.geteuid()).encode()
            raw = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            assert struct.unpack("3i", raw)[0] == os.getpid()
        assert child.wait(20) == 0, child.stderr


@pytest.mark.parametrize("names", ["pam", "control:control", "", "unknown:connection"])
def test_sockets_without_their_names_are_refused(tmp_path: Path, names: str) -> None:
    pam = _listening(tmp_path / "pam", socket.SOCK_SEQPACKET)
    control = _listening(tmp_path / "control", socket.SOCK_STREAM)
    with pam, control, _as_systemd((pam, control), names) as child:
        _, said = child.communicate(timeout=20)
    assert said.strip() == "ConfigError"


def test_sockets_of_the_wrong_kind_are_refused(tmp_path: Path) -> None:
    one = _listening(tmp_path / "one", socket.SOCK_STREAM)
    two = _listening(tmp_path / "two", socket.SOCK_STREAM)
    with one, two, _as_systemd((one, two), "pam:control") as child:
        _, said = child.communicate(timeout=20)
    assert said.strip() == "ConfigError"


def test_sockets_meant_for_another_process_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_FDNAMES", "pam:control")
    _close(open_listeners(tmp_path / "run"))


# --- a daemon that cannot start -------------------------------------------------------


_CANNOT_START = """
import os
os.environ["LISTEN_PID"] = str(os.getpid())
from pushmfa.daemon.sockets import open_listeners, turning_away
from pathlib import Path
with turning_away():
    open_listeners(Path("/nowhere"))
    raise SystemExit(8)
"""


def test_who_waits_is_told_at_once_when_the_daemon_cannot_start(tmp_path: Path) -> None:
    kinds = {"pam": socket.SOCK_SEQPACKET, "control": socket.SOCK_STREAM}
    held = []
    for name, kind in kinds.items():
        listener = socket.socket(socket.AF_UNIX, kind)
        listener.bind(str(tmp_path / name))
        listener.listen(8)
        held.append(listener)
    waiting = []
    for name, kind in kinds.items():
        for _ in range(3):
            waiting.append(socket.socket(socket.AF_UNIX, kind))
            waiting[-1].settimeout(10)
            waiting[-1].connect(str(tmp_path / name))
    try:
        numbers = [str(listener.fileno()) for listener in held]
        done = subprocess.run(
            ["bash", "-c", 'exec 3<&"$1" 4<&"$2"; shift 2; exec "$@"', "bash",
             *numbers, sys.executable, "-c", _CANNOT_START],
            check=False,
            pass_fds=[listener.fileno() for listener in held],
            env=os.environ | {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "pam:control"},
        )  # fmt: skip
        assert done.returncode == 8
        # The end of the connection, with nothing said: the module refuses.
        assert [each.recv(100) for each in waiting] == [b""] * 6
        # The sockets go on, and are whose they were: who comes next is not refused.
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as module:
            module.connect(str(tmp_path / "pam"))
            assert peer_of(module).pid == os.getpid()
    finally:
        for each in (*held, *waiting):
            each.close()
