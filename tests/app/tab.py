"""The phone app in a tab of Debian's Chromium, for programs without an event loop.

with tab() as app:
    terminal.send_line(app.enroll(link))
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

PATIENCE = 20_000
"""Milliseconds after which a screen is missing."""


def _look(_: str) -> None:
    """Nobody wants to see it."""


class Tab:
    """The tab, and what a person does in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE)

    def sees(self, title: str) -> None:
        """Wait until the screen has this title."""
        heading = self.page.get_by_role("heading", level=1, name=title, exact=True)
        expect(heading).to_be_visible(timeout=PATIENCE)

    def press(self, name: str) -> None:
        """Press a button."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def enroll(
        self,
        link: str,
        look: Callable[[str], None] = _look,
        *,
        label: str | None = None,
    ) -> str:
        """Open the link and go on until the app shows six digits; return them.

        look is told the name of each screen. label: of the device, if not the app's.
        """
        self.page.goto(link)
        self.sees("Add this device")
        if label:
            self.page.get_by_label("Name of this device").fill(label)
        look("about")
        self.press("Continue")
        self.sees("Is this your host?")
        look("trust")
        self.press("Yes, go on")
        self.sees("Type these digits into the terminal")
        look("code")
        return re.sub(r"\s", "", self.page.locator(".digits").inner_text())

    def type_number(self, number: str) -> None:
        """Type into the number field and approve."""
        self.page.get_by_label("Number from the terminal").fill(number)
        self.press("Approve")


@contextmanager
def tab(environment: Mapping[str, str] | None = None, **looks: Any) -> Iterator[Tab]:
    """Give a tab as large as a phone.

    environment: more of it for Chromium; looks: options of Playwright's new_context.
    """
    usual = {"locale": "en-US", "viewport": {"width": 390, "height": 844}}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            # Tests run as root; what the browser loads is this repository's.
            args=["--no-sandbox"],
            env={**os.environ, **(environment or {})},
        )
        try:
            yield Tab(chromium.new_context(**usual | looks).new_page())
        finally:
            chromium.close()
