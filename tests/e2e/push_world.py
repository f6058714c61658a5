"""A host, a relay that serves the app and pushes, and the phone of alice.

Everything is real but Google's service and the desktop; see `BrowserPushService` and
`Desktop`.
"""

import json
import re
import sys
import time
import urllib.request
from typing import Final, NamedTuple

from pushmfa.config.host import load_host_config
from pushmfa.demo.parts import Parts
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import KEY_FIRST, start_sshd, write_ssh_config
from pushmfa.demo.stacks import KEY_THEN_PUSH, write_stack
from pushmfa.demo.terminal import Terminal
from tests.e2e.push_phone import PATIENCE, PushPhone
from tests.e2e.support import ROOT, find_pushmfa
from tests.fakes.browser_push import BrowserPushService
from tests.fakes.notifications import Shown

SHORT: Final = 12
"""Seconds of a challenge of the sshd `short`; the module waits 5 s more."""

NUMBER: Final = r"pushmfa: enter (\d\d) on your (?:phone|device)(?: \([^)]*\))?"
PROMPT: Final = NUMBER + ", then press Enter: "

_RELAY_CONFIG: Final = """\
[listen]
address = "127.0.0.1"
port = {port}

[public]
urls = ["{url}"]

[web]
origins = ["{origin}"]
listen = "127.0.0.1:{web_port}"

[paths]
state = "/var/lib/pushmfa-relay"
"""


class Asked(NamedTuple):
    """A login that waits, and the number that its terminal shows."""

    ssh: Terminal
    number: str

    def is_in(self) -> None:
        """Press Enter, and type in the shell that is open then."""
        self.ssh.send_line()
        self.ssh.expect(r"[$#] $", 15)
        self.ssh.send_line("echo in-as-$(id -un)")
        self.ssh.expect("^in-as-alice", 15)
        self.ssh.send_line("exit")
        assert self.ssh.wait(15) == 0

    def is_out(self, says: str) -> None:
        """See that it says so and ends, without a shell."""
        assert self.ssh.wait(30) == 255, self.ssh.text
        assert re.search(says, self.ssh.text), self.ssh.text


class PushWorld:
    """The host and the relay in a sandbox."""

    def __init__(self, sandbox: Sandbox, service: BrowserPushService) -> None:
        """Start everything; service is where the relay's pushes go."""
        self.sandbox = sandbox
        self._logins: list[Terminal] = []
        self.parts = Parts(sandbox, find_pushmfa())
        host = load_host_config(sandbox.path("/etc/pushmfa/pushmfa.toml"))
        self.origin = host.web_origin
        self._relay = host.relay.urls[0].replace("ws:", "http:")
        self._start_relay(service)
        self.parts.start_daemon()
        stack = KEY_THEN_PUSH.replace("{module}", f"{{module}} timeout={SHORT + 5}")
        write_stack(sandbox.root, "sshd-short", stack, sandbox.module)
        self._config = write_ssh_config(
            sandbox,
            {
                "demo": start_sshd(sandbox),
                "short": start_sshd(sandbox, service="sshd-short", methods=KEY_FIRST),
            },
            "alice",
        )

    def _start_relay(self, service: BrowserPushService) -> None:
        config = self.sandbox.path("/etc/pushmfa/relay.toml")
        config.write_text(
            _RELAY_CONFIG.format(
                port=_port(self._relay),
                url=self._relay.replace("http:", "ws:"),
                origin=self.origin,
                web_port=_port(self.origin),
            )
        )
        trusted = self.sandbox.folder / "push-service.pem"
        trusted.write_bytes(service.certificate)
        python = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-P", "-m"]
        words = ["/etc/pushmfa/relay.toml", str(service.port), str(trusted)]
        self.sandbox.start_notifying(
            "relay", [*python, "tests.e2e.push_relay", *words], user="pushmfa-relay"
        )

    def enroll(self, phone: PushPhone) -> None:
        """Enroll the phone for alice by the link that her terminal shows."""
        plain = {"NO_COLOR": "1", "TERM": "dumb"}
        words = ["enroll", "--user", "alice", "--no-qr"]
        argv = [*self.parts.pushmfa, *words]
        terminal = self.sandbox.terminal(argv, environment=plain)
        link = terminal.expect(r"^\s*(http://localhost:\d+/#1\S+)", PATIENCE)[1]
        phone.open(link)
        digits = phone.confirm_trust()
        terminal.expect("six digits", PATIENCE)
        terminal.send_line(digits)
        assert terminal.wait(PATIENCE) == 0
        phone.sees("This device is added")

    def log_in(self, host: str = "demo") -> Asked:
        """Start ssh, and wait for the number."""
        argv = ["ssh", "-F", str(self._config), host]
        ssh = self.sandbox.outside_terminal(argv)
        self._logins.append(ssh)
        return Asked(ssh, ssh.expect(PROMPT, PATIENCE)[1])

    def ends(self, part: str) -> int:
        """Return how many attempts ended so, by the daemon's own audit."""
        rows = self.sandbox.log("daemon").read_text().splitlines()
        return sum('"type":"attempt"' in row and part in row for row in rows)

    def wait_ends(self, part: str, count: int) -> None:
        """Wait until so many attempts ended so; their devices are told by then."""
        deadline = time.monotonic() + PATIENCE
        while self.ends(part) < count:
            assert time.monotonic() < deadline, part
            time.sleep(0.02)  # nothing tells of a line in a file

    def hang_up(self) -> None:
        """End what a test left behind."""
        while self._logins:
            self._logins.pop().close()

    def wait_links(self, count: int) -> None:
        """Wait until the relay has so many links; one is the daemon's."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with urllib.request.urlopen(f"{self._relay}/healthz") as answer:  # noqa: S310  our own relay's
                links = json.load(answer)["links"]
            if links == count:
                return
            assert time.monotonic() < deadline, f"{links} links"
            time.sleep(0.02)  # nothing tells of a link that has gone


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


class Wake(NamedTuple):
    """How long the ways took from the push that the service took, in seconds."""

    to_notification: float
    to_page: float
    """That it began to load: with the tap, which took no time."""
    to_card: float
    """That it was drawn."""


class Scene:
    """The world and the phone, and what happens between them."""

    def __init__(
        self, world: PushWorld, phone: PushPhone, service: BrowserPushService
    ) -> None:
        self.world = world
        self.phone = phone
        self.service = service
        self.wakes: list[Wake] = []
        self._pushes = 0

    def enroll(self) -> None:
        """Enroll the phone, and turn its notifications on."""
        self.phone.start()
        self.world.enroll(self.phone)
        self.phone.press("Done")
        self.phone.sees("Nothing waits")
        self.phone.allow_notifications()
        self.phone.press("Turn on notifications")
        self.phone.press("Hosts")
        self.phone.press_host("demo")
        self.phone.reads("Notifications are set up.")

    def put_away(self) -> None:
        """Close the app, and wait until no login and no link of the phone is left."""
        self.world.hang_up()
        self.phone.close_app()
        self.world.wait_links(1)
        self._pushes = len(self.service.taken)

    def notified(self) -> Shown:
        """Return the notification of the next push."""
        self._pushes += 1
        self.service.wait_taken(self._pushes, PATIENCE)
        return self.phone.notification()

    def more_pushes(self) -> int:
        """Return how many pushes came that no login was the reason of."""
        return len(self.service.taken) - self._pushes

    def open_card(self, shown: Shown | None = None, *, is_warm: bool = True) -> None:
        """Tap on the notification, of the next push, and see the card.

        is_warm: the browser was there when the push came, so that it can be measured.
        """
        shown = shown or self.notified()
        began = self.service.taken[self._pushes - 1].at
        self.phone.tap(shown)
        self.phone.sees("Login")
        if is_warm:
            # Looking for it takes longer than drawing it: the page has noted when.
            opened, drawn = self.phone.drawn()
            shift = time.time() - time.monotonic() + began
            self.wakes.append(Wake(shown.at - began, opened - shift, drawn - shift))
