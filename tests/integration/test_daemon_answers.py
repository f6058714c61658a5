"""Answers that are not what they should be: refused, and they close nothing.

Each test ends with the right answer, which still lets in: else whoever reaches the
relay could cancel logins.
"""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushmfa.crypto.sealing import Direction
from pushmfa.crypto.signing import Label, Signer
from pushmfa.daemon.audit import DeliveryRecord
from pushmfa.device.authenticator import Verified
from pushmfa.terms import (
    Decision,
    DenialReason,
    DeviceId,
    Digest,
    HostId,
    MailboxId,
    Signature,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import Answer, Challenge, Outcome, Statement, ToHost
from tests.integration.daemon_device import other_challenge
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import World, scene, until, within, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
TABLET = ("alice", "Tablet")
PHONE = ("bob", "Phone")


class Open:
    """A login of alice's that waits."""

    def __init__(self, w: World, module: Module, number: str, card: Verified) -> None:
        self.w, self.module, self.number, self.card = w, module, number, card
        self.pixel = w.devices[0]

    def answer(self, **changes: Any) -> Answer:
        """Return the right approval, changed."""
        answer = self.pixel.answer_to(self.card, self.number)
        return msgspec.structs.replace(answer, **changes)


@asynccontextmanager
async def waiting(
    folder: Path, *others: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Open]:
    """Give a login that waits; afterwards one refusal is in the log, and it is open."""
    caplog.set_level(logging.DEBUG, "pushmfa")
    async with world(folder, PIXEL, *others) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        card = await w.devices[0].challenge()
        yield Open(w, module, number, card)
        await until(lambda: "refused" in caplog.text or "dropped" in caplog.text)
        assert not w.host.verdicts(), "nothing has ended"
        w.devices[0].approve(card, number)
        assert await module.verdict() == ("approved", "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"host_id": HostId(b"x" * 32)}, "another host"),
        ({"challenge_id": other_challenge()}, "not known"),
        ({"device_id": DeviceId(b"x" * 32)}, "not asked"),
        ({"approver": "bob"}, "another account"),
        ({"approver": "root"}, "another account"),
        ({"challenge_sha256": Digest(b"x" * 32)}, "another text"),
        ({"grant": 3600}, "grant"),
        ({"version": 2}, "version"),
        ({"number": None}, "without a number"),
        ({"reason": DenialReason.CANCEL}, "with a reason"),
        ({"decision": Decision.DENIAL}, "denial with a number"),
        ({"decision": Decision.DENIAL, "number": None}, "without a reason"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
@scene
async def test_attack_an_answer_to_something_else(
    changes: dict[str, Any],
    reason: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with waiting(tmp_path, caplog=caplog) as it:
        it.pixel.send_answer(it.answer(**changes))
        await until(lambda: reason in caplog.text)


@pytest.mark.parametrize("number", ["1", "123456789", "1٢", " 42", "4_2", "+42", ""])
@scene
async def test_attack_a_number_of_another_form_is_no_answer(
    number: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, caplog=caplog) as it:
        raw = encode(it.answer()).replace(
            b'"number":"' + it.number.encode() + b'"',
            b'"number":"' + number.encode() + b'"',
        )
        it.pixel.send_answer(it.answer(), raw=raw)


@scene
async def test_attack_more_digits_than_shown_are_a_wrong_number(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        card = await w.devices[0].challenge()
        answer = w.devices[0].answer_to(card, "0" + number)
        w.devices[0].send_answer(answer)
        assert (await module.verdict())[0] == "wrong_number"


@pytest.mark.parametrize("label", [label for label in Label if label != Label.ANSWER])
@scene
async def test_attack_a_signature_made_for_something_else(
    label: Label, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, caplog=caplog) as it:
        it.pixel.send_answer(it.answer(), label=label)


@pytest.mark.parametrize("key", ["relay", "stranger", "other device"])
@scene
async def test_attack_a_signature_by_another_key(
    key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, TABLET, caplog=caplog) as it:
        signer = {
            "relay": it.pixel.keys.relay,
            "stranger": Signer.from_seed(secrets.token_bytes(32)),
            "other device": it.w.devices[1].keys.identity,
        }[key]
        it.pixel.send_answer(it.answer(), signer=signer)


@pytest.mark.parametrize(
    "sealing",
    [
        {"direction": Direction.TO_DEVICE},
        {"host_id": HostId(b"x" * 32)},
        {"device_id": DeviceId(b"x" * 32)},
        {"sender": MailboxId(b"x" * 16)},
        {"recipient": MailboxId(b"x" * 16)},
    ],
    ids=lambda value: next(iter(value)),
)
@scene
async def test_attack_sealed_under_other_names(
    sealing: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, caplog=caplog) as it:
        it.pixel.send_answer(it.answer(), **sealing)


def _garbage(it: Open) -> list[bytes]:
    signed = encode(
        ToHost(
            statement=Statement(b"{}"), signature=Signature(b"s" * 64), assertion=None
        )
    )
    seal = it.pixel.seal
    return [
        b"x" * 28,
        b"x" * 11_264,
        b"\x04" + b"\0" * 64 + b"x" * 40,
        seal(b""),
        seal(b"{"),
        seal(b"[" * 5_000),
        seal(b'{"type":"to-host"}'),
        seal(b"\xff" * 100),
        seal(signed),
        seal(signed.replace(b"to-host", b"to-device")),
        seal(signed[:-1] + b',"statement":"e30"}'),
        seal(b'{"type":"to-host","a\\nCRITICAL forged":1}'),
    ]


@scene
async def test_attack_garbage_in_every_layer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pushmfa.logins")
    async with waiting(tmp_path, caplog=caplog) as it:
        garbage = _garbage(it)
        for sealed in garbage:
            it.pixel.send_sealed(sealed)
        await until(lambda: caplog.text.count("was refused") == len(garbage))
        assert "\nCRITICAL forged" not in caplog.text
        # Once a minute for who reads the log.
        told = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert sum("was refused" in record.getMessage() for record in told) == 1


@scene
async def test_attack_another_accounts_device_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, PHONE, caplog=caplog) as it:
        phone = it.w.devices[1]
        phone.send_answer(it.answer(device_id=phone.keys.device_id))
        await until(lambda: "not asked" in caplog.text)


@scene
async def test_attack_one_devices_card_answered_by_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with waiting(tmp_path, TABLET, caplog=caplog) as it:
        tablet = it.w.devices[1]
        tablet.send_answer(it.answer(device_id=tablet.keys.device_id))
        await until(lambda: "another text" in caplog.text)


@scene
async def test_attack_an_approval_from_before_is_sent_again(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        pixel = w.devices[0]
        first = await w.host.log_in()
        number = await first.number()
        first.type()
        approval = pixel.approve(await pixel.challenge(), number)
        assert await first.verdict() == ("approved", "")
        await pixel.outcome()
        second = await w.host.log_in()
        await second.number()
        second.type()
        for _ in range(3):
            pixel.send_again(approval)
        assert await second.hears_nothing()
        assert w.host.approvals() == 1


@scene
async def test_attack_an_approval_changed_to_the_later_challenge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Who has the old signed bytes changes the id in them: the signature breaks.
    async with waiting(tmp_path, caplog=caplog) as it:
        old = encode(it.answer(challenge_id=other_challenge()))
        signature = it.pixel.keys.identity.sign(Label.ANSWER, old)
        new = encode(it.answer())
        payload = ToHost(
            statement=Statement(new), signature=Signature(signature), assertion=None
        )
        it.pixel.send_sealed(it.pixel.seal(encode(payload)))


@scene
async def test_attack_an_answer_from_before_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, PIXEL) as w:
        pixel = w.devices[0]
        module = await w.host.log_in()
        number, card = await module.number(), await pixel.challenge()
        await w.host.stop()
        await w.host.start()
        pixel.approve(card, number)
        await until(lambda: "not known here" in caplog.text)
        assert w.host.approvals() == 0


@scene
async def test_attack_an_approval_at_another_host(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The same keys recorded at two hosts, which no honest device does: what was
    # approved at the one is worth nothing at the other.
    caplog.set_level(logging.DEBUG, "pushmfa.logins")
    async with world(tmp_path, PIXEL) as w:
        pixel = w.devices[0]
        module = await w.host.log_in()
        number, card = await module.number(), await pixel.challenge()
        module.type()
        answer = pixel.answer_to(card, number)
        other = msgspec.structs.replace(answer, host_id=HostId(b"o" * 32))
        pixel.send_answer(other)
        pixel.send_answer(other, host_id=HostId(b"o" * 32))
        await until(lambda: caplog.text.count("was refused") == 2)
        assert w.host.approvals() == 0


# --- approved, and Enter comes late ---------------------------------------------------


async def _revoked(w: World) -> None:
    await w.host.ask(lambda client: client.revoke_device("Pixel", "alice"), uid=0)


async def _lost(w: World) -> None:
    await w.host.ask(lambda client: client.report_lost("Pixel"))


async def _muted(w: World) -> None:
    await w.host.ask(lambda client: client.mute(600))


async def _asleep(w: World) -> None:
    w.host.clock.advance(3_600)


@pytest.mark.parametrize(
    ("happens", "verdict"),
    [
        (_revoked, "not_enrolled"),
        (_lost, "not_enrolled"),
        (_muted, "locked"),
        (_asleep, "expired"),
    ],
)
@scene
async def test_attack_an_approval_is_kept_until_its_device_is_gone(
    happens: Callable[[World], Awaitable[None]], verdict: str, tmp_path: Path
) -> None:
    """A thief approves, and presses Enter only when the owner has noticed."""
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number = await module.number()
        w.devices[0].approve(await w.devices[0].challenge(), number)
        await until(lambda: w.host.approvals() == 1)
        await happens(w)
        module.type()
        heard, text = await module.verdict()
        assert (heard, bool(text)) == (verdict, True)
        w.host.daemon._logins._endings.write_down()
        told = [r.delivered for r in w.host.records() if isinstance(r, DeliveryRecord)]
        assert told == [False]


# --- revoked in the middle ------------------------------------------------------------

Act = Callable[[World], Any]


async def _revoke(w: World) -> None:
    await w.host.ask(lambda client: client.revoke_device("Pixel", "alice"), uid=0)


async def _report_lost(w: World) -> None:
    await w.host.ask(lambda client: client.report_lost("Pixel"))


@pytest.mark.parametrize("act", [_revoke, _report_lost])
@scene
async def test_attack_the_device_is_revoked_while_the_login_waits(
    act: Act, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, PIXEL, TABLET) as w:
        pixel, tablet = w.devices
        module = await w.host.log_in()
        number = await module.number()
        module.type()
        thief, mine = await pixel.challenge(), await tablet.challenge()
        await act(w)
        pixel.approve(thief, number)
        await until(lambda: "revoked or reported lost" in caplog.text)
        assert not w.host.verdicts()
        tablet.approve(mine, number)
        assert await module.verdict() == ("approved", "")
        assert await pixel.hears_no(Outcome)
        second = await w.host.log_in()
        await second.number()
        await tablet.challenge()
        assert await pixel.hears_no(Challenge)


@pytest.mark.parametrize("act", [_revoke, _report_lost])
@scene
async def test_an_attempt_without_any_device_left_ends_at_once(
    act: Act, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        await act(w)
        assert (await module.verdict())[0] == "not_enrolled"
        assert w.host.verdicts() == [("not_enrolled", "not_enrolled")]


# --- the clocks -----------------------------------------------------------------------


@pytest.mark.parametrize("clock", ["boot", "wall"])
@scene
async def test_attack_a_clock_that_jumped_revives_nothing(
    clock: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in()
        number, card = await module.number(), await w.devices[0].challenge()
        module.type()
        setattr(w.host.clock, clock, 61.0)
        w.devices[0].approve(card, number)
        await until(lambda: "came too late" in caplog.text)
        assert w.host.approvals() == 0


@pytest.mark.parametrize("clock", ["boot", "wall"])
@scene
async def test_attack_a_clock_set_back_gives_no_time(
    clock: str, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL) as w:
        short = replace(w.host.config.login, lifetime=1)
        await w.host.stop()
        w.host.config = replace(w.host.config, login=short)
        await w.host.start()
        module = await w.host.log_in()
        await module.number()
        module.type()
        setattr(w.host.clock, clock, -3600.0)
        assert (await within(module.verdict()))[0] == "expired"
