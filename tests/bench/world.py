"""Everything that `make bench` measures, running in one sandbox on this machine.

Its state lies below build/, on a disk and not in memory: a sync has to cost.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pushmfa.demo.processes import Child
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.sshd import find_port
from tests.bench.duomock import IKEY, SKEY
from tests.bench.population import enroll_all
from tests.e2e.support import MODULE, ROOT, find_pushmfa

BUILT: Final = ROOT / "build/bench"
"""Where tests/bench/c is built, and where the state of a run lies."""

USERS: Final = 200
DELAY_MS: Final = 40
_START: Final = 60.0

HOST_CONFIG: Final = """\
[host]
name = "bench"

[paths]
state = "{state}"
run = "/run/pushmfa"

[relay]
urls = ["{relay}"]
ca = "{ca}"

[web]
origin = "https://localhost:8443"

[service.pushmfa]
first_factor = "stack"
"""

# Two hundred people behind one address, logging in without a pause: the limits, which
# are there to stop just that, are out of the way. They are still counted.
RELAY_CONFIG: Final = """\
[listen]
address = "127.0.0.1"
port = {port}
tls_cert = "{cert}"
tls_key = "{key}"

[public]
urls = [{urls}]

[paths]
state = "{state}"

[limits]
host_frames = {{ burst = 100000, per_second = 100000 }}
device_frames = {{ burst = 100000, per_second = 100000 }}
host_envelopes = {{ burst = 100000, per_second = 100000 }}
device_envelopes = {{ burst = 100000, per_second = 100000 }}
answers = {{ burst = 100000, per_second = 100000 }}
"""


class World:
    """The sandbox with the peers and the product in it; a context manager."""

    def __init__(self) -> None:
        BUILT.mkdir(parents=True, exist_ok=True)
        tempfile.tempdir = str(BUILT)
        self.sandbox = Sandbox(
            module=MODULE, programs=[*find_pushmfa()[:1], str(BUILT)]
        )
        self.python = [sys.executable, "-P"]
        self.pids: dict[str, int] = {}
        self._product: list[Child] = []

    def __enter__(self) -> Self:
        self.sandbox.__enter__()
        try:
            self._prepare()
        except BaseException:
            self.sandbox.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sandbox.close()

    @property
    def folder(self) -> Path:
        """On the disk, the same inside and outside."""
        return self.sandbox.folder

    @property
    def numbers(self) -> Path:
        """The socket that the phone hears numbers on."""
        return self.folder / "numbers"

    def _prepare(self) -> None:
        self.services = self.folder / "pam.d"
        self.services.mkdir()
        self.cert, self.key = self._make_certificate()
        names = [f"bench{number:03}" for number in range(USERS)]
        self.sandbox.add_people([(name, "") for name in names])
        self._start_floor()
        self._start_duo()
        self._start_chain("chain", "box")
        self._start_chain("chain_wire", "wire")
        self._start_relay()

    def _make_certificate(self) -> tuple[Path, Path]:
        """Make an RSA certificate of localhost, as most services on the net have."""
        cert, key = self.folder / "localhost.pem", self.folder / "localhost.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-days", "30", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost"),
                *("-keyout", str(key), "-out", str(cert)),
            ],
            check=True,
            capture_output=True,
        )
        os.chown(key, *self.sandbox.ids("pushmfa-relay"))
        return cert, key

    # --- services -------------------------------------------------------------------

    def service(self, name: str, line: str) -> None:
        """Write a PAM service of one line."""
        (self.services / name).write_text(f"auth {line}\n")

    def start(self, name: str, command: Sequence[str]) -> str:
        """Start a part that says in a line that it is ready; return the line."""
        child = self.sandbox.start(name, command)
        log = self.sandbox.log(name)
        child.wait_until(lambda: b"\n" in log.read_bytes(), _START)
        self.pids[name] = child.pid
        return log.read_text()

    def start_python(self, name: str, module: str, *words: str | Path) -> str:
        """Start a module of this folder as `start` does."""
        return self.start(name, self.python_command(module, *map(str, words)))

    def python_command(self, module: str, *words: str) -> list[str]:
        """Return the command that runs a module of this folder."""
        return ["env", f"PYTHONPATH={ROOT}", *self.python, "-m", module, *words]

    def _start_floor(self) -> None:
        path = self.folder / "floor"
        child = self.sandbox.start("floor", [str(BUILT / "echod"), str(path)])
        child.wait_until(path.is_socket, _START)
        self.pids["floor"] = child.pid
        self.service("permit", "required pam_permit.so")
        self.service("floor", f"required {BUILT}/pam_floor.so path={path}")

    def _start_duo(self) -> None:
        module = "tests.bench.duomock"
        port = int(self.start_python("duomock", module, self.cert, self.key))
        far = int(
            self.start_python("duo-far", "tests.bench.delay", str(DELAY_MS), str(port))
        )
        for name, where in (("duo", port), ("duo-far", far)):
            config = self.folder / f"{name}.conf"
            config.write_text(
                f"[duo]\nhost = localhost:{where}\nikey = {IKEY}\nskey = {SKEY}\n"
                f"cafile = {self.cert}\nautopush = yes\nprompts = 1\n"
                "failmode = secure\n"
            )
            config.chmod(0o600)
            self.service(name, f"required pam_duo.so conf={config}")

    def _start_chain(self, name: str, seals: str) -> None:
        module = "tests.bench.chain"
        keys, path, rows = (
            self.folder / f"{name}.{kind}" for kind in ("keys", "s", "db")
        )
        port = self.start_python(f"{name}-relay", module, "relay", self.cert, self.key)
        words = (seals, port.strip(), self.cert, keys)
        self.start_python(f"{name}-device", module, "device", *words)
        self.start_python(f"{name}-daemon", module, "daemon", *words, path, rows)
        self.service(name, f"required {BUILT}/pam_floor.so stream={path}")

    # --- the product ----------------------------------------------------------------

    def _start_relay(self) -> None:
        port = find_port()
        delays = self.start_python(
            "relay-far", "tests.bench.delay", str(DELAY_MS), str(port)
        )
        self.relays = {
            "near": f"wss://localhost:{port}",
            "far": f"wss://localhost:{int(delays)}",
        }
        state = self._own_folder("relay", "pushmfa-relay")
        config = self.folder / "relay.toml"
        config.write_text(
            RELAY_CONFIG.format(
                port=port,
                cert=self.cert,
                key=self.key,
                urls=", ".join(f'"{url}"' for url in self.relays.values()),
                state=state,
            )
        )
        command = [*find_pushmfa(), "--config", str(config), "relay"]
        child = self.sandbox.start_notifying("relay", command, user="pushmfa-relay")
        self.pids["relay"] = child.pid
        self._enroll()

    def _enroll(self) -> None:
        state = self.folder / "daemon"
        phones = [(self.folder / f"phone-{k}", url) for k, url in self.relays.items()]
        enroll_all(tuple(self.sandbox.people.values()), state, phones)
        for path in (state, *state.iterdir()):
            os.chown(path, *self.sandbox.ids("pushmfa"))
        self.service("pushmfa", f"required {self.sandbox.module}")

    def _own_folder(self, name: str, user: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o700)
        os.chown(folder, *self.sandbox.ids(user))
        return folder

    def start_product(self, distance: str) -> None:
        """Start daemon and phone, near to the relay or far from it."""
        self.stop_product()
        self.numbers.unlink(missing_ok=True)
        config = self.folder / f"pushmfa-{distance}.toml"
        config.write_text(
            HOST_CONFIG.format(
                state=self.folder / "daemon", relay=self.relays[distance], ca=self.cert
            )
        )
        command = self.daemon_command("--config", str(config), "daemon")
        log = self.sandbox.log("daemon")
        log.unlink(missing_ok=True)
        daemon = self.sandbox.start_notifying("daemon", command)
        daemon.wait_until(lambda: b"is ready" in log.read_bytes(), _START)
        phone = self._start_phone(self.folder / f"phone-{distance}")
        self._product = [daemon, phone]
        self.pids |= {"daemon": daemon.pid, "phone": phone.pid}

    def stop_product(self) -> None:
        """Stop daemon and phone, if they run."""
        for child in reversed(self._product):
            self.sandbox.stop(child)
        self._product = []

    def daemon_command(self, *words: str) -> list[str]:
        """Return the command that runs pushmfa with words, the daemon's."""
        return [*find_pushmfa(), *words]

    def phone_command(self, *words: str) -> list[str]:
        """Return the command that runs the phone."""
        return self.python_command("tests.bench.phone", *words)

    def _start_phone(self, state: Path) -> Child:
        log = self.sandbox.log("phone")
        log.unlink(missing_ok=True)
        words = (str(state), str(self.cert), str(self.numbers))
        phone = self.sandbox.start(
            "phone",
            self.phone_command(*words),
        )
        phone.wait_until(lambda: b"ready\n" in log.read_bytes(), _START)
        return phone

    def keep_logs(self) -> None:
        """Leave the logs where they can be read after the sandbox is gone."""
        shutil.copytree(self.folder / "logs", BUILT / "logs", dirs_exist_ok=True)
