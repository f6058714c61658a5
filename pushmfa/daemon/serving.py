"""Serves logins as long as the state is in order, and the reason why not otherwise."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from pushmfa.daemon.health import Health
from pushmfa.daemon.identity import FILE_NAME, load_host
from pushmfa.daemon.post import Host
from pushmfa.daemon.refusing import Refusing
from pushmfa.daemon.sockets import Listeners
from pushmfa.daemon.state import (
    Place,
    State,
    locked,
    mark_damaged,
    open_state,
)
from pushmfa.daemon.trouble import Trouble, TroubleError, of_error
from pushmfa.daemon.unwritten import Unwritten
from pushmfa.errors import PushmfaError, UnwritableError, UsageError

Run = Callable[[State, Health], Awaitable[None]]
"""Serves logins with a state until it is told to stop, or until the health's end."""


async def serve(
    find_place: Callable[[], Place],
    listeners: Listeners,
    stop: asyncio.Event,
    run: Run,
) -> None:
    """Serve until stop is set; find_place is asked before each look at the state.

    StoreError for a state that others may read, or of a newer release; UsageError if
    somebody else uses it.
    """
    unwritten = Unwritten()
    while not stop.is_set():
        found = await _serve_state(find_place(), run, unwritten)
        if found is not None:
            told = found if not unwritten.count() else _with_unwritten(found)
            await _refuse(find_place, listeners, stop, found, told)


async def _serve_state(place: Place, run: Run, unwritten: Unwritten) -> Trouble | None:
    """Serve logins; return why no login can be taken, None after the stop."""
    health = Health()
    health.unwritten = unwritten
    try:
        with locked(place.folder):
            state = open_state(place, health)
            try:
                await run(state, health)
            finally:
                state.store.close()
        found = health.lasting
    except TroubleError as error:
        found = error.trouble
    except UnwritableError as error:
        found = of_error(error)
    if found is not None and found.damage:
        mark_damaged(place.folder, found.damage)
    return found


async def _refuse(
    find_place: Callable[[], Place],
    listeners: Listeners,
    stop: asyncio.Event,
    found: Trouble,
    told: Trouble,
) -> None:
    """Say what is told until what was found is over, or something else is wrong."""
    # Without the lock: `pushmfa host` can set it right meanwhile.
    refusing = Refusing(
        listeners,
        told,
        lambda: not _is_still(found, find_place()),
        _keys_of(find_place()),
    )
    await refusing.serve(stop)


def _with_unwritten(found: Trouble) -> Trouble:
    """Return found with the warning not to end the process that remembers more."""
    warning = (
        "Leave the daemon running: a device that was revoked or reported lost,"
        " or an account that was muted, is so in its memory only."
    )
    return replace(found, hint=f"{found.hint} {warning}")


def _is_still(found: Trouble, place: Place) -> bool:
    """Whether the state is in the same trouble as before."""
    try:
        with locked(place.folder, patience=0):
            open_state(place, Health()).store.close()
    except TroubleError as error:
        return error.trouble == found
    except UnwritableError as error:
        return of_error(error) == found
    except UsageError:
        # Somebody is setting it right just now, and may think about a question.
        return True
    except PushmfaError:
        return False
    return False


def _keys_of(place: Place) -> Host | None:
    with suppress(PushmfaError):
        if (place.folder / FILE_NAME).exists():
            return load_host(place.folder, place.name)
    return None
