"""Makes the test vectors: `python -m tests.vectors.make`, or with `--check`.

Always the same bytes: every key, nonce and ephemeral key is derived from its name.
"""

import difflib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from tests.vectors.answer_file import answer_file
from tests.vectors.assertion_file import assertion_file
from tests.vectors.crypto_files import (
    base64url_file,
    enclosing_file,
    names_file,
    sealing_file,
    signing_file,
)
from tests.vectors.enrollment_file import enrollment_file
from tests.vectors.local_files import module_file, text_file
from tests.vectors.message_files import frames_file, statements_file
from tests.vectors.parties import Fields

FOLDER = Path(__file__).parent
FILES: dict[str, Callable[[], Fields]] = {
    "base64url.json": base64url_file,
    "signing.json": signing_file,
    "names.json": names_file,
    "sealing.json": sealing_file,
    "enclosing.json": enclosing_file,
    "statements.json": statements_file,
    "frames.json": frames_file,
    "enrollment.json": enrollment_file,
    "answer.json": answer_file,
    "assertion.json": assertion_file,
    "module.json": module_file,
    "text.json": text_file,
}
MOST_LINES = 20


def render(content: Fields) -> str:
    """Return content as a file: ASCII, one case after the other."""
    return json.dumps(content, indent=1, ensure_ascii=True) + "\n"


def difference(name: str, text: str) -> list[str]:
    """Return the first lines by which the file on disk is not text."""
    path = FOLDER / name
    present = path.read_text("ascii") if path.exists() else ""
    if present == text:
        return []
    lines = list(
        difflib.unified_diff(
            present.splitlines(),
            text.splitlines(),
            f"{name} (disk)",
            name,
            "",
            "",
            1,
            "",
        )
    )
    more = len(lines) - MOST_LINES
    cut = [line[:160] for line in lines[:MOST_LINES]]
    return cut + ([f"... {more} lines more"] if more > 0 else [])


def main(arguments: list[str]) -> int:
    """Make the files, or check that they are as they would be made."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m tests.vectors.make [--check]\n")
        return 2
    wrong = 0
    for name, make in FILES.items():
        content = make()
        text = render(content)
        count = len(content["cases"])
        if not arguments:
            (FOLDER / name).write_text(text, "ascii")
        differing = difference(name, text)
        wrong += bool(differing)
        state = "DIFFERS" if differing else "ok"
        sys.stdout.write(f"{name}: {count} cases, {state}\n")
        sys.stdout.writelines(f"  {line}\n" for line in differing)
    if wrong:
        sys.stderr.write(f"{wrong} files differ; make them: make vectors\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
