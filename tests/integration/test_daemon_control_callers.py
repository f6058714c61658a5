"""Callers of control.sock that are none, ask too much, or say nothing."""

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from pushmfa.daemon.control_server import MAX_OF_ONE_UID
from pushmfa.errors import (
    NotReachableError,
    UsageError,
)
from pushmfa.wire import control
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    caller_uid,
    scene,
    within,
    world,
)

PIXEL = ("alice", "Pixel")

pytestmark = pytest.mark.integration


ROOT, ALICE = 0, 1001


# --- callers that are none ------------------------------------------------------------

MALFORMED = {
    "no JSON": b"hello\n",
    "an array": b"[]\n",
    "no type": b'{"user":null}\n',
    "an unknown type": b'{"type":"grant"}\n',
    "an unknown field": b'{"type":"get-host","uid":0}\n',
    "a doubled key": b'{"type":"get-status","user":"bob","user":null}\n',
    "not UTF-8": b'{"type":"get-status","user":"\xff"}\n',
    "nested": b"[" * 60_000 + b"\n",
    "a line too long": b'{"type":"get-status","user":"' + b"x" * 70_000 + b'"}\n',
    "a line without an end": b"x" * 200_000,
    "only an answer": b'{"type":"enroll-code","code":"000000"}\n',
}


@pytest.mark.parametrize("name", MALFORMED)
@scene
async def test_a_request_that_is_none_gets_a_failure(name: str, tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        async with calling(w.host.run) as caller:
            caller.send_raw(MALFORMED[name])
            failure = await caller.hear()
            assert (failure["type"], failure["kind"]) == ("failure", "usage")
            assert await caller.hear() == {}
        await w.host.ask(lambda client: client.host())


@scene
async def test_attack_a_request_forges_a_line_of_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with world(tmp_path, PIXEL) as w:
        forged = "x\nCRITICAL root was let in\u2028\u202e\x9b2J"
        async with calling(w.host.run) as caller:
            caller.send("get-host", **{forged: 1})
            await caller.hear()
        for call in (
            lambda c: c.rename_device("Pixel", forged, "alice"),
            lambda c: c.report_lost(forged, "alice"),
        ):
            try:
                await w.host.ask(call, uid=ROOT)
            except UsageError:
                continue
        for sign in ("\nCRITICAL", "\u2028", "\u202e", "\x9b"):
            assert sign not in caplog.text


@scene
async def test_one_user_has_a_limit_and_root_has_none(tmp_path: Path) -> None:
    async with world(tmp_path) as w, AsyncExitStack() as stack:
        caller_uid.append(ALICE)
        callers = [
            await stack.enter_async_context(calling(w.host.run)) for _ in range(20)
        ]
        await asyncio.sleep(0.1)
        for caller in callers[:MAX_OF_ONE_UID]:
            caller.send("get-host")
            assert (await caller.hear())["type"] == "host"
        for caller in callers[MAX_OF_ONE_UID:]:
            assert (await caller.hear())["kind"] == "limit"
        caller_uid.append(ROOT)
        await w.host.ask(lambda client: client.host(), uid=ROOT)
        await w.host.ask(lambda client: client.host(), uid=ALICE)


@scene
async def test_a_caller_that_says_nothing_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushmfa.daemon.control_server.REQUEST_DEADLINE", 0.1)
    async with world(tmp_path) as w, calling(w.host.run) as caller:
        caller.send_raw(b'{"type":"get-')
        assert await caller.hear() == {}


@scene
async def test_a_mistake_of_ours_ends_one_connection_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> control.Status:
        raise ZeroDivisionError

    async with world(tmp_path) as w:
        monkeypatch.setattr("pushmfa.daemon.control_commands.status_of", fail)
        with pytest.raises(NotReachableError):
            await within(w.host.ask(lambda client: client.status()))
        await w.host.ask(lambda client: client.host())
