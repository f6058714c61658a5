"""Logins from the module's first datagram to the verdict, with real devices."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from pushmfa.config.model import HostConfig, LoginSettings, ServiceSettings
from pushmfa.daemon.audit import AttemptRecord, DeliveryRecord
from pushmfa.daemon.module import ModuleConnection
from pushmfa.terms import DenialReason, Kind
from pushmfa.wire.link import Envelope
from pushmfa.wire.payload import Challenge, Outcome
from tests.integration.daemon_module import KEY, Module, new_connection, sudo
from tests.integration.daemon_world import scene, until, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")


def _other(number: str) -> str:
    return "11" if number != "11" else "12"


# --- approved -------------------------------------------------------------------------


@scene
async def test_an_approval_after_enter_lets_in(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        challenge = await w.devices[0].challenge()
        w.devices[0].approve(challenge, number)
        assert await module.verdict() == ("approved", "")
        outcome = await w.devices[0].outcome()
        assert (outcome.verdict, outcome.cause) == ("approved", "device")
        assert outcome.by_this_device
        assert not outcome.press_enter
        await until(lambda: len(w.host.records()) == 2)
        approved, delivered = w.host.records()
        assert isinstance(approved, AttemptRecord)
        assert (approved.verdict, approved.device_label) == ("approved", "Pixel")
        assert isinstance(delivered, DeliveryRecord)
        assert delivered.delivered
        module.close()


@scene
async def test_an_approval_before_enter_is_kept_until_enter(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        challenge = await w.devices[0].challenge()
        w.devices[0].approve(challenge, await module.number())
        assert (await w.devices[0].outcome()).press_enter
        assert await module.hears_nothing()
        assert w.host.verdicts() == [("approved", "device")]
        assert len(w.host.records()) == 1, "not yet delivered"
        module.type()
        assert await module.verdict() == ("approved", "")
        await until(lambda: len(w.host.records()) == 2)
        last = w.host.records()[-1]
        assert isinstance(last, DeliveryRecord)
        assert last.delivered
        module.close()


@scene
async def test_whoever_leaves_after_the_approval_gets_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        challenge = await w.devices[0].challenge()
        w.devices[0].approve(challenge, await module.number())
        await w.devices[0].outcome()
        module.close()
        await until(lambda: len(w.host.records()) == 2)
        approved, left = w.host.records()
        assert isinstance(approved, AttemptRecord)
        assert isinstance(left, DeliveryRecord)
        assert left.attempt_id == approved.attempt_id
        assert not left.delivered


@scene
async def test_approval_and_farewell_at_once_are_both_in_the_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Envelope] = []
    read = ModuleConnection._read
    async with world(tmp_path, PIXEL) as w:

        def read_and_take(connection: ModuleConnection) -> None:
            read(connection)
            for answer in answers:
                w.host.daemon._logins.receive(answer)

        # The end of the connection and the approval in one round of the loop.
        monkeypatch.setattr(ModuleConnection, "_read", read_and_take)
        module = await w.host.log_in()
        number, challenge = await module.number(), await w.devices[0].challenge()
        monkeypatch.setattr(w.devices[0].link, "send", lambda _: True)
        answers.append(w.devices[0].approve(challenge, number))
        module.close()
        await until(lambda: len(w.host.records()) == 2)
        assert w.host.verdicts() == [("approved", "device")]
        last = w.host.records()[-1]
        assert isinstance(last, DeliveryRecord)
        assert not last.delivered


@scene
async def test_the_challenge_says_who_where_from_and_with_what(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(
            rhost="forged.example", tty="ssh", conn=new_connection("2001:db8::7")
        )
        asked = (await w.devices[0].challenge()).statement
        assert isinstance(asked, Challenge)
        assert (asked.kind, asked.service) == (Kind.LOGIN, "sshd")
        assert (asked.user, asked.uid, asked.approver) == ("alice", 1001, "alice")
        assert asked.remote_address == "2001:db8::7", "never PAM_RHOST"
        assert asked.first_factor is not None
        assert asked.first_factor.method == "publickey"
        assert str(asked.first_factor.fingerprint).startswith("SHA256:")
        assert asked.requesting_user is None
        assert asked.command is None
        assert asked.tty is None, "what sshd says is no terminal"
        assert (asked.lifetime, asked.digits, asked.others_pending) == (60, 2, 0)
        module.close()


@scene
async def test_each_of_two_logins_at_once_has_its_own_card(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        first = await w.host.log_in()
        first_number = await first.number()
        first_card = await w.devices[0].challenge()
        second = await w.host.log_in()
        second_number = await second.number()
        second_card = await w.devices[0].challenge()
        assert isinstance(second_card.statement, Challenge)
        assert second_card.statement.others_pending == 1
        assert first_number != second_number
        first.type()
        second.type()
        w.devices[0].approve(second_card, second_number)
        assert await second.verdict() == ("approved", "")
        # The other one's number on this card: wrong, and nothing but this one ends.
        w.devices[0].approve(first_card, second_number)
        assert (await first.verdict())[0] == "wrong_number"


# --- refused --------------------------------------------------------------------------


@pytest.mark.parametrize("reason", list(DenialReason))
@scene
async def test_a_denial_ends_the_attempt(reason: DenialReason, tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge(), reason)
        assert await module.verdict() == ("denied", "pushmfa: denied on Pixel.")
        outcome = await w.devices[0].outcome()
        assert (outcome.verdict, outcome.cause) == ("denied", reason.value)
        assert w.host.verdicts() == [("denied", reason.value)]


@scene
async def test_a_wrong_number_ends_the_attempt(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        challenge = await w.devices[0].challenge()
        w.devices[0].approve(challenge, _other(number))
        verdict, text = await module.verdict()
        assert verdict == "wrong_number"
        assert "on Pixel" in text
        w.devices[0].approve(challenge, number)
        await w.devices[0].outcome()
        assert await w.devices[0].hears_no(Outcome), "it has ended, once"
        assert w.host.verdicts() == [("wrong_number", "wrong_number")]


@scene
async def test_the_text_of_a_refusal_waits_for_enter(tmp_path: Path) -> None:
    # The verdict is there at once; the connection stays until the prompt is over,
    # so that the module can read it.
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        w.devices[0].deny(await w.devices[0].challenge())
        await w.devices[0].outcome()
        assert (await module.verdict())[0] == "denied"
        assert await module.hears_nothing()
        module.type()
        assert await module.hear() == b""


@scene
async def test_nobody_answers_and_the_attempt_expires(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, login=LoginSettings(lifetime=1)) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        verdict, text = await module.verdict()
        assert verdict == "expired"
        assert "within 1 seconds" in text
        outcome = await w.devices[0].outcome()
        assert (outcome.verdict, outcome.cause) == ("expired", "no_answer")


@scene
async def test_a_challenge_ends_five_seconds_before_the_module(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(wait=50)
        asked = (await w.devices[0].challenge()).statement
        assert isinstance(asked, Challenge)
        assert asked.lifetime == 45
        module.close()
        hasty = await w.host.log_in(wait=5)
        verdict, text = await hasty.verdict()
        assert verdict == "unavailable"
        assert "not set up correctly" in text
        assert w.host.verdicts()[-1] == ("unavailable", "misconfigured")


@scene
async def test_who_leaves_cancels_and_the_device_is_told(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        challenge = await w.devices[0].challenge()
        module.close()
        outcome = await w.devices[0].outcome()
        assert (outcome.verdict, outcome.cause) == ("canceled", "hangup")
        assert not outcome.by_this_device
        w.devices[0].approve(challenge, number)
        assert await w.devices[0].hears_no(Outcome)
        assert w.host.verdicts() == [("canceled", "hangup")]


@scene
async def test_a_daemon_that_stops_cancels_and_tells_the_devices(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        await w.devices[0].challenge()
        await w.host.stop()
        assert await module.hear() == b""
        assert (await w.devices[0].outcome()).verdict == "canceled"


@scene
async def test_an_approval_that_waits_for_enter_ends_with_the_daemon(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        await w.devices[0].outcome()
        await w.host.stop()
        assert await module.hear() == b""
        await w.host.start()
        last = w.host.records()[-1]
        assert isinstance(last, DeliveryRecord)
        assert not last.delivered


# --- what is shown, what is typed -----------------------------------------------------


@scene
async def test_sudo_shows_a_line_and_asks_for_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await Module.begin(w.host.run, sudo())
        number = await module.number("I")
        challenge = await w.devices[0].challenge()
        asked = challenge.statement
        assert isinstance(asked, Challenge)
        assert (asked.kind, asked.requesting_user) == (Kind.SUDO, "alice")
        assert asked.command is not None
        assert bytes(asked.command.head) == b"sudo\0ls\0"
        w.devices[0].approve(challenge, number)
        assert await module.verdict() == ("approved", "")
        assert not (await w.devices[0].outcome()).press_enter


@pytest.mark.parametrize(
    ("configured", "argument", "letter"),
    [
        (None, None, "P"),
        ("info", None, "I"),
        ("prompt", None, "P"),
        ("info", "prompt", "P"),
        ("prompt", "info", "I"),
        (None, "info", "I"),
    ],
)
@scene
async def test_the_modules_argument_wins_over_the_configuration(
    configured: str | None, argument: str | None, letter: str, tmp_path: Path
) -> None:
    settings = ServiceSettings(display=configured)  # type: ignore[arg-type]  # any text, on purpose

    def config(base: HostConfig) -> HostConfig:
        return replace(base, services={"sshd": settings})

    async with world(tmp_path, PIXEL, config=config) as w:
        module = await w.host.log_in(display=argument)
        await module.number(letter)
        module.close()


@scene
async def test_the_number_typed_into_the_terminal_is_told_and_never_counted(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        for _ in range(3):
            module.type(number)
            assert "not here" in await module.text("P")
        module.type()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        assert await module.verdict() == ("approved", "")


@scene
async def test_anything_else_that_is_typed_is_told_once(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type("hunter2")
        text = await module.text("P")
        assert "no code is needed" in text
        assert "hunter2" not in text
        module.type(b"\xff\x1b[2J" * 40)
        assert await module.hears_nothing()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        assert await module.verdict() == ("approved", ""), "that was Enter, too"


@scene
async def test_in_sudo_nobody_is_told_to_press_enter(tmp_path: Path) -> None:
    def with_stack(base: HostConfig) -> HostConfig:
        return replace(base, services={"sudo": ServiceSettings(first_factor="stack")})

    async with world(tmp_path, PIXEL, config=with_stack) as w:
        module = await Module.begin(w.host.run, sudo())
        number = await module.number("I")
        module.type("hunter2")
        assert "Enter:" not in await module.text("I")
        module.type(number)
        told = await module.text("I")
        assert "not here" in told
        assert "press" not in told
        module.close()


# --- two devices ----------------------------------------------------------------------


@scene
async def test_a_denial_on_one_device_closes_both(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        pixel, tablet = w.devices
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        first, second = await pixel.challenge(), await tablet.challenge()
        pixel.deny(first)
        assert (await module.verdict())[0] == "denied"
        outcome = await tablet.outcome()
        assert outcome.verdict == "denied"
        assert not outcome.by_this_device
        tablet.approve(second, number)
        assert await tablet.hears_no(Outcome)
        assert w.host.verdicts() == [("denied", "cancel")]


@pytest.mark.parametrize("winner", [0, 1])
@scene
async def test_the_first_valid_answer_wins(winner: int, tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        cards = [await device.challenge() for device in w.devices]
        w.devices[winner].approve(cards[winner], number)
        assert await module.verdict() == ("approved", "")
        loser = w.devices[1 - winner]
        outcome = await loser.outcome()
        assert (outcome.verdict, outcome.by_this_device) == ("approved", False)
        loser.deny(cards[1 - winner])
        assert await loser.hears_no(Outcome)
        assert w.host.verdicts() == [("approved", "device")]


@scene
async def test_two_answers_at_once_make_one_verdict(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        pixel, tablet = w.devices
        for _ in range(10):
            module = await w.host.log_in()
            number = await module.number()
            module.type()
            first, second = await pixel.challenge(), await tablet.challenge()
            pixel.approve(first, number)
            tablet.deny(second)
            verdict, _ = await module.verdict()
            seen = {(await device.outcome()).verdict.value for device in w.devices}
            assert seen == {verdict}
            assert w.host.verdicts()[-1][0] == verdict
            module.close()
        assert len(w.host.verdicts()) == 10


# --- the retries of one connection ----------------------------------------------------


@scene
async def test_the_clients_own_retries_ask_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        conn = new_connection()
        module = await w.host.log_in(conn=conn)
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge())
        assert (await module.verdict())[0] == "denied"
        module.close()
        for _ in range(2):
            again = await w.host.log_in(conn=conn)
            assert await again.verdict() == ("denied", ""), "silent"
        assert await w.devices[0].hears_no(Challenge)
        assert len(w.host.verdicts()) == 1, "one refusal, one row"
        other = await w.host.log_in()
        await other.number()
        await w.devices[0].challenge()
        forked = await w.host.log_in(conn=conn, ppid=7)
        await forked.number()


@scene
async def test_sudo_asks_again_after_a_denial(tmp_path: Path) -> None:
    # The mark against retries is the module's there: one process, one PAM handle.
    async with world(tmp_path, PIXEL) as w:
        for _ in range(2):
            module = await Module.begin(w.host.run, sudo())
            await module.number("I")
            w.devices[0].deny(await w.devices[0].challenge())
            assert (await module.verdict())[0] == "denied"


@scene
async def test_a_forgotten_refusal_is_asked_again(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        conn = new_connection()
        module = await w.host.log_in(conn=conn, methods=KEY)
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge())
        await module.verdict()
        w.host.clock.advance(601)
        again = await w.host.log_in(conn=conn)
        await again.number()


@scene
async def test_an_unusual_order_of_everything_harms_nobody(tmp_path: Path) -> None:
    # Enter, Enter, approval, Enter, end.
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        module.type()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        assert await module.verdict() == ("approved", "")
        module.close()
        await asyncio.sleep(0.05)
        assert w.host.approvals() == 1
