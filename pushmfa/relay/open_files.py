"""How many files a relay may open, and so how many links it has room for."""

import logging
import resource
from contextlib import suppress
from dataclasses import replace
from typing import Final

from pushmfa.relay.limits import RelayLimits
from pushmfa.relay.websocket_server import SPARE

OWN_FILES: Final = 64
"""Open files that are no connections: the state, the listener, what Python needs."""

logger = logging.getLogger(__name__)


def raise_file_limit() -> int | None:
    """Open as many files as the system allows; return how many, None for any."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return None if soft == resource.RLIM_INFINITY else soft


def fit_to_files(
    limits: RelayLimits, files: int | None, visitors: int = 0
) -> RelayLimits:
    """Return limits with no more links than that many open files have room for.

    visitors: connections to the phone app's listener, which have room of their own.
    A relay without room for a connection can say nothing; at its limit it says 503.
    """
    if files is None:
        return limits
    spare = min(SPARE + visitors, files // 2)
    room = max(files - OWN_FILES - spare, 1)
    if limits.max_links <= room:
        return limits
    # The default is a wish; what somebody wrote is an order that cannot be obeyed.
    if limits.max_links != RelayLimits().max_links:
        logger.warning(
            "%d files may be open: at most %d links, not the %d of [limits] max_links;"
            " set LimitNOFILE",
            files,
            room,
            limits.max_links,
        )
    return replace(limits, max_links=room)
