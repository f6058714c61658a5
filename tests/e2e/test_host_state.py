"""What befalls a host's state, and the one command that sets it right again.

After each: a real ssh login, approved on a device that remembers how far the host was.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pushmfa.demo.main import PEOPLE
from pushmfa.demo.sandbox import Sandbox
from pushmfa.demo.terminal import Terminal
from tests.e2e.support import System, find_pushmfa

pytestmark = pytest.mark.e2e

PROMPT = r"pushmfa: enter (\d\d) on your device \(demo phone\), then press Enter: "
STATE = "/var/lib/pushmfa"
BACKUP = "/root/host.backup"


@pytest.fixture(scope="module")
def broken(module: Path) -> Iterator[System]:
    """A system of our own, to be broken."""
    with Sandbox(module=module, programs=find_pushmfa()[:1]) as world:
        world.add_people(PEOPLE)
        whole = System(world, lifetime=15, max_startups="30")
        whole.parts.enroll("alice")
        yield whole


def stop(system: System) -> None:
    children = system.sandbox._children
    system.sandbox.stop(next(child for child in children if child.name == "daemon"))


def start(system: System) -> None:
    system.parts.start_daemon()


def root(system: System, *argv: str) -> str:
    """Run argv inside as root and return what it printed."""
    result = system.sandbox.run(argv)
    assert result.returncode == 0, result.stderr
    return result.stdout


def pushmfa(system: System, *words: str) -> dict[str, Any]:
    """Return the object that a command prints."""
    result = system.sandbox.run([*system.parts.pushmfa, *words, "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def approve(system: System) -> None:
    """Log in by ssh, approved on the device."""
    ssh = system.ssh("demo", "echo in-as-$(id -un)")
    number = expect_prompt(ssh)
    ssh.send_line()
    answer = system.parts.answer("--number", number)
    assert answer.returncode == 0, answer.stderr
    ssh.expect("in-as-alice", 15)
    assert ssh.wait(15) == 0


def expect_prompt(ssh: Terminal) -> str:
    return ssh.expect(PROMPT, 15)[1]


def refused(system: System, reason: str) -> None:
    """Try to log in by ssh, and see why not; nobody is asked."""
    ssh = system.ssh("demo", "id")
    ssh.expect(reason, 15)
    assert ssh.wait(15) == 255
    assert "press Enter" not in ssh.text


def until_approved(system: System) -> None:
    """Log in once the daemon has looked at its state again, which it does by itself."""
    deadline = time.monotonic() + 30
    while not pushmfa(system, "status")["ok"]:
        assert time.monotonic() < deadline, "it still refuses"
        time.sleep(0.2)
    approve(system)


def test_a_backup_restores_a_host_that_is_gone(broken: System) -> None:
    approve(broken)
    made = pushmfa(broken, "host", "backup", BACKUP)
    assert made["ok"]
    mode = root(broken, "stat", "-c", "%a %U %s", BACKUP).split()
    assert mode == ["600", "root", str(made["size"])]
    stop(broken)
    root(broken, "sh", "-c", f"rm -rf {STATE}/*")
    found = pushmfa(broken, "host", "restore", BACKUP, "--yes")
    assert [device["label"] for device in found["devices"]] == ["demo phone"]
    owners = root(broken, "find", STATE, "-printf", "%u %m\n")
    assert {line.split()[0] for line in owners.splitlines()} == {"pushmfa"}
    start(broken)
    approve(broken)


def test_a_clone_is_refused_and_becomes_a_host_of_its_own(broken: System) -> None:
    stop(broken)
    broken.sandbox.path("/etc/machine-id").write_text("0123456789abcdef" * 2 + "\n")
    start(broken)
    refused(broken, r"moved or copied to another machine.*host adopt, or host reset")
    status = pushmfa(broken, "status")
    assert not status["healthy"]
    assert "this is a copy" in status["problems"][0]
    assert pushmfa(broken, "host", "reset", "--yes")["devices"] == []
    refused_as_new = broken.ssh("demo", "id")
    refused_as_new.expect("no device is enrolled|moved or copied", 15)
    refused_as_new.wait(15)
    # And back: the backup on this machine is the same host as before.
    stop(broken)
    pushmfa(broken, "host", "restore", BACKUP, "--yes")
    start(broken)
    approve(broken)


def test_a_snapshot_is_noticed_by_the_device_and_adopted(broken: System) -> None:
    stop(broken)
    root(broken, "cp", "-a", STATE, "/root/snapshot")
    start(broken)
    broken.parts.enroll("bob")
    approve(broken)
    stop(broken)
    root(broken, "sh", "-c", f"rm -rf {STATE}/*; cp -a /root/snapshot/. {STATE}/")
    start(broken)
    ssh = broken.ssh("demo", "id")
    shown = ssh.expect(rf"{PROMPT}|gone back to an old state", 15)
    if shown[1]:
        ssh.send_line()
        broken.parts.answer("--number", shown[1])
    assert ssh.wait(20) == 255
    refused(broken, r"gone back to an old state.*pushmfa host adopt")
    adopted = pushmfa(broken, "host", "adopt", "--yes")
    assert [device["user"] for device in adopted["devices"]] == ["alice"]
    until_approved(broken)


def test_a_damaged_database_is_repaired(broken: System) -> None:
    stop(broken)
    zero = f"dd if=/dev/zero of={STATE}/pushmfa.db bs=100 count=1 conv=notrunc"
    root(broken, *zero.split())
    start(broken)
    refused(broken, r"damaged database.*pushmfa host repair")
    repaired = pushmfa(broken, "host", "repair", "--yes")
    assert repaired["changed"]
    assert repaired["lost_rows"] == []
    until_approved(broken)
    verified = pushmfa(broken, "audit", "verify")
    assert verified["ok"], verified


def test_a_read_only_disk_is_told_and_recovers_by_itself(broken: System) -> None:
    stop(broken)
    root(broken, "mount", "--bind", STATE, STATE)
    root(broken, "mount", "-o", "remount,bind,ro", STATE)
    start(broken)
    refused(broken, "cannot write to its disk")
    assert "read-only" in pushmfa(broken, "status")["problems"][0]
    root(broken, "mount", "-o", "remount,bind,rw", STATE)
    until_approved(broken)
    stop(broken)
    root(broken, "umount", STATE)
    start(broken)


def test_a_full_disk_is_lived_through_in_the_reserve(broken: System) -> None:
    stop(broken)
    root(broken, "cp", "-a", STATE, "/root/state")
    root(broken, *f"mount -t tmpfs -o size=80m,mode=700 tmpfs {STATE}".split())
    root(broken, "cp", "-a", "/root/state/.", STATE)
    root(broken, "chown", "pushmfa:pushmfa", STATE)
    start(broken)
    log = f"{STATE}/pushmfa.db-wal"
    assert root(broken, "stat", "-c", "%s", log).strip() == "8388608"
    fill = f"dd if=/dev/zero of={STATE}/filler-$$ bs=4k 2>/dev/null; true"
    root(broken, "sh", "-c", fill)
    approve(broken)
    status = pushmfa(broken, "status")
    assert "of the reserve are left" in status["problems"][0], status
    # A start on a full disk, too; whatever the stop gave up is somebody's.
    for _ in range(3):
        stop(broken)
        root(broken, "sh", "-c", fill)
        start(broken)
        approve(broken)
    # Somebody takes the reserve away and fills what becomes free: it is gone.
    stop(broken)
    root(broken, "sh", "-c", f"rm {STATE}/pushmfa.db-kept; {fill}")
    start(broken)
    refused(broken, "has no room on its disk")
    root(broken, "sh", "-c", f"rm -f {STATE}/filler-*")
    until_approved(broken)
    stop(broken)
    root(broken, "umount", STATE)
    start(broken)
