"""control.sock: who may do what, and what callers may not."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.crypto.keys import fingerprint
from pushmfa.daemon import names
from pushmfa.daemon.audit import ActRecord
from pushmfa.daemon.control_server import MAX_OF_ONE_UID
from pushmfa.errors import (
    ExpiredError,
    LimitError,
    NotEnrolledError,
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    StoreError,
    UsageError,
)
from pushmfa.terms import Kind
from pushmfa.wire import control
from pushmfa.wire.payload import Challenge, Notice, Outcome, Revoked
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    World,
    accounts,
    caller_uid,
    scene,
    until,
    within,
    world,
)

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")
PHONE = ("bob", "Phone")

ROOT, ALICE, BOB, CAROL = 0, 1001, 1002, 1003

Ask = Callable[[Client], Any]


@asynccontextmanager
async def asking(w: World, call: Ask) -> AsyncIterator["asyncio.Task[Any]"]:
    """Give the task of a call that needs a person; it ends with the block."""
    task = asyncio.create_task(w.host.ask(call))
    try:
        yield task
    finally:
        await asyncio.gather(task, return_exceptions=True)


# --- looking --------------------------------------------------------------------------


@scene
async def test_everybody_may_ask_which_host_this_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for uid in (ROOT, ALICE, 4711):
            host = await w.host.ask(lambda client: client.host(), uid=uid)
            assert host.host_id == w.host.keys.host_id
            assert host.host_name == "web1"


@scene
async def test_status_shows_health_devices_and_last_attempts(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, PHONE) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge())
        await module.verdict()
        bobs = await w.host.log_in(user="bob")
        await bobs.number()
        status = await w.host.ask(lambda client: client.status())
        assert status.healthy
        assert status.problems == ()
        assert [relay.connected for relay in status.relays] == [True]
        assert (status.pending_attempts, status.enrolled_accounts) == (1, 2)
        assert status.user == "alice"
        assert status.devices is not None
        assert [device.label for device in status.devices] == ["Pixel"]
        assert status.attempts is not None
        assert [(a.verdict, a.service) for a in status.attempts] == [("denied", "sshd")]
        by_root = await w.host.ask(lambda client: client.status("bob"), uid=ROOT)
        assert by_root.user == "bob"
        assert by_root.attempts == ()


@scene
async def test_status_without_a_relay_is_not_healthy(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, has_relay=False) as w:
        status = await w.host.ask(lambda client: client.status())
        assert not status.healthy
        assert "no relay" in status.problems[0]
        assert not status.relays[0].connected
        assert status.relays[0].problem


@scene
async def test_a_monitor_reads_health_without_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A uid without an account of its own, as a service has.
    monkeypatch.setattr(names, "_is_member", lambda uid, group: uid == 4711)
    async with world(tmp_path, PIXEL) as w:
        status = await w.host.ask(lambda client: client.status(), uid=4711)
        assert (status.user, status.devices, status.attempts) == (None, None, None)
        with pytest.raises(NotPermittedError):
            await w.host.ask(lambda client: client.status("alice"), uid=4711)
        with pytest.raises(NotPermittedError):
            await w.host.ask(lambda client: client.status(), uid=4712)


# --- who may do what ------------------------------------------------------------------

_COMMANDS: dict[str, Ask] = {
    "status": lambda client: client.status("alice"),
    "list": lambda client: client.devices("alice"),
    "revoke": lambda client: client.revoke_device("Pixel", "alice"),
    "rename": lambda client: client.rename_device("Pixel", "Mine", "alice"),
    "lost": lambda client: client.report_lost("Pixel", "alice"),
    "test": lambda client: client.test("alice"),
    "ticket": lambda client: client.make_ticket("alice"),
    "enroll": lambda client: client.enroll(
        on_link=lambda _: None, ask_code=lambda _: "", user="alice"
    ),
}


@pytest.mark.parametrize("command", _COMMANDS)
@scene
async def test_attack_naming_another_user(command: str, tmp_path: Path) -> None:
    """Refused, with the same words for accounts that exist and that do not."""
    async with world(tmp_path, PIXEL, PHONE) as w:
        told = []
        for name in ("alice", "nobody-at-all", "root", "x" * 255):
            accounts.pop("alice", None)
            if name == "alice":
                accounts["alice"] = ALICE
            call = _COMMANDS[command]

            def ask(client: Client, name: str = name, call: Ask = call) -> Any:
                return _Renamed(client, name).run(call)

            with pytest.raises(NotPermittedError) as error:
                await w.host.ask(ask, uid=BOB)
            told.append((str(error.value), error.value.hint))
        assert len(set(told)) == 1, told
        assert w.devices[0].inbox.empty()
        accounts["alice"] = ALICE
        devices = (await w.host.ask(lambda c: c.devices())).devices
        assert [(d.label, d.lost_at, d.revoked_at) for d in devices] == [
            ("Pixel", None, None)
        ]


class _Renamed:
    """A client that names another user in the requests about alice."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name

    def run(self, call: Ask) -> Any:
        ask = self._client._ask

        def with_name(request: Any, *args: Any, **kwargs: Any) -> Any:
            changed = type(request)(
                **{
                    field: self._name if field == "user" else getattr(request, field)
                    for field in request.__struct_fields__
                }
            )
            return ask(changed, *args, **kwargs)

        self._client._ask = with_name  # type: ignore[method-assign]  # the test stands in between
        return call(self._client)


@scene
async def test_root_is_told_that_there_is_no_such_account(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(UsageError, match="no account"):
            await w.host.ask(lambda client: client.devices("nobody"), uid=ROOT)


@scene
async def test_the_owner_may_name_itself(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        assert (await w.host.ask(lambda c: c.devices("alice"))).user == "alice"


@scene
async def test_a_ticket_is_for_root_to_make(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.make_ticket("alice"))
        assert caught.value.hint.startswith("Only root may do this")
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.verify_audit())
        assert caught.value.hint.startswith("Only root may do this")
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.devices("bob"))
        assert caught.value.hint.startswith("Your own account needs no --user")


@scene
async def test_attack_the_uid_of_all_other_namespaces(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        with pytest.raises(NotPermittedError, match="uid 65534"):
            await w.host.ask(lambda client: client.host(), uid=65_534)


# --- devices --------------------------------------------------------------------------


@scene
async def test_the_owner_revokes_with_an_approval(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        pixel, tablet = w.devices
        on_number = w.host.on_number()
        call: Ask = lambda c: c.revoke_device("Tablet", on_number=on_number)  # noqa: E731  typed by its annotation
        async with asking(w, call) as task:
            shown = await w.host.shown()
            assert set(shown.devices) == {"Pixel", "Tablet"}
            card = await pixel.challenge()
            assert isinstance(card.statement, Challenge)
            assert card.statement.kind is Kind.REVOKE
            mark = fingerprint(tablet.keys.device_id)
            assert card.statement.text == f"Revoke the device Tablet ({mark})."
            pixel.approve(card, shown.number)
            done = await task
        assert done.device.revoked_at is not None
        assert (await tablet.hear(Revoked))[0].device_id == tablet.keys.device_id
        notice = (await pixel.hear(Notice))[0]
        assert (notice.kind, notice.subject_label, notice.by) == (
            "device_revoked",
            "Tablet",
            "alice",
        )
        act = w.host.records()[-1]
        assert isinstance(act, ActRecord)
        assert (act.act, act.actor_uid, act.device_label) == ("revoke", ALICE, "Tablet")


@pytest.mark.parametrize(
    ("answer", "error"), [("deny", RefusedError), ("wrong", RefusedError)]
)
@scene
async def test_attack_an_open_shell_revokes_nothing(
    answer: str, error: type[PushmfaError], tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        on_number = w.host.on_number()
        call: Ask = lambda c: c.revoke_device("Tablet", on_number=on_number)  # noqa: E731  typed by its annotation
        async with asking(w, call) as task:
            shown = await w.host.shown()
            card = await w.devices[0].challenge()
            if answer == "deny":
                w.devices[0].deny(card)
            else:
                wrong = "11" if shown.number != "11" else "12"
                w.devices[0].approve(card, wrong)
            with pytest.raises(error):
                await task
        assert await w.devices[1].hears_no(Revoked)


@scene
async def test_nobody_answers_and_nothing_is_revoked(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        await w.host.stop()
        object.__setattr__(w.host.config.login, "lifetime", 1)
        await w.host.start()
        with pytest.raises(ExpiredError):
            await w.host.ask(lambda client: client.revoke_device("Pixel"))


@scene
async def test_the_owner_renames_with_an_approval(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        on_number = w.host.on_number()
        call: Ask = lambda c: c.rename_device("Pixel", "New", on_number=on_number)  # noqa: E731  typed by its annotation
        async with asking(w, call) as task:
            shown = await w.host.shown()
            card = await w.devices[1].challenge()
            assert isinstance(card.statement, Challenge)
            assert card.statement.text == "Rename the device Pixel to New."
            w.devices[1].approve(card, shown.number)
            assert (await task).device.label == "New"
        assert (await w.devices[1].hear(Notice))[0].kind == "device_renamed"


@scene
async def test_a_device_that_is_revoked_while_its_owner_approves(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        on_number = w.host.on_number()
        call: Ask = lambda c: c.rename_device("Tablet", "Big", on_number=on_number)  # noqa: E731  typed by its annotation
        async with asking(w, call) as task:
            shown = await w.host.shown()
            card = await w.devices[0].challenge()
            await w.host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=ROOT)
            w.devices[0].approve(card, shown.number)
            with pytest.raises(UsageError, match="revoked meanwhile") as caught:
                await task
        assert "pushmfa devices list" in caught.value.hint


@scene
async def test_a_lost_device_is_muted_by_a_uid_alone(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        done = await w.host.ask(lambda client: client.report_lost("Pixel"))
        assert done.device.lost_at is not None
        assert (await w.devices[1].hear(Notice))[0].kind == "device_lost"
        with pytest.raises(UsageError, match="already") as caught:
            await w.host.ask(lambda client: client.report_lost("Pixel"))
        assert "pushmfa devices revoke" in caught.value.hint


@scene
async def test_root_needs_no_approval_and_the_owner_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        call: Ask = lambda client: client.revoke_device("Pixel", "alice")  # noqa: E731  typed by its annotation
        assert (await w.host.ask(call, uid=ROOT)).device.label == "Pixel"
        assert (await w.devices[1].hear(Notice))[0].by == "root"
        with pytest.raises(UsageError, match="no device"):
            await w.host.ask(call, uid=ROOT)
        listed = await w.host.ask(lambda client: client.devices())
        assert {device.label for device in listed.devices} == {"Pixel", "Tablet"}


@pytest.mark.parametrize("name", ["Phone", "nothing", "00", ""])
@scene
async def test_a_device_that_is_not_the_accounts_is_not_found(
    name: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL, PHONE) as w:
        with pytest.raises(UsageError):
            await w.host.ask(lambda client: client.report_lost(name))


@scene
async def test_the_owner_is_told_even_if_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:

        def fail(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(w.host.store, "append_audit", fail)
        with pytest.raises(PushmfaError, match="disk is full"):
            await w.host.ask(lambda client: client.report_lost("Pixel"))
        assert (await w.devices[1].hear(Notice))[0].kind == "device_lost"


@scene
async def test_a_revocation_counts_even_if_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()

        def fail(*_: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(w.host.store, "set_device_time", fail)
        with pytest.raises(PushmfaError, match="disk is full"):
            await w.host.ask(lambda c: c.revoke_device("Pixel", "alice"), uid=ROOT)
        assert (await module.verdict())[0] == "not_enrolled"


# --- attempts -------------------------------------------------------------------------


@scene
async def test_a_test_is_one_real_attempt(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        on_number = w.host.on_number()
        async with asking(w, lambda c: c.test(on_number=on_number)) as task:
            shown = await w.host.shown()
            card = await w.devices[0].challenge()
            assert isinstance(card.statement, Challenge)
            assert card.statement.kind is Kind.TEST
            w.devices[0].approve(card, shown.number)
            ended = await task
        assert (ended.verdict, ended.cause) == ("approved", "device")
        assert (ended.device_label, ended.attempt_id) == ("Pixel", shown.attempt_id)
        assert not (await w.devices[0].outcome()).press_enter


@scene
async def test_a_test_without_a_device_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        ended = await w.host.ask(lambda client: client.test(), uid=BOB)
        assert (ended.verdict, ended.cause) == ("not_enrolled", "not_enrolled")
        with pytest.raises(NotEnrolledError):
            await w.host.ask(
                lambda c: c.enroll(on_link=lambda _: None, ask_code=lambda _: ""),
                uid=BOB,
            )


@scene
async def test_a_caller_that_leaves_cancels(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("start-test", user=None)
            number = (await caller.hear())["number"]
            card = await w.devices[0].challenge()
        assert (await w.devices[0].outcome()).verdict == "canceled"
        w.devices[0].approve(card, number)
        assert await w.devices[0].hears_no(Outcome)
        assert w.host.verdicts() == [("canceled", "hangup")]


@scene
async def test_attack_a_caller_that_leaves_unnoticed(tmp_path: Path) -> None:
    # Lines that nobody asked for do not hide that the caller has gone.
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("start-test", user=None)
            await caller.hear()
            for _ in range(5):
                caller.send("get-host")
        assert (await w.devices[0].outcome()).verdict == "canceled"


@scene
async def test_attack_own_process_uses_up_the_attempts(tmp_path: Path) -> None:
    """A process of alice's cannot keep alice from logging in."""
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as one, calling(w.host.run) as two:
            one.send("start-test", user=None)
            assert (await one.hear())["type"] == "number-shown"
            two.send("start-test", user=None)
            refused = await two.hear()
            assert (refused["verdict"], refused["cause"]) == ("throttled", "limit")
            modules = [await w.host.log_in() for _ in range(3)]
            for module in modules:
                await module.number()
            with pytest.raises(LimitError):
                await w.host.ask(lambda client: client.revoke_device("Pixel"))


@scene
async def test_attack_own_process_uses_up_the_numbers(tmp_path: Path) -> None:
    """Numbers rest for 120 seconds; some are kept for logins."""
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        ends = set()
        for _ in range(91):
            async with calling(w.host.run) as caller:
                caller.send("start-test", user=None)
                ends.add((await caller.hear())["type"])
            await until(lambda: w.host.daemon._logins.count_pending() == 0)
        module = await w.host.log_in()
        await module.number()
        assert ends == {"number-shown", "attempt-ended"}


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
