"""Enrollments at the daemon: by root, by ticket, by another device."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.config.model import EnrollSettings, HostConfig, LoginSettings
from pushmfa.daemon.audit import ActRecord
from pushmfa.device import enrollment
from pushmfa.errors import (
    NotEnrolledError,
    NotPermittedError,
    PushmfaError,
    RefusedError,
    UsageError,
)
from pushmfa.terms import Kind, Verification
from pushmfa.wire import control
from pushmfa.wire.payload import Challenge, EnrollDevice, Notice
from tests.fakes.proofs import credential_of
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    caller_uid,
    scene,
    until,
    within,
    world,
)
from tests.integration.enrollment_person import (
    ALICE,
    PIXEL,
    ROOT,
    Person,
    ticket_of,
    turned,
)
from tests.vectors.authenticator import Authenticator

pytestmark = pytest.mark.integration


# --- the whole of it ------------------------------------------------------------------


@scene
async def test_root_enrolls_beside_the_user(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        person = Person(w)
        w.host.clock.advance(10)
        done = await w.host.ask(person.call("alice", label="Her Nokia"), uid=ROOT)
        recorded = await person.enrolled()
        assert (done.user, done.device.label) == ("alice", "Her Nokia")
        assert recorded.device_id == done.device.device_id
        assert (recorded.user, recorded.uid) == ("alice", ALICE)
        assert recorded.host_id == w.host.keys.host_id
        notice = (await w.devices[0].hear(Notice))[0]
        assert (notice.kind, notice.by) == ("device_enrolled", "root")
        act = w.host.records()[-1]
        assert isinstance(act, ActRecord)
        assert (act.act, act.actor_uid) == ("enroll", ROOT)
        module = await w.host.log_in()
        assert "Pixel or Her Nokia" in await module.text("P")
        await w.host.stop()
        await w.host.start()
        listed = await w.host.ask(lambda client: client.devices())
        assert [d.label for d in listed.devices] == ["Her Nokia", "Pixel"]


def _with_credential(patch: pytest.MonkeyPatch, phone: Authenticator) -> None:
    """Have the device bring a credential, as the app does."""

    def statement(**fields: Any) -> EnrollDevice:
        more = {"capabilities": ("webauthn",), "credential": credential_of(phone)}
        return EnrollDevice(**fields | more)

    patch.setattr(enrollment, "EnrollDevice", statement)


@scene
async def test_a_device_brings_a_credential_for_one_account_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    phone = Authenticator("of the phone", counter=3)
    _with_credential(monkeypatch, phone)
    async with world(tmp_path, PIXEL) as w:
        person = Person(w)
        done = await w.host.ask(person.call("alice"), uid=ROOT)
        await person.enrolled()
        assert done.device.verification is Verification.WEBAUTHN
        row = w.host.store.load_credentials()[0]
        assert (row.device_id, row.counter) == (done.device.device_id, 3)
        await w.host.stop()
        await w.host.start()
        # Attack: the same credential for another account.
        second = Person(w, "second")
        task = asyncio.create_task(w.host.ask(second.call("bob"), uid=ROOT))
        await until(lambda: "known on this host already" in caplog.text)
        assert len(w.host.store.load_credentials()) == 1
        await w.host.stop()
        with pytest.raises(PushmfaError):
            await task
        assert second._device is not None
        second._device.cancel()


@scene
async def test_a_device_that_cannot_verify_is_told_where_that_is_required(
    tmp_path: Path,
) -> None:
    told: list[bool] = []

    async with world(
        tmp_path, PIXEL, login=LoginSettings(verification_users=("alice",))
    ) as w:
        person = Person(w)

        def ask_code(claimed: control.EnrollClaimed) -> str:
            told.append(claimed.can_approve)
            return "000000"

        def call(client: Client) -> control.Done:
            return client.enroll(
                on_link=person.on_link, ask_code=ask_code, user="alice"
            )

        with pytest.raises(PushmfaError):
            await w.host.ask(call, uid=ROOT)
        assert told == [False]
        with pytest.raises(UsageError, match="verify who holds them"):
            await person.enrolled()
        assert len(w.host.store.load_devices()) == 1


@scene
async def test_a_first_device_by_ticket_within_20_minutes_of_the_login(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        ticket = await ticket_of(w)
        module = await w.host.log_in()
        await module.text("P")
        module.type(ticket)
        assert (await module.verdict())[0] == "approved"
        w.host.clock.advance(1_190)
        person = Person(w)
        done = await w.host.ask(person.call(ticket=ticket))
        assert done.device.label == "Nokia"
        await person.enrolled()
        revoked = await w.host.ask(lambda c: c.report_lost("Nokia"))
        assert revoked.device.lost_at is not None
        with pytest.raises(RefusedError, match="not valid"):
            await w.host.ask(Person(w, "second").call(ticket=ticket))


@pytest.mark.parametrize("seconds", [1_201, -1])
@scene
async def test_attack_a_ticket_long_after_the_login_it_admitted(
    seconds: int, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        ticket = await ticket_of(w)
        w.host.clock.advance(60)
        module = await w.host.log_in()
        await module.text("P")
        module.type(ticket)
        await module.verdict()
        w.host.clock.wall += seconds
        with pytest.raises(RefusedError, match="not valid"):
            await w.host.ask(Person(w).call(ticket=ticket))


@scene
async def test_a_ticket_without_a_login_before_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        person = Person(w)
        ticket = await ticket_of(w)
        await w.host.ask(person.call(ticket=ticket))
        await person.enrolled()
        module = await w.host.log_in()
        await module.number()


@pytest.mark.parametrize("ticket", [None, "B-0000-0000-0000-0000", "rubbish"])
@scene
async def test_attack_a_first_device_without_a_ticket(
    ticket: str | None, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        await ticket_of(w)
        with pytest.raises((NotEnrolledError, RefusedError)):
            await w.host.ask(Person(w).call(ticket=ticket))


@scene
async def test_attack_another_accounts_ticket(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = await ticket_of(w, "bob")
        with pytest.raises(RefusedError, match="not valid"):
            await w.host.ask(Person(w).call(ticket=ticket))


@pytest.mark.parametrize(
    ("typed", "said"), [(str, "has a device by now"), (turned, "used meanwhile")]
)
@scene
async def test_attack_one_ticket_for_two_devices_at_once(
    typed: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        ticket, is_used = await ticket_of(w), threading.Event()

        def wait(code: str) -> str:
            assert is_used.wait(10)
            return code

        slow, quick = Person(w, "slow", wait), Person(w, "quick", typed)
        task = asyncio.create_task(w.host.ask(slow.call(ticket=ticket)))
        await until(lambda: bool(slow.codes))
        with suppress(RefusedError):
            await w.host.ask(quick.call(ticket=ticket))
        is_used.set()
        with pytest.raises(RefusedError, match=said) as caught:
            await within(task)
        assert "Nothing was enrolled" in caught.value.hint
        listed = (await w.host.ask(lambda client: client.devices())).devices
        assert len(listed) == int(typed is str)


@scene
async def test_attack_a_ticket_beside_an_active_device(tmp_path: Path) -> None:
    """An account with a device needs its approval; a ticket does not stand for it."""
    async with world(tmp_path, PIXEL) as w:
        ticket = await ticket_of(w)
        caller_uid.append(ALICE)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user=None, label=None, ticket=ticket)
            assert (await caller.hear())["type"] == "number-shown"
            w.devices[0].deny(await w.devices[0].challenge())
            failure = await caller.hear()
            assert (failure["type"], failure["kind"]) == ("failure", "refused")


@scene
async def test_tickets_can_be_turned_off(tmp_path: Path) -> None:
    def config(base: HostConfig) -> HostConfig:
        return replace(base, enroll=EnrollSettings(first_device="root"))

    async with world(tmp_path, config=config) as w:
        with pytest.raises(NotPermittedError, match="turned off"):
            await ticket_of(w)
        with pytest.raises(NotPermittedError, match="by root"):
            await w.host.ask(Person(w).call(ticket="B-0000-0000-0000-0000"))


@scene
async def test_a_second_device_is_approved_on_the_first(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        person, on_number = Person(w), w.host.on_number()
        task = asyncio.create_task(
            w.host.ask(
                lambda client: client.enroll(
                    on_link=person.on_link,
                    ask_code=person.ask_code,
                    on_number=on_number,
                )
            )
        )
        shown = await w.host.shown()
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert card.statement.kind is Kind.ENROLL
        assert not person.link, "no link before the approval"
        w.devices[0].approve(card, shown.number)
        assert (await task).device.label == "Nokia"
        await person.enrolled()
