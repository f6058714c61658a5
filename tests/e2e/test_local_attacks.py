"""What an unprivileged user of the host tries at our sockets: real users, kernel."""

import json
import sys

import pytest

from tests.e2e.support import System, find_pushmfa

pytestmark = pytest.mark.e2e

SPEAK = """
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(10)
try:
    s.connect(sys.argv[1])
    s.send(b"pushmfa1\\0phase=auth\\0service=sshd\\0user=alice\\0uid=0\\0pid=1\\0"
           b"ppid=1\\0role=attempt\\0wait=120\\0cut=0\\0")
    print("heard", s.recv(4096))
except OSError as error:
    print("refused", type(error).__name__)
"""

SQUAT = """
import os, socket, sys
try:
    os.unlink(sys.argv[1])
except OSError as error:
    print("unlink", type(error).__name__)
try:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.bind(sys.argv[1])
    print("bound")
except OSError as error:
    print("bind", type(error).__name__)
"""


def run_python(system: System, code: str, *words: str, user: str | None = None) -> str:
    result = system.sandbox.run([sys.executable, "-c", code, *words], user=user)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_attack_unprivileged_user_speaks_as_the_module(system: System) -> None:
    assert run_python(system, SPEAK, "/run/pushmfa/pam.sock", user="bob") == (
        "refused PermissionError\n"
    )
    # Root is heard: the refusal above is not a dead socket.
    assert "heard b'" in run_python(system, SPEAK, "/run/pushmfa/pam.sock")


def test_attack_squatting_the_socket(system: System) -> None:
    said = run_python(system, SQUAT, "/run/pushmfa/pam.sock", user="bob")
    assert said == "unlink PermissionError\nbind OSError\n"
    said = run_python(system, SQUAT, "/run/pushmfa/other.sock", user="bob")
    assert said == "unlink FileNotFoundError\nbind PermissionError\n"


def test_attack_squatted_folder_is_refused_by_the_module(system: System) -> None:
    """A daemon of bob's, in a folder of bob's, that says approved to everything."""
    fake = """
import os, socket
os.makedirs("/tmp/bobs", exist_ok=True)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind("/tmp/bobs/pam.sock")
os.chmod("/tmp/bobs/pam.sock", 0o777)
s.listen()
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(65536)
    c.send(b"Vapproved\\0")
"""
    module = system.sandbox.module.split()[0]
    stack = system.sandbox.path("/etc/pam.d/su")
    honest = stack.read_text()
    child = system.sandbox.terminal([sys.executable, "-c", fake], user="bob")
    try:
        child.expect("ready", 10)
        stack.write_text(
            f"auth [success=ok default=die] {module} socket=/tmp/bobs/pam.sock\n"
            "account required pam_permit.so\nsession required pam_permit.so\n"
        )
        su = system.sandbox.terminal(["su", "bob", "-c", "echo let in"], user="alice")
        assert su.wait(20) != 0
        assert "let in" not in su.text
        assert "not available" in su.text
    finally:
        stack.write_text(honest)
        child.close()


@pytest.mark.parametrize(
    "words",
    [
        ("devices", "list", "--user", "alice"),
        ("status", "--user", "alice"),
        ("devices", "revoke", "demo phone", "--user", "alice", "--yes"),
        ("devices", "lost", "demo phone", "--user", "alice"),
        ("enroll", "--user", "alice"),
        ("enroll", "--user", "alice", "--ticket"),
        ("test", "--user", "alice"),
    ],
)
def test_attack_naming_another_user(system: System, words: tuple[str, ...]) -> None:
    result = system.sandbox.run([*find_pushmfa(), *words], user="bob")
    assert result.returncode == 7, result.stdout + result.stderr
    assert "error:" in result.stderr
    assert "hint:" in result.stderr
    listed = system.sandbox.run([*find_pushmfa(), "devices", "list", "--user", "alice"])
    assert "demo phone" in listed.stdout


def test_attack_account_names_are_not_told_to_others(system: System) -> None:
    said = {
        name: system.sandbox.run(
            [*find_pushmfa(), "devices", "list", "--user", name], user="bob"
        )
        for name in ("alice", "nobody-of-that-name")
    }
    assert {result.returncode for result in said.values()} == {7}
    assert len({result.stderr for result in said.values()}) == 1


def test_attack_uid_of_another_namespace(system: System) -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    result = system.sandbox.run([*command, *find_pushmfa(), "status", "--json"])
    assert result.returncode == 7
    assert json.loads(result.stdout)["ok"] is False


def test_the_owner_sees_what_is_his_own(system: System) -> None:
    result = system.sandbox.run(
        [*find_pushmfa(), "devices", "list", "--json"], user="alice"
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["devices"][0]["label"] == "demo phone"
