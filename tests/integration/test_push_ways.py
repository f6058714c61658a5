"""A hook and a command of the operator's: what they get, and what they cannot do."""

import asyncio
import http.server
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pushmfa.relay.main import running
from pushmfa.relay.other_ways import BODY, MAX_COMMANDS, Command, Hook
from pushmfa.relay.settings import PushSettings
from pushmfa.terms import EnvelopeId, MailboxId, Role, WakeUp
from pushmfa.wire.link import Accepted, Received
from tests.integration.push_world import WAKES
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    Peer,
    allow_of,
    envelope_of,
    mailbox_of,
    run,
    settings_in,
)

pytestmark = pytest.mark.integration

MAILBOX, ENVELOPE = MailboxId(b"\xfa" * 16), EnvelopeId(b"\xfb" * 16)


@dataclass
class Notes:
    """A server such as ntfy; it keeps what it was sent."""

    port: int = 0
    status: int = 200
    heard: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def notes() -> Iterator[Notes]:
    notes = Notes()

    class Request(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            notes.heard.append((self.path, body))
            self.send_response(notes.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Request)
    notes.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield notes
    server.shutdown()
    server.server_close()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  of threads and other processes
            await asyncio.sleep(0.01)


def test_a_hook_and_a_command_wake_a_device_that_is_away(
    tmp_path: Path, notes: Notes
) -> None:
    out = tmp_path / "out"
    script = "import sys; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + '\\n')"
    settings = settings_in(
        tmp_path,
        push=PushSettings(
            enabled=False,
            hook_url=f"http://127.0.0.1:{notes.port}/{{mailbox}}?id={{envelope}}",
            command=(sys.executable, "-c", script, str(out), "{mailbox}", "{envelope}"),
        ),
    )

    async def main() -> None:
        async with running(settings) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE, features=WAKES)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            host = await Peer.open(relay, Role.HOST, HOST)
            quick, slow, away = (envelope_of(n, HOST, DEVICE) for n in (1, 2, 3))
            # One that is received wakes nobody, one that is not does after a while.
            await host.say(quick)
            assert await device.hear() == quick
            await device.say(Received(mailbox=quick.to, id=quick.id))
            await host.say(slow)
            assert await device.hear() == slow
            await until(lambda: len(notes.heard) == len(lines_of(out)) == 1)
            await device.close()
            await host.say(away)
            assert await host.hear() == Accepted(id=away.id, wakeup=WakeUp.SENT)
            await until(lambda: len(notes.heard) == len(lines_of(out)) == 2)

    run(main())
    mailbox = mailbox_of(DEVICE).hex()
    ids = [number.to_bytes(16).hex() for number in (2, 3)]
    assert notes.heard == [(f"/{mailbox}?id={one}", BODY) for one in ids]
    assert lines_of(out) == [f"{mailbox} {one}" for one in ids]


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_a_device_that_says_nothing_of_wake_ups_is_not_told_of(
    tmp_path: Path, notes: Notes
) -> None:
    url = f"http://127.0.0.1:{notes.port}/"
    settings = settings_in(tmp_path, push=PushSettings(hook_url=url))

    async def main() -> None:
        async with running(settings) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            host = await Peer.open(relay, Role.HOST, HOST)
            await host.say(envelope_of(1, HOST, DEVICE))
            await device.hear()
            await asyncio.sleep(2.2)
        assert notes.heard == []

    run(main())


def test_attack_a_hook_that_redirects_is_not_followed(
    notes: Notes, caplog: pytest.LogCaptureFixture
) -> None:
    notes.status = 307

    async def main() -> None:
        hook = Hook(f"http://127.0.0.1:{notes.port}/secret/{{mailbox}}")
        assert hook.start(MAILBOX, ENVELOPE)
        await until(lambda: caplog.messages)
        await hook.stop()

    run(main())
    assert [path for path, _ in notes.heard] == [f"/secret/{'fa' * 16}"]
    assert caplog.messages == ["[push.hook] answered 307"]


def test_a_hook_that_is_not_there_is_told_without_its_url(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "pushmfa")

    async def main() -> None:
        hook = Hook("https://127.0.0.1:9/secret")
        assert hook.start(MAILBOX, ENVELOPE)
        await until(lambda: caplog.messages)
        await hook.stop()

    run(main())
    assert caplog.messages == ["[push.hook]: ConnectionRefusedError"]


def test_attack_ids_are_no_options_and_no_shell_sees_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = (
        "import json, os, sys;"
        "json.dump([sys.argv[2:], sorted(os.environ)], open(sys.argv[1], 'w'))"
    )

    async def main() -> None:
        words = ("{mailbox}", "a;b $(c)", "{envelope}x")
        command = Command((sys.executable, "-c", script, str(out), *words))
        assert command.start(MAILBOX, ENVELOPE)
        await until(lambda: out.exists() and out.read_text())
        await command.stop()

    os.environ["NOTIFY_SOCKET"] = "/nowhere"
    try:
        run(main())
    finally:
        del os.environ["NOTIFY_SOCKET"]
    said, names = json.loads(out.read_text())
    assert said == ["fa" * 16, "a;b $(c)", "fb" * 16 + "x"]
    assert set(names) <= {"PATH", "LC_CTYPE"}


def test_a_command_that_hangs_is_ended_with_its_children(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pids = tmp_path / "pids"
    script = f"echo $$ >> {pids}; sleep 600 & echo $! >> {pids}; wait"

    async def main() -> None:
        command = Command(("/bin/sh", "-c", script), timeout=0.5)
        assert command.start(MAILBOX, ENVELOPE)
        await until(lambda: caplog.messages)
        await command.stop()
        await until(lambda: not any(map(is_alive, lines_of(pids))))

    run(main())
    assert len(lines_of(pids)) == 2
    assert caplog.messages == ["[push.command] took more than 0 s"]


def test_commands_are_bounded_and_end_with_the_relay(tmp_path: Path) -> None:
    pids = tmp_path / "pids"

    async def main() -> None:
        command = Command(("/bin/sh", "-c", f"echo $$ >> {pids}; exec sleep 600"))
        begun = [command.start(MAILBOX, ENVELOPE) for _ in range(MAX_COMMANDS + 2)]
        assert begun == [True] * MAX_COMMANDS + [False] * 2
        await until(lambda: len(lines_of(pids)) == MAX_COMMANDS)
        await command.stop()
        await until(lambda: not any(map(is_alive, lines_of(pids))))

    run(main())


def is_alive(pid: str) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_commands_that_fail_or_are_not_there_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        for argv in (("/bin/false",), ("/no/such/program",)):
            command = Command(argv)
            before = len(caplog.messages)
            assert command.start(MAILBOX, ENVELOPE)
            await until(lambda before=before: len(caplog.messages) > before)
            await command.stop()

    run(main())
    assert caplog.messages == [
        "[push.command] ended with 1",
        "[push.command]: No such file or directory",
    ]
