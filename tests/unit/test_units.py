"""The units: what systemd says of them, and what must never change in them."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "systemd").glob("*.s*e*"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
SOCKETS = [path for path in UNITS if path.suffix == ".socket"]

EXPOSURE = 20
"""Of 100, by systemd-analyze: what is left is explained in the unit."""

REAL_WEAKNESS = 0.15
"""Exposure, of 10, from which on a weakness has to be explained."""


def settings(path: Path) -> dict[str, str]:
    """Return key to value; of a key that stands twice, the last."""
    pairs = re.findall(r"^(\w+)=(.*)$", path.read_text("utf-8"), re.MULTILINE)
    return dict(pairs)


def comments(path: Path) -> str:
    return "\n".join(re.findall(r"^#.*$", path.read_text("utf-8"), re.MULTILINE))


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with a program that exists."""
    for path in UNITS:
        text = path.read_text("utf-8")
        assert ("/opt/pushmfa/bin/pushmfa " in text) == (path in SERVICES)
        whole = text.replace("/opt/pushmfa/bin/pushmfa", "/bin/true")
        (tmp_path / path.name).write_text(whole)
    return tmp_path


def test_all_are_there() -> None:
    assert [path.name for path in UNITS] == [
        "pushmfa-control.socket",
        "pushmfa-pam.socket",
        "pushmfa-relay.service",
        "pushmfa.service",
    ]


def test_systemd_understands_every_line(installed: Path) -> None:
    units = [str(installed / path.name) for path in UNITS]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        check=False,
        capture_output=True,
        text=True,
    )
    # Unknown keys are warnings with status 0.  Only what is said of ours counts.
    said = [line for line in done.stderr.splitlines() if "pushmfa" in line]
    assert (done.returncode, said) == (0, []), done.stderr


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_exposure_is_small_and_each_weakness_is_explained(path: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", str(path)]
    done = subprocess.run(
        [*command, f"--threshold={EXPOSURE}", "--json=short"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    rows = json.loads(done.stdout)
    assert len(rows) > 50
    explained = comments(path)
    missing = [
        row["name"]
        for row in rows
        if not row["set"] and float(row["exposure"] or 0) >= REAL_WEAKNESS
        # Of a key with a list of values, the key.
        if row["name"].split("=")[0] + "=" not in explained
        and not all(part in explained for part in re.findall(r"AF_\w+", row["name"]))
    ]
    assert missing == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_attack_failures_do_not_use_up_a_start_limit(path: Path) -> None:
    assert settings(path)["StartLimitIntervalSec"] == "0"
    if path in SOCKETS:
        # Attack: connections while the daemon cannot start make the socket fail.
        assert settings(path)["TriggerLimitIntervalSec"] == "0"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_services_come_back_and_wait_for_no_network(path: Path) -> None:
    found = settings(path)
    assert found["Type"] == "notify"
    assert found["Restart"] == "always"
    assert found["RestartSec"] == "1"
    assert found["WatchdogSec"] == "20"
    # SO_PEERCRED shows uid 65534 of everybody, were they in another user namespace.
    assert found["PrivateUsers"] == "no"
    assert found["User"] == path.stem
    for key in ("After", "Wants", "Requires"):
        assert "network-online" not in found.get(key, "")


def test_sockets_are_named_as_the_daemon_looks_for_them() -> None:
    pam, control = (
        settings(ROOT / "systemd" / f"pushmfa-{name}.socket")
        for name in ("pam", "control")
    )
    assert pam["ListenSequentialPacket"] == "/run/pushmfa/pam.sock"
    assert pam["FileDescriptorName"] == "pam"
    assert pam["SocketMode"] == "0600"
    assert control["ListenStream"] == "/run/pushmfa/control.sock"
    assert control["FileDescriptorName"] == "control"
    assert control["SocketMode"] == "0666"
    for found in (pam, control):
        assert (found["SocketUser"], found["DirectoryMode"]) == ("root", "0755")
        assert found["Service"] == "pushmfa.service"
        # Accept=yes would start a daemon for each login.
        assert "Accept" not in found


def test_the_folder_of_the_sockets_is_roots() -> None:
    lines = (ROOT / "systemd/tmpfiles.conf").read_text("utf-8").splitlines()
    fields = [line.split() for line in lines if not line.startswith("#")]
    owners = {path: (mode, user) for _, path, mode, user, *_ in fields}
    assert owners == {
        "/run/pushmfa": ("0755", "root"),
        "/etc/pushmfa": ("0755", "root"),
        "/var/lib/pushmfa": ("0700", "pushmfa"),
        "/var/lib/pushmfa-relay": ("0700", "pushmfa-relay"),
    }
    for path in SERVICES:
        # Attack: of a folder that the daemon owns, the daemon replaces the sockets.
        assert "RuntimeDirectory" not in settings(path)
