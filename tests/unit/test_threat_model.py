"""Every promise of the threat model names a test that exists."""

import re
from pathlib import Path

from tests.model.variants import ATTACKED, RESIDUAL

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text("utf-8")
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
}


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) > 60
    assert [name for name in named if name not in TESTS] == []


def test_every_promise_names_a_test() -> None:
    promised = PAGE.split("## What is promised")[1].split("## What is not promised")[0]
    rows = [
        line
        for line in promised.splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(rows) > 40
    assert [row for row in rows if "`test_" not in row] == []


def test_every_attack_of_the_models_is_related_to_a_promise() -> None:
    variants = [*ATTACKED, *RESIDUAL]
    words = {word for variant in variants for word in variant.without}
    assert [word for word in sorted(words) if not re.search(rf"\b{word}\b", PAGE)] == []
