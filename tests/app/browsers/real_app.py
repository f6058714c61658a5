"""The app's own pages in Firefox and WebKitGTK: keys, enrollment, answers.

    python -m tests.app.browsers.real_app

A real relay serves the app, a real daemon asks; neither knows which browser it is.
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.app.browsers.drivers import Driver, firefox, webkit
from tests.app.screens.phone import Terminal, served
from tests.integration.daemon_world import within

PATIENCE = 30.0
"""Seconds after which a screen is missing."""

WATCH = """(window.__reports ??= []) && document.addEventListener(
  "securitypolicyviolation",
  (event) => window.__reports.push(`${event.violatedDirective} ${event.blockedURI}`))"""

BUTTONS = "[...document.querySelectorAll('button')]"

KEYS = """new Promise((done) => {
  indexedDB.open("pushmfa").onsuccess = ({ target }) => {
    const store = target.result.transaction("all").objectStore("all");
    const range = IDBKeyRange.bound("key:", "key;");
    const names = store.getAllKeys(range), pairs = store.getAll(range);
    pairs.onsuccess = async () => done(await Promise.all(pairs.result.map(
      async ({ privateKey: key }, at) => ({
        name: names.result[at].split(":").at(-1),
        algorithm: key.algorithm.name,
        isSecret: key.type === "private" && !key.extractable,
        leaks: await crypto.subtle.exportKey("pkcs8", key)
          .then(() => true, () => false),
      }))));
  };
})"""

ABOUT = """(async () => ({
  agent: navigator.userAgent,
  push: document.querySelector(".note p")?.textContent ?? "",
  worker: Boolean(await navigator.serviceWorker?.getRegistration()),
  isKept: await navigator.storage?.persisted?.(),
  verifies: "PublicKeyCredential" in globalThis,
}))()"""


class Page:
    """The app in a browser, and what a person does on it."""

    def __init__(self, driver: Driver, at: Terminal) -> None:
        self._driver = driver
        self.at = at
        self.ask = driver.ask

    async def go(self, url: str) -> None:
        await self._driver.go(url)
        await self.ask(WATCH + ", 1")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self.ask(f"Boolean({expression})"):  # noqa: ASYNC110  a page has no event for it
                    await asyncio.sleep(0.1)  # asked again, as a person looks again
        except TimeoutError:
            shown = await self.ask("document.body.innerText")
            raise AssertionError(f"{expression}: the screen shows {shown!r}") from None

    async def sees(self, title: str) -> None:
        await self.until(f"document.querySelector('h1')?.textContent === {title!r}")

    async def press(self, name: str) -> None:
        found = f"{BUTTONS}.find((one) => one.textContent === {name!r})"
        await self.until(f"{found} && !{found}.disabled")
        await self.ask(f"({found}.click(), 1)")

    async def enroll(self) -> None:
        await self.go(await self.at.begin())
        await self.sees("Add this device")
        await self.press("Continue")
        await self.sees("Is this your host?")
        assert "web1" in await self.ask("document.querySelector('dl').innerText")
        await self.press("Yes, go on")
        await self.sees("Type these digits into the terminal")
        digits = await self.ask("document.querySelector('.digits').textContent")
        await self.at.type_digits(digits.replace(" ", ""))
        await self.sees("This device is added")
        await self.press("Done")
        await self.sees("Nothing waits")

    async def answer(self, button: str, *, wrong: bool = False) -> str:
        """Answer a login; return its verdict."""
        module, number = await self.at.log_in()
        await self.sees("Login")
        if button == "Approve":
            typed = number if not wrong else str(10 + (int(number) - 9) % 90)
            await self.ask(f"(document.querySelector('.number').value = {typed!r}, 1)")
        await self.press(button)
        if button == "Approve" and not wrong:
            await self.sees("Approved")
            module.type()
        verdict, _ = await within(module.verdict(), 30)
        await self.sees(
            {"approved": "Approved", "denied": "Denied"}.get(verdict, "Wrong number")
        )
        await self.press("Done")
        await self.sees("Nothing waits")
        return verdict

    async def is_clean(self) -> bool:
        """Say whether the policy reported nothing on this page."""
        return bool(await self.ask("window.__reports.length") == 0)


Open = Callable[[Path], AbstractAsyncContextManager[Driver]]


@asynccontextmanager
async def page_of(open_: Open, profile: Path, at: Terminal) -> AsyncIterator[Page]:
    async with open_(profile) as driver:
        yield Page(driver, at)


async def play(open_: Open, *, keeps: bool) -> AsyncIterator[str]:
    """Give a line for each thing that works; keeps: the browser has a profile."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        profile = base / "profile"
        profile.mkdir()
        async with served(base / "world") as at:
            async with page_of(open_, profile, at) as page:
                await page.enroll()
                yield "enrolled by the link, six digits typed"
                yield _told(await page.ask(KEYS))
                for verdict in await _answers(page):
                    yield verdict
                await page.go(at.origin)
                await page.sees("Nothing waits")
                await page.until("document.body.innerText.includes('Connected.')")
                yield f"after a reload: {await page.answer('Approve')}"
                assert await page.is_clean()
                yield f"no report of the policy; {await page.ask(ABOUT)}"
            if keeps:
                async with page_of(open_, profile, at) as page:
                    await page.go(at.origin)
                    await page.sees("Nothing waits")
                    yield f"after a restart: {await page.answer('Approve')}"


async def _answers(page: Page) -> list[str]:
    lines = []
    for button, wrong, expected in (
        ("Approve", False, "approved"),
        ("Deny", False, "denied"),
        ("Approve", True, "wrong_number"),
        ("Deny: it was not me", False, "denied"),
    ):
        verdict = await page.answer(button, wrong=wrong)
        assert verdict == expected, verdict
        lines.append(f"{button}{', a wrong number' if wrong else ''}: {verdict}")
    return lines


def _told(keys: list[dict[str, Any]]) -> str:
    assert sorted(key["name"] for key in keys) == ["identity", "relay", "sealing"]
    assert all(key["isSecret"] and not key["leaks"] for key in keys)
    kinds = ", ".join(f"{key['name']} {key['algorithm']}" for key in keys)
    return f"keys in IndexedDB, none can be exported: {kinds}"


BROWSERS: dict[str, tuple[Open, bool]] = {
    "firefox-esr": (firefox, True),
    "WebKitWebDriver": (webkit, False),
}


async def main() -> None:
    """Print what works in each; what does not is raised."""
    for program, (open_, keeps) in BROWSERS.items():
        async for line in play(open_, keeps=keeps):
            sys.stdout.write(f"{program}: {line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
