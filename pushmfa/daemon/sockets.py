"""The two listening sockets: from systemd, or made as root before root is given up.

Whoever listens is who SO_PEERCRED shows to the module and to the command line, as of
the moment of listen(): root. That is how they know that the daemon is the daemon.
"""

import errno
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pushmfa.errors import ConfigError, UsageError

PAM_SOCKET: Final = "pam.sock"
CONTROL_SOCKET: Final = "control.sock"
SERVICE_USER: Final = "pushmfa"

_BACKLOG: Final = 1_024
_FIRST_FD: Final = 3
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Listeners:
    """Both sockets, listening."""

    pam: socket.socket
    control: socket.socket


def open_listeners(run: Path) -> Listeners:
    """Return both sockets; ConfigError or UsageError if they cannot be had."""
    inherited = _inherited()
    if inherited:
        return _named(inherited)
    _check_folder(run)
    pam = _listen(run / PAM_SOCKET, socket.SOCK_SEQPACKET, 0o600)
    try:
        control = _listen(run / CONTROL_SOCKET, socket.SOCK_STREAM, 0o666)
    except BaseException:
        pam.close()
        raise
    return Listeners(pam=pam, control=control)


@contextmanager
def turning_away() -> Iterator[None]:
    """End the connections that wait at systemd's sockets if the daemon cannot start.

    They are refused at once then, not after the module's 5 seconds; and systemd, which
    starts the service for whoever waits, does not start it again and again for them.
    """
    # Descriptors of our own: what has failed may have closed its own. No listen().
    held = [os.dup(_FIRST_FD + index) for index in range(_inherited_count())]
    try:
        yield
    except BaseException:
        for descriptor in held:
            with socket.socket(fileno=os.dup(descriptor)) as listener:
                _end_waiting(listener)
        raise
    finally:
        for descriptor in held:
            os.close(descriptor)


def _end_waiting(listener: socket.socket) -> None:
    listener.setblocking(False)
    with suppress(OSError):
        while True:
            connection, _address = listener.accept()
            connection.close()


def give_up_root(state: Path) -> None:
    """Become the user pushmfa, who owns the state; nothing if not root.

    ConfigError if that user does not exist: the daemon never runs as root.
    """
    if os.geteuid() != 0:
        return
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError as error:
        raise ConfigError(
            f"the user {SERVICE_USER}, as whom the daemon runs, does not exist",
            hint=f"Make it: useradd --system --no-create-home {SERVICE_USER}",
        ) from error
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        _give_away(state, user.pw_uid, user.pw_gid)
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    except OSError as error:
        raise ConfigError(
            f"cannot become the user {SERVICE_USER}: {error.strerror}",
            hint="Start the daemon by systemd, or as root outside of any container"
            " that has no other users.",
        ) from error


def _give_away(state: Path, uid: int, gid: int) -> None:
    try:
        # Attack: a link in place of the folder, to have that of another given away.
        os.chown(state, uid, gid, follow_symlinks=False)
    except OSError as error:
        # On a read-only disk the daemon starts all the same, and says what is wrong.
        if error.errno != errno.EROFS:
            raise


def _inherited() -> dict[str, socket.socket]:
    """Return what systemd passed (sd_listen_fds(3)), by name."""
    count = _inherited_count()
    if not count:
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(variable, None)
    return {
        name: socket.socket(fileno=_FIRST_FD + index)
        for index, name in enumerate(names[:count])
    }


def _inherited_count() -> int:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return 0
    count = os.environ.get("LISTEN_FDS", "")
    return int(count) if count.isdigit() else 0


def _named(inherited: dict[str, socket.socket]) -> Listeners:
    for name, kind in (("pam", socket.SOCK_SEQPACKET), ("control", socket.SOCK_STREAM)):
        found = inherited.get(name)
        if found is None or found.family != socket.AF_UNIX or found.type != kind:
            raise ConfigError(
                f"systemd passes no {kind.name} socket named {name}",
                hint="Both socket units need FileDescriptorName= and their ListenXXX=.",
            )
    return Listeners(pam=inherited["pam"], control=inherited["control"])


def _check_folder(run: Path) -> None:
    # Attack: who may write the folder replaces the socket by his own.
    try:
        if not run.exists():
            run.mkdir()
            # Past the umask: every user must reach control.sock in it.
            run.chmod(0o755)
        status = run.lstat()
    except OSError as error:
        raise ConfigError(
            f"the folder {run} cannot be made: {error.strerror}",
            hint="It is root's, from tmpfiles.d; start the daemon by systemd or root.",
        ) from error
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid not in (0, os.geteuid())
        or status.st_mode & _OTHERS_WRITE
    ):
        raise ConfigError(
            f"{run} must be a folder of root's that nobody else may write",
            hint=f"Look who changed it, then: chown root:root {run}; chmod 755 {run}",
        )


def _listen(path: Path, kind: socket.SocketKind, mode: int) -> socket.socket:
    _remove_stale(path, kind)
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        previous = os.umask(0o777 & ~mode)
        try:
            listener.bind(str(path))
        finally:
            os.umask(previous)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {path}: {error.strerror}",
            hint="Start the daemon by systemd or as root.",
        ) from error
    return listener


def _remove_stale(path: Path, kind: socket.SocketKind) -> None:
    """Remove the socket of a daemon that died; UsageError if one lives."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise ConfigError(
                f"{path} is not the socket of a daemon: {error.strerror}",
                hint="Look what listens there: ss -xlp",
            ) from error
    raise UsageError(
        f"another daemon listens on {path}",
        hint="systemctl status pushmfa shows it; only one can run.",
    )
