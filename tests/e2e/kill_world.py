"""A host, a relay and a device that can be killed or stopped at an exact step.

What does it is tests/e2e/shims/trip.c, preloaded into every process of the sandbox.
Whatever was killed is started again, as systemd would; a stopped process goes on, or
is killed, after HOLD seconds, as an administrator or a watchdog would see to.
"""

import contextlib
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from os import getpid, kill
from pathlib import Path
from typing import Final, NamedTuple

from pushmfa.daemon.audit import AttemptRecord, DeliveryRecord, Record, decode_record
from pushmfa.demo.main import PEOPLE
from pushmfa.demo.parts import DEVICE_STATE, Parts
from pushmfa.demo.processes import Child
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import start_sshd, write_ssh_config
from pushmfa.demo.stacks import PRIVATE
from pushmfa.errors import PushmfaError
from tests.e2e.kill_person import NUMBER, AuditReader, Person, Screen
from tests.e2e.support import ROOT, find_pushmfa

LIFETIME: Final = 10
TIMEOUT: Final = 20
"""Seconds of a challenge, and until the module gives up by itself."""

HOLD: Final = 0.7
"""Seconds that a stopped process stays so."""

QUIET: Final = 0.4
"""Seconds after a login until the daemon has written all that belongs to it."""

_LATE: Final = 30.0
_LOOK_EVERY: Final = 0.01
_SHIMS: Final = Path(__file__).with_name("shims")


def build_shim(name: str) -> Path:
    """Return the library made of shims/NAME.c."""
    target = ROOT / f"build/{name}.so"
    target.parent.mkdir(exist_ok=True)
    unfinished = target.with_suffix(f".{getpid()}")
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    source = str(_SHIMS / f"{name}.c")
    subprocess.run(["gcc", *flags, "-o", str(unfinished), source, "-ldl"], check=True)
    unfinished.rename(target)
    return target


class Step(NamedTuple):
    """A step of a login, seen by one process."""

    role: str
    event: str
    """What trip.c calls it."""
    nth: int
    """Which one of those in a login."""
    when: str
    """`start`: before the login begins; `card`: when its card is on the screen."""
    words: str
    """What the table calls it."""

    def file(self, number: signal.Signals, count: int) -> str:
        """Return the name of the file that arms it."""
        return f"{self.role}-{self.event}-{number.name[3:]}-{count}"


class Ended(NamedTuple):
    """How a login ended."""

    is_in: bool
    said: str
    """The last line of pushmfa's, or what became of the program."""
    seconds: float
    records: tuple[Record, ...]
    answers: int
    text: str

    @property
    def approvals(self) -> int:
        """How many attempts the audit calls approved."""
        attempts = [r for r in self.records if isinstance(r, AttemptRecord)]
        return sum(record.verdict == "approved" for record in attempts)

    @property
    def deliveries(self) -> int:
        """How many approvals the audit calls delivered."""
        told = [r for r in self.records if isinstance(r, DeliveryRecord)]
        return sum(record.delivered for record in told)


class Fault:
    """One signal at one step; carried out, and mended."""

    def __init__(
        self, world: "KillWorld", step: Step, number: signal.Signals, then: str
    ) -> None:
        """then: `kill` or `continue`, what becomes of a process that was stopped."""
        self.step = step
        self._world = world
        self._number = number
        self._then = then
        self._is_armed = False
        self._hit_at: float | None = None
        self._restart: threading.Thread | None = None
        self.is_mended = False

    def arm(self, when: str) -> None:
        """Set the trap if its moment is when."""
        if when == self.step.when and not self._is_armed:
            name = self.step.file(self._number, self.step.nth)
            (self._world.traps / name).touch()
            self._is_armed = True

    def work(self) -> None:
        """See whether it has hit; kill, continue and start again what must be."""
        if not self._is_armed or self.is_mended:
            return
        if self._hit_at is None:
            counts = range(1, self.step.nth + 1)
            names = [self.step.file(self._number, count) for count in counts]
            if any((self._world.traps / name).exists() for name in names):
                return
            self._hit_at = time.monotonic()
        if self._number is signal.SIGSTOP and self._restart is None:
            if time.monotonic() < self._hit_at + HOLD:
                return
            release(kills=self._then == "kill")
            if self._then != "kill":
                self.is_mended = True
                return
        if self._restart is None:
            # While the login goes on: it must see the gap, and what comes after it.
            self._restart = threading.Thread(
                target=self._world.restart, args=(self.step.role,)
            )
            self._restart.start()
        self.is_mended = not self._restart.is_alive()

    def finish(self) -> None:
        """Wait until it has hit and is mended, if the login was over before."""
        deadline = time.monotonic() + _LATE
        while not self.is_mended:
            assert time.monotonic() < deadline, f"not reached: {self.step}"
            time.sleep(_LOOK_EVERY)
            self.work()


def release(*, kills: bool) -> None:
    """Let every process below this one that is stopped go on; kills: kill it first."""
    stopped = [pid for pid in descendants(getpid()) if _state(pid) in "Tt"]
    for number in (signal.SIGKILL, signal.SIGCONT) if kills else (signal.SIGCONT,):
        for pid in stopped:
            with contextlib.suppress(OSError):  # the end of one may end another
                comm = Path(f"/proc/{pid}/comm").read_text().strip()
                if number is signal.SIGCONT or comm != "nsenter":
                    kill(pid, number)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes below pid."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from descendants(child)


class KillWorld:
    """Relay, daemon, device and sshd in a sandbox of their own, and logins into it."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Start everything in sandbox, which stands, and enroll alice's device."""
        self.sandbox = sandbox
        sandbox.add_people(PEOPLE)
        self.parts = Parts(sandbox, find_pushmfa(), lifetime=LIFETIME)
        self.traps = sandbox.path(f"{PRIVATE}/trip")
        self.traps.mkdir()
        self.traps.chmod(0o777)
        shutil.copy(build_shim("trip"), sandbox.path(f"{PRIVATE}/trip.so"))
        self._services: dict[str, Child] = {}
        self._runs = 0
        self._start_service("relay")
        self._start_service("daemon")
        self.parts.enroll("alice")
        self.sshd = start_sshd(sandbox, max_startups="60")
        self._config = write_ssh_config(sandbox, {"demo": self.sshd}, "alice")
        self.device = self._start_device()
        self._audit = AuditReader(sandbox)
        # From now on whatever starts: sudo is set-uid and heeds no LD_PRELOAD.
        preload = sandbox.path("/etc/ld.so.preload")
        preload.write_text(f"{PRIVATE}/trip.so\n")
        sandbox.stop(self.sshd.child)
        self.sshd = start_sshd(sandbox, max_startups="60")
        self._config = write_ssh_config(sandbox, {"demo": self.sshd}, "alice")

    # -- the parts ----------------------------------------------------------------

    def _preloaded(self, role: str, command: Sequence[str]) -> list[str]:
        library = f"LD_PRELOAD={PRIVATE}/trip.so"
        return ["env", library, f"PUSHMFA_TRIP={role}", *command]

    def _start_service(self, role: str) -> None:
        words = {"relay": ["--config", "/etc/pushmfa/relay.toml", "relay"]}
        command = [*self.parts.pushmfa, *words.get(role, [role])]
        self._services[role] = self.sandbox.start_notifying(
            role,
            self._preloaded(role, command),
            user="pushmfa-relay" if role == "relay" else None,
        )

    def _start_device(self) -> Screen:
        command = [*self.parts.pushmfa, "device", "--state", DEVICE_STATE, "run"]
        device = Screen(
            self._preloaded("device", command),
            self.sandbox.environment({"NO_COLOR": "1", "TERM": "dumb"}),
            enter=self.sandbox.enter(),
            name="device",
        )
        device.expect("connected to", 30)
        return device

    def restart(self, role: str) -> None:
        """Start again what was killed, once it has ended; a module's is not."""
        if role == "device":
            self.device.wait(10)
            self.device.close()
            self.device = self._start_device()
        elif role in self._services:
            killed = self._services.pop(role)
            with contextlib.suppress(PushmfaError):  # what says that it has ended
                killed.wait_until(lambda: False, 10)
            self.sandbox.stop(killed)
            self._start_service(role)

    def close(self) -> None:
        """End the device; the sandbox ends the rest."""
        release(kills=False)
        self.device.close()
        self._audit.close()

    # -- logins -------------------------------------------------------------------

    def log_in(self, way: str, fault: Fault | None = None) -> Ended:
        """Log in by `ssh` or `sudo`, as a person with the device in hand would."""
        self._runs += 1
        marker = f"run{self._runs}-"
        before = self._last_seq()

        def arm(when: str) -> None:
            if fault is not None:
                fault.arm(when)

        arm("start")
        begun = time.monotonic()
        client = self._start_client(way, marker)
        person = Person(lambda: self.device, client, way, marker)
        while client.status is None:
            assert time.monotonic() < begun + TIMEOUT + 10, (
                f"hangs: {fault and fault.step}\n{client.text}\n{self.device.text}"
            )
            person.act(lambda: arm("card"))
            if fault is not None:
                fault.work()
            time.sleep(_LOOK_EVERY)
        seconds = time.monotonic() - begun
        client.wait(5)
        if fault is not None:
            fault.finish()
        time.sleep(QUIET)
        records = tuple(self._records_after(before))
        text = client.text
        is_in = marker in text.splitlines()
        client.close()
        said = _last_words(text, client.status)
        return Ended(is_in, said, seconds, records, person.answers, text)

    def _start_client(self, way: str, marker: str) -> Screen:
        plain = self.sandbox.environment()
        if way == "ssh":
            argv = ["ssh", "-F", str(self._config), "demo", f"echo {marker}"]
            return Screen(argv, plain)
        argv = ["sudo", "-k", "echo", marker]
        become = self.sandbox.become("alice")
        return Screen([*become, *argv], plain, enter=self.sandbox.enter(), name="sudo")

    # -- the audit ----------------------------------------------------------------

    def _last_seq(self) -> int:
        return max((seq for seq, _ in self._rows(0)), default=0)

    def _records_after(self, seq: int) -> Iterator[Record]:
        for _, raw in self._rows(seq):
            yield decode_record(raw)

    def _rows(self, after: int) -> list[tuple[int, bytes]]:
        return self._audit.rows(after)


def _last_words(text: str, status: int | None) -> str:
    lines = [line for line in text.splitlines() if line.startswith("pushmfa: ")]
    ends = [line for line in lines if not NUMBER.match(line)]
    return ends[-1] if ends else f"status {status}"
