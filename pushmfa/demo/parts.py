"""The product inside the sandbox: relay, daemon, an enrolled terminal authenticator.

Each is the command that people use, started as a child process.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from typing import Final, NamedTuple

from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import find_port
from pushmfa.demo.stacks import BIN, PRIVATE
from pushmfa.demo.terminal import Terminal
from pushmfa.errors import PushmfaError

DEVICE_STATE: Final = f"{PRIVATE}/phone"
"""Inside: the folder of the terminal authenticator that stands for the phone."""

DEVICE_LABEL: Final = "demo phone"

_HOST_CONFIG: Final = """\
[host]
name = "demo"

[paths]
state = "/var/lib/pushmfa"
run = "/run/pushmfa"

[relay]
urls = ["ws://localhost:{relay_port}"]

[web]
origin = "http://localhost:{web_port}"

[login]
lifetime = {lifetime}

[service.sudo]
first_factor = "stack"

[service.sudo-i]
first_factor = "stack"

[service.su]
first_factor = "stack"

[service.su-l]
first_factor = "stack"

[service.sshd-password]
first_factor = "stack"
"""

_RELAY_CONFIG: Final = """\
[listen]
address = "127.0.0.1"
port = {relay_port}

[public]
urls = ["ws://localhost:{relay_port}"]

[paths]
state = "/var/lib/pushmfa-relay"
"""

_RELAY_APP: Final = """
[web]
origins = ["http://localhost:{web_port}"]
listen = "127.0.0.1:{web_port}"
"""

_ENROLL: Final = 30.0
"""Seconds for each step of an enrollment."""


class Invitation(NamedTuple):
    """An enrollment that waits for its device."""

    host: Terminal
    """Runs `pushmfa enroll`, which asks for the six digits once a device is there."""
    link: str
    minutes: int
    """How long the link is good for."""


def host_config(*, lifetime: int, relay_port: int, web_port: int) -> str:
    """Return pushmfa.toml: lifetime in seconds, ports of localhost."""
    return _HOST_CONFIG.format(
        lifetime=lifetime, relay_port=relay_port, web_port=web_port
    )


def relay_config(*, relay_port: int, web_port: int | None = None) -> str:
    """Return relay.toml: ports of localhost; without web_port no app is served."""
    config = _RELAY_CONFIG.format(relay_port=relay_port)
    # Plain http: browsers take localhost for a secure context, as they do https.
    return config + (_RELAY_APP.format(web_port=web_port) if web_port else "")


class Parts:
    """Relay, daemon and device of one sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        pushmfa: Sequence[str],
        *,
        lifetime: int = 60,
        serves_app: bool = False,
    ) -> None:
        """Write the configuration.

        pushmfa: the command's words, absolute. lifetime: of a challenge, in seconds.
        serves_app: whether the relay serves the phone app at app_port.
        """
        self._sandbox = sandbox
        self.pushmfa = tuple(pushmfa)
        self.relay_port, self.app_port = find_port(), find_port()
        served = self.app_port if serves_app else None
        host = host_config(
            lifetime=lifetime, relay_port=self.relay_port, web_port=self.app_port
        )
        folder = sandbox.path("/etc/pushmfa")
        folder.mkdir(exist_ok=True)
        for name, text in (
            ("pushmfa.toml", host),
            ("relay.toml", relay_config(relay_port=self.relay_port, web_port=served)),
        ):
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
        self._bring_command()
        for user in ("pushmfa", "pushmfa-relay"):
            state = sandbox.path(f"/var/lib/{user}")
            state.mkdir(mode=0o700, exist_ok=True)
            os.chown(state, *sandbox.ids(user))

    def _bring_command(self) -> None:
        """Let everybody inside type `pushmfa`."""
        folder = self._sandbox.path(BIN)
        folder.mkdir(exist_ok=True)
        script = folder / "pushmfa"
        script.write_text(f'#!/bin/sh\nexec {shlex.join(self.pushmfa)} "$@"\n')
        script.chmod(0o755)
        profile = self._sandbox.path("/etc/profile.d")
        profile.mkdir(exist_ok=True)
        (profile / "pushmfa-demo.sh").write_text(f'PATH="{BIN}:$PATH"\n')

    def start(self) -> None:
        """Start relay and daemon; return when both say that they are ready."""
        self.start_relay()
        self.start_daemon()

    def start_relay(self) -> None:
        """Start the relay as a user of its own."""
        command = [*self.pushmfa, "--config", "/etc/pushmfa/relay.toml", "relay"]
        self._sandbox.start_notifying("relay", command, user="pushmfa-relay")

    def start_daemon(self) -> None:
        """Start the daemon as root; it binds its sockets and drops to `pushmfa`."""
        self._sandbox.start_notifying("daemon", [*self.pushmfa, "daemon"])

    def invite(self, user: str) -> Invitation:
        """Begin an enrollment for user, of a device that is not the demo's own."""
        return _read_invitation(self._begin(user))

    def _begin(self, user: str) -> Terminal:
        return self._terminal("enroll", "--user", user, "--no-qr")

    def enroll(self, user: str) -> tuple[Terminal, Terminal]:
        """Enroll the device for user as two people would, on two terminals.

        Returns the terminals, of the host and of the device, whose programs have
        ended well. Raises PushmfaError with what they wrote otherwise.
        """
        host = self._begin(user)
        device: Terminal | None = None
        try:
            invitation = _read_invitation(host)
            device = self._terminal(
                *("device", "--state", DEVICE_STATE, "enroll", invitation.link),
                *("--force", "--label", DEVICE_LABEL),
            )
            digits = device.expect(r"(?<!\d)(\d{3}) ?(\d{3})(?!\d)", _ENROLL)
            host.expect("six digits", _ENROLL)
            host.send_line(digits[1] + digits[2])
            for terminal in (host, device):
                status = terminal.wait(_ENROLL)
                if status != 0:
                    raise PushmfaError(f"{terminal.argv[-1]} ended with {status}")
        except PushmfaError as error:
            self._sandbox.check()
            shown = [line.text for line in host.transcript]
            shown += [line.text for line in device.transcript] if device else []
            wrote = "\n".join(f"  {line}" for line in shown)
            raise PushmfaError(f"the enrollment failed: {error}\n{wrote}") from error
        return host, device

    def device(self, *words: str) -> list[str]:
        """Return the command, inside, of the terminal authenticator."""
        return [*self.pushmfa, "device", "--state", DEVICE_STATE, *words]

    def answer(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Answer on the device: `--number NN`, `--deny`; wait until it is sent."""
        command = self.device("answer", *words)
        return self._sandbox.run(command, environment={"NO_COLOR": "1"})

    def _terminal(self, *words: str) -> Terminal:
        plain = {"NO_COLOR": "1", "TERM": "dumb"}
        return self._sandbox.terminal([*self.pushmfa, *words], environment=plain)


def _read_invitation(host: Terminal) -> Invitation:
    minutes = host.expect(r"within (\d+) minutes", _ENROLL)[1]
    link = host.expect(r"^\s*(http://localhost:\d+/#1\S+)\n", _ENROLL)[1]
    return Invitation(host, link, int(minutes))
