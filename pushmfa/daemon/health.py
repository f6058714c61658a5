"""What is wrong with the state while the daemon runs, and what became right again."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from pushmfa.daemon import trouble
from pushmfa.daemon.trouble import Trouble
from pushmfa.daemon.unwritten import Unwritten
from pushmfa.errors import DamagedError, LostError, StoreError
from pushmfa.store.reserve import RESERVE_SIZE, Reserve

log = logging.getLogger("pushmfa.daemon")

_MEBI: Final = 2**20


class Health:
    """Hears of every error of the store; says what that means for logins.

    A lasting trouble ends the service, a passing one is looked at again with every
    login and goes away by itself.
    """

    def __init__(self) -> None:
        self.found = asyncio.Event()
        """Set with the first lasting trouble."""
        self.lasting: Trouble | None = None
        self.probe: Callable[[], None] = lambda: None
        """Writes something, or raises StoreError."""
        self.copy: Callable[[], None] = lambda: None
        """Writes the automatic copy of the registry, or raises StoreError."""
        self.unwritten = Unwritten()
        self.reserve: Reserve | None = None
        """What is kept for a full disk, once the state is open."""
        self._passing: Trouble | None = None
        self._is_short = False
        self._is_copy_old = False

    # --- what is wrong --------------------------------------------------------------

    def note(self, error: StoreError) -> None:
        """Note an error of the store."""
        found = trouble.of_error(error)
        if found is None:
            return
        if isinstance(error, DamagedError | LostError):
            self.end(found)
        elif self._passing is None:
            self._passing = found
            log.critical("%s. %s", found.what, found.hint)

    def end(self, found: Trouble) -> None:
        """Note a trouble that does not go away by itself; what follows it logs it."""
        if self.lasting is None:
            self.lasting = found
        self.found.set()

    def trouble(self) -> Trouble | None:
        """Return why no login can be taken now, None if all is well."""
        if self.lasting is None and self._passing is not None:
            self._look_again()
        return self.lasting or self._passing

    def known_trouble(self) -> Trouble | None:
        """Return what `trouble` would, without looking again."""
        return self.lasting or self._passing

    def _look_again(self) -> None:
        try:
            self.probe()
        except StoreError:
            return
        self._passing = None
        log.warning("the state can be written again: logins go on")

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong, and what to do, for `pushmfa status`."""
        found = self.trouble()
        lines = [found.line()] if found else []
        shortage = self._shortage()
        if shortage:
            lines.append(shortage)
        if self._is_copy_old:
            lines.append("the automatic copy of the registry could not be written")
        return tuple(lines)

    # --- the reserve ----------------------------------------------------------------

    def refill(self) -> None:
        """Take the reserve back if there is room; called at start and each minute."""
        if self._is_copy_old:
            self.copy_registry()
        reserve = self.reserve
        if reserve is None:
            return
        try:
            reserve.refill()
        except StoreError as error:
            log.warning("the reserve for a full disk cannot be made: %s", error)
            return
        shortage = self._shortage()
        if shortage and not self._is_short:
            log.critical("%s", shortage)
        elif self._is_short and not shortage:
            log.warning("there is room again: the reserve is whole")
        self._is_short = bool(shortage)

    def _shortage(self) -> str:
        """Return what a full disk means and what to do, nothing if there is room."""
        reserve = self.reserve
        try:
            if reserve is None or not reserve.is_short():
                return ""
            left = reserve.left() / _MEBI
        except StoreError:
            # Whoever writes next says what is wrong.
            return ""
        return (
            f"the disk is full or was: {left:.1f} of {RESERVE_SIZE // _MEBI} MiB of the"
            f" reserve are left. Make room on the file system of {reserve.folder}"
        )

    # --- the automatic copy -----------------------------------------------------------

    def copy_registry(self) -> None:
        """Write the automatic copy; if that fails it is tried again in a minute."""
        try:
            self.copy()
        except StoreError as error:
            if not self._is_copy_old:
                log.error("the copy of the registry was not written: %s", error)
            self._is_copy_old = True
            return
        self._is_copy_old = False
