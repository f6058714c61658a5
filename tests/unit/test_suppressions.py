"""Every silenced finding names its rule and says why, on its line."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("pushmfa", "tests", "pam_module")
    for pattern in ("*.py", "*.c", "*.h")
    for path in (ROOT / folder).rglob(pattern)
]
SILENCED = re.compile(r"#\s*noqa|#\s*type:\s*ignore|NOLINT")
WITH_REASON = re.compile(
    r"# noqa: [A-Z]+[0-9]+(, [A-Z]+[0-9]+)* +(- )?\w.{3,}"
    r"|# type: ignore\[[a-z-]+(, [a-z-]+)*\] +# \w.{3,}"
    r"|NOLINT(NEXTLINE)?\([a-zA-Z0-9.,*-]+\): *\S.{3,}"
    # Of a block the reason may stand on the lines below.
    r"|NOLINTBEGIN\(|NOLINTEND"
)


def test_every_silenced_finding_says_why() -> None:
    assert len(SOURCES) > 100
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in SOURCES
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if SILENCED.search(line) and not WITH_REASON.search(line)
    ]
    assert bare == []
