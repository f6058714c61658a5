"""Draws what a program wrote to a terminal, in a tab: its text, and its colors."""

import io
import re
from pathlib import Path

from playwright.sync_api import Page
from rich.console import Console
from rich.text import Text

from pushmfa.text import decode_text

_COLORS = re.compile(r"\x1b\[[0-9;]*m")
_OTHERS = re.compile(
    r"\x1b\[(?![0-9;]*m)[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
"""Bracketed paste and titles."""
_LINE_ENDS = re.compile(r"\r*\n\r*")

_WIDEST = 120
_PAGE = """<!doctype html><meta charset="utf-8"><style>
  body {{ margin: 0; }}
  /* Lines as high as a block of this font, or a QR code gets stripes. */
  pre {{ font: 16px/18px "DejaVu Sans Mono"; display: inline-block; margin: 0;
         padding: 16px 20px; background: #14171c; color: #eceff4; }}
</style><pre>{code}</pre>"""


def draw(page: Page, raw: bytes, file: Path) -> None:
    """Write a picture of raw to file, by page, whose content goes."""
    text = _LINE_ENDS.sub("\n", _OTHERS.sub("", decode_text(raw))).strip()
    left = _COLORS.sub("", text)
    if "\x1b" in left or "\r" in left:
        raise ValueError(f"more than text and colors: {left!r}")
    console = Console(
        record=True, file=io.StringIO(), width=_WIDEST, color_system="truecolor"
    )
    console.print(Text.from_ansi(text), soft_wrap=True)
    code = console.export_html(inline_styles=True, code_format="{code}")
    page.goto("about:blank")  # the app's own page takes no markup from anybody
    page.set_content(_PAGE.format(code=code.rstrip()))
    page.locator("pre").screenshot(path=file)
