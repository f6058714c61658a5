"""pam.sock: what a module may not say, what a daemon does when something breaks.

Whatever happens the module gets a refusal or the end of the connection, which is one.
"""

import asyncio
import contextlib
import itertools
import logging
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pushmfa.config.model import LoginSettings
from pushmfa.daemon import conversation, names, pam_server
from pushmfa.daemon import words as daemon_words
from pushmfa.daemon.acceptor import Acceptor
from pushmfa.daemon.peer import Peer
from pushmfa.errors import StoreError
from pushmfa.login import policy
from pushmfa.wire.payload import Challenge, Outcome
from tests.integration.daemon_device import TestDevice
from tests.integration.daemon_module import Module, new_connection, request, sudo
from tests.integration.daemon_world import World, scene, until, within, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")

UNAVAILABLE = (
    "unavailable",
    "pushmfa: not available; this login is refused. Tell your administrator.",
)


# --- the first datagram ---------------------------------------------------------------

BAD_REQUESTS = {
    "nothing known": b"hello",
    "a typed line": b"A",
    "a verdict": b"Vapproved\0",
    "another version": request().replace(b"pushmfa1", b"pushmfa2"),
    "only the magic": b"pushmfa1\0",
    "no end": request()[:-1],
    "no wait": request(wait=None),
    "an unknown item": request(home="/root"),
    "a doubled item": request() + b"user=bob\0",
    "a negative number": request(uid="-1"),
    "a number that is none": request(uid="0x10"),
    "a number of 33 bits": request(uid="4294967296"),
    "another phase": request(phase="session"),
    "another role": request(role="first_factor"),
    "cut by half": request(cut=2),
    "a command too long": request(command=b"x" * 32_769),
    "64 KiB": b"pushmfa1\0user=".ljust(65_536, b"x"),
    "more than 64 KiB": b"pushmfa1\0user=".ljust(70_000, b"x"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
@scene
async def test_a_first_datagram_that_is_none_is_refused(
    name: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await Module.begin(w.host.run, BAD_REQUESTS[name])
        assert await module.verdict() == UNAVAILABLE
        assert await module.hear() == b""
        right = await w.host.log_in()
        await right.number()


@scene
async def test_a_module_that_says_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert conversation.FIRST_DEADLINE == 5
    monkeypatch.setattr(conversation, "FIRST_DEADLINE", 0.2)
    async with world(tmp_path, PIXEL) as w:
        module = await Module.connect(w.host.run)
        assert await module.verdict() == UNAVAILABLE


@scene
async def test_a_module_that_leaves_at_once_is_no_login(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        (await Module.connect(w.host.run)).close()
        empty = await Module.connect(w.host.run)
        empty.send(b"")
        assert await empty.hear() == b""
        assert not w.host.records()


# --- what comes later -----------------------------------------------------------------


@pytest.mark.parametrize(
    "datagram",
    [request(), b"B", b"\0", b"Vapproved\0", b"A" * 514, b"x" * 70_000],
    ids=["a second request", "B", "NUL", "a verdict", "too long", "over 64 KiB"],
)
@scene
async def test_a_module_that_speaks_out_of_turn_is_cut_off(
    datagram: bytes, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number, card = await module.number(), await w.devices[0].challenge()
        module.send(datagram)
        assert await module.hear() == b""
        assert (await w.devices[0].outcome()).verdict == "canceled"
        w.devices[0].approve(card, number)
        assert await w.devices[0].hears_no(Outcome)
        assert w.host.verdicts() == [("canceled", "hangup")]


@scene
async def test_attack_two_requests_in_one_connection(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, ("bob", "Phone")) as w:
        module = await Module.connect(w.host.run)
        module.send(request(user="bob"))
        module.send(request(user="alice"))
        await within(_until_end(module))
        assert await w.devices[0].hears_no(Challenge)
        assert w.host.approvals() == 0


async def _until_end(module: Module) -> None:
    while await module.hear():
        pass


@scene
async def test_attack_endless_datagrams(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        with contextlib.suppress(OSError):
            for _ in range(100_000):
                module.type("x" * 500)
        await until(lambda: bool(w.host.verdicts()))
        assert w.host.verdicts() == [("canceled", "hangup")]
        right = await w.host.log_in()
        await right.number()


@scene
async def test_a_module_that_does_not_read_holds_up_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        deaf = await w.host.log_in()
        number = await deaf.number()
        with contextlib.suppress(OSError):
            while not w.host.verdicts():
                deaf.type(number)
                await asyncio.sleep(0)
        await until(lambda: bool(w.host.verdicts()))
        assert w.host.verdicts() == [("canceled", "hangup")]
        other = await w.host.log_in(user="bob")
        assert (await other.verdict())[0] == "not_enrolled"


# --- who may speak here ---------------------------------------------------------------


@pytest.mark.parametrize("uid", [1, 1001, 65_534, 4_294_967_295])
def test_attack_another_user_speaks_to_pam_sock(
    uid: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A socket of the mode 0600 in root's folder comes first; this is the second lock.
    monkeypatch.setattr("os.geteuid", lambda: 990)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        server = pam_server.PamServer(listener, None)  # type: ignore[arg-type]  # never looked at here
        assert server._refusal_of(Peer(pid=1, uid=uid)) is not None
        assert server._refusal_of(Peer(pid=1, uid=0)) is None
        assert server._refusal_of(Peer(pid=1, uid=990)) is None


@scene
async def test_attack_more_logins_than_the_daemon_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pam_server, "MAX_CONNECTIONS", 5)
    async with world(tmp_path, PIXEL) as w:
        # All of them connect before the daemon has served one.
        modules = [Module(_connected(w.host.run)) for _ in range(12)]
        for module in modules:
            with contextlib.suppress(OSError):
                module.send(request(user="guess", methods=None))
        heard = Counter([(await module.hear())[:1] for module in modules])
        assert heard == {b"P": 5, b"": 7}
        for module in modules:
            module.close()
        await asyncio.sleep(0.05)
        again = await w.host.log_in()
        await again.number()


def _connected(run: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    connection.connect(str(run / "pam.sock"))
    return connection


@scene
async def test_without_descriptors_the_daemon_waits_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, PIXEL) as w:
        acceptor: Acceptor = w.host.daemon._pam._acceptor

        class Full:
            def accept(self) -> Any:
                raise OSError(24, "Too many open files")

            def __getattr__(self, name: str) -> Any:
                return getattr(w.host.listeners.pam, name)

        acceptor._listener = Full()  # type: ignore[assignment]  # a socket that is full
        module = await w.host.log_in()
        await until(lambda: "accepts no connection" in caplog.text)
        acceptor._listener = w.host.listeners.pam
        await module.number()


# --- when something breaks ------------------------------------------------------------


def _break_audit(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(w.host.store, "append_audit", fail)


@scene
async def test_what_cannot_be_written_down_is_no_approval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        card = await w.devices[0].challenge()
        _break_audit(w, monkeypatch)
        w.devices[0].approve(card, number)
        assert await module.verdict() == UNAVAILABLE
        outcome = await w.devices[0].outcome()
        assert (outcome.verdict, outcome.cause) == ("unavailable", "internal")
        w.devices[0].approve(card, number)
        assert await w.devices[0].hears_no(Outcome)
        monkeypatch.undo()
        again = await w.host.log_in()
        again.type()
        w.devices[0].approve(await w.devices[0].challenge(), await again.number())
        assert await again.verdict() == ("approved", "")


@scene
async def test_an_approval_without_a_device_needs_the_audit_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = LoginSettings(unenrolled_until=4_000_000_000)
    async with world(tmp_path, PIXEL, login=login) as w:
        _break_audit(w, monkeypatch)
        module = await w.host.log_in(user="bob")
        assert await module.verdict() == UNAVAILABLE


@scene
async def test_tickets_that_cannot_be_read_are_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("the disk is gone")

    async with world(tmp_path, PIXEL) as w:
        monkeypatch.setattr(w.host.store, "has_ticket", fail)
        module = await w.host.log_in(user="bob")
        assert (await module.verdict())[0] == "unavailable"


@scene
async def test_a_mistake_of_ours_is_a_refusal_and_ends_the_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise RuntimeError("a mistake")

    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        card = await w.devices[0].challenge()
        monkeypatch.setattr(daemon_words, "nothing_to_type", fail)
        module.type("something")
        assert (await module.verdict())[0] == "unavailable"
        assert (await w.devices[0].outcome()).verdict == "canceled"
        w.devices[0].approve(card, number)
        assert await w.devices[0].hears_no(Outcome)
        assert w.host.approvals() == 0


@scene
async def test_a_mistake_before_the_number_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    async with world(tmp_path, PIXEL) as w:
        monkeypatch.setattr(policy, "plan", fail)
        module = await w.host.log_in()
        assert (await module.verdict())[0] == "unavailable"


@pytest.mark.parametrize("look_up", ["_by_name", "_by_uid"])
@scene
async def test_a_user_database_that_hangs_is_a_refusal_in_time(
    look_up: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert names.DEADLINE < 5
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_: object) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(4)

    async with world(tmp_path, PIXEL) as w:
        monkeypatch.setattr(names, "DEADLINE", 0.2)
        monkeypatch.setattr(names, look_up, hang)
        module = await Module.begin(w.host.run, sudo())
        assert await module.verdict() == UNAVAILABLE
        release.set()
        assert await w.devices[0].hears_no(Challenge, 0.05)


@scene
async def test_a_user_database_that_fails_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    async with world(tmp_path, PIXEL) as w:
        monkeypatch.setattr(names, "_by_name", fail)
        module = await w.host.log_in()
        assert await module.verdict() == UNAVAILABLE


@scene
async def test_a_link_that_comes_back_sends_what_waits_again(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.devices[0].stop()
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        assert w.relay is not None
        await w.relay.stop()
        await w.relay.start()
        await w.devices[0].start()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        assert await module.verdict() == ("approved", "")
        assert await w.devices[0].hears_no(Challenge), "the same id, once"


# --- a crowd --------------------------------------------------------------------------

CROWD = tuple(f"user{number:02}" for number in range(20))


@scene
async def test_fifty_logins_at_once_each_get_their_own_verdict(tmp_path: Path) -> None:
    devices = [(user, f"phone of {user}") for user in CROWD]
    async with world(tmp_path, *devices) as w:
        by_user = {device.enrollment.user: device for device in w.devices}
        users = [user for user in CROWD for _ in range(3)][:50]
        numbers: dict[str, dict[str, str]] = {user: {} for user in CROWD}
        ready = asyncio.Event()

        async def log_in(user: str, wanted: str) -> bool:
            conn = new_connection(f"203.0.113.{CROWD.index(user)}")
            module = await w.host.log_in(user=user, conn=conn, tty=f"{conn}={wanted}")
            number = await module.number()
            numbers[user][f"{conn}={wanted}"] = number
            await ready.wait()
            module.type()
            return (await module.verdict(20))[0] == wanted

        async def answer(user: str) -> None:
            device: TestDevice = by_user[user]
            for _ in range(users.count(user)):
                card = await device.challenge()
                asked = card.statement
                assert isinstance(asked, Challenge)
                assert (asked.user, asked.approver) == (user, user)
                await ready.wait()
                number = numbers[user][str(asked.tty)]
                match str(asked.tty).partition("=")[2]:
                    case "approved":
                        device.approve(card, number)
                    case "denied":
                        device.deny(card)
                    case _:
                        device.approve(card, "11" if number != "11" else "12")

        wanted = itertools.cycle(("approved", "denied", "wrong_number"))
        logins = [asyncio.create_task(log_in(u, next(wanted))) for u in users]
        answers = [asyncio.create_task(answer(user)) for user in CROWD]
        await until(lambda: sum(map(len, numbers.values())) == 50, 20)
        assert all(len(set(n.values())) == len(n) for n in numbers.values())
        ready.set()
        assert all(await within(asyncio.gather(*logins), 30))
        await asyncio.gather(*answers)
        found = Counter(verdict for verdict, _ in w.host.verdicts())
        assert found == {"approved": 17, "denied": 17, "wrong_number": 16}


# --- the number -----------------------------------------------------------------------


@scene
async def test_attack_number_in_logs_or_database(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Six digits, so that they are nothing else: in no log line, file or envelope."""
    caplog.set_level(logging.DEBUG)
    async with world(tmp_path, PIXEL, login=LoginSettings(digits=6)) as w:
        numbers = []
        for wanted in ("approve", "deny", "leave"):
            module = await w.host.log_in()
            numbers.append(await module.number())
            module.type(numbers[-1])
            await module.text("P")
            card = await w.devices[0].challenge()
            assert numbers[-1].encode() not in card.raw
            if wanted == "approve":
                w.devices[0].approve(card, numbers[-1])
                module.type()
                await module.verdict()
            elif wanted == "deny":
                w.devices[0].deny(card)
            module.close()
            await w.devices[0].outcome()
        await w.host.stop()
        files = _files_in(tmp_path)
        assert any(path.name == "pushmfa.db" for path in files)
        for number in numbers:
            assert len(number) == 6
            assert number not in caplog.text
            for path in files:
                assert number.encode() not in path.read_bytes(), path


def _files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
