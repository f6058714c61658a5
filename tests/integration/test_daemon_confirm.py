"""confirm: a script asks for the approval of an action."""

import asyncio
from pathlib import Path

import pytest

from pushmfa.daemon.audit import AttemptRecord
from pushmfa.errors import UsageError
from pushmfa.terms import Kind
from pushmfa.wire.payload import Challenge
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import caller_uid, scene, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
ROOT, ALICE, BOB = 0, 1001, 1002
TEXT = "Drop the table users on db1"


@scene
async def test_a_confirm_is_shown_signed_and_approved(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        on_number = w.host.on_number()
        asked = asyncio.create_task(
            w.host.ask(lambda c: c.confirm(TEXT, on_number=on_number))
        )
        shown = await w.host.shown()
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert (card.statement.kind, card.statement.text) == (Kind.CONFIRM, TEXT)
        assert card.statement.service == "pushmfa confirm"
        assert card.statement.requesting_user is None
        assert card.statement.lifetime == 60
        w.devices[0].approve(card, shown.number)
        ended = await asked
        assert (ended.verdict, ended.cause) == ("approved", "device")
        assert (ended.device_label, ended.attempt_id) == ("Pixel", shown.attempt_id)
        record = w.host.records()[-1]
        assert isinstance(record, AttemptRecord)
        assert (record.kind, record.service) == (Kind.CONFIRM, "pushmfa confirm")
        assert (record.verdict, record.cause) == ("approved", "device")


@pytest.mark.parametrize(
    ("answer", "verdict", "cause"),
    [("deny", "denied", "cancel"), ("wrong", "wrong_number", "wrong_number")],
)
@scene
async def test_a_confirm_is_refused(
    answer: str, verdict: str, cause: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        on_number = w.host.on_number()
        asked = asyncio.create_task(
            w.host.ask(lambda c: c.confirm(TEXT, on_number=on_number))
        )
        shown = await w.host.shown()
        card = await w.devices[0].challenge()
        if answer == "deny":
            w.devices[0].deny(card)
        else:
            w.devices[0].approve(card, "10" if shown.number != "10" else "11")
        ended = await asked
        assert (ended.verdict, ended.cause) == (verdict, cause)
        assert w.host.verdicts() == [(verdict, cause)]


@scene
async def test_root_asks_for_another_and_the_device_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        on_number = w.host.on_number()
        asked = asyncio.create_task(
            w.host.ask(
                lambda c: c.confirm(TEXT, "alice", lifetime=300, on_number=on_number),
                uid=ROOT,
            )
        )
        shown = await w.host.shown()
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert card.statement.requesting_user == "root"
        assert (shown.lifetime, card.statement.lifetime) == (300, 300)
        w.devices[0].deny(card)
        assert (await asked).verdict == "denied"


@scene
async def test_nobody_answers_a_confirm(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        on_number = w.host.on_number()
        asked = asyncio.create_task(
            w.host.ask(lambda c: c.confirm(TEXT, lifetime=10, on_number=on_number))
        )
        await w.host.shown()
        w.host.clock.advance(11)
        card = await w.devices[0].challenge()
        # Its time is up by the clock; whoever answers now is late.
        w.devices[0].approve(card, "42")
        ended = await asyncio.wait_for(asked, 20)
        assert (ended.verdict, ended.cause) == ("expired", "no_answer")


@scene
async def test_a_confirm_without_a_device(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        ended = await w.host.ask(lambda client: client.confirm(TEXT), uid=BOB)
        assert ended.verdict == "not_enrolled"


@scene
async def test_a_confirm_without_a_relay(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, has_relay=False) as w:
        ended = await w.host.ask(lambda client: client.confirm(TEXT))
        assert (ended.verdict, ended.cause) == ("unavailable", "relay_unreachable")


@scene
async def test_a_script_that_is_interrupted_takes_the_confirm_back(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("start-confirm", user=None, text=TEXT, lifetime=None)
            assert (await caller.hear())["type"] == "number-shown"
            await w.devices[0].challenge()
        assert (await w.devices[0].outcome()).verdict == "canceled"
        assert w.host.verdicts() == [("canceled", "hangup")]


@scene
async def test_attack_confirms_in_parallel_to_make_the_person_tired(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as one, calling(w.host.run) as two:
            one.send("start-confirm", user=None, text=TEXT, lifetime=None)
            await one.hear()
            two.send("start-confirm", user=None, text=TEXT, lifetime=None)
            assert (await two.hear())["verdict"] == "throttled"


@pytest.mark.parametrize(
    ("text", "lifetime", "error"),
    [
        ("a\nb", None, "usage"),
        ("\u202ex", None, "usage"),
        ("x" * 2_001, None, "usage"),
        ("", None, "usage"),
        (TEXT, 9, "usage"),
        (TEXT, 601, "usage"),
    ],
)
@scene
async def test_attack_a_client_of_its_own_sends_what_ours_would_not(
    text: str, lifetime: int | None, error: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("start-confirm", user=None, text=text, lifetime=lifetime)
            refused = await caller.hear()
        assert (refused["type"], refused["kind"]) == ("failure", error)
        assert await w.devices[0].hears_no(Challenge)
        with pytest.raises(UsageError):
            await w.host.ask(lambda client: client.confirm(text, lifetime=lifetime))
