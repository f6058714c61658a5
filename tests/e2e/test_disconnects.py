"""Every way to leave a login: what is seen, when the daemon knows, how many cards.

The table goes to build/disconnects.md, and with `-s` to the terminal.
"""

import re
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

import pytest

from pushmfa.terms import Verdict
from tests.e2e.programs import LIFETIME, PROMPT, Asked, Host, Window, shown_after
from tests.e2e.support import ROOT

pytestmark = pytest.mark.e2e

TABLE: Final = ROOT / "build/disconnects.md"
AT_ONCE: Final = 1.0
"""Seconds after which no card may be left of a login that visibly ended."""


PROMPTING: Final = "prompting"
WAITING: Final = "waiting"


class Row(NamedTuple):
    """A row of the table."""

    program: str
    event: str
    state: str
    seen: str = ""
    milliseconds: str = ""
    cards: int = 0


TITLES: Final = (
    *("program", "event", "while it is", "the person sees"),
    *("the daemon knows after ms", "cards"),
)


@pytest.fixture(scope="module")
def table() -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    cells = [TITLES, ("---",) * len(TITLES), *rows]
    lines = [f"| {' | '.join(map(str, row))} |" for row in cells]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join([*lines, ""]))
    print("\n" + "\n".join(lines))  # noqa: T201 - for whoever runs this with -s


class Proxy:
    """Stands between an ssh client and sshd; cut ends both sides, freeze neither."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_frozen = False
        self._is_cut = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def freeze(self) -> float:
        """Let nothing through any more; return the monotonic second."""
        self._is_frozen = True
        return time.monotonic()

    def cut(self) -> float:
        """Reset both connections; return the monotonic second."""
        at = time.monotonic()
        self._is_cut.set()
        self._thread.join()
        return at

    def _run(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._to))
        other = {client: server, server: client}
        while not self._is_cut.is_set():
            for readable in select.select([*other], [], [], 0.01)[0]:
                piece = b"" if self._is_frozen else readable.recv(65536)
                if piece:
                    other[readable].sendall(piece)
                else:
                    time.sleep(0.01)
        for connection in other:
            reset = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            connection.close()
        self._listener.close()


class End(NamedTuple):
    """How a login ended for the daemon and for the device."""

    verdict: Verdict
    cause: str
    gone: float
    """Seconds from the event to the card's signed end."""


class Watched:
    """A login that waits in a window, and what can happen to it."""

    def __init__(
        self, host: Host, window: Window, asked: Asked, proxy: Proxy | None = None
    ) -> None:
        self.host = host
        self.window = window
        self.asked = asked
        self._proxy = proxy
        self._record: tuple[dict[str, Any], float] | None = None

    @property
    def proxy(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    def press(self, key: bytes) -> float:
        at = time.monotonic()
        self.window.send(key)
        return at

    def kill_inside(self, name: str) -> float:
        """Send SIGTERM to the programs of that name; there is one."""
        at = time.monotonic()
        killed = self.host.sandbox.run(["sh", "-c", f"kill $(pidof {name})"])
        assert killed.returncode == 0, killed.stderr
        return at

    def learn(self) -> tuple[dict[str, Any], float]:
        """Wait for the daemon's audit row; return it and when it was there."""
        if self._record is None:
            self._record = self.host.row(self.asked.card, LIFETIME + 5)
        return self._record

    def end(self, at: float, row: Row, table: list[Row]) -> End:
        """Wait for the end after an event at a monotonic second; note it as row."""
        record, knew = self.learn()
        card, gone = self.host.phone.wait_end(self.asked.card, 5)
        time.sleep(0.4)  # for what a program says last, and for a card too many
        said = shown_after(self.window, "pushmfa: enter")
        seen = " / ".join(line for line in said if line != "ready>") or "nothing"
        table.append(
            row._replace(
                seen="nobody looks" if self.window.is_closed else seen,
                milliseconds=str(max(int(1000 * (knew - at)), 0)),
                cards=self.cards(),
            )
        )
        assert table[-1].cards == 1
        assert card.outcome is not None
        assert card.outcome.verdict == record["verdict"]
        return End(card.outcome.verdict, record["cause"], gone - at)

    def cards(self) -> int:
        """Return how many cards like this one there are since it came."""
        cards = self.host.phone.cards
        since = cards[cards.index(self.asked.card) :]
        what = [(card.challenge.approver, card.challenge.service) for card in since]
        return what.count(what[0])


def open_ssh(
    host: Host, stack: ExitStack, state: str, *, user: str = "alice", proxied: bool
) -> Watched:
    proxy = Proxy(host.sshds["demo"].port) if proxied else None
    port = ("-p", str(proxy.port)) if proxy else ()
    window = stack.enter_context(host.ssh_window("-l", user, *port, "demo"))
    asked = host.asked(lambda: window, PROMPT)
    if state == WAITING:
        window.send_line()
        time.sleep(0.2)  # the module waits now; nothing that is seen says so
    return Watched(host, window, asked, proxy)


SSH_EVENTS: Final[dict[str, Callable[[Watched], float]]] = {
    "Ctrl-C": lambda login: login.press(b"\x03"),
    "kill -9 of the client": lambda login: login.window.kill(signal.SIGKILL),
    "window closed": lambda login: login.window.close_window(),
    "connection cut": lambda login: login.proxy.cut(),
}


@pytest.mark.parametrize("state", [PROMPTING, WAITING])
@pytest.mark.parametrize("event", SSH_EVENTS)
def test_ssh_left_takes_its_card_along(
    host: Host, table: list[Row], event: str, state: str
) -> None:
    with ExitStack() as stack:
        login = open_ssh(host, stack, state, proxied=event == "connection cut")
        at = SSH_EVENTS[event](login)
        end = login.end(at, Row("ssh", event, state), table)
        assert end.verdict is Verdict.CANCELED
        assert end.cause == "hangup"
        assert end.gone < AT_ONCE


# --- sudo and su ------------------------------------------------------------------


def open_shell(
    host: Host, stack: ExitStack, command: str, user: str, password: str
) -> Watched:
    """Type a command at a shell with job control, as people do."""
    bash = ["bash", "--norc", "--noprofile", "-i"]
    shell = stack.enter_context(host.window(bash, user))
    shell.send_line("PS1='ready> '")
    shell.expect("^ready> $", 5)

    def start() -> Window:
        shell.send_line(command)
        shell.expect("(?i)password", 10)
        shell.send_line(password)
        return shell

    return Watched(host, shell, host.asked(start))


LOCAL_EVENTS: Final[dict[str, Callable[[Watched], float]]] = {
    "Ctrl-C": lambda login: login.press(b"\x03"),
    "Ctrl-\\": lambda login: login.press(b"\x1c"),
    "window closed": lambda login: login.window.close_window(),
}


@pytest.mark.parametrize("event", LOCAL_EVENTS)
@pytest.mark.parametrize("program", ["sudo", "su"])
def test_sudo_and_su_left_take_their_card_along(
    host: Host, table: list[Row], program: str, event: str
) -> None:
    command, password = {
        "sudo": ("sudo -k id -un", host.password("alice")),
        "su": ("su bob -c 'id -un'", host.password("bob")),
    }[program]
    with ExitStack() as stack:
        login = open_shell(host, stack, command, "alice", password)
        at = LOCAL_EVENTS[event](login)
        end = login.end(at, Row(program, event, WAITING), table)
        assert end.verdict is Verdict.CANCELED
        assert end.cause == "hangup"
        assert end.gone < AT_ONCE
        if not login.window.is_closed:
            login.window.expect("^ready> $", 5)
            # It is not asked again; sudo's last line is no question.
            assert len(re.findall("assword.*:", login.window.text)) == 1
        deadline = time.monotonic() + 5
        while host.sandbox.run(["pidof", program]).stdout:
            assert time.monotonic() < deadline, f"{program} lives on"


def test_sudo_stopped_and_continued_goes_on_with_the_same_card(
    host: Host, table: list[Row]
) -> None:
    with ExitStack() as stack:
        password = host.password("alice")
        login = open_shell(host, stack, "sudo -k id -un", "alice", password)
        login.press(b"\x1a")
        login.window.expect("Stopped", 5)
        time.sleep(1)
        login.window.send_line("fg")
        login.window.expect("^sudo -k id -un", 5)
        host.phone.approve(login.asked.card, login.asked.number)
        login.window.expect("^root$", 5)
        assert login.cards() == 1
        seen = "goes on; approved: root"
        table.append(Row("sudo", "Ctrl-Z, fg in time", WAITING, seen, "-", 1))


def test_what_nobody_can_notice_ends_with_the_lifetime(
    host: Host, table: list[Row]
) -> None:
    """A connection that went silent; a sudo that is stopped, or told to terminate.

    sudo keeps signals to itself until the module returns; then it obeys them.
    """
    command = "sudo -k id -un"
    with ExitStack() as stack:
        logins: list[tuple[Watched, float, Row]] = []
        for state, user in ((PROMPTING, "alice"), (WAITING, "zoe")):
            ssh = open_ssh(host, stack, state, user=user, proxied=True)
            row = Row("ssh", "connection silent", state)
            logins.append((ssh, ssh.proxy.freeze(), row))
        told = open_shell(host, stack, command, "carol", host.password("carol"))
        at = told.kill_inside("sudo")
        logins.append((told, at, Row("sudo", "SIGTERM", WAITING)))
        stopped = open_shell(host, stack, command, "zoe", host.password("zoe"))
        at = stopped.press(b"\x1a")
        stopped.window.expect("Stopped", 5)
        logins.append((stopped, at, Row("sudo", "Ctrl-Z, fg too late", WAITING)))

        for login, _, _ in logins:
            login.learn()
        for login, at, row in logins:
            end = login.end(at, row, table)
            assert end.verdict is Verdict.EXPIRED, row
            assert end.gone < LIFETIME + 1, row
        for login, _, row in logins[:2]:
            login.proxy.cut()
            assert "$ " not in login.window.text, row
        stopped.window.send_line("fg")
        late = stopped.window.expect("^pushmfa: nobody answered within .*", 5)[0]
        table[-1] = table[-1]._replace(seen=f"after fg: {late}")
        for sudo in (told, stopped):
            sudo.window.expect("^ready> $", 5)
            assert "root" not in sudo.window.text.split("\n")
            assert sudo.cards() == 1


def test_login_that_its_own_clock_ends_takes_its_card_along(
    host: Host, table: list[Row]
) -> None:
    """After LOGIN_TIMEOUT, 60 s, login is killed; the module gives up after 50."""
    definitions = host.sandbox.path("/etc/login.defs")
    honest = definitions.read_text()
    definitions.write_text(
        re.sub(r"^LOGIN_TIMEOUT.*", "LOGIN_TIMEOUT 3", honest, flags=re.M)
    )
    try:
        with host.window(["login", "alice"]) as window:

            def start() -> Window:
                window.expect("Password: ", 10)
                window.send_line(host.password("alice"))
                return window

            login = Watched(host, window, host.asked(start))
            window.expect("Login timed out after 3 seconds", 10)
            row = Row("login", "LOGIN_TIMEOUT", WAITING)
            end = login.end(time.monotonic(), row, table)
            assert end.verdict is Verdict.CANCELED
            assert end.gone < AT_ONCE
    finally:
        definitions.write_text(honest)
