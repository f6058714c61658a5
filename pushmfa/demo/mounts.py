"""Builds the private world of the sandbox out of mounts; runs inside it, as PID 1.

Everything here happens in a mount namespace of its own, after `unshare`: the
machine outside sees nothing of it, and all of it goes when the last process does.

    /etc                 a copy, so that any tool may change it
    /var                 the machine's, read-only, but for new entries
    /dev                 the few nodes that everybody needs, and a /dev/log of its own
    /run /tmp /home ...  empty; what the programs need of them is bound back read-only
"""

import ctypes
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_READ_ONLY: Final = 1
_NO_SUID_DEV_EXEC: Final = 2 | 4 | 8
_REMOUNT: Final = 32
_BIND: Final = 4096
_MOVE: Final = 8192
_RECURSIVE: Final = 16384

EMPTIED: Final = {
    "/run": 0o755,
    "/tmp": 0o1777,  # noqa: S108 - the folder itself is mounted over, no file in it
    "/home": 0o755,
    "/root": 0o755,
    "/var/log": 0o755,
    "/var/tmp": 0o1777,  # noqa: S108 - as /tmp
    "/var/mail": 0o755,
    "/var/lib/sudo": 0o700,
}
"""Folders that are empty inside, with their modes."""

_RUN_FOLDERS: Final = {"sshd": 0o755, "pushmfa": 0o755, "lock": 0o1777}
_LOGS: Final = ("lastlog", "wtmp", "btmp")
_DEVICES: Final = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "ptmx": (5, 2),
}
_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


class Kept(NamedTuple):
    """A file or folder that stays reachable although a folder above it is emptied."""

    path: str
    writable: bool


class _Original(NamedTuple):
    """What stood at a path before anything was mounted: a descriptor holds it."""

    path: Path
    descriptor: int
    writable: bool


def build_world(kept: Iterable[Kept]) -> None:
    """Mount everything; OSError names the path that the kernel refused."""
    _mount("proc", "/proc", "proc", _NO_SUID_DEV_EXEC)
    originals = [_open(Path(path), writable) for path, writable in kept]
    terminals = _open(Path("/dev/pts"), True)
    _empty(Path("/run"), EMPTIED["/run"])
    for name, mode in _RUN_FOLDERS.items():
        _make_folder(Path("/run", name), mode)
    Path("/run/utmp").touch()
    _copy_etc()
    _make_devices(terminals)
    _mirror(Path("/var"))
    _mirror(Path("/var/lib"))
    for name, mode in EMPTIED.items():
        if name != "/run":
            _empty(Path(name), mode)
    for name in _LOGS:
        Path("/var/log", name).touch()
    # Parents first, so that none hides what was bound below it.
    for original in sorted(originals, key=lambda kept: len(kept.path.parts)):
        _bring_back(original)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.mount(
        source.encode(),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), target)


def _open(path: Path, writable: bool) -> _Original:
    return _Original(path, os.open(path, os.O_PATH), writable)


def _bind(original: _Original, target: Path) -> None:
    """Show what original holds at target, which exists; ends the descriptor."""
    source = f"/proc/self/fd/{original.descriptor}"
    _mount(source, str(target), "", _BIND | _RECURSIVE)
    if not original.writable:
        _mount("", str(target), "", _BIND | _REMOUNT | _READ_ONLY)
    os.close(original.descriptor)


def _empty(folder: Path, mode: int) -> None:
    if folder.is_symlink():  # /var/mail and others lead to a folder that is private
        return
    folder.mkdir(exist_ok=True)
    _mount("tmpfs", str(folder), "tmpfs", 0, f"mode={mode:o}")


def _make_folder(folder: Path, mode: int) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)


def _copy_etc() -> None:
    """Replace /etc by a copy of it, made elsewhere and then moved over it."""
    staging = Path("/run/etc")
    staging.mkdir()
    _mount("tmpfs", str(staging), "tmpfs", 0, "mode=755")
    subprocess.run(["/bin/cp", "-a", "/etc/.", "/run/etc/"], check=True)
    _mount(str(staging), "/etc", "", _MOVE)
    staging.rmdir()


def _make_devices(terminals: _Original) -> None:
    """Replace /dev: nothing made in it, /dev/log above all, is made outside."""
    folder = Path("/dev")
    _mount("tmpfs", "/dev", "tmpfs", 0, "mode=755")
    for name, (major, minor) in _DEVICES.items():
        os.mknod(folder / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        (folder / name).chmod(0o666)
    for name, leads_to in _LINKS.items():
        (folder / name).symlink_to(leads_to)
    terminals.path.mkdir()
    _bind(terminals, terminals.path)
    _empty(folder / "shm", 0o1777)


def _mirror(folder: Path) -> None:
    """Make folder a place of its own whose entries are the old ones, read-only."""
    old = _open(folder, False)
    with os.scandir(f"/proc/self/fd/{old.descriptor}") as entries:
        found = [(entry.name, entry.is_symlink(), entry.is_dir()) for entry in entries]
    _mount("tmpfs", str(folder), "tmpfs", 0, "mode=755")
    for name, is_link, is_folder in found:
        source = f"/proc/self/fd/{old.descriptor}/{name}"
        target = folder / name
        if is_link:
            target.symlink_to(os.readlink(source))
            continue
        _make_target(target, is_folder)
        descriptor = os.open(source, os.O_PATH | os.O_NOFOLLOW)
        _bind(_Original(target, descriptor, False), target)
    os.close(old.descriptor)


def _make_target(target: Path, is_folder: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        target.mkdir(exist_ok=True)
    elif not target.exists():
        target.touch()


def _bring_back(original: _Original) -> None:
    """Bind a kept path back, if what is at its place now is not it any more."""
    held = os.fstat(original.descriptor)
    path = original.path
    if path.exists() and os.path.samestat(held, path.stat()):
        is_writable = not os.statvfs(path).f_flag & os.ST_RDONLY
        if is_writable or not original.writable:
            os.close(original.descriptor)
            return
    _make_target(original.path, stat.S_ISDIR(held.st_mode))
    _bind(original, original.path)
