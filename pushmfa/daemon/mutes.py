"""Who is muted until when: rows on disk, the same in memory."""

from collections.abc import Callable, Sequence

from pushmfa.daemon.clock import Clock
from pushmfa.daemon.unwritten import Unwritten
from pushmfa.errors import LimitError
from pushmfa.login.mute import UnlockState, decide_unlock, is_muted, mute_until
from pushmfa.login.policy import Account
from pushmfa.store.host_rows import AuditRow, HostStore


class Mutes:
    """The mutes of all accounts, by name and uid, both."""

    def __init__(
        self, store: HostStore, clock: Clock, unwritten: Unwritten | None = None
    ) -> None:
        self._store = store
        self._unwritten = Unwritten() if unwritten is None else unwritten
        self._clock = clock
        self._until = {(user, uid): until for user, uid, until in store.load_mutes()}
        for key, until in self._unwritten.mutes.items():
            # What an earlier state of this process could not write.
            self._until[key] = max(until, self._until.get(key, until))
        self._unlocks: dict[tuple[str, int], UnlockState] = {}
        self.on_mute: Callable[[], None] = lambda: None
        """Hears at once of every mute."""

    def until(self, account: Account) -> int | None:
        """Return the Unix second at which account's mute ends, None if not muted."""
        until = self._until.get((account.name, account.uid))
        return until if is_muted(until, self._clock.now().wall) else None

    def mute(self, account: Account, seconds: int) -> tuple[int, bool]:
        """Mute account; return when that ends, and whether it is new.

        Raises UsageError, StoreError.
        """
        known = self.until(account)
        until = mute_until(seconds, self._clock.now().wall, known)
        key = (account.name, account.uid)
        if until == known and key not in self._unwritten.mutes:
            return until, False
        # In memory first: it counts at once, also if the disk refuses it.
        self._until[key] = self._unwritten.mutes[key] = until
        self.on_mute()
        self._store.set_mute(*key, until)
        del self._unwritten.mutes[key]
        return until, until != known

    def write_again(self) -> None:
        """Write what the disk refused before; StoreError if it does so again."""
        for key, until in list(self._unwritten.mutes.items()):
            self._store.set_mute(*key, until)
            del self._unwritten.mutes[key]

    def end(self, account: Account, audit: Sequence[AuditRow] = ()) -> bool:
        """End account's mute; return whether there was one. StoreError.

        The rows of the audit are written with it.
        """
        was_muted = self.until(account) is not None
        self._store.end_mute(account.name, account.uid, audit)
        self._until.pop((account.name, account.uid), None)
        self._unwritten.mutes.pop((account.name, account.uid), None)
        return was_muted

    def count_unlock(self, account: Account) -> None:
        """Count a push that asks to end a mute; LimitError if there were too many."""
        if self.until(account) is None:
            return
        key = (account.name, account.uid)
        state = self._unlocks.get(key, UnlockState())
        self._unlocks[key], refusal = decide_unlock(state, self._clock.now())
        if refusal is not None:
            raise LimitError(
                "this mute was asked to end too often in the last hour",
                hint="Wait until it ends, or ask your administrator:"
                f" pushmfa unlock --user {account.name}",
            )
