"""The parts of the demo that need neither root nor a namespace."""

import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pushmfa.demo import accounts, parts
from pushmfa.demo.auto import other_number
from pushmfa.demo.main import find_command, run
from pushmfa.demo.namespace import find_kept
from pushmfa.demo.processes import Child, NotifySocket, children_of, tail
from pushmfa.demo.sshd import find_port
from pushmfa.demo.stacks import STACKS, write_rules, write_stacks
from pushmfa.errors import (
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    UsageError,
)

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with the user database of a machine that has an alice."""
    etc = tmp_path / "etc"
    (etc / "pam.d").mkdir(parents=True)
    (etc / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nalice:x:23001:23001::/old:/bin/sh\n"
        "other:x:23002:100::/x:/bin/sh\n"
    )
    (etc / "shadow").write_text("root:*:1::::::\nalice:secret:1::::::\n")
    (etc / "group").write_text("root:x:0:\nalice:x:23001:\nusers:x:100:\n")
    (etc / "gshadow").write_text("root:*::\nalice:!::\n")
    return tmp_path


def test_people_hide_who_had_their_names(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned: list[tuple[str, int]] = []
    monkeypatch.setattr(os, "chown", lambda p, u, g: owned.append((str(p), u)))
    lines: list[str] = []
    people = accounts.add_people(
        root, [("alice", "one"), ("bob", "two")], "ssh-ed25519 key\n", lines.append
    )
    assert lines == ["alice:one\nbob:two\n"]
    assert [(a.name, a.uid) for a in people] == [("alice", 23001), ("bob", 23003)]
    passwd = (root / "etc/passwd").read_text()
    assert passwd.count("\nalice:") == 1
    assert "/home/alice" in passwd
    assert "secret" not in (root / "etc/shadow").read_text()
    assert accounts.find_ids(root, "bob") == (23003, 23003)
    keys = root / "home/alice/.ssh/authorized_keys"
    assert keys.read_text() == "ssh-ed25519 key\n"
    assert (str(keys), 23001) in owned
    with pytest.raises(KeyError):
        accounts.find_ids(root, "carol")


def test_system_users_are_made_once(root: Path) -> None:
    accounts.add_system_users(root)
    first = (root / "etc/passwd").read_text()
    accounts.add_system_users(root)
    assert (root / "etc/passwd").read_text() == first
    assert accounts.find_ids(root, "pushmfa")[0] < 1000


def test_every_stack_asks_and_its_refusal_is_final(root: Path) -> None:
    write_stacks(root, "/m.so debug")
    for service in STACKS:
        lines = (root / "etc/pam.d" / service).read_text().splitlines()
        assert "auth [success=ok default=die] /m.so debug" in lines
        firsts = [line for line in lines if line.startswith("auth")]
        assert firsts[-1].endswith("/m.so debug")


def test_rules_of_the_machine_are_replaced(root: Path) -> None:
    etc = root / "etc"
    (etc / "sudoers.d").mkdir()
    (etc / "sudoers.d/free").write_text("ALL ALL=(ALL) NOPASSWD: ALL\n")
    (etc / "nologin").touch()
    write_rules(root, "demo")
    assert not list((etc / "sudoers.d").iterdir())
    assert not (etc / "nologin").exists()
    assert "NOPASSWD" not in (etc / "sudoers").read_text()
    assert (etc / "hostname").read_text() == "demo\n"


def test_configurations_are_valid() -> None:
    from pushmfa.config.host import parse_host_config
    from pushmfa.config.relay import parse_relay_config

    text = parts.host_config(lifetime=10, relay_port=40001, web_port=40002)
    host = parse_host_config(text)
    assert host.login.lifetime == 10
    relay = parse_relay_config(parts.relay_config(relay_port=40001))
    assert relay.listen.port == 40001
    assert relay.public_urls == host.relay.urls
    assert relay.web.listen is None
    text = parts.relay_config(relay_port=40001, web_port=40002)
    app = parse_relay_config(text).web
    assert app.listen == ("127.0.0.1", 40002)
    assert app.origins == (host.web_origin,)


@pytest.mark.parametrize("number", ["10", "42", "98", "99", "999999", "100000"])
def test_the_wrong_number_is_another_of_as_many_digits(number: str) -> None:
    other = other_number(number)
    assert other != number
    assert len(other) == len(number)
    assert other[0] != "0"


def test_a_taken_port_is_not_given() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert find_port(port) not in {port, 0}
    assert find_port(port) == port


def test_children_are_found() -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        assert child.pid in children_of(os.getpid())
        child.kill()
    assert child.pid not in children_of(os.getpid())


def test_a_child_that_ends_early_is_named_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child("relay", ["sh", "-c", "echo 'a \033[1m'; exit 3"], log, ENVIRONMENT)
    with pytest.raises(PushmfaError, match=r"relay ended early with status 3") as found:
        child.wait_until(lambda: False, 5)
    assert r"a \x1b[1m" in str(found.value)
    child.stop()


def test_a_child_that_is_never_ready_is_named(tmp_path: Path) -> None:
    child = Child("daemon", ["sleep", "100"], tmp_path / "log", ENVIRONMENT)
    with pytest.raises(NotReachableError, match="daemon was not ready"):
        child.wait_until(lambda: False, 0.1)
    child.stop()
    with pytest.raises(PushmfaError, match="-15"):
        child.check()


def test_ready_is_heard(tmp_path: Path) -> None:
    at = NotifySocket(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.connect(str(tmp_path / "notify"))
        service.send(b"STATUS=starting")
        assert not at.is_ready()
        service.send(b"READY=1\nMAINPID=1")
        assert at.is_ready()
        assert at.is_ready()
    at.close()
    assert not (tmp_path / "notify").exists()


def test_no_log_has_no_tail(tmp_path: Path) -> None:
    assert tail(tmp_path / "none") == ""


def test_what_the_emptied_folders_hold_of_us_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushmfa.demo.namespace.EMPTIED", {str(tmp_path): 0o755})
    program = tmp_path / "pushmfa"
    program.touch()
    kept = find_kept([str(program), "/usr/bin/env", f"{tmp_path}/none"])
    assert kept == [str(program)]


def test_a_command_is_found_or_named(tmp_path: Path) -> None:
    assert find_command([sys.executable, "-c"]) == [sys.executable, "-c"]
    with pytest.raises(UsageError, match="no-such-thing"):
        find_command(["no-such-thing"])


def test_without_root_the_demo_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotPermittedError, match="only root"):
        run(
            module=Path("/dev/null"),
            auto=True,
            pushmfa=[sys.executable],
            out=io.StringIO(),
        )
