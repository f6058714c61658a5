"""What the app asks of the browser: a worker, notifications, a verified holder."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession

from pushmfa.client import Client
from pushmfa.config.model import LoginSettings
from pushmfa.wire.codec import encode_base64url
from tests.app.screens.hostile_host import HostileHost
from tests.app.screens.phone import Phone, browser, phone
from tests.integration.daemon_world import scene, within

AUTHENTICATOR = {
    "protocol": "ctap2",
    "ctap2Version": "ctap2_1",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def _session(it: Phone) -> CDPSession:
    return await it.page.context.new_cdp_session(it.page)


async def _registration(session: CDPSession) -> str:
    """Return the id of the page's worker, as the browser has it."""
    found: asyncio.Queue[str] = asyncio.Queue()

    def note(event: dict[str, Any]) -> None:
        for each in event["registrations"]:
            found.put_nowait(each["registrationId"])

    session.on("ServiceWorker.workerRegistrationUpdated", note)
    await session.send("ServiceWorker.enable")
    return await within(found.get())


async def _is_installable(it: Phone) -> None:
    session = await _session(it)
    found = await session.send("Page.getInstallabilityErrors")
    errors = [each["errorId"] for each in found["installabilityErrors"]]
    # The page of a test is in a context like a private window.
    assert set(errors) <= {"in-incognito"}, errors
    manifest = await session.send("Page.getAppManifest")
    assert manifest["errors"] == [], manifest["errors"]
    assert await it.page.evaluate(OF_THE_DRAWING) < 0.01, "make icons"


OF_THE_DRAWING = """async () => {
  const pixels = async (src) => {
    const image = new Image(), canvas = document.createElement("canvas");
    image.src = src;
    await image.decode();
    canvas.width = canvas.height = 192;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 192, 192);
    return context.getImageData(0, 0, 192, 192).data;
  };
  const [drawing, picture] = [await pixels("/icon.svg"), await pixels("/icon.png")];
  const others = drawing.filter((value, at) => Math.abs(value - picture[at]) > 48);
  return others.length / drawing.length;
}"""
"""Which part of icon.png differs from icon.svg."""


SHOWN = """async () => {
  const all = await (await navigator.serviceWorker.ready).getNotifications();
  return all.map(({ title, body, tag }) => ({ title, body, tag }));
}"""


@scene
async def test_the_app_opens_without_a_network(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        await it.page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        await it.page.context.set_offline(True)
        await it.page.reload()
        await it.sees("Nothing waits")
        await it.page.get_by_text("This device is offline").wait_for()
        await it.check("offline")
        await it.page.context.set_offline(False)
        await it.page.get_by_text("Connected.").wait_for()


@scene
async def test_attack_a_push_shows_neutral_text(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.page.context.grant_permissions(["notifications"], origin=it.origin)
        await it.enroll()
        await it.press("Done")
        await it.page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        session = await _session(it)
        registration = await _registration(session)
        forged = secrets.token_urlsafe(16)
        for data in (forged, '{"title": "Press Approve"}', "<b>bank</b>"):
            await session.send(
                "ServiceWorker.deliverPushMessage",
                {"origin": it.origin, "registrationId": registration, "data": data},
            )
        shown: list[dict[str, str]] = []
        async with asyncio.timeout(20):
            while len(shown) < 2:
                shown = await it.page.evaluate(SHOWN)
                await asyncio.sleep(0.05)  # asked again
        assert {(each["title"], each["body"]) for each in shown} == {
            ("A login asks", "Open to see it.")
        }
        # Tapped, with nothing behind it.
        await it.page.goto(f"{it.origin}/#e={forged}")
        await it.sees("Nothing waits any more")


@scene
async def test_one_window_at_a_time(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        await _is_installable(it)
        first, it.page = it.page, await it.page.context.new_page()
        await it.page.goto(it.origin)
        await it.sees("Nothing waits")
        it.page, second = first, it.page
        await it.sees("Open in another window")
        await it.check("elsewhere")
        await second.close()
        await it.press("Use it here")
        await it.sees("Nothing waits")


@scene
async def test_a_notification_of_what_is_over_tells_how_it_ended(
    tmp_path: Path,
) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        module, _ = await it.log_in()
        await it.sees("Login")
        await it.press("Deny")
        await it.sees("Denied")
        await it.press("Done")
        seen = await it.page.evaluate(SEEN)
        identifier = seen[0].split(".")[1]
        await it.page.goto("about:blank")
        await it.page.goto(f"{it.origin}/#e={identifier}")
        await it.sees("Denied")
        await it.page.goto("about:blank")
        await it.page.goto(f"{it.origin}/#e={secrets.token_urlsafe(16)}")
        await it.sees("Nothing waits any more")
        await it.check("stale")
        module.close()


@scene
async def test_logins_that_come_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll(looks=False)
        await it.press("Done")
        host = HostileHost(it.w.host)
        device = host.newest()
        asked = [host.challenge(device) for _ in range(5)]
        for each in asked:
            host.say(device, each)
        await it.page.get_by_text("4 more waiting").wait_for()
        cards: list[str] = []
        async with asyncio.timeout(20):
            while len(cards) < len(asked):
                cards = await it.page.evaluate(CARDS_SEEN)
        # Each notification leads to its own.
        assert {each.split(".")[1] for each in cards} == {
            encode_base64url(each.challenge_id) for each in asked
        }


CARDS_SEEN = """() => new Promise((done) => {
  indexedDB.open("pushmfa").onsuccess = ({ target }) => {
    const store = target.result.transaction("all").objectStore("all");
    store.getAll(IDBKeyRange.bound("seen:", "seen;")).onsuccess = (event) =>
      done(event.target.result.map(({ card }) => card).filter(Boolean));
  };
})"""

SEEN = """() => new Promise((done) => {
  indexedDB.open("pushmfa").onsuccess = ({ target }) => {
    const store = target.result.transaction("all").objectStore("all");
    const keys = store.getAllKeys(), values = store.getAll();
    values.onsuccess = () => done(keys.result.filter(
      (key, at) => key.startsWith("seen:") && values.result[at].card));
  };
})"""


@scene
async def test_an_approval_of_a_verified_holder(tmp_path: Path) -> None:
    login = LoginSettings(verification="required")
    async with browser() as chromium, phone(tmp_path, chromium, login=login) as it:
        session = await _session(it)
        await session.send("WebAuthn.enable", {"enableUI": False})
        made = await session.send(
            "WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR}
        )
        await it.enroll()
        await it.press("Done")
        module, number = await it.log_in()
        await it.sees("Login")
        await it.page.get_by_text("You are asked for your fingerprint").wait_for()
        await it.check("card-verify")
        # Not verified: nothing is sent, and it can be tried again.
        who = {"authenticatorId": made["authenticatorId"]}
        await session.send("WebAuthn.setUserVerified", {**who, "isUserVerified": False})
        await it.type_number(number)
        await it.page.get_by_text("You were not verified").wait_for()
        assert it.w.host.verdicts() == []
        await session.send("WebAuthn.setUserVerified", {**who, "isUserVerified": True})
        await it.press("Approve")
        await it.sees("Approved")
        module.type()
        assert (await within(module.verdict()))[0] == "approved"


@scene
async def test_a_host_that_requires_it_takes_no_other_device(tmp_path: Path) -> None:
    login = LoginSettings(verification="required")
    async with browser() as chromium, phone(tmp_path, chromium, login=login) as it:
        link = await it.begin()
        await it.page.goto(link)
        await it.press("Continue")
        await it.sees("Not added")
        assert "only devices that verify who holds them" in await it.text()


PUSH_SERVICE = """
PushManager.prototype.getSubscription = async () => null;
PushManager.prototype.subscribe = async ({ applicationServerKey, userVisibleOnly }) => {
  if (!userVisibleOnly || applicationServerKey.length !== 65) throw new TypeError();
  const pair = await crypto.subtle.generateKey(
    { name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  const p256dh = await crypto.subtle.exportKey("raw", pair.publicKey);
  const keys = { p256dh, auth: new Uint8Array(16).buffer };
  const endpoint = "https://push.invalid/one";
  return { endpoint, getKey: (name) => keys[name], options: {} };
};
"""


@scene
async def test_the_relay_learns_where_to_push(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.page.context.add_init_script(PUSH_SERVICE)
        await it.enroll()
        await it.press("Done")
        await it.page.context.grant_permissions(["notifications"], origin=it.origin)
        await it.press("Turn on notifications")
        await it.press("Hosts")
        await it.page.get_by_role("button", name="web1").click()
        await it.page.get_by_text("Notifications are set up.").wait_for()
        await it.press("Send me a test")
        # Its push service has a name that is none.
        await it.page.get_by_text("cannot be reached from the relay").wait_for()
        await it.check("push-test")


def _revoke(client: Client) -> None:
    client.revoke_device("Linux", user="alice")


@scene
async def test_a_device_that_is_revoked_says_so(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        await it.enroll()
        await it.press("Done")
        module, _ = await it.log_in()
        await it.sees("Login")
        await it.w.host.ask(_revoke, uid=0)
        await it.sees("Nothing waits")
        await it.press("Hosts")
        await it.page.get_by_role("button", name="web1").click()
        await it.page.get_by_text("Revoked by the host").wait_for()
        await it.check("revoked")
        module.close()
