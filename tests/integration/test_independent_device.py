"""A device written from docs/protocol.md alone, against the real relay and daemon."""

import asyncio
import json
import os
import pwd
import re
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey

from tests.integration import independent_device as device

PUSHMFA = Path(sys.executable).with_name("pushmfa")
VECTORS = Path(__file__).parents[1] / "vectors"
USERS = {user.pw_uid: user.pw_name for user in pwd.getpwall()}
OWNER = next((USERS[uid] for uid in sorted(USERS) if 0 < uid < 65534), "")

# The daemon gives root up and becomes the user pushmfa: one that exists in a private
# /etc/passwd only. Without root there is nobody who could enroll a first device.
PRIVATE = 'mount --bind "$0" /etc/passwd && exec "$@"'
UNSHARE = ["unshare", "--mount"]
IS_ROOT = os.geteuid() == 0 and subprocess.call([*UNSHARE, "true"]) == 0
needs_root = pytest.mark.skipif(
    not IS_ROOT, reason="root enrolls a first device, the daemon is another user"
)

pytestmark = pytest.mark.integration


@dataclass
class Box:
    """A host with its relay, and the device that was enrolled at it."""

    command: list[str]
    enrollment: device.Enrollment

    async def start(self, *arguments: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *self.command, *arguments, stdin=PIPE, stdout=PIPE, stderr=STDOUT
        )

    async def enroll(self) -> int:
        host = await self.start("enroll", "--user", OWNER, "--no-qr")

        def type_digits(digits: str) -> None:
            assert host.stdin is not None
            host.stdin.write(f"{digits}\n".encode())

        link = await read_until(host, r"(http://localhost:\S+)\s")
        self.enrollment = await device.enroll(link, "stranger", type_digits)
        return await host.wait()

    async def attempt(
        self, choose: Callable[[str], str | None]
    ) -> tuple[device.Fields, device.Fields, int]:
        """Answer a test with what is chosen; return challenge, outcome, exit code."""
        host = await self.start("test", "--user", OWNER)
        number = await read_until(host, r"Enter ([0-9]{2}) on")
        asked: list[device.Fields] = []

        def ask(challenge: device.Fields) -> str | None:
            asked.append(challenge)
            return choose(number)

        outcome = await device.answer(self.enrollment, ask)
        return asked[0], outcome, await host.wait()


async def read_until(process: Process, pattern: str) -> str:
    assert process.stdout is not None
    said = ""
    while (found := re.search(pattern, said)) is None:
        more = await process.stdout.read(1000)
        assert more, f"it ended and said only: {said}"
        said += more.decode()
    return found[1]


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(*command: str | Path) -> Iterator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def write_files(folder: Path) -> int:
    """Write both configurations and the passwd of the daemon; return the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    url = f"ws://localhost:{port}"
    (folder / "relay.toml").write_text(
        f'[listen]\naddress = "127.0.0.1"\nport = {port}\n'
        f'[public]\nurls = ["{url}"]\n[paths]\nstate = "{folder}/relay"\n'
    )
    (folder / "pushmfa.toml").write_text(
        f'[host]\nname = "box"\n[relay]\nurls = ["{url}"]\n'
        f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n'
        '[web]\norigin = "http://localhost:1"\n'
    )
    uid = next(uid for uid in range(800, 65534) if uid not in USERS)
    entry = f"pushmfa:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + entry)
    return port


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the daemon, no longer root, passes through it
        port = write_files(folder)
        command = [str(PUSHMFA), "--config", str(folder / "pushmfa.toml")]
        private = [*UNSHARE, "sh", "-c", PRIVATE, str(folder / "passwd")]
        with running(PUSHMFA, "--config", folder / "relay.toml", "relay"):
            wait_for(lambda: listens(port))
            with running(*private, *command, "daemon"):
                status = [*command, "status"]
                wait_for(lambda: subprocess.run(status, check=False).returncode == 0)
                box = Box(command, device.Enrollment())
                assert asyncio.run(box.enroll()) == 0
                yield box


@needs_root
def test_a_device_written_from_the_document_alone_enrolls_and_approves(
    box: Box,
) -> None:
    challenge, outcome, code = asyncio.run(box.attempt(lambda number: number))
    assert box.enrollment.host["host_name"] == "box"
    assert (challenge["kind"], challenge["user"]) == ("test", OWNER)
    assert (outcome["verdict"], outcome["by_this_device"]) == ("approved", True)
    assert code == 0


@needs_root
def test_its_denial_ends_the_attempt(box: Box) -> None:
    _, outcome, code = asyncio.run(box.attempt(lambda number: None))
    assert (outcome["verdict"], outcome["cause"], code) == ("denied", "cancel", 1)


@needs_root
def test_a_wrong_number_typed_into_it_ends_the_attempt(box: Box) -> None:
    _, outcome, code = asyncio.run(
        box.attempt(lambda number: f"{(int(number) + 1) % 100:02}")
    )
    assert (outcome["verdict"], code) == ("wrong_number", 1)


def read_vectors(name: str) -> dict[str, Any]:
    return dict(json.loads((VECTORS / f"{name}.json").read_text()))


def accepts(call: Callable[[], object]) -> bool:
    try:
        call()
    except device.REFUSALS:
        return False
    return True


def expand(case: dict[str, Any]) -> Iterator[bytes]:
    """Yield the messages of a case: of a few it is one for each of its fields."""
    message = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    if "fields" not in case:
        yield message
    for name in case.get("fields", []):
        fields = json.loads(message)
        del fields[name]
        more = {name: None} if case["operation"] == "null" else {}
        yield json.dumps(fields | more).encode()


@pytest.mark.parametrize(
    ("vectors", "limit"), [("statements", 8192), ("frames", 16384)]
)
def test_its_reader_takes_and_refuses_what_the_vectors_say(
    vectors: str, limit: int
) -> None:
    read = 0
    for case in read_vectors(vectors)["cases"]:
        kind = case.get("type", "envelope")
        if kind not in device.SHAPES or case.get("by") == "peer":
            continue  # what a device writes and never reads
        for message in expand(case):
            taken = accepts(partial(device.read, message, limit, kind))
            assert taken == (case["operation"] == "message"), case["name"]
            read += 1
    assert read >= 100


def test_it_enrolls_only_as_the_vectors_say() -> None:
    vectors = read_vectors("enrollment")
    keys, context = vectors["keys"]["device"], vectors["context"]
    secret = bytes.fromhex(context["secret"])
    claim = context["claim_statement"].encode()
    new = device.Enrollment(
        SigningKey(bytes.fromhex(keys["identity_seed"])),
        SigningKey(bytes.fromhex(keys["relay_seed"])),
        ec.derive_private_key(int(keys["sealing_scalar"], 16), ec.SECP256R1()),
    )

    def check(case: dict[str, Any]) -> str:
        enclosed = bytes.fromhex(case["enclosed"])
        if case["operation"] == "done":
            done = device.open_step(new, secret, "enroll-done", enclosed, claim)
            return str(done["result"])
        commitment = bytes.fromhex(case.get("commitment", context["commitment"]))
        fresh = replace(new, host={})
        digits = device.check_host(
            fresh, secret, enclosed, device.b64(commitment), claim
        )
        new.host = fresh.host
        return digits

    cases = [c for c in vectors["cases"] if c["operation"] in ("reveal", "done")]
    for case in cases:
        if "expected" in case:
            assert check(case) == case["expected"], case["name"]
        else:
            assert not accepts(partial(check, case)), case["name"]
    assert len(cases) > 30
