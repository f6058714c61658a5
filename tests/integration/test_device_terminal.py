"""`pushmfa device run` as a program on a terminal: what it shows, and Ctrl-C."""

import socket
import sys
from pathlib import Path

import msgspec
import pexpect
import pytest

from pushmfa.device.keyring import Keyring
from tests.unit.enrollment_peer import HostPeer, enroll_at

pytestmark = pytest.mark.integration

PROGRAM = "import sys; from pushmfa.cli.main import main; sys.exit(main())"
PASSPHRASE = b"correct horse"


def start(state: Path) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable,
        ["-c", PROGRAM, "device", "--state", str(state), "run"],
        encoding="utf-8",
        timeout=20,
        dimensions=(24, 80),
    )


def enroll_in(folder: Path, passphrase: bytes | None = None) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host = HostPeer(relays=(f"ws://127.0.0.1:{port}",))
    enrollment, _ = enroll_at(host, passphrase=passphrase)
    state = folder / "device"
    Keyring(state).save(msgspec.structs.replace(enrollment, user="al\x1b[31mice"))
    return state


def test_ctrl_c_leaves_cleanly(tmp_path: Path) -> None:
    program = start(enroll_in(tmp_path))
    program.expect("not connected to ws://127.0.0.1")
    program.sendintr()
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 130
    assert "Traceback" not in (program.before or "")


def test_the_passphrase_is_asked_at_the_start_and_not_shown(tmp_path: Path) -> None:
    program = start(enroll_in(tmp_path, PASSPHRASE))
    program.expect(r"(?i)passphrase for al\\x1b\[31mice on web1.example")
    program.waitnoecho()
    program.sendline("wrong")
    program.expect("(?i)passphrase for")
    program.waitnoecho()
    program.sendline(PASSPHRASE.decode())
    program.expect("answers for")
    assert PASSPHRASE.decode() not in (program.before or "")
    program.expect("not connected to")
    program.sendintr()
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 130


def test_a_file_that_others_can_read_is_explained(tmp_path: Path) -> None:
    state = enroll_in(tmp_path)
    (path,) = (state / "enrollments").glob("*.json")
    path.chmod(0o644)
    program = start(state)
    program.expect("error: others may read")
    program.expect("hint: .*chmod 600")
    program.expect(pexpect.EOF)
    program.close()
    assert program.exitstatus == 1
