"""control.sock: what a person or a script asks of an account beside its devices.

A part of `pushmfa.wire.control`, whose unions hold all of it.
"""

from typing import Annotated, Final

import msgspec

from pushmfa.wire.codec import Message
from pushmfa.wire.payload import LongText

MIN_LIFETIME: Final = 10
MAX_LIFETIME: Final = 600
"""Seconds that an attempt may be asked to wait, as `[login] lifetime` allows."""

Account = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Lifetime = Annotated[int, msgspec.Meta(ge=MIN_LIFETIME, le=MAX_LIFETIME)]


class StartConfirm(Message, frozen=True, tag="start-confirm"):
    """Ask for the approval of an action in words; lifetime null is the host's own."""

    user: Account | None
    text: LongText
    lifetime: Lifetime | None
