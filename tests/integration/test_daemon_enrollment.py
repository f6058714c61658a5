"""Enrollment over control.sock, with the real device's own code at the other end."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.config.model import EnrollSettings, HostConfig, LoginSettings
from pushmfa.daemon import enrollments
from pushmfa.daemon.audit import ActRecord
from pushmfa.device import enrollment
from pushmfa.device.enroller import Wish, enroll
from pushmfa.device.enrollment import Meeting, make_claim, open_commit
from pushmfa.device.keyring import DeviceKeys, Enrollment, Keyring, load_keys, new_keys
from pushmfa.device.link_text import parse_link
from pushmfa.device.links import new_envelope
from pushmfa.errors import (
    ExpiredError,
    NotEnrolledError,
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    StoreError,
    UsageError,
)
from pushmfa.link.dialing import Network
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.terms import Digest, Kind, Role, Verification
from pushmfa.wire import control
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import Challenge, EnrollDevice, EnrollHost, Notice
from tests.fakes.proofs import credential_of
from tests.integration.daemon_caller import calling
from tests.integration.daemon_world import (
    World,
    caller_uid,
    scene,
    until,
    within,
    world,
)
from tests.vectors.authenticator import Authenticator

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
ROOT, ALICE, BOB = 0, 1001, 1002


def _turned(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


class Person:
    """Somebody with a terminal and a new device; types what the device shows."""

    def __init__(
        self, w: World, name: str = "phone", typed: Callable[[str], str] = str
    ) -> None:
        self.keyring = Keyring(w.folder / name)
        self.codes: list[str] = []
        self.link = ""
        self._typed = typed
        self._loop = asyncio.get_running_loop()
        self._shown = asyncio.Event()
        self._code = ""
        self._device: asyncio.Task[Enrollment] | None = None

    def on_link(self, shown: control.EnrollLink) -> None:
        """Give the link to the device; called in the client's thread."""
        self.link = shown.link
        asyncio.run_coroutine_threadsafe(self._start(shown.link), self._loop).result(5)

    async def _start(self, link: str) -> None:
        self._device = asyncio.create_task(
            enroll(
                Wish(parse_link(link), "Nokia"),
                self.keyring,
                show_code=self._show,
                local_host_id=lambda: None,
                network=Network(ca=None, proxy=None),
            )
        )
        # Retrieved here too, for the tests that do not look at the device.
        self._device.add_done_callback(
            lambda task: task.cancelled() or task.exception()
        )

    def _show(self, code: str, host: EnrollHost) -> None:
        self._code = code
        self.codes.append(code)
        self._shown.set()

    def ask_code(self, claimed: control.EnrollClaimed) -> str:
        """Return what is typed; called in the client's thread."""
        assert claimed.label == "Nokia"
        asyncio.run_coroutine_threadsafe(self._shown.wait(), self._loop).result(5)
        return self._typed(self._code)

    async def enrolled(self) -> Enrollment:
        """Return what the device has recorded, or raise what it raised."""
        await until(lambda: self._device is not None)
        assert self._device is not None
        return await within(self._device)

    def call(
        self,
        user: str | None = None,
        ticket: str | None = None,
        label: str | None = None,
    ) -> Callable[[Client], control.Done]:
        """Return the call that enrolls."""
        return lambda client: client.enroll(
            on_link=self.on_link,
            ask_code=self.ask_code,
            user=user,
            ticket=ticket,
            label=label,
        )


async def _ticket(w: World, user: str = "alice") -> str:
    return (await w.host.ask(lambda c: c.make_ticket(user), uid=ROOT)).ticket


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
        ticket = await _ticket(w)
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
        ticket = await _ticket(w)
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
        ticket = await _ticket(w)
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
        await _ticket(w)
        with pytest.raises((NotEnrolledError, RefusedError)):
            await w.host.ask(Person(w).call(ticket=ticket))


@scene
async def test_attack_another_accounts_ticket(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = await _ticket(w, "bob")
        with pytest.raises(RefusedError, match="not valid"):
            await w.host.ask(Person(w).call(ticket=ticket))


@pytest.mark.parametrize(
    ("typed", "said"), [(str, "has a device by now"), (_turned, "used meanwhile")]
)
@scene
async def test_attack_one_ticket_for_two_devices_at_once(
    typed: Callable[[str], str], said: str, tmp_path: Path
) -> None:
    async with world(tmp_path) as w:
        ticket, is_used = await _ticket(w), threading.Event()

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
        ticket = await _ticket(w)
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
            await _ticket(w)
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


# --- six digits -----------------------------------------------------------------------


@scene
async def test_attack_wrong_six_digits(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        person = Person(w, typed=_turned)
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
        ticket = await _ticket(w)
        with pytest.raises(RefusedError):
            await w.host.ask(Person(w, typed=_turned).call(ticket=ticket))
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


class Claimant:
    """A device that claims a link by hand, again and again if it must."""

    def __init__(self, link: str, keys: DeviceKeys | None = None) -> None:
        parsed = parse_link(link)
        self.keys = keys or load_keys(new_keys())
        self.meeting = Meeting.of(parsed.secret)
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.link = Link(
            urls=[parsed.relay],
            role=Role.DEVICE,
            mailboxes=[OpenMailbox(self.meeting.signer, ())],
            on_envelope=self._take,
            acknowledges=False,
        )

    def _take(self, envelope: Envelope | Stored) -> None:
        self.heard.put_nowait(envelope.sealed)

    async def claim(self, label: str, commitment: Digest | None = None) -> Digest:
        """Send a claim and return the commitment, taken from the mailbox or given."""
        if commitment is None:
            commitment = open_commit(self.meeting, await within(self.heard.get()))
        claim = make_claim(
            self.meeting, commitment, self.keys, label=label, has_passphrase=False
        )
        self.send(claim.sealed)
        return commitment

    def send(self, sealed: bytes) -> None:
        """Send anything to the meeting mailbox."""
        mailbox = self.meeting.mailbox
        assert self.link.send(
            new_envelope(sender=mailbox, to=mailbox, lifetime=300, sealed=sealed)
        )


@asynccontextmanager
async def claimant(
    link: str, keys: DeviceKeys | None = None
) -> AsyncIterator[Claimant]:
    it = Claimant(link, keys)
    task = asyncio.create_task(it.link.run())
    try:
        assert await it.link.wait_ready(5)
        yield it
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
