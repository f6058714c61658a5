"""The quickstart and the PAM recipes, typed as they stand, on a real systemd.

In the order of this file, on one machine: from nothing to an approved login, through
every recipe, failures and restarts of every service, and back to nothing.
"""

import json
import re
import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e.machine import Machine
from tests.e2e.people import Block, People, Seen, read_blocks
from tests.e2e.support import ROOT

QUICKSTART = read_blocks(ROOT / "docs/quickstart.md")
RECIPES = read_blocks(ROOT / "docs/pam-recipes.md")

SERVICES = ("pushmfa.service", "pushmfa-relay.service")
UNITS = (*SERVICES, "pushmfa-pam.socket", "pushmfa-control.socket")

SSH = "ssh alice@localhost true"
REFUSED = r"pushmfa: [^\n]+"
"""What somebody sees who is refused for a reason of pushmfa's."""

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as booted:
        yield booted


@pytest.fixture(scope="module")
def people(machine: Machine) -> Iterator[People]:
    them = People(machine)
    yield them
    them.close()


def type_all(people: People, blocks: list[Block]) -> None:
    """Type what is to be typed; what is said to be shown has to be shown then."""
    for block in blocks:
        if block.kind == "sh":
            people.type_block(block)
        elif block.kind == "text":
            missing = [line for line in block.text.splitlines() if line.strip()]
            missing = [line for line in missing if not people.have_seen(line)]
            assert missing == [], f"{block.page}:{block.line}: {people.shown}"


def attempts(machine: Machine) -> list[tuple[str, str]]:
    """Return service and verdict of alice's last logins, newest first."""
    found = json.loads(machine.run("pushmfa status --user alice --json"))
    return [(each["service"], each["verdict"]) for each in found["attempts"]]


def log_in(people: People) -> Seen:
    return people.finish(people.begin(SSH))


def assert_works(people: People) -> None:
    """The next login works, without a hand."""
    seen = log_in(people)
    assert seen.status == 0, seen.text


def show(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def tell(what: str, seen: Seen) -> None:
    last = [line.strip() for line in seen.text.splitlines() if line.strip()]
    show(f"{what:<58} {seen.status:>3} {seen.seconds:5.1f} s  {last[-2:]}")


def main_pid(machine: Machine, unit: str) -> int:
    return int(machine.run(f"systemctl show -P MainPID {unit}"))


def test_from_nothing_to_an_approved_login_and_sudo(
    machine: Machine, people: People
) -> None:
    type_all(people, [block for block in QUICKSTART if block.heading != "Undo"])
    assert attempts(machine)[:3] == [
        ("sudo", "approved"),
        ("sshd", "approved"),
        ("pushmfa", "approved"),
    ]


def test_every_recipe_works(machine: Machine, people: People) -> None:
    machine.run("/root/before-pushmfa/undo")
    type_all(people, [block for block in RECIPES if block.heading != "Undo"])
    # key; password; key, password; sudo, sudo -i; su
    wanted = ["su", "sudo-i", "sudo", "sshd", "sshd", "sshd", "sshd"]
    assert attempts(machine)[:7] == [(service, "approved") for service in wanted]


def test_a_wrong_password_asks_nobody(machine: Machine, people: People) -> None:
    known = attempts(machine)
    words = "-o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1"
    session = people.begin(f"ssh {words} alice@localhost true")
    people.see(session, "Password: ")
    session.seen = len(session.terminal.text)
    session.terminal.send_line("wrong")
    assert people.finish(session).status == 255
    assert attempts(machine) == known


@pytest.mark.parametrize("unit", SERVICES)
def test_units_as_systemd_sees_them(machine: Machine, unit: str) -> None:
    said = machine.run(f"systemd-analyze security --no-pager {unit}")
    show(said.strip().splitlines()[-1])
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) <= 2.0
    verified = machine.run(f"systemd-analyze verify --man=no {unit} 2>&1")
    assert verified == ""
    pid = main_pid(machine, unit)
    status = machine.run(f"cat /proc/{pid}/status")
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    account = machine.run(f"stat -c %U /proc/{pid}").strip()
    assert account == unit.removesuffix(".service")


def test_sockets_are_roots_and_the_daemon_is_not(machine: Machine) -> None:
    shown = machine.run("stat -c '%n %U:%G %a' /run/pushmfa /run/pushmfa/*")
    assert shown.splitlines() == [
        "/run/pushmfa root:root 755",
        "/run/pushmfa/control.sock root:root 666",
        "/run/pushmfa/pam.sock root:root 600",
    ]


@pytest.mark.parametrize("unit", UNITS)
def test_a_login_while_a_unit_restarts(
    machine: Machine, people: People, unit: str
) -> None:
    """At that moment, and with the number on the screen: let in or told, in seconds."""
    machine.run(f"systemctl --no-block restart {unit}")
    seen = log_in(people)
    tell(f"login as {unit} restarts", seen)
    assert seen.seconds < 20
    # Sockets that systemd holds make it wait; only their own restart refuses.
    if unit in SERVICES:
        assert seen.status == 0, seen.text
    assert seen.status == 0 or re.search(REFUSED, seen.text), seen.text

    session = people.begin(SSH)
    people.see(session, "press Enter: ")
    machine.run(f"systemctl restart {unit}")
    if unit != "pushmfa-relay.service":
        # That number is over, and sshd hears of it when somebody presses Enter.
        session.seen = len(session.terminal.text)
        session.terminal.send_line()
    seen = people.finish(session)
    tell(f"{unit} restarts while it waits", seen)
    assert seen.seconds < 20
    assert seen.status == 0 or re.search(REFUSED, seen.text), seen.text
    assert_works(people)


@pytest.mark.parametrize("unit", SERVICES)
def test_a_hung_loop_is_killed_and_started_again(
    machine: Machine, people: People, unit: str
) -> None:
    folder = f"/run/systemd/system/{unit}.d"
    machine.run(
        f"mkdir -p {folder}; printf '[Service]\\nWatchdogSec=2\\n' >{folder}/t.conf;"
        f" systemctl daemon-reload; systemctl restart {unit}"
    )
    before = main_pid(machine, unit)
    machine.run(f"kill -STOP {before}")
    seen = log_in(people)
    tell(f"login as {unit} hangs (WatchdogSec=2)", seen)
    assert seen.seconds < 30
    deadline = time.monotonic() + 20
    while main_pid(machine, unit) in (0, before):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert "Watchdog timeout" in machine.run(f"journalctl --no-pager -u {unit}")
    machine.run(f"rm -r {folder}; systemctl daemon-reload")
    assert_works(people)


def test_attack_many_crashes_do_not_lock_out(machine: Machine, people: People) -> None:
    # systemd's default gives up after five starts within ten seconds.
    names = " ".join(SERVICES)
    machine.run(
        f"for i in 1 2 3 4 5 6 7; do systemctl kill -s KILL {names}; sleep 0.1;"
        f" systemctl --no-block start {names}; sleep 0.2; done"
    )
    assert_works(people)


def test_a_daemon_that_cannot_start_refuses_at_once_and_comes_back_by_itself(
    machine: Machine, people: People
) -> None:
    config = "/etc/pushmfa/pushmfa.toml"
    machine.run(f"cp {config} /tmp/good; echo wrong >>{config}")
    machine.run("systemctl restart pushmfa", status=1)
    seen = log_in(people)
    tell("login as pushmfa.toml is wrong", seen)
    assert seen.status == 255
    assert re.search(REFUSED, seen.text)
    assert seen.seconds < 10
    starts = "systemctl show -P NRestarts pushmfa"
    before = int(machine.run(starts))
    time.sleep(2)
    # One a second: whoever waited does not make systemd start it over and over.
    assert int(machine.run(starts)) - before < 5
    machine.run(f"cp /tmp/good {config}; until pushmfa status; do sleep 0.2; done")
    assert_works(people)


TLS = """\
[listen]
address = "0.0.0.0"
port = 443
tls_cert = "/etc/pushmfa/relay.crt"
tls_key = "/etc/pushmfa/relay.key"

[public]
urls = ["wss://localhost"]
"""

CERTIFICATE = """
cd /etc/pushmfa
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout relay.key -out relay.crt 2>/dev/null
chown root:pushmfa-relay relay.key
chmod 0640 relay.key
"""

HEALTH = """
/opt/pushmfa/bin/python3 -I -c 'import ssl, urllib.request
known = ssl.create_default_context(cafile="/etc/pushmfa/relay.crt")
print(urllib.request.urlopen("https://localhost/healthz", context=known).read())'
"""


def test_a_relay_with_tls_on_443_reads_its_certificate_again(machine: Machine) -> None:
    config = "/etc/pushmfa/relay.toml"
    machine.run(f"cp {config} /tmp/relay.toml; cat >{config} <<'END'\n{TLS}END")
    machine.run(CERTIFICATE)
    machine.run("systemctl restart pushmfa-relay")
    assert '"ok":true' in machine.run(HEALTH).replace(" ", "")
    before = main_pid(machine, "pushmfa-relay")
    machine.run(CERTIFICATE + "\nsystemctl reload pushmfa-relay; sleep 0.3")
    assert '"ok":true' in machine.run(HEALTH).replace(" ", "")
    assert main_pid(machine, "pushmfa-relay") == before
    machine.run(f"cp /tmp/relay.toml {config}; systemctl restart pushmfa-relay")


def test_uninstall_refuses_first_and_leaves_what_the_host_knows(
    machine: Machine, people: People
) -> None:
    said = machine.run(f"cd {ROOT}; make uninstall", status=2)
    assert "still asks pushmfa" in said
    assert_works(people)
    type_all(people, [block for block in QUICKSTART if block.heading == "Undo"])
    assert "pam_pushmfa" not in machine.run("cat /etc/pam.d/*")
    left = machine.run(
        "find /opt/pushmfa /usr/bin/pushmfa /usr/lib/systemd/system"
        " /usr/lib/tmpfiles.d /usr/lib/sysusers.d /run/pushmfa -name 'pushmfa*'"
        " 2>/dev/null; find /usr/lib -name pam_pushmfa.so; true"
    )
    assert left == "/run/pushmfa\n"
    assert "pushmfa.db" in machine.run("ls /var/lib/pushmfa")
    seen = people.finish(people.begin(SSH))
    assert (seen.status, seen.text) == (0, "")
