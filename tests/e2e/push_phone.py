"""The phone of the tests with real pushes: Chromium, its profile, and a desktop.

All of it runs on a loop in a thread, since the tests wait for terminals.
"""

import asyncio
import json
import os
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from playwright.async_api import BrowserContext, async_playwright

from tests.app.screens.phone import WATCH, AppPage
from tests.fakes.notifications import Desktop, Shown, desktop

T = TypeVar("T")

CLOCK: Final = """
new MutationObserver((_, watch) => {
  if (!document.querySelector("input.number")) return;
  watch.disconnect();
  requestAnimationFrame(() => {
    const { timeOrigin } = performance, now = performance.now();
    window.__card = [timeOrigin / 1000, (timeOrigin + now) / 1000];
  });
}).observe(document, { childList: true, subtree: true });
"""
"""Notes in a page, in Unix seconds, when it began and its first card was drawn."""

PATIENCE: Final = 60.0
"""Seconds that anything may take: the browser starts on a machine with much to do."""


class PushPhone:
    """Chromium as a phone; a context manager that starts and ends it.

    Its profile outlives `stop` and `start`. Between them, and once the app is closed,
    the only page is a blank one.
    """

    def __init__(self, folder: Path, options: list[str], origin: str) -> None:
        """Keep the profile in folder, which exists; origin: of the app."""
        self._folder = folder
        self._profile = folder / "profile"
        self._options = options
        self._origin = origin
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()
        self._running = AsyncExitStack()
        self._desktop: Desktop | None = None
        self._context: BrowserContext | None = None
        self._app: AppPage | None = None
        self._is_allowed = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._begin())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- the phone -------------------------------------------------------------------

    def start(self) -> None:
        """Start the browser; the app is closed."""
        self._do(self._start())

    def stop(self) -> None:
        """End the browser."""
        self._do(self._running.aclose())

    def allow_notifications(self) -> None:
        """Allow the app's notifications for good, as the browser will ask."""
        self._do(self._allow())

    def close_app(self) -> None:
        """Close the app, and wipe all notifications away."""
        self._do(self._close_app())

    def notification(self) -> Shown:
        """Return the next notification."""
        return self._do(self._desktop_now.shown.get())

    def tap(self, shown: Shown) -> None:
        """Tap on a notification; the app opens, or the page that is there."""
        self._do(self._tap(shown))

    @property
    def notifications(self) -> int:
        """How many are there to be seen."""
        return len(self._desktop_now.open)

    # --- the app ---------------------------------------------------------------------

    def open(self, url: str) -> None:
        """Open the app in a page of its own."""
        self._do(self._open(url))

    def confirm_trust(self) -> str:
        """See `AppPage`."""
        return self._do(self._app_now.confirm_trust())

    def sees(self, title: str) -> None:
        """Wait for the screen."""
        self._do(self._app_now.sees(title))

    def drawn(self) -> tuple[float, float]:
        """Return the Unix seconds when the page began, and drew its first card."""
        waiting = self._app_now.page.wait_for_function("window.__card")
        began, drawn = self._do(self._do(waiting).json_value())
        return began, drawn

    def reads(self, text: str) -> None:
        """Wait until this is to be read somewhere on the screen."""
        self._do(self._app_now.page.get_by_text(text).wait_for())

    def press(self, name: str) -> None:
        """Press a button."""
        self._do(self._app_now.press(name))

    def press_host(self, name: str) -> None:
        """Press the button of a host, which says more than its name."""
        self._do(self._app_now.page.get_by_role("button", name=name).click())

    def unfold(self, text: str) -> None:
        """Tap on what is no button."""
        self._do(self._app_now.page.get_by_text(text, exact=True).click())

    def type_number(self, number: str) -> None:
        """Type the number, and approve."""
        self._do(self._app_now.type_number(number))

    def type_into_number(self, digits: str) -> None:
        """Type digits, and nothing else."""
        field = self._app_now.page.get_by_label("Number from the terminal")
        self._do(field.fill(digits))

    def reload(self) -> None:
        """Load the page again."""
        self._do(self._app_now.page.reload())

    def text(self) -> str:
        """Return all that is to be read."""
        return self._do(self._app_now.text())

    def heard(self) -> str:
        """Return what a screen reader was told last."""
        return self._do(self._app_now.page.locator("#live").inner_text())

    # --- on the loop -----------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        done = asyncio.run_coroutine_threadsafe(
            asyncio.wait_for(work, PATIENCE), self._loop
        )
        return done.result()

    @property
    def _app_now(self) -> AppPage:
        assert self._app is not None, "the app is closed"
        return self._app

    @property
    def _desktop_now(self) -> Desktop:
        assert self._desktop is not None, "the phone is off"
        return self._desktop

    @property
    def _context_now(self) -> BrowserContext:
        assert self._context is not None, "the browser does not run"
        return self._context

    async def _begin(self) -> None:
        self._desktop = await self._stack.enter_async_context(desktop(self._folder))
        self._playwright = await self._stack.enter_async_context(async_playwright())

    async def _end(self) -> None:
        await self._running.aclose()
        await self._stack.aclose()

    async def _start(self) -> None:
        if self._is_allowed:
            self._keep_permission()
        context = await self._playwright.chromium.launch_persistent_context(
            self._profile,
            executable_path="/usr/bin/chromium",
            # Tests run as root in CI; what the browser loads is this repository's.
            args=["--no-sandbox", *self._options],
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": self._desktop_now.address},
            locale="en-US",
            viewport={"width": 390, "height": 844},
        )
        await context.add_init_script(WATCH)
        await context.add_init_script(CLOCK)
        self._context = context

        async def close() -> None:
            self._context = self._app = None
            await context.close()

        self._running.push_async_callback(close)

    async def _allow(self) -> None:
        await self._context_now.grant_permissions(
            ["notifications"], origin=self._origin
        )
        self._is_allowed = True

    def _keep_permission(self) -> None:
        """Write into the profile what a person's answer to the browser leaves there.

        A permission that a test grants ends with the browser.
        """
        file = self._profile / "Default/Preferences"
        preferences = json.loads(file.read_text())
        settings = preferences["profile"].setdefault("content_settings", {})
        exceptions = settings.setdefault("exceptions", {})
        exceptions["notifications"] = {f"{self._origin},*": {"setting": 1}}
        file.write_text(json.dumps(preferences))

    async def _open(self, url: str) -> None:
        page = await self._context_now.new_page()
        self._app = AppPage(page)
        await page.goto(url)

    async def _tap(self, shown: Shown) -> None:
        context = self._context_now
        if self._app is not None:
            self._desktop_now.tap(shown)
            return
        async with context.expect_page(timeout=1000 * PATIENCE) as opened:
            self._desktop_now.tap(shown)
        self._app = AppPage(await opened.value)

    async def _close_app(self) -> None:
        self._desktop_now.forget()
        for page in self._context_now.pages[1:]:
            await page.close()
        self._app = None
