"""The relay as the attacker of a phone: it claims nothing, and takes no card away."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from playwright.async_api import CDPSession

from pushmfa.crypto.signing import Label
from pushmfa.daemon.identity import load_host
from pushmfa.daemon.post import Host
from pushmfa.store.files import make_private_folder
from pushmfa.terms import Cause, Role, Verdict, WakeUp
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import (
    Accepted,
    RefusalReason,
    Refused,
    WakeUpReport,
    WakeUpResult,
)
from pushmfa.wire.payload import Revoked
from tests.app.screens.bad_relay import BadRelay, new_id, taken_over
from tests.app.screens.hostile_host import HostileHost, enrolling_as
from tests.app.screens.phone import Phone, browser, phone
from tests.fakes.hostile_relay import GARBAGE, stored
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import RunningHost, accounts, scene, within

NEUTRAL = {("A login asks", "Open to see it.")}

SHOWN = """async () => {
  const all = await (await navigator.serviceWorker.ready).getNotifications();
  return all.map(({ title, body }) => [title, body]);
}"""


@asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[tuple[Phone, BadRelay]]:
    """Give a phone with one enrollment whose relay is the attacker's."""
    with taken_over() as bad:
        async with browser() as chromium, phone(folder, chromium) as it:
            await it.enroll(looks=False)
            await it.press("Done")
            yield it, bad


def device_of(it: Phone) -> Any:
    return HostileHost(it.w.host).newest()


def host_of_the_attacker(folder: Path) -> Host:
    make_private_folder(folder)
    return load_host(folder, "web1")


async def is_asked(it: Phone) -> None:
    """Fail if the card is not there as it came, with nothing said about its end."""
    await it.sees("Login")
    assert await it.page.get_by_label("Number from the terminal").is_enabled()
    assert "192.0.2.9" in await it.text()
    assert await it.page.get_by_role("alert").inner_text() == ""


async def all_is_read(it: Phone, bad: BadRelay, host: HostileHost) -> None:
    """Return once the phone has read all that was sent to it before.

    Envelopes are opened one beside the other, so that what takes longest is waited for.
    """
    device = host.newest()
    notice = host.notice(device, "the last", "root")
    bad.say(bad.forge(device, it.w.host.keys, notice))
    async with asyncio.timeout(20):
        while not await it.page.evaluate(NOTES):  # noqa: ASYNC110  the page has no event for it
            await asyncio.sleep(0.05)  # asked again
    await it.page.wait_for_timeout(200)


NOTES = """() => new Promise((done) => {
  indexedDB.open("pushmfa").onsuccess = ({ target }) => {
    const asked = target.result.transaction("all").objectStore("all").get("notes");
    asked.onsuccess = () => done((asked.result ?? []).length);
  };
})"""


async def approve(it: Phone, module: Module, number: str) -> None:
    await it.type_number(number)
    await it.sees("Approved")
    module.type()
    assert (await within(module.verdict()))[0] == "approved"
    assert it.errors == []


@scene
async def test_attack_the_relay_says_that_it_was_answered_elsewhere(
    tmp_path: Path,
) -> None:
    async with attacked(tmp_path) as (it, bad):
        device, mine = device_of(it), it.w.host.keys
        evil = host_of_the_attacker(tmp_path / "evil")
        old, _ = await it.log_in()
        await it.sees("Login")
        await it.press("Deny")
        await it.sees("Denied")
        await it.press("Done")
        past = [each for each in bad.sent_by(Role.HOST) if each.to == device.mailbox]
        old.close()

        module, number = await it.log_in()
        await is_asked(it)
        asked = bad.sent_by(Role.HOST)[-1]
        host = HostileHost(it.w.host)
        fake = host.challenge(device, challenge_id=await the_challenge(it))
        ends = [
            (Verdict.APPROVED, Cause.DEVICE),
            (Verdict.APPROVED, Cause.TOTP),
            (Verdict.DENIED, Cause.NOT_ME),
            (Verdict.WRONG_NUMBER, Cause.WRONG_NUMBER),
            (Verdict.CANCELED, Cause.HANGUP),
            (Verdict.EXPIRED, Cause.NO_ANSWER),
            (Verdict.LOCKED, Cause.LOCKED),
        ]
        for verdict, cause in ends:
            for own in (False, True):
                end = host.outcome(
                    fake, verdict=verdict, cause=cause, by_this_device=own
                )
                # Signed by a key of his, in our host's name and in his own; and our
                # host's signature under something else.
                bad.say(bad.forge(device, evil, end, names=mine))
                bad.say(bad.forge(device, evil, end))
                bad.say(bad.forge(device, mine, end, label=Label.NOTICE))
        version, host_id, device_id = 1, mine.host_id, device.device_id
        gone = Revoked(version=version, host_id=host_id, device_id=device_id, at=1)
        bad.say(bad.forge(device, evil, gone, names=mine))
        for letter in past:  # of another attempt
            bad.say(bad.again(letter))
            bad.say(stored(bad.again(letter)))
        for at in (0, 40, -1):
            raw = bytearray(asked.sealed)
            raw[at] ^= 1
            bad.say(bad.again(asked, sealed=Sealed(bytes(raw))))
        bad.say(bad.again(asked, sender=new_id()))
        bad.say(bad.again(asked))
        for reason in RefusalReason:
            bad.say(Refused(id=asked.id, reason=reason))
        bad.say(Accepted(id=asked.id, wakeup=WakeUp.GONE))
        bad.say(WakeUpReport(mailbox=device.mailbox, result=WakeUpResult.GONE))
        await all_is_read(it, bad, host)
        await is_asked(it)
        await approve(it, module, number)


@scene
async def test_attack_the_relay_repeats_a_notice(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        host, device = HostileHost(it.w.host), device_of(it)
        notices = [host.notice(device, f"Pixel {at}", "root") for at in range(8)]
        for each in notices:
            host.say(device, each)
        notes = it.page.locator(".note p").filter(has_text="a device was enrolled")
        # All at once, and none is lost.
        await notes.nth(7).wait_for()
        told = bad.sent_by(Role.HOST)[-8:]
        for _ in range(2):
            for letter in told:
                bad.say(bad.again(letter))
        await it.page.get_by_role("button", name="I have seen it").first.click()
        async with asyncio.timeout(20):
            while await it.page.evaluate(NOTES) != 7:  # noqa: ASYNC110  the page has no event for it
                await asyncio.sleep(0.05)  # asked again
        for letter in told:
            bad.say(bad.again(letter))
        await it.page.reload()
        await it.sees("Nothing waits")
        await it.page.get_by_text("Connected.").wait_for()
        for letter in told:
            bad.say(bad.again(letter))
        asked = host.challenge(device)
        host.say(device, asked)
        await it.sees("Login")
        host.say(device, host.outcome(asked))
        await it.press("Done")
        assert await notes.count() == 7


async def the_challenge(it: Phone) -> Any:
    """Return the id of what waits at the daemon."""
    [live] = it.w.host.daemon._logins._live.values()
    return live.attempt.challenge_id


@scene
async def test_attack_the_relay_takes_a_challenge_back(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        module, number = await it.log_in()
        await is_asked(it)
        asked = bad.sent_by(Role.HOST)[-1]
        identifier = encode_base64url(asked.id)
        to, sender = encode_base64url(asked.to), encode_base64url(asked.sender)
        withdraw = f'{{"type":"withdraw","id":"{identifier}","to":"{to}"'
        for frame in (withdraw + f',"from":"{sender}"}}', *GARBAGE):
            bad.say(frame)
            # The link ends, and is dialed again by itself.
            await it.page.wait_for_timeout(50)
            await is_asked(it)
        await approve(it, module, number)


@scene
async def test_attack_a_relay_takes_the_id_of_a_challenge_first(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        bad.keeps = lambda role, _letter: role is Role.HOST
        module, number = await it.log_in()
        asked = bad.sent_by(Role.HOST)[-1]
        bad.keeps = lambda _role, _letter: False
        bad.say(msgspec.structs.replace(asked, sealed=Sealed(bytes(28))))
        bad.say(asked)  # as the next relay would bring it
        await is_asked(it)
        await approve(it, module, number)


@scene
async def test_attack_the_relay_says_that_it_was_approved(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        device = device_of(it)
        evil = host_of_the_attacker(tmp_path / "evil")
        module, number = await it.log_in()
        await is_asked(it)
        host = HostileHost(it.w.host)
        fake = host.challenge(device, challenge_id=await the_challenge(it))
        bad.keeps = lambda role, _letter: role is Role.DEVICE
        await it.type_number(number)
        await it.sees("Sent")
        for letter in bad.sent_by(Role.DEVICE):
            bad.say(letter)  # its own answer comes back to it
        own = host.outcome(fake, by_this_device=True, press_enter=True)
        bad.say(bad.forge(device, evil, own, names=it.w.host.keys))
        await all_is_read(it, bad, host)
        await it.sees("Sent")
        assert "Waiting for the host." in await it.text()
        assert it.w.host.approvals() == 0
        # A link that breaks has the answer sent again.
        bad.keeps = lambda _role, _letter: False
        bad.say("{}")
        await it.sees("Approved")
        module.type()
        assert (await within(module.verdict()))[0] == "approved"


@scene
async def test_attack_a_host_calls_itself_as_another_does(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        good, device = it.w.host, device_of(it)
        mallory = RunningHost(tmp_path / "mallory", it.w.relay_url, good.config)
        await mallory.start()
        try:
            it.w.host = mallory
            accounts["alice2"] = 2999
            with enrolling_as("mallory", "alice"):
                await it.enroll(user="alice2", looks=False)
            await it.press("Done")
            evil = HostileHost(mallory)
            asked = evil.challenge(evil.newest(), host_name=good.keys.name)
            evil.say(evil.newest(), asked)
            await it.sees("Login")
            rows = await it.page.locator("dd").all_text_contents()
            assert rows[1].startswith("mallory\nIt now calls itself web1."), rows
            said = await it.page.text_content("#live")
            assert said == "A login asks: alice · mallory · 192.0.2.9"

            # In the good host's name and to its enrollment: no card comes of it.
            forged = evil.challenge(
                device, host_id=good.keys.host_id, host_name=good.keys.name
            )
            bad.say(bad.forge(device, mallory.keys, forged, names=good.keys))
            bad.say(bad.forge(device, mallory.keys, forged))
            real = bad.sent_by(Role.HOST)[-1]
            bad.say(bad.again(real, to=device.mailbox))
            bad.say(bad.again(real, to=device.mailbox, sender=good.keys.mailbox))
            await all_is_read(it, bad, evil)
            assert await it.page.get_by_text("more waiting").count() == 0
            evil.say(evil.newest(), evil.outcome(asked))
            await it.sees("Answered elsewhere")
            await it.press("Done")

            it.w.host = good
            module, number = await it.log_in()
            await it.sees("Login")
            assert (await it.page.locator("dd b").all_text_contents())[1] == "web1"
            await approve(it, module, number)
        finally:
            it.w.host = good
            await mallory.stop()


async def pushed(session: CDPSession, it: Phone, data: str) -> None:
    """Have the browser deliver a push, as its push service would."""
    await session.send(
        "ServiceWorker.deliverPushMessage",
        {"origin": it.origin, "registrationId": _registrations[-1], "data": data},
    )


_registrations: list[str] = []


async def listen(it: Phone) -> CDPSession:
    session = await it.page.context.new_cdp_session(it.page)
    found = asyncio.Event()

    def note(event: dict[str, Any]) -> None:
        _registrations.extend(each["registrationId"] for each in event["registrations"])
        found.set()

    session.on("ServiceWorker.workerRegistrationUpdated", note)
    await session.send("ServiceWorker.enable")
    await within(found.wait())
    return session


@scene
async def test_attack_a_storm_of_forged_pushes(tmp_path: Path) -> None:
    async with attacked(tmp_path) as (it, bad):
        await it.page.context.grant_permissions(["notifications"], origin=it.origin)
        await it.page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        session = await listen(it)
        module, number = await it.log_in()
        await is_asked(it)
        asked = bad.sent_by(Role.HOST)[-1]
        own = encode_base64url(asked.id)
        forged = [
            own,
            encode_base64url(secrets.token_bytes(16)),
            encode_base64url(asked.to),  # a mailbox, not an envelope
            encode_base64url(it.w.host.keys.mailbox),
            "",
            "\0\x1b[2J\u202e",
            "x" * 3_000,
            '{"title":"Approved","body":"Nothing to do","data":"#1"}',
            "<b>bank</b>",
            f"{own}\n",
            f"e={own}",
            *(encode_base64url(secrets.token_bytes(16)) for _ in range(40)),
        ]
        for data in forged:
            await pushed(session, it, data)
        shown: list[list[str]] = []
        async with asyncio.timeout(30):
            while len(shown) < 43:
                shown = await it.page.evaluate(SHOWN)
                await asyncio.sleep(0.05)  # asked again
        assert {(title, body) for title, body in shown} == NEUTRAL
        await is_asked(it)
        await approve(it, module, number)
        await it.press("Done")
        # Tapped, with nothing behind it; and the one whose attempt is over.
        await it.page.goto(f"{it.origin}/#e={forged[1]}")
        await it.sees("Nothing waits any more")
        await it.page.goto("about:blank")
        await it.page.goto(f"{it.origin}/#e={own}")
        await it.sees("Approved")
        await it.check()
