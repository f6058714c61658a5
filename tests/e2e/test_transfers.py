"""scp, sftp, rsync and git over ssh: the files arrive unharmed, and nothing of ours.

Their output is what a script reads; the prompt goes to the terminal, past it.
"""

import hashlib
import os
import shlex
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.programs import PROMPT, Host

pytestmark = pytest.mark.e2e

SIZE = 3_000_001
"""Bytes: many packets, and no round number."""


@pytest.fixture
def file(host: Host) -> tuple[str, str]:
    """A file of alice's on the host, as a path and its SHA-256."""
    content = os.urandom(SIZE)
    path = host.sandbox.path("/home/alice/file")
    path.write_bytes(content)
    os.chown(path, *host.sandbox.ids("alice"))
    return "/home/alice/file", hashlib.sha256(content).hexdigest()


def transfer(host: Host, folder: Path, *argv: str, typed: str = "") -> tuple[str, str]:
    """Run argv in folder on a terminal, approve, return its output and its errors."""
    (folder / "typed").write_text(typed)
    command = f"cd {folder} && {shlex.join(argv)} <typed >out 2>errors"
    asked = host.asked(
        lambda: host.sandbox.outside_terminal(["sh", "-c", command]), PROMPT
    )
    with closing(asked.terminal) as terminal:
        terminal.send_line()
        host.phone.approve(asked.card, asked.number)
        status = terminal.wait(20)
    out, errors = ((folder / name).read_text() for name in ("out", "errors"))
    assert status == 0, errors
    assert "pushmfa" not in out + errors
    return out, errors


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_scp(host: Host, file: tuple[str, str], tmp_path: Path) -> None:
    path, digest = file
    said = transfer(
        host, tmp_path, "scp", "-F", str(host.config), f"demo:{path}", "here"
    )
    assert said == ("", "")
    assert sha256(tmp_path / "here") == digest
    said = transfer(host, tmp_path, "scp", "-F", str(host.config), "here", "demo:there")
    assert said == ("", "")
    assert sha256(host.sandbox.path("/home/alice/there")) == digest


def test_scp_with_the_old_protocol(
    host: Host, file: tuple[str, str], tmp_path: Path
) -> None:
    path, digest = file
    options = ("-O", "-F", str(host.config))
    assert transfer(host, tmp_path, "scp", *options, f"demo:{path}", "here") == ("", "")
    assert sha256(tmp_path / "here") == digest


def test_sftp_with_its_commands_from_a_pipe(
    host: Host, file: tuple[str, str], tmp_path: Path
) -> None:
    path, digest = file
    out, _ = transfer(
        *(host, tmp_path, "sftp", "-q", "-F", str(host.config), "demo"),
        typed=f"get {path} here\nput here there\n",
    )
    assert out.splitlines()[0] == f"sftp> get {path} here"
    assert sha256(tmp_path / "here") == digest
    assert sha256(host.sandbox.path("/home/alice/there")) == digest


def test_rsync(host: Host, file: tuple[str, str], tmp_path: Path) -> None:
    path, digest = file
    shell = f"ssh -F {host.config}"
    said = transfer(host, tmp_path, "rsync", "-e", shell, f"demo:{path}", "here")
    assert said == ("", "")
    assert sha256(tmp_path / "here") == digest


def test_git_clone(host: Host, file: tuple[str, str], tmp_path: Path) -> None:
    _, digest = file
    make = (
        "rm -rf repository && git init -q repository && cd repository"
        " && cp ../file . && git add file"
        " && git -c user.name=a -c user.email=a@example.com commit -q -m file"
    )
    made = host.sandbox.run(["sh", "-c", f"cd /home/alice && {make}"], user="alice")
    assert made.returncode == 0, made.stderr
    environment = (
        f"GIT_SSH_COMMAND=ssh -F {host.config}",
        *("GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"),
    )
    git = ("env", *environment, "git", "clone", "demo:repository", "here")
    out, errors = transfer(host, tmp_path, *git)
    assert out == ""
    assert errors == "Cloning into 'here'...\n"
    assert sha256(tmp_path / "here/file") == digest
