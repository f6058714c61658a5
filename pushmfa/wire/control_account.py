"""control.sock: what a person or a script asks of an account beside its devices.

A part of `pushmfa.wire.control`, whose unions hold all of it.
"""

from typing import Annotated, Final

import msgspec

from pushmfa.wire.codec import Message
from pushmfa.wire.fields import LongText, UnixTime

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


class Mute(Message, frozen=True, tag="mute"):
    """Ask user's devices for nothing, for so many seconds."""

    user: Account | None
    seconds: int


class Unlock(Message, frozen=True, tag="unlock"):
    """End user's mute, and the attempts that wait."""

    user: Account | None


class Muted(Message, frozen=True, tag="muted"):
    """The account is muted; `ended` attempts waited and were ended."""

    user: Account
    until: UnixTime
    ended: int


class Unlocked(Message, frozen=True, tag="unlocked"):
    """The account is not muted any more; `ended` attempts waited and were ended."""

    user: Account
    was_muted: bool
    ended: int
