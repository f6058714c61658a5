"""A real sshd of the sandbox, and the ssh_config that leads to it from outside."""

import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.demo.processes import Child
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.stacks import PRIVATE
from pushmfa.demo.tools import find_tool, make_key
from pushmfa.errors import PushmfaError

FAVORITE_PORT: Final = 2222
KEY_FIRST: Final = "publickey,keyboard-interactive:pam"
PASSWORD_FIRST: Final = "keyboard-interactive:pam"  # noqa: S105 - a method's name

_TRIES: Final = 5
_START: Final = 20.0
_NEWER_OPTIONS: Final = {
    "PerSourcePenalties no": "9.8: or the refusals of a demo lock it out",
}


class Sshd(NamedTuple):
    """A running sshd."""

    service: str
    """The PAM service, whose stack stands in /etc/pam.d inside."""
    port: int
    child: Child
    log: Path


def find_port(favorite: int = 0) -> int:
    """Return a free TCP port of 127.0.0.1: the favorite, or else any."""
    for port in (favorite, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen(1)
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise PushmfaError("no port of 127.0.0.1 is free")


def start_sshd(
    sandbox: Sandbox,
    *,
    service: str = "sshd",
    methods: str = KEY_FIRST,
    max_startups: str = "30",
    options: Sequence[str] = (),
) -> Sshd:
    """Start an sshd and wait until it listens.

    service: the PAM service. options: more lines of sshd_config, in front, where
    they win. Raises PushmfaError with the end of its log if it does not start.
    """
    program = _program_for(sandbox, service)
    if not sandbox.path(f"{PRIVATE}/host_key").exists():
        make_key(sandbox.path(f"{PRIVATE}/host_key"))
    for attempt in range(_TRIES):
        port = find_port(0 if attempt else FAVORITE_PORT)
        config = _write_config(
            sandbox, program, service, port, [*options, _common(methods, max_startups)]
        )
        log = sandbox.log(service)
        log.unlink(missing_ok=True)
        child = sandbox.start(service, [program, "-D", "-e", "-f", config])
        try:
            child.wait_until(partial(_has_line, log, b"listening on"), _START)
        except PushmfaError:
            sandbox.stop(child)
            # Another took the port in between: two demos start at the same time.
            if b"in use" in log.read_bytes() and attempt < _TRIES - 1:
                continue
            raise
        return Sshd(service, port, child, log)
    raise PushmfaError("no port of 127.0.0.1 stays free")


def write_ssh_config(sandbox: Sandbox, hosts: dict[str, Sshd], user: str) -> Path:
    """Write FOLDER/ssh_config, so that `ssh -F FOLDER/ssh_config HOST` works outside.

    hosts: name to sshd. user: the account where the command line names none.
    """
    public_key = sandbox.path(f"{PRIVATE}/host_key.pub").read_text()
    known = sandbox.folder / "known_hosts"
    known.write_text(f"demo {public_key}")
    parts = [_client_entry(sandbox, name, at.port, user) for name, at in hosts.items()]
    config = sandbox.folder / "ssh_config"
    config.write_text("\n".join(parts))
    return config


def _client_entry(sandbox: Sandbox, name: str, port: int, user: str) -> str:
    folder = str(sandbox.folder).replace("%", "%%")
    return f"""\
Host {name}
    HostName 127.0.0.1
    Port {port}
    User {user}
    HostKeyAlias demo
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    IdentityFile "{folder}/id_demo"
    IdentitiesOnly yes
    IdentityAgent none
    ControlPath none
    ForwardAgent no
"""


def _has_line(log: Path, part: bytes) -> bool:
    return part in log.read_bytes()


def _program_for(sandbox: Sandbox, service: str) -> str:
    """Return the sshd to start for a PAM service.

    Before 9.8 the service is the name that sshd was started by; since then, an
    option. A symbolic link gives that name; the option is tried in _write_config.
    """
    program = find_tool("sshd")
    if service == "sshd":
        return program
    link = sandbox.path(f"{PRIVATE}/{service}")
    link.unlink(missing_ok=True)
    link.symlink_to(program)
    return f"{PRIVATE}/{service}"


def _common(methods: str, max_startups: str) -> str:
    return f"""\
ListenAddress 127.0.0.1
HostKey {PRIVATE}/host_key
UsePAM yes
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication yes
AuthenticationMethods {methods}
LoginGraceTime 180
MaxStartups {max_startups}
PermitEmptyPasswords no
UseDNS no
X11Forwarding no
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
LogLevel VERBOSE"""


def _write_config(
    sandbox: Sandbox, program: str, service: str, port: int, lines: Sequence[str]
) -> str:
    """Write sshd_config and return its path inside."""
    inside = f"{PRIVATE}/sshd_config-{service}"
    path = sandbox.path(inside)
    head = [f"Port {port}", f"PidFile {PRIVATE}/{service}.pid", *lines]
    path.write_text("\n".join([*head, ""]))
    for option in [*_NEWER_OPTIONS, f"PamServiceName {service}"]:
        probe = [program, "-t", "-f", inside, "-o", option.replace(" ", "=")]
        if sandbox.run(probe).returncode == 0:
            head.append(option)
    path.write_text("\n".join([*head, ""]))
    return inside
