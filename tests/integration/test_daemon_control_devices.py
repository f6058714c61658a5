"""Devices and attempts by control.sock: revoked, renamed, tried."""

from pathlib import Path

import pytest

from pushmfa.crypto.keys import fingerprint
from pushmfa.daemon.audit import ActRecord
from pushmfa.errors import (
    ExpiredError,
    LimitError,
    NotEnrolledError,
    PushmfaError,
    RefusedError,
    StoreError,
    UsageError,
)
from pushmfa.terms import Kind
from pushmfa.wire.payload import Challenge, Notice, Outcome, Revoked
from tests.integration.control_asking import Ask, asking
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    caller_uid,
    scene,
    until,
    world,
)

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")
PHONE = ("bob", "Phone")

pytestmark = pytest.mark.integration


ROOT, ALICE, BOB = 0, 1001, 1002


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
