"""The pictures of the README: each is there, is shown, and is small."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 61_440
"""Bytes; they are in every clone, for ever."""

SHOWN = re.compile(r'<img src="([^"]+)" width="[^"]+" alt="[^"]{10,}">')


def test_every_picture_is_shown_and_small() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = SHOWN.findall(readme)
    assert readme.count("<img ") == len(shown)
    assert len(shown) == len(set(shown))
    kept = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/images/*")}
    assert set(shown) == kept
    for name in shown:
        assert (ROOT / name).read_bytes().startswith(b"\x89PNG\r\n")
        assert (ROOT / name).stat().st_size < MOST, name
