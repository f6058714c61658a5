"""Hosts that ask that a device verifies its holder: WebAuthn, by a software device."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pushmfa.client import Client
from pushmfa.config.model import LoginSettings
from pushmfa.daemon.audit import StateRecord
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.state import DATABASE_NAME
from pushmfa.errors import RefusedError, StoreError
from pushmfa.store.host_rows import HostStore
from pushmfa.terms import Verification, VerificationRequired
from pushmfa.wire.payload import Challenge
from pushmfa.wire.webauthn import Assertion
from tests.fakes.proofs import assertion_of
from tests.integration.daemon_device import TestDevice
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import World, scene, until, within, world
from tests.vectors.authenticator import EDDSA, ES256, RS256, UP, Authenticator

pytestmark = pytest.mark.integration

REQUIRED = LoginSettings(verification="required")
ORIGIN = "http://localhost"
How = Callable[[Authenticator, bytes], Assertion]


def authenticator(name: str = "of Pixel", **more: Any) -> Authenticator:
    return Authenticator(name, origin=ORIGIN, **more)


@asynccontextmanager
async def verifying(
    folder: Path, *more: Authenticator, login: LoginSettings = REQUIRED
) -> AsyncIterator[World]:
    """Give a host that asks for it, with a device of alice's for each authenticator."""
    async with world(folder, starts=False, login=login, people=["alice"]) as w:
        for number, each in enumerate(more or (authenticator(),)):
            device = w.enroll("alice", f"Pixel {number}", authenticator=each)
            await device.start()
        await w.host.start()
        yield w


async def blank_of(w: World) -> TestDevice:
    """Return a device of alice's that verifies nobody; the daemon must not run."""
    blank = TestDevice(w.host.keys, w.relay_url, "alice", 1001, "Blank")
    store = HostStore.open(w.host.state / DATABASE_NAME)
    Registry(store).add(replace(blank.as_recorded(), capabilities=()), 0)
    store.close()
    await blank.start()
    return blank


async def card_of(w: World, device: TestDevice) -> tuple[Module, str, Any]:
    module = await w.host.log_in()
    number = await module.number()
    module.type()
    return module, number, await device.challenge()


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@scene
async def test_an_approval_that_is_proved_lets_in(
    algorithm: int, tmp_path: Path
) -> None:
    async with verifying(tmp_path, authenticator(algorithm=algorithm)) as w:
        for counter in (1, 2):
            module, number, card = await card_of(w, w.devices[0])
            assert card.statement.verification is VerificationRequired.REQUIRED
            w.devices[0].send_proved(w.devices[0].answer_to(card, number))
            assert await module.verdict() == ("approved", "")
            assert w.host.store.load_credentials()[0].counter == counter


def _wrong(**changes: Any) -> How:
    return lambda each, raw: assertion_of(each, raw, **changes)


WRONG: dict[str, tuple[How, str]] = {
    "UV missing": (_wrong(flags=UP), "did not verify its holder"),
    "another origin": (_wrong(origin="https://evil.example"), "another origin"),
    "a frame of another site": (_wrong(crossOrigin=True), "across origins"),
    "another RP id": (_wrong(rp_id="evil.example"), "another relying party"),
    "another answer": (
        lambda each, _: assertion_of(each, b'{"another":"answer"}'),
        "over another answer",
    ),
    "another credential": (
        lambda _, raw: assertion_of(authenticator("of Tablet"), raw),
        "another credential",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@scene
async def test_attack_an_assertion_that_proves_something_else(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    how, reason = WRONG[name]
    async with verifying(tmp_path) as w:
        pixel = w.devices[0]
        module, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number), proves=how)
        await until(lambda: reason in caplog.text)
        # It has closed nothing.
        assert not w.host.verdicts()
        pixel.send_proved(pixel.answer_to(card, number))
        assert await module.verdict() == ("approved", "")


@pytest.mark.parametrize("said", [Verification.NONE, Verification.PASSPHRASE])
@scene
async def test_attack_an_app_that_was_taken_over_says_that_it_verified(
    said: Verification, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with verifying(tmp_path) as w:
        pixel = w.devices[0]
        _, number, card = await card_of(w, pixel)
        answer = msgspec.structs.replace(
            pixel.answer_to(card, number), verification=said
        )
        pixel.send_answer(answer)
        await until(lambda: "was refused" in caplog.text)
        assert not w.host.verdicts()


@scene
async def test_attack_an_assertion_is_replayed_with_the_next_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept: list[Assertion] = []

    def keep(each: Authenticator, raw: bytes) -> Assertion:
        kept.append(assertion_of(each, raw))
        return kept[0]

    async with verifying(tmp_path) as w:
        pixel = w.devices[0]
        for _ in range(2):
            module, number, card = await card_of(w, pixel)
            pixel.send_proved(pixel.answer_to(card, number), proves=keep)
            if len(kept) == 1:
                assert (await module.verdict())[0] == "approved"
        await until(lambda: "over another answer" in caplog.text)
        assert w.host.approvals() == 1


@scene
async def test_attack_an_assertion_is_moved_to_another_device(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    two = authenticator("of Pixel"), authenticator("of Tablet")
    async with verifying(tmp_path, *two) as w:
        pixel, tablet = w.devices
        _, number, card = await card_of(w, pixel)
        tablets = await tablet.challenge()
        # The tablet's own identity key was stolen; its authenticator was not.
        tablet.send_proved(
            tablet.answer_to(tablets, number),
            proves=lambda _, raw: assertion_of(two[0], raw),
        )
        await until(lambda: "another credential" in caplog.text)
        assert not w.host.verdicts()
        assert card.raw != tablets.raw


@scene
async def test_attack_a_copied_authenticator_is_refused_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "pushmfa")
    async with verifying(tmp_path, authenticator(counter=5)) as w:
        pixel = w.devices[0]
        module, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number))
        assert (await module.verdict())[0] == "approved"
        # The copy was made before, and counts from there.
        assert pixel.authenticator is not None
        pixel.authenticator = replace(pixel.authenticator, counter=5)
        _, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number))
        await until(lambda: "may have been copied" in caplog.text)
        assert [r.levelno for r in caplog.records].count(logging.CRITICAL) == 1
        found = [r for r in w.host.records() if isinstance(r, StateRecord)]
        assert [record.act for record in found] == ["credential"]
        assert found[0].device_id == pixel.keys.device_id
        # One alarm, however often it is tried.
        pixel.authenticator.counter = 3
        pixel.send_proved(pixel.answer_to(card, number))
        await until(lambda: "counter is 4" in caplog.text)
        assert w.host.approvals() == 1
        assert [r.levelno for r in caplog.records].count(logging.CRITICAL) == 1


@scene
async def test_a_counter_is_as_durable_as_its_approval(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with verifying(tmp_path) as w:
        pixel = w.devices[0]
        module, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number))
        assert (await module.verdict())[0] == "approved"
        await w.host.stop()
        await w.host.start()
        assert pixel.authenticator is not None
        pixel.authenticator = replace(pixel.authenticator, counter=0)
        module, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number))
        await until(lambda: "counter is 1 and was 1" in caplog.text)
        assert w.host.approvals() == 1


@scene
async def test_attack_the_disk_keeps_the_approval_but_not_its_counter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with verifying(tmp_path) as w:
        pixel = w.devices[0]

        def fail(*_: object) -> None:
            raise StoreError("the disk fails")

        monkeypatch.setattr("pushmfa.store.host_rows.raise_counters", fail)
        module, number, card = await card_of(w, pixel)
        pixel.send_proved(pixel.answer_to(card, number))
        assert (await module.verdict())[0] == "unavailable"
        assert w.host.verdicts() == []


@scene
async def test_a_wrong_number_counts_too(tmp_path: Path) -> None:
    async with verifying(tmp_path) as w:
        pixel = w.devices[0]
        module, number, card = await card_of(w, pixel)
        wrong = f"{(int(number) + 1) % 90 + 10}"
        pixel.send_proved(pixel.answer_to(card, wrong))
        assert (await module.verdict())[0] == "wrong_number"
        assert w.host.store.load_credentials()[0].counter == 1


@scene
async def test_a_device_that_cannot_verify_may_deny_and_is_not_named(
    tmp_path: Path,
) -> None:
    async with verifying(tmp_path) as w:
        await w.host.stop()
        blank = await blank_of(w)
        await w.host.start()
        module = await w.host.log_in(methods=b"publickey ssh-ed25519 AAAA\n")
        prompt = await module.text("P")
        assert "Pixel 0" in prompt
        assert "Blank" not in prompt
        card = await blank.challenge()
        blank.deny(card)
        assert (await module.verdict())[0] == "denied"
        await blank.stop()


@scene
async def test_where_no_device_can_verify_it_is_said_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    login = LoginSettings(verification_users=("alice",))
    async with world(tmp_path, ("bob", "Phone"), starts=False, login=login) as w:
        blank = await blank_of(w)
        await w.host.start()
        assert "alice is locked out" in caplog.text
        module = await w.host.log_in(methods=b"publickey ssh-ed25519 AAAA\n")
        verdict, text = await module.verdict()
        assert verdict == "not_enrolled"
        assert "none of your devices can verify its holder" in text
        assert await blank.hears_no(Challenge)
        assert w.host.verdicts() == [("not_enrolled", "no_verification")]
        status = await w.host.ask(lambda client: client.status())
        assert not status.healthy
        assert any("1 of the accounts that have devices" in p for p in status.problems)
        assert not any("alice" in problem for problem in status.problems)
        with pytest.raises(RefusedError, match="can verify its holder"):
            await w.host.ask(_enroll)
        # Of others nothing is asked.
        module = await w.host.log_in(user="bob")
        await module.number()
        module.type()
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert card.statement.verification is VerificationRequired.NONE
        await blank.stop()


@scene
async def test_attack_the_only_device_that_can_verify_is_revoked_meanwhile(
    tmp_path: Path,
) -> None:
    async with verifying(tmp_path) as w:
        module, _, _ = await card_of(w, w.devices[0])
        await w.host.ask(lambda c: _revoke(c), uid=0)
        assert (await module.verdict())[0] == "not_enrolled"


def _enroll(client: Client) -> None:
    client.enroll(on_link=lambda _: None, ask_code=lambda _: "")


def _revoke(client: Client) -> None:
    client.revoke_device("Pixel 0", user="alice")


@scene
async def test_proofs_are_verified_where_none_was_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with verifying(tmp_path, login=LoginSettings()) as w:
        pixel = w.devices[0]
        module, number, card = await card_of(w, pixel)
        assert card.statement.verification is VerificationRequired.NONE
        pixel.send_proved(pixel.answer_to(card, number), proves=_wrong(flags=UP))
        await until(lambda: "did not verify its holder" in caplog.text)
        pixel.approve(card, number)
        assert await within(module.verdict()) == ("approved", "")
