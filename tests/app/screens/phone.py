"""The phone app in Debian's Chromium, with a real relay and host in this process."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from pushmfa.client import Client
from pushmfa.config.model import HostConfig, LoginSettings
from pushmfa.relay.settings import RelaySettings, WebSettings
from pushmfa.wire import control
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import World, free_port, within, world

AXE = Path(__file__).parents[1] / "node_modules/axe-core/axe.min.js"
SIZES = ((320, 568), (390, 844), (1280, 800))
PATIENCE = 20_000
"""Milliseconds after which a screen is missing."""

WATCH = """
window.__reports = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.__reports.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

TOO_SMALL = """
[...document.querySelectorAll("button, summary, label.check, input.number")]
  .filter((node) => node.getClientRects().length)
  .filter((node) => node.getBoundingClientRect().height < 44)
  .map((node) => node.textContent)"""
"""What a thumb would miss."""


class AppPage:
    """One page of the app, and what a person does on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def sees(self, title: str) -> None:
        """Wait until the screen has this title."""
        heading = self.page.get_by_role("heading", level=1, name=title, exact=True)
        await expect(heading).to_be_visible(timeout=PATIENCE)

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def type_number(self, number: str) -> None:
        """Type into the number field and approve."""
        await self.page.get_by_label("Number from the terminal").fill(number)
        await self.press("Approve")

    async def text(self) -> str:
        """Return all that is to be read."""
        return await self.page.inner_text("#app")

    async def confirm_trust(self, *, looks: bool = True) -> str:
        """Go through an enrollment by a link; return the digits for the terminal.

        looks: check each screen.
        """
        await self.sees("Add this device")
        assert "#" not in self.page.url, "the secret stays in the address bar"
        if looks:
            await self.check("about")
        await self.press("Continue")
        await self.sees("Is this your host?")
        if looks:
            await self.check("trust")
        await self.press("Yes, go on")
        await self.sees("Type these digits into the terminal")
        if looks:
            await self.check("code")
        return await self.digits()

    async def digits(self) -> str:
        """Return the digits on the screen, for the terminal."""
        shown = await self.page.locator(".digits").inner_text()
        return re.sub(r"\s", "", shown)

    async def check(self, name: str = "") -> None:
        """Fail if axe finds something, or the policy reported something.

        With a name, pictures of the screen are kept where PUSHMFA_SHOTS says.
        """
        folder = os.environ.get("PUSHMFA_SHOTS")
        if name and folder:
            await self._shoot(Path(folder), name)
        await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("axe.run(document)")
        problems = [
            (each["id"], [node["html"] for node in each["nodes"]])
            for each in found["violations"]
        ]
        assert problems == [], problems
        assert await self.page.evaluate("window.__reports") == []
        too_small = await self.page.evaluate(TOO_SMALL)
        assert too_small == [], too_small
        assert self.errors == [], self.errors

    async def _shoot(self, folder: Path, name: str) -> None:
        usual = self.page.viewport_size
        for width, height in SIZES:
            await self.page.set_viewport_size({"width": width, "height": height})
            wide = await self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name}: {wide} pixels wide"
            await self.page.emulate_media(color_scheme="light")
            await self.page.screenshot(path=folder / f"{name}-{width}-light.png")
            await self.page.emulate_media(color_scheme="dark")
            await self.page.screenshot(path=folder / f"{name}-{width}-dark.png")
        await self.page.emulate_media(color_scheme=None)
        if usual:
            await self.page.set_viewport_size(usual)


class Terminal:
    """What a person does at the host."""

    def __init__(self, w: World, origin: str) -> None:
        self.w = w
        self.origin = origin
        self._typed: asyncio.Queue[str] = asyncio.Queue()

    async def log_in(self, **items: str | bytes | int | None) -> tuple[Module, str]:
        """Start a login; return it, and the number that its terminal shows."""
        module = await self.w.host.log_in(**items)
        return module, await within(module.number())

    async def begin(self, user: str = "alice") -> str:
        """Ask for an enrollment of user at the host; return its link."""
        shown: asyncio.Queue[str] = asyncio.Queue()
        self._typed = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def on_link(event: control.EnrollLink) -> None:
            loop.call_soon_threadsafe(shown.put_nowait, event.link)

        def ask_code(_: control.EnrollClaimed) -> str:
            typed = asyncio.run_coroutine_threadsafe(self._typed.get(), loop)
            return typed.result(60)

        def call(client: Client) -> control.Done:
            return client.enroll(on_link=on_link, ask_code=ask_code, user=user)

        self._terminal = asyncio.create_task(self.w.host.ask(call, uid=0))
        # Whoever does not enroll to the end does not look at it.
        self._terminal.add_done_callback(lambda task: task.exception())
        return await within(shown.get())

    async def type_digits(self, digits: str) -> None:
        """Type digits into the terminal, and wait for its end."""
        await self._typed.put(digits)
        await within(asyncio.wait([self._terminal]), 30)


class Phone(AppPage, Terminal):
    """A page of the app, and the host whose device it is."""

    def __init__(self, page: Page, w: World, origin: str) -> None:
        AppPage.__init__(self, page)
        Terminal.__init__(self, w, origin)

    async def enroll(
        self,
        *,
        typed_as: Callable[[str], str] = str,
        ends: str = "This device is added",
        user: str = "alice",
        looks: bool = True,
    ) -> None:
        """Enroll by the link, as far as the screen `ends`."""
        link = await self.begin(user)
        await self.page.goto(link)
        digits = await self.confirm_trust(looks=looks)
        await self.type_digits(typed_as(digits))
        await self.sees(ends)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Give Debian's Chromium, without a window."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            # Tests run as root in CI; what the browser loads is this repository's.
            args=["--no-sandbox"],
        )
        try:
            yield chromium
        finally:
            await chromium.close()


@asynccontextmanager
async def served(
    folder: Path, *, login: LoginSettings | None = None
) -> AsyncIterator[Terminal]:
    """Give a relay that serves the app, and a host without devices."""
    port = free_port()
    origin = f"http://localhost:{port}"

    def of_relay(settings: RelaySettings) -> RelaySettings:
        web = WebSettings(address="127.0.0.1", port=port)
        return replace(settings, web=web, origins=frozenset({origin}))

    def of_host(config: HostConfig) -> HostConfig:
        return replace(config, web_origin=origin)

    async with world(folder, login=login, config=of_host, relay=of_relay) as w:
        yield Terminal(w, origin)


@asynccontextmanager
async def phone(
    folder: Path, chromium: Browser, *, login: LoginSettings | None = None, **looks: Any
) -> AsyncIterator[Phone]:
    """Give the app's page there."""
    async with served(folder, login=login) as at:
        context = await chromium.new_context(
            **{"locale": "en-US", "viewport": {"width": 390, "height": 844}, **looks}
        )
        await context.add_init_script(WATCH)
        try:
            yield Phone(await context.new_page(), at.w, at.origin)
        finally:
            await context.close()
