"""Texts that somebody else chooses stay texts, wherever the app shows one.

The expected texts come from Python, which escapes by the same vectors as harmless.js.
"""

import asyncio
import hashlib
import json
import re
from itertools import count
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from pushmfa.device.command_text import command_text
from pushmfa.login.devices import Device
from pushmfa.terms import Digest, Kind
from pushmfa.text import make_harmless
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.payload import Challenge, Command, CommandPiece, FirstFactor
from tests.app.screens.hostile_host import (
    HostileHost,
    enrolling_as,
    with_half_of_a_pair,
)
from tests.app.screens.phone import Phone, browser, phone
from tests.integration.daemon_world import accounts, scene

CORPUS = Path(__file__).with_name("outside_texts.json")
TEXTS: list[str] = [
    case["text"] + case.get("end", "") * case.get("times", 0)
    for case in json.loads(CORPUS.read_text("utf-8"))["cases"]
]
KINDS = list(Kind)
HOSTS = len(TEXTS) // 2
"""Each enrollment has two texts: what the host calls itself, and the account."""

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
NARROW = {"width": 320, "height": 568}

HIDDEN = """Object.defineProperty(Document.prototype, "hidden",
  { configurable: true, get: () => window.__isHidden ?? false })"""
"""A headless browser hides no page; only a hidden one shows details."""

READ = r"""() => {
  const all = [...document.querySelectorAll("body *")];
  const values = all.filter((node) => "value" in node).map((node) => `${node.value}`);
  const isolated = /\u2068([^\u2066-\u2069]*)\u2069/g;
  const texts = [document.title, document.body.textContent, ...values]
    .map((text) => text.replaceAll(isolated, "$1"));
  const harmful = /[^\P{C}\n]|[\p{Zl}\p{Zp}\u2800\p{Default_Ignorable_Code_Point}]/u;
  const attributes = all.flatMap((node) => node.getAttributeNames());
  return {
    facts: [...document.querySelectorAll("dt")].map((node) =>
      [node.textContent, node.nextElementSibling.textContent]),
    tags: [...new Set(all.map((node) => node.localName))].sort(),
    nodes: all.length,
    attributes: attributes.filter((name) => /^on|^(href|src|srcdoc|style)$/.test(name)),
    harmful: texts.filter((text) => harmful.test(text)),
    wide: document.documentElement.scrollWidth,
  };
}"""

SHOWN = """async () => {
  const registration = await navigator.serviceWorker.ready;
  const all = await registration.getNotifications();
  const shown = all.map(({ title, body }) => ({ title, body }));
  for (const each of all) each.close();
  return shown;
}"""

OF_THE_APP = set(
    "main p noscript div h1 button nav small dl dt dd b span code progress form input "
    "details summary label".split()
)


def text(at: int, limit: int = 255) -> str:
    """Return one text of the corpus, as long as its field may be."""
    given = TEXTS[at % len(TEXTS)][:limit]
    return given if len(given) > 1 else given + "!"


def safe(given: str, limit: int = 255) -> str:
    """Return what the app shows of a text: it cannot turn what stands beside it."""
    shown = make_harmless(given, limit)
    return f"\u2068{shown}\u2069" if RIGHT_TO_LEFT.search(shown) else shown


async def is_inert(it: Phone) -> dict[str, Any]:
    """Fail if a text became anything else; return what the page has."""
    page: dict[str, Any] = await it.page.evaluate(READ)
    assert set(page["tags"]) <= OF_THE_APP, page["tags"]
    assert page["attributes"] == []
    assert page["harmful"] == []
    assert page["wide"] <= NARROW["width"]
    return page


async def wait_for(it: Phone, shown: str) -> None:
    await it.page.get_by_text(shown, exact=True).wait_for()


# --- enrollment, hosts ---------------------------------------------------------------


async def enroll(it: Phone, at: int) -> None:
    name, user, account = text(2 * at), text(2 * at + 1), f"u{at}"
    accounts[account] = 3000 + at
    with enrolling_as(name, user):
        await it.page.goto(await it.begin(account))
        await it.press("Continue")
        await wait_for(it, "Is this your host?")
    page = await is_inert(it)
    assert dict(page["facts"])["Host"] == safe(name)
    assert dict(page["facts"])["User"] == safe(user)
    await it.press("Yes, go on")
    await it.page.locator(".digits").wait_for()
    await is_inert(it)
    said = await it.page.locator("#app p").last.text_content()
    binds = f"They bind {safe(user, 64)} on {safe(name, 64)} to this device. "
    assert (said or "").startswith(binds)
    await it.type_digits(await it.digits())
    await wait_for(it, "This device is added")
    await is_inert(it)
    added = await it.page.locator("#app p").text_content()
    assert added == f"Logins on {safe(name, 64)} ask here from now on."
    await it.press("Done")


async def look_at_hosts(it: Phone) -> None:
    await it.press("Hosts")
    await wait_for(it, "Show user and host in notifications")
    await is_inert(it)
    rows = it.page.locator("button.link")
    shown = await rows.all_text_contents()
    assert len(shown) == HOSTS
    for at in range(HOSTS):
        name, user = safe(text(2 * at), 64), safe(text(2 * at + 1), 64)
        assert [row for row in shown if row.startswith(f"{name}{user} · ")], name
    await it.check("outside-hosts")
    names = [safe(text(2 * at)) for at in range(HOSTS)]
    for at in range(HOSTS):
        await rows.nth(at).click()
        await wait_for(it, "Name on this device")
        names.remove(dict((await is_inert(it))["facts"])["Host"])
        await it.press("Back")
        await wait_for(it, "Show user and host in notifications")


# --- cards ---------------------------------------------------------------------------


def challenge_of(evil: HostileHost, device: Device, at: int) -> Challenge:
    """Return a challenge that has one text or another wherever one can stand."""
    command = f"sudo\0{text(at + 11)}\0{text(at + 12)}\0".encode()
    is_cut = at % 2 == 0
    return evil.challenge(
        device,
        kind=KINDS[at % len(KINDS)],
        host_name=text(2 * (at % HOSTS) + 1 + at // HOSTS),
        user=text(at),
        approver=text(at + 2),
        requesting_user=text(at + 3),
        service=text(at + 4),
        first_factor=FirstFactor(method="publickey", fingerprint=text(at + 5)),
        tty=text(at + 6),
        remote_address=text(at + 7, 64),
        remote_notes=(text(at + 8), text(at + 9)),
        text=text(at + 10),
        command=Command(
            head=CommandPiece(command),
            tail=CommandPiece(text(at + 13).encode() if is_cut else b""),
            length=30_000 if is_cut else len(command),
            sha256=Digest(hashlib.sha256(command).digest()),
        ),
        risk=("new_address",),
    )


def facts_of(asked: Challenge, name: str) -> dict[str, str]:
    """Return what the card has to say, but for the time."""
    factor, command = asked.first_factor, asked.command
    assert factor
    assert command
    shown = command_text(command)
    cut = [
        f"... {shown.hidden_bytes} bytes are not shown ...",
        shown.tail,
        f"CUT: the whole command has {command.length} bytes.",
    ]
    rows = {
        "Who": [
            f"{safe(asked.user)} (uid {asked.uid})",
            f"Asked for by {safe(asked.requesting_user or '')}",
            f"To be approved by {safe(asked.approver)}",
        ],
        "Where": [
            safe(name, 64),
            f"It now calls itself {safe(asked.host_name)}.",
            "First time: you never answered this host before.",
        ],
        "From": [safe(asked.remote_address or ""), *map(safe, asked.remote_notes)],
        "Command": [shown.head, *(cut if command.tail else [])],
        "Asks": [safe(asked.text or "")],
        "Service": [safe(asked.service)],
        "Before": [f"publickey {safe(factor.fingerprint or '')}"],
        "Terminal": [safe(asked.tty or "")],
        "Unusual": ["new_address"],
    }
    return {row: "\n".join(lines) for row, lines in rows.items()}


def gist_of(asked: Challenge, name: str) -> str:
    address = safe(asked.remote_address or "", 64)
    return f"{safe(asked.user, 64)} · {safe(name, 64)} · {address}"


async def look_at_card(it: Phone, asked: Challenge, name: str) -> int:
    """Fail if the card is another than it must be; return how many nodes it has."""
    page = await is_inert(it)
    facts = dict(page["facts"])
    assert facts.pop("Time").endswith(", by the host's clock")
    assert facts == facts_of(asked, name)
    return int(page["nodes"])


async def play_card(it: Phone, evil: HostileHost, device: Device, at: int) -> int:
    """Let a card come and end; return how many nodes it has."""
    asked, name = challenge_of(evil, device, at), text(2 * (at % HOSTS))
    evil.say(device, asked)
    key = f"{encode_base64url(asked.device_id)}.{encode_base64url(asked.challenge_id)}"
    await it.page.locator(f"[id='number-{key}']").wait_for()
    nodes = await look_at_card(it, asked, name)
    said = await it.page.text_content("#live")
    assert said == f"A login asks: {gist_of(asked, name)}"
    [shown] = await notifications(it, 1)
    assert shown["body"] == gist_of(asked, name)
    assert shown["title"] in KIND_TITLES
    evil.say(device, evil.outcome(asked))
    await wait_for(it, "Answered elsewhere")
    await look_at_card(it, asked, name)
    await it.press("Done")
    await wait_for(it, "Nothing waits")
    return nodes


KIND_TITLES = (
    "Login",
    "Command as another user (sudo)",
    "Become another user (su)",
    "Test",
    "Confirm",
    "Enroll ANOTHER DEVICE",
    "Revoke a device",
    "Let logins through without asking",
    "Unlock",
)


async def notifications(it: Phone, at_least: int) -> list[dict[str, str]]:
    """Return the notifications, when so many are there, and close them."""
    shown: list[dict[str, str]] = []
    async with asyncio.timeout(20):
        while len(shown) < at_least:
            shown += await it.page.evaluate(SHOWN)
    return shown


@scene
async def test_attack_texts_of_others_on_every_screen(tmp_path: Path) -> None:
    async with (
        browser() as chromium,
        phone(tmp_path, chromium, viewport=NARROW) as it,
    ):
        await it.page.context.add_init_script(HIDDEN)
        await it.page.context.grant_permissions(["notifications"], origin=it.origin)
        dialogs: list[str] = []
        it.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        evil = HostileHost(it.w.host)
        devices = []
        for at in range(HOSTS):
            await enroll(it, at)
            devices.append(evil.newest())
        await look_at_hosts(it)
        await it.page.get_by_label("Show user and host in notifications").check()
        await it.press("Requests")

        await it.page.evaluate("window.__isHidden = true")
        nodes = [
            await play_card(it, evil, devices[at % HOSTS], at)
            for at in range(len(TEXTS))
        ]
        # Two more lines where a command is cut; nothing else may differ.
        assert len(set(nodes[::2])) == len(set(nodes[1::2])) == 1, nodes

        await it.press("History")
        await wait_for(it, "Kept on this device only.")
        await is_inert(it)
        rows = await it.page.locator("button.link small").all_text_contents()
        assert len(rows) == len(TEXTS)
        for at, row in zip(count(), reversed(rows)):
            asked = challenge_of(evil, devices[at % HOSTS], at)
            assert f" · {gist_of(asked, text(2 * (at % HOSTS)))} · " in row
        await it.check("outside-history")

        await look_at_notices(it, evil, devices[0])
        assert dialogs == []


async def look_at_notices(it: Phone, evil: HostileHost, device: Device) -> None:
    for at in range(len(TEXTS)):
        evil.say(device, evil.notice(device, text(at, 64), text(at + 1)))
    # One that JSON can say and Unicode cannot is no card, whoever signed it.
    asked = evil.challenge(device)
    evil.say_raw(device, with_half_of_a_pair(asked))
    said = it.page.locator("#live")
    await said.evaluate("(node) => { node.textContent = ''; }")
    evil.say(device, asked)
    # Who is at the history is told; a login that finds nothing on the screen opens.
    await expect(said).not_to_be_empty()
    await it.press("Requests")
    await wait_for(it, "1 login waits")
    evil.say(device, evil.outcome(asked))
    await wait_for(it, "Nothing waits")
    notes = it.page.locator(".note p")
    await notes.nth(len(TEXTS) - 1).wait_for()
    await is_inert(it)
    shown = await notes.all_text_contents()
    for at in range(len(TEXTS)):
        label, by = safe(text(at, 64), 64), safe(text(at + 1), 64)
        told = f"{safe(text(0), 64)}: a device was enrolled: {label}, by {by} ("
        assert [note for note in shown if note.startswith(told)], told
    await it.check("outside-notices")


# --- what stands beside a text -------------------------------------------------------

ORDER = """() => {
  const [{ firstChild: node }] = document.querySelectorAll("button.link small");
  let at = 0;
  return node.data.split(" · ").map((part) => {
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + part.length);
    at += part.length + 3;
    return range.getBoundingClientRect().left;
  });
}"""

UNCLIP = """() => {
  const [sheet] = document.styleSheets;
  const at = [...sheet.cssRules].findIndex((rule) => rule.style?.overflow === "clip");
  sheet.deleteRule(at);
}"""


@scene
async def test_attack_texts_that_reach_beyond_their_place(tmp_path: Path) -> None:
    storm = ("a" + "\u0323" * 15) * 12
    async with browser() as chromium, phone(tmp_path, chromium) as it:
        accounts["u0"] = 3000
        # Without isolates the address would be left of the host, and that of the user.
        with enrolling_as("7", "\u05d0\u05dc\u05d9\u05e1"):
            await it.enroll(user="u0", looks=False)
        await it.press("Done")
        evil = HostileHost(it.w.host)
        device = evil.newest()
        rows: list[bytes] = []
        for user in ("a", storm, storm, "\u05d0\u05dc\u05d9\u05e1"):
            asked = evil.challenge(device, user=user, approver=user)
            evil.say(device, asked)
            await it.sees("Login")
            if len(rows) == 2:
                await it.page.evaluate(UNCLIP)
            rows.append(await it.page.locator("dd").nth(1).screenshot())
            evil.say(device, evil.outcome(asked))
            await it.sees("Answered elsewhere")
            await it.press("Done")
        plain, clipped, painted_over, _ = rows
        assert clipped == plain
        assert painted_over != plain, "the storm is too weak to show anything"
        await it.press("History")
        await it.page.set_viewport_size({"width": 1280, "height": 800})
        places = await it.page.evaluate(ORDER)
        assert places[1:] == sorted(places[1:]), places
