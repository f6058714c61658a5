"""The text of a confirm: what a script asks, a person reads and a device signs.

Pure. What is signed must be what was read, and what was read must be what was asked:
so a text that would have to be changed to be shown is refused, not changed.
"""

import unicodedata
from typing import Final

from pushmfa.errors import UsageError
from pushmfa.text import make_harmless

MAX_BYTES: Final = 2_000
"""Of UTF-8, so that it fits into the challenge's text(1-2000) whatever it holds."""

_HINT: Final = "Say on one line what is to be approved, as short as it can be."


def confirm_text(text: str) -> str:
    """Return text as it is asked, shown and signed, or raise UsageError.

    Composed characters take one form (NFC), other spaces become plain ones, and those
    at both ends go: none of it can be seen. Refused is what a display would obey or
    hide. Attack: a line end, an escape or a bidirectional control makes the card look
    like another one.
    """
    plain = unicodedata.normalize("NFC", text)
    plain = "".join(
        " " if unicodedata.category(character) == "Zs" else character
        for character in plain
    ).strip(" ")
    if not plain:
        raise UsageError("the text is empty", hint=_HINT)
    try:
        size = len(plain.encode("utf-8"))
    except UnicodeEncodeError:
        raise UsageError("the text is not valid UTF-8", hint=_HINT) from None
    if size > MAX_BYTES:
        raise UsageError(
            f"the text has {size} bytes; {MAX_BYTES} are the most", hint=_HINT
        )
    for character in plain:
        shown = make_harmless(character)
        if shown != character:
            raise UsageError(
                f"the text holds {shown}, which a display would obey or hide",
                hint=_HINT,
            )
    return plain
