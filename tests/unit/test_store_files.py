"""Private files: whole or not at all, and nobody else's to read."""

import os
import stat
import threading
from pathlib import Path

import pytest

from pushmfa.errors import StoreError
from pushmfa.store.files import (
    hold_lock,
    load_private,
    make_private_folder,
    remove_private,
    save_private,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_files_are_0600_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert mode(tmp_path / "key") == 0o600
    assert load_private(tmp_path / "key", 100) == b"secret"


def test_a_file_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    save_private(tmp_path / "key", b"old")
    save_private(tmp_path / "key", b"new")
    assert load_private(tmp_path / "key", 100) == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_failed_write_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_private(tmp_path / "key", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        save_private(tmp_path / "key", b"new")
    monkeypatch.undo()
    assert load_private(tmp_path / "key", 100) == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_attack_a_link_in_place_of_the_file_is_not_written_through(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").write_bytes(b"of somebody else")
    (tmp_path / "key").symlink_to(tmp_path / "other")
    save_private(tmp_path / "key", b"new")
    assert (tmp_path / "other").read_bytes() == b"of somebody else"
    assert not (tmp_path / "key").is_symlink()


@pytest.mark.parametrize("wrong", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_open_is_refused(tmp_path: Path, wrong: int) -> None:
    save_private(tmp_path / "key", b"secret")
    (tmp_path / "key").chmod(wrong)
    with pytest.raises(StoreError, match="others may read") as caught:
        load_private(tmp_path / "key", 100)
    assert "chmod 600" in caught.value.hint


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    save_private(tmp_path / "key", b"secret")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("link", "pipe", "folder", "missing"):
        with pytest.raises(StoreError):
            load_private(tmp_path / name, 100)


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    save_private(tmp_path / "key", b"x" * 101)
    with pytest.raises(StoreError, match="more than 100 bytes"):
        load_private(tmp_path / "key", 100)


def test_folders_are_0700(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    make_private_folder(folder)
    assert mode(folder) == 0o700
    folder.chmod(0o750)
    with pytest.raises(StoreError, match="others may read"):
        make_private_folder(folder)


def test_a_folder_that_is_a_file_or_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(StoreError):
            make_private_folder(tmp_path / name)


def test_what_is_not_there_is_removed_without_a_word(tmp_path: Path) -> None:
    save_private(tmp_path / "key", b"secret")
    remove_private(tmp_path / "key")
    remove_private(tmp_path / "key")
    assert not (tmp_path / "key").exists()


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []

    def wait_for_it() -> None:
        with hold_lock(tmp_path / "lock"):
            order.append("second")

    other = threading.Thread(target=wait_for_it)
    with hold_lock(tmp_path / "lock"):
        other.start()
        other.join(0.1)
        order.append("first")
    other.join(5)
    assert order == ["first", "second"]
    assert mode(tmp_path / "lock") == 0o600
