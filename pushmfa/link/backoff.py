"""How long to wait before the next try to reach a relay: exponential, full jitter.

docs/protocol.md 3.1. Drawn from the whole range, so that the hosts of a fleet do
not come back to a restarted relay all at once.
"""

from collections.abc import Callable
from typing import Final

BASE_SECONDS: Final = 0.5
MAX_SECONDS: Final = 60.0
STEADY_SECONDS: Final = 30.0
"""A link that held this long was a good one: counting starts again."""

_MAX_EXPONENT: Final = 16
"""Beyond it the limit holds anyway, and 2.0**n would overflow one day."""


def delay_before(number: int, draw: Callable[[], float]) -> float:
    """Return seconds to wait before the number-th try after a link broke, from 1.

    draw returns a number from 0 to 1, like `random.SystemRandom().random`.
    """
    ceiling = min(MAX_SECONDS, BASE_SECONDS * 2.0 ** min(number, _MAX_EXPONENT))
    return draw() * ceiling
