"""A host on which everything can go wrong, and what a person then sees.

docs/failures.md says what that is; the tests take their expectations from its table.
"""

import os
import re
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.parts import DEVICE_STATE, Parts
from pushmfa.demo.processes import Child
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import find_port, start_sshd, write_ssh_config
from pushmfa.demo.stacks import PRIVATE, STACKS, write_stack
from pushmfa.demo.terminal import Terminal
from tests.e2e.kill_world import build_shim, descendants, release
from tests.e2e.phone import Phone
from tests.e2e.programs import NUMBER
from tests.e2e.support import ROOT, find_pushmfa

LIFETIME: Final = 6
TIMEOUT: Final = LIFETIME + 5
"""Seconds of a challenge, and of the module: by it the challenge becomes so short."""

SLACK: Final = 1.5
"""Seconds that a busy machine may add."""

PAGE: Final = ROOT / "docs/failures.md"
HANG: Final = f"{PRIVATE}/hang"
_WALL: Final = f"{PRIVATE}/wall"


class Promise(NamedTuple):
    """A row of the table in docs/failures.md."""

    fault: str
    seen: str
    """What the terminal shows; `approved` if the login goes on as ever."""
    within: float
    """Seconds, for the lifetimes of these tests."""

    @property
    def is_approved(self) -> bool:
        """Whether the login goes on."""
        return self.seen == "approved"


def read_promises() -> dict[str, Promise]:
    """Return the rows of docs/failures.md by fault."""
    rows = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and line.startswith("| ") and cells[0] != "fault":
            seen = cells[1].strip("`").replace("60", str(LIFETIME))
            rows[cells[0]] = Promise(cells[0], seen, _seconds(cells[2]))
    return rows


def _seconds(words: str) -> float:
    if words.startswith("the lifetime"):
        return LIFETIME + SLACK
    number = words.removeprefix("up to ").removesuffix(" s")
    return (1.0 if words == "at once" else float(number)) + SLACK


class Gate:
    """Stands in the place of a relay: before the real one, or silent by itself."""

    def __init__(self, port: int, leads_to: int | None) -> None:
        """leads_to: the relay's port; None: whoever connects hears nothing."""
        self._leads_to = leads_to
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0.1)
        self._is_over = threading.Event()
        self._count = 0
        self.frozen: set[int] = set()
        """Which connections, in the order in which they came, carry nothing now."""
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> "Gate":
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            with suppress(TimeoutError):
                near, _ = self._listener.accept()
                serve = threading.Thread(target=self._serve, args=(near, self._count))
                self._count += 1
                self._threads.append(serve)
                serve.start()

    def _serve(self, near: socket.socket, number: int) -> None:
        with near:
            if self._leads_to is None:
                self._is_over.wait()
                return
            with socket.create_connection(("127.0.0.1", self._leads_to)) as far:
                self._carry({near: far, far: near}, number)

    def _carry(self, other: dict[socket.socket, socket.socket], number: int) -> None:
        while not self._is_over.is_set():
            for end in select.select([*other], [], [], 0.02)[0]:
                if number in self.frozen:
                    time.sleep(0.02)
                    continue
                with suppress(ConnectionError):
                    piece = end.recv(65536)
                    if piece:
                        other[end].sendall(piece)
                        continue
                return


class FaultWorld:
    """Relay, daemon and sshd as processes, the device in this one."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Start everything in sandbox, which stands; alice has a device."""
        self.sandbox = sandbox
        sandbox.add_people(PEOPLE)
        shutil.copy(build_shim("wall"), sandbox.path(f"{PRIVATE}/wall.so"))
        hang = sandbox.path(f"{PRIVATE}/libnss_hang.so.2")
        shutil.copy(build_shim("nss_hang"), hang)
        self.set_wall(0)
        self.parts = Parts(sandbox, find_pushmfa(), lifetime=10)
        config = sandbox.path("/etc/pushmfa/pushmfa.toml").read_text()
        self.relay_port = int(config.partition('["ws://localhost:')[2].split('"')[0])
        # Else sudo holds each refusal for 2 s, a penalty of pam_unix.
        stack = STACKS["sudo"].replace("pam_unix.so\n", "pam_unix.so nodelay\n", 1)
        write_stack(sandbox.root, "sudo", stack, sandbox.module)
        self._services: dict[str, Child] = {}
        self._runs = 0
        self.start("relay")
        self.start("daemon")
        self.parts.enroll("alice")
        self.sshd = start_sshd(sandbox, max_startups="60")
        self.config = write_ssh_config(sandbox, {"demo": self.sshd}, "alice")
        self._phone: Phone | None = Phone(sandbox.path(DEVICE_STATE))

    @property
    def phone(self) -> Phone:
        """The device, while it is there."""
        assert self._phone is not None
        return self._phone

    def close(self) -> None:
        """Take the device away; the sandbox ends the rest."""
        if self._phone is not None:
            self._phone.close()
            self._phone = None

    @contextmanager
    def no_device(self) -> Iterator[None]:
        """Have the device off."""
        self.close()
        try:
            yield
        finally:
            self._phone = Phone(self.sandbox.path(DEVICE_STATE))

    # -- services -----------------------------------------------------------------

    def start(self, role: str) -> None:
        """Start the relay or the daemon; return when it is ready."""
        environment = [
            *(f"LD_PRELOAD={PRIVATE}/wall.so", f"PUSHMFA_WALL={_WALL}"),
            f"LD_LIBRARY_PATH={PRIVATE}",
        ]
        words = {"relay": ["--config", "/etc/pushmfa/relay.toml", "relay"]}
        command = [*self.parts.pushmfa, *words.get(role, [role])]
        if role == "daemon":
            command = ["env", *environment, *command]
        user = "pushmfa-relay" if role == "relay" else None
        self._services[role] = self.sandbox.start_notifying(role, command, user=user)

    def stop(self, role: str) -> float:
        """End a service by SIGTERM; return how many seconds that took."""
        begun = time.monotonic()
        self.sandbox.stop(self._services.pop(role))
        return time.monotonic() - begun

    @contextmanager
    def without(self, role: str) -> Iterator[None]:
        """Have a service stopped; afterwards it is there again."""
        self.stop(role)
        try:
            yield
        finally:
            self.start(role)

    def service(self, role: str) -> Child:
        """Return the process of a service that was started."""
        return self._services[role]

    def pid(self, role: str) -> int:
        """Return the process id, outside, of a service."""
        wanted = role.encode() + b"\0"
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes()
                if words.endswith(wanted) and not words.startswith(b"/usr/bin/nsenter"):
                    return pid
        raise AssertionError(f"no {role} runs")

    @contextmanager
    def limited(self, role: str, what: str, limit: int) -> Iterator[None]:
        """Have a limit of the kernel on a running service; what: prlimit's option."""
        user = {"relay": "pushmfa-relay", "daemon": "pushmfa"}[role]
        status = Path(f"/proc/{self.pid(role)}/status").read_text()
        inside = status.partition("NSpid:")[2].split("\n")[0].split()[-1]

        def limit_to(value: str) -> None:
            argv = ["prlimit", f"--pid={inside}", f"--{what}={value}:"]
            result = self.sandbox.run(argv, user=user)
            ended = not self.service(role).runs()
            assert result.returncode == 0 or ended, result.stderr

        limit_to(str(limit))
        try:
            yield
        finally:
            limit_to("4096" if what == "nofile" else "unlimited")

    @contextmanager
    def stopped(self, role: str) -> Iterator[None]:
        """Have a service stopped as by SIGSTOP."""
        os.kill(self.pid(role), signal.SIGSTOP)
        try:
            yield
        finally:
            release(kills=False)

    @contextmanager
    def gate_before_relay(self) -> Iterator[Gate]:
        """Have a gate between relay and peers; the daemon's connection is the first."""
        config = self.sandbox.path("/etc/pushmfa/relay.toml")
        before, other = config.read_text(), find_port()
        line = f"port = {self.relay_port}\n"
        self.close()
        self.stop("daemon")
        self.stop("relay")
        config.write_text(before.replace(line, f"port = {other}\n"))
        self.start("relay")
        try:
            with Gate(self.relay_port, other) as gate:
                self.start("daemon")
                log = self.sandbox.log("daemon")
                while not log.read_text().splitlines()[-1].endswith("is ready"):
                    time.sleep(0.02)
                self._phone = Phone(self.sandbox.path(DEVICE_STATE))
                yield gate
        finally:
            self.stop("relay")
            config.write_text(before)
            self.start("relay")

    def run(self, line: str) -> None:
        """Run a line of shell inside as root."""
        result = self.sandbox.run(["sh", "-c", line])
        assert result.returncode == 0, result.stderr

    def set_wall(self, seconds: int) -> None:
        """Set the daemon's wall clock forward or back."""
        path = self.sandbox.path(_WALL)
        if not path.exists():
            path.write_bytes(bytes(32))
        with path.open("r+b") as file:
            file.write(f"{seconds}".encode().ljust(16, b"\0"))

    # -- logins -------------------------------------------------------------------

    @property
    def _marker(self) -> str:
        """What the newest login writes if it is let in."""
        return f"inside-{self._runs}-"

    def sudo(self) -> Terminal:
        """Begin a sudo and type the right password."""
        self._runs += 1
        argv = ["sudo", "-k", "echo", self._marker]
        terminal = self.sandbox.terminal(argv, user="alice")
        terminal.expect("(?i)password", 10)
        terminal.send_line(dict(PEOPLE)["alice"])
        return terminal

    def see(
        self,
        promise: Promise,
        *,
        answers: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> float:
        """Log in by sudo; check that it is as promised; return the seconds it took.

        answers: type the number into the device, whatever comes of it. before: what
        happens between number and answer.
        """
        terminal = self.sudo()
        begun = time.monotonic()
        if answers:
            self.phone.look()
            number = terminal.expect(NUMBER, 10)[1]
            before()
            card = self.phone.card_with(self._marker.encode(), LIFETIME)
            self.phone.approve(card, number)
        return self.check(terminal, promise, begun)

    def see_with_device_clock(self, promise: Promise, offset: int) -> float:
        """Log in as `see` does, answered by a device whose clock is off by seconds."""
        clock = f"{PRIVATE}/wall-device"
        self.sandbox.path(clock).write_bytes(f"{offset}".encode().ljust(32, b"\0"))
        terminal = self.sudo()
        begun = time.monotonic()
        number = terminal.expect(NUMBER, 10)[1]
        words = self.parts.device("answer", "--number", number)
        preload = f"LD_PRELOAD={PRIVATE}/wall.so"
        self.sandbox.run(["env", preload, f"PUSHMFA_WALL={clock}", *words])
        return self.check(terminal, promise, begun)

    def check(self, terminal: Terminal, promise: Promise, begun: float) -> float:
        """Compare a login to what is promised; return the seconds it took.

        Those of a refusal end with its text.
        """
        if not promise.is_approved:
            terminal.expect(re.escape(promise.seen), TIMEOUT + 5)
        took = time.monotonic() - begun
        status = terminal.wait(TIMEOUT + 5)
        if promise.is_approved:
            took = time.monotonic() - begun
        is_in = self._marker in terminal.text.splitlines()
        assert is_in == (status == 0) == promise.is_approved, terminal.text
        assert took < promise.within, f"{took:.1f} s: {terminal.text}"
        return took

    def wait_until_healthy(self) -> None:
        """Wait until the daemon has seen by itself that nothing is wrong any more."""
        command = [*self.parts.pushmfa, "status"]
        deadline = time.monotonic() + 30
        while self.sandbox.run(command).returncode != 0:
            assert time.monotonic() < deadline, "it still refuses"
            time.sleep(0.2)

    def works(self) -> None:
        """Log in as ever: nothing is left of what was wrong."""
        approved = Promise("none", "approved", 10.0)
        self.see(approved, answers=True)
