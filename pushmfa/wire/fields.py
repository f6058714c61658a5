"""Kinds of fields that messages of several boundaries have.

By themselves, so that the command line does without the statements of host and device.
"""

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(max_length=500)]
ShortText = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
LongText = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
UnixTime = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
