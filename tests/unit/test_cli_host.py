"""`pushmfa host`: for root, asks before it changes anything, keeps files private."""

import errno
import os
from pathlib import Path

import pytest

from pushmfa.cli.host_files import (
    load_backup,
    new_passphrase,
    verify_new,
    write_new,
)
from pushmfa.daemon.backups import Head, Keys, head_line, lock_up
from pushmfa.errors import UsageError
from pushmfa.terms import Digest
from tests.unit.cli_support import run
from tests.unit.control_peer import ControlPeer

COMMANDS = (
    ("backup", "x"),
    ("restore", "x"),
    ("adopt",),
    ("reset",),
    ("repair",),
)


@pytest.mark.parametrize("words", COMMANDS)
def test_attack_not_root(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pushmfa.cli.host.is_root", lambda: False)
    monkeypatch.chdir(tmp_path)
    result = run(tmp_path, "host", *words)
    assert result.exit_code == 7
    assert "error: only root may do this" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pushmfa.toml"]


@pytest.mark.parametrize("words", COMMANDS)
def test_help_has_an_example(words: tuple[str, ...], tmp_path: Path) -> None:
    result = run(tmp_path, "host", words[0], "--help")
    assert result.exit_code == 0
    assert f"sudo pushmfa host {words[0]}" in result.stdout


def test_a_backup_overwrites_nothing_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "backup"
    before = os.umask(0)
    try:
        write_new(file, b"one")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="there already"):
        write_new(file, b"two")
    assert file.read_bytes() == b"one"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        write_new(link, b"three")
    assert not (tmp_path / "elsewhere").exists()


def test_a_backup_that_cannot_be_written_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"somebody's")
    for wrong in (file / "x", tmp_path / "none/x"):
        for check in (verify_new, lambda path: write_new(path, b"x")):
            with pytest.raises(UsageError, match=f"cannot write {wrong}") as caught:
                check(wrong)
            assert caught.value.hint
    with pytest.raises(UsageError, match="there already"):
        verify_new(file)
    verify_new(tmp_path / "new")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left") as caught:
        write_new(tmp_path / "new", b"half")
    assert "No backup was made." in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_bytes() == b"somebody's"


def test_a_backup_that_has_no_place_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushmfa.cli.host.is_root", lambda: True)
    with ControlPeer(tmp_path, []) as peer:
        result = run(tmp_path, "host", "backup", str(tmp_path / "none/x"))
    assert result.exit_code == 2
    assert "there is no folder" in result.stderr
    assert peer.requests == []


def test_a_protected_backup_needs_its_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = Head(
        schema=1,
        made_at=0,
        made_by="a test",
        host_name="web1",
        keys=Keys(b"{}"),
        size=1,
        digest=Digest(bytes(32)),
    )
    file, word = tmp_path / "backup", tmp_path / "word"
    file.write_bytes(lock_up(head_line(head) + b"x", b"right"))
    monkeypatch.setattr("pushmfa.cli.options.has_terminal", lambda: False)
    with pytest.raises(UsageError, match="under a passphrase") as caught:
        load_backup(file, None)
    assert "--passphrase-file" in caught.value.hint
    word.write_text("wrong\n")
    with pytest.raises(UsageError, match="passphrase is wrong") as caught:
        load_backup(file, word)
    assert "Try again with the passphrase" in caught.value.hint
    word.write_text("right\nand another line\n")
    with pytest.raises(UsageError, match="damaged") as caught:
        # The digest of the head is not that of what follows.
        load_backup(file, word)
    assert "an older one" in caught.value.hint
    assert new_passphrase(False, word) == b"right"
    assert new_passphrase(False, None) is None
    with pytest.raises(UsageError, match="no terminal to ask") as caught:
        new_passphrase(True, None)
    assert "--passphrase-file" in caught.value.hint
    word.write_text("\n")
    with pytest.raises(UsageError, match="empty") as caught:
        new_passphrase(True, word)
    assert "first line" in caught.value.hint
    word.write_text("x" * 4_097)
    with pytest.raises(UsageError, match="too long") as caught:
        new_passphrase(True, word)
    assert "4096 bytes" in caught.value.hint
    with pytest.raises(UsageError, match="cannot read") as caught:
        load_backup(tmp_path / "absent", None)
    assert "Check the name" in caught.value.hint
