"""The link of an enrollment, its claims, and the six digits."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pushmfa.client import Client
from pushmfa.daemon import enrollments
from pushmfa.daemon.audit import ActRecord
from pushmfa.device.enrollment import make_claim, open_commit
from pushmfa.device.keyring import load_keys, new_keys
from pushmfa.errors import (
    ExpiredError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    StoreError,
)
from pushmfa.wire import control
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    caller_uid,
    scene,
    until,
    within,
    world,
)
from tests.integration.enrollment_person import (
    PIXEL,
    ROOT,
    Person,
    claimant,
    ticket_of,
    turned,
)

pytestmark = pytest.mark.integration


# --- six digits -----------------------------------------------------------------------


@scene
async def test_attack_wrong_six_digits(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        person = Person(w, typed=turned)
        with pytest.raises(RefusedError, match="six digits"):
            await w.host.ask(person.call("alice"), uid=ROOT)
        with pytest.raises(RefusedError):
            await person.enrolled()
        assert person.keyring.load_all() == [], "the device forgot its keys"
        listed = await w.host.ask(lambda client: client.devices())
        assert [d.label for d in listed.devices] == ["Pixel"]
        act = w.host.records()[-1]
        assert isinstance(act, ActRecord)
        assert "wrong six digits" in act.act


@scene
async def test_a_ticket_is_used_up_by_wrong_digits(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = await ticket_of(w)
        with pytest.raises(RefusedError):
            await w.host.ask(Person(w, typed=turned).call(ticket=ticket))
        with pytest.raises(RefusedError, match="not valid"):
            await w.host.ask(Person(w, "other").call(ticket=ticket))


@scene
async def test_the_six_digits_are_in_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with world(tmp_path) as w:
        person = Person(w, typed=lambda code: f"{code[:3]} {code[3:]}")
        await w.host.ask(person.call("alice"), uid=ROOT)
        await person.enrolled()
        secret = person.link.partition("#1")[2][:22]
        assert person.codes[0] not in caplog.text
        assert secret not in caplog.text


# --- the link -------------------------------------------------------------------------


@scene
async def test_attack_second_claim_of_a_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The link was photographed: who is second is not looked at, and is in the log."""
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            link = (await caller.hear())["link"]
            async with claimant(link) as first:
                commitment = await first.claim("Mine")
                assert (await caller.hear())["label"] == "Mine"
                async with claimant(link) as second:
                    await second.claim("Thief", commitment)
                    await until(lambda: "used already" in caplog.text)
                caller.send("enroll-code", code="000000")
                reply = await caller.hear()
        assert reply["type"] in {"failure", "done"}
        assert all(device.label != "Thief" for device in w.host.store.load_devices())


@scene
async def test_attack_claims_that_are_none_do_not_burn_the_link(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        person = Person(w)
        caller_uid.append(ROOT)
        real = person.on_link

        def on_link(shown: control.EnrollLink) -> None:
            loop = person._loop
            asyncio.run_coroutine_threadsafe(_rubbish(shown.link), loop).result(5)
            real(shown)

        person.on_link = on_link  # type: ignore[method-assign]  # the test stands in between
        done = await w.host.ask(person.call("alice"), uid=ROOT)
        assert done.device.label == "Nokia"
        await person.enrolled()
        assert caplog.text.count("a claim of an enrollment link was refused") == 3


async def _rubbish(link: str) -> None:
    async with claimant(link) as it:
        sealed = await within(it.heard.get())
        claim = make_claim(
            it.meeting,
            open_commit(it.meeting, sealed),
            it.keys,
            label="x",
            has_passphrase=False,
        )
        it.send(b"x" * 200)
        it.send(claim.sealed[:-1] + bytes([claim.sealed[-1] ^ 1]))
        it.send(sealed)
        await it.link.flush(1)
        await asyncio.sleep(0.1)


@scene
async def test_attack_a_key_that_the_host_knows_already(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One device key under two accounts; also of a device that was revoked."""
    async with world(tmp_path, PIXEL) as w:
        await w.host.ask(lambda c: c.revoke_device("Pixel", "alice"), uid=ROOT)
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="bob", label=None, ticket=None)
            link = (await caller.hear())["link"]
            async with claimant(link, w.devices[0].keys) as it:
                await it.claim("x")
                await until(lambda: "known on this host" in caplog.text)


@scene
async def test_attack_a_claim_of_the_hosts_own_mailbox(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="bob", label=None, ticket=None)
            link = (await caller.hear())["link"]
            keys = replace(load_keys(new_keys()), relay=w.host.keys.relay_signer)
            async with claimant(link, keys) as it:
                await it.claim("x")
                await until(lambda: "known on this host" in caplog.text)


@scene
async def test_a_link_that_nobody_takes_expires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrollments, "OFFER_LIFETIME", 1)
    async with world(tmp_path) as w:
        with pytest.raises(ExpiredError, match="in time"):
            await w.host.ask(
                lambda client: client.enroll(
                    on_link=lambda _: None, ask_code=lambda _: "", user="alice"
                ),
                uid=ROOT,
            )


@scene
async def test_an_expired_link_takes_no_claim(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            link = (await caller.hear())["link"]
            w.host.clock.advance(301)
            async with claimant(link) as it:
                await it.claim("x")
                await until(lambda: "has expired" in caplog.text)


@scene
async def test_digits_that_come_too_late_enroll_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        person = Person(w)

        def late(code: str) -> str:
            w.host.clock.advance(301)
            return code

        person._typed = late
        with pytest.raises(ExpiredError):
            await w.host.ask(person.call("alice"), uid=ROOT)
        with pytest.raises(ExpiredError):
            await person.enrolled()
        assert not w.host.store.load_devices()


@scene
async def test_digits_that_never_come_end_the_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrollments.Offer, "lifetime", 1)
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            link = (await caller.hear())["link"]
            async with claimant(link) as it:
                await it.claim("x")
                assert (await caller.hear())["type"] == "enroll-claimed"
                failure = await caller.hear()
                assert (failure["type"], failure["kind"]) == ("failure", "expired")


@scene
async def test_closing_the_connection_cancels_and_the_device_is_told(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        person = Person(w)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            await person._start((await caller.hear())["link"])
            assert (await caller.hear())["type"] == "enroll-claimed"
            await within(person._shown.wait())
        with pytest.raises(RefusedError, match="canceled"):
            await person.enrolled()
        assert not w.host.store.load_devices()


@scene
async def test_only_the_digits_can_come_after_the_claim(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        caller_uid.append(ROOT)
        person = Person(w)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            await person._start((await caller.hear())["link"])
            await caller.hear()
            caller.send("make-ticket", user="alice")
            failure = await caller.hear()
            assert (failure["type"], failure["kind"]) == ("failure", "usage")
        with pytest.raises(RefusedError, match="canceled"):
            await person.enrolled()


@scene
async def test_a_device_that_cannot_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as w:
        person = Person(w)

        def fail(*_: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(w.host.store, "add_device", fail)
        with pytest.raises(PushmfaError, match="disk is full"):
            await w.host.ask(person.call("alice"), uid=ROOT)
        with pytest.raises(RefusedError, match="canceled"):
            await person.enrolled()
        module = await w.host.log_in()
        assert (await module.verdict())[0] == "not_enrolled"


@scene
async def test_without_a_relay_there_is_no_link_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrollments, "READY_DEADLINE", 0.2)
    async with world(tmp_path, has_relay=False) as w:
        before = len(asyncio.all_tasks())
        with pytest.raises(NotReachableError):
            await w.host.ask(Person(w).call("alice"), uid=ROOT)
        monkeypatch.setattr(enrollments, "READY_DEADLINE", 10)
        caller_uid.append(ROOT)
        async with calling(w.host.run) as caller:
            caller.send("enroll", user="alice", label=None, ticket=None)
            await asyncio.sleep(0.1)
        # Who left did not leave a link behind that dials for ever.
        await until(lambda: len(asyncio.all_tasks()) <= before, 2)


@scene
async def test_every_device_that_ever_was_stays_on_record(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        started = int(time.time())
        person = Person(w)
        done = await w.host.ask(person.call("alice"), uid=ROOT)
        await person.enrolled()
        call: Callable[[Client], control.Done] = lambda c: c.revoke_device(  # noqa: E731  typed by its annotation
            "Nokia", "alice"
        )
        await w.host.ask(call, uid=ROOT)
        events = w.host.store.load_events(done.device.device_id)
        assert [(e.event, e.actor_uid) for e in events] == [
            ("enrolled", ROOT),
            ("revoked", ROOT),
        ]
        assert all(event.at >= started for event in events)
        path = w.host.state / "pushmfa.db"
        await w.host.stop()
        database = sqlite3.connect(path)
        try:
            for statement in (
                "DELETE FROM device_events",
                "UPDATE device_events SET actor_uid = 1",
            ):
                with pytest.raises(sqlite3.IntegrityError, match="only grow"):
                    database.execute(statement)
        finally:
            database.close()
