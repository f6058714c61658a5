"""The enrollments that wait, each with what authorized it.

Within `async with waiting` come link, claim and six digits; it ends by itself once the
enrollment is authorized no more. After it `waiting.verify()`, and then, with nothing
awaited in between, the device is added.
"""

import asyncio
from types import TracebackType

from pushmfa.daemon.mutes import Mutes
from pushmfa.daemon.registry import Registry
from pushmfa.errors import RefusedError
from pushmfa.login.authorization import Authorization, ByRoot, verify_authorized
from pushmfa.login.policy import Account


class Offers:
    """All enrollments that wait now; hears of every change of devices and mutes."""

    def __init__(self, registry: Registry, mutes: Mutes) -> None:
        self._registry = registry
        self._mutes = mutes
        self.waiting: set[WaitingOffer] = set()
        # Not told by each command: one that forgets it would leave the thief his link.
        registry.on_change = self._look_again
        mutes.on_mute = self._look_again

    def wait(self, account: Account, authorization: Authorization) -> "WaitingOffer":
        """Return an enrollment that is to wait; RefusedError if it may not."""
        offer = WaitingOffer(self, account, authorization)
        offer.verify()
        return offer

    def verify(self, account: Account, authorization: Authorization) -> None:
        """Return if authorization allows account's enrollment now; RefusedError."""
        verify_authorized(
            authorization,
            self._registry.devices_of(account),
            is_muted=self._mutes.until(account) is not None,
        )

    def end_all_of(self, account: Account) -> None:
        """End all that wait for account, but for what root began."""
        for offer in tuple(self.waiting):
            is_roots = isinstance(offer.authorization, ByRoot)
            if offer.account == account and not is_roots:
                offer.end(
                    RefusedError(
                        "`pushmfa unlock` ended all that waited for this account",
                        hint="Nothing was enrolled. Run `pushmfa enroll` again.",
                    )
                )

    def _look_again(self) -> None:
        for offer in tuple(self.waiting):
            try:
                offer.verify()
            except RefusedError as why:
                offer.end(why)


class WaitingOffer:
    """One enrollment that waits; as a context it raises why it was ended."""

    def __init__(
        self, offers: Offers, account: Account, authorization: Authorization
    ) -> None:
        self._offers = offers
        self.account = account
        self.authorization = authorization
        self.why: RefusedError | None = None
        """Why it is authorized no more."""
        self._timeout = asyncio.timeout(None)

    def verify(self) -> None:
        """Return if it is still authorized; RefusedError, and then for good."""
        # For good. Attack: a mute that is over again when the digits are typed.
        if self.why is None:
            try:
                self._offers.verify(self.account, self.authorization)
            except RefusedError as why:
                self.why = why
        if self.why is not None:
            raise self.why

    def end(self, why: RefusedError) -> None:
        """End it: whoever waits inside hears why, at once."""
        self.why = self.why or why
        self._offers.waiting.discard(self)
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aenter__(self) -> None:
        """Wait from now on; RefusedError."""
        self.verify()
        await self._timeout.__aenter__()
        self._offers.waiting.add(self)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait no more."""
        self._offers.waiting.discard(self)
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as ended:
            if self.why is None:
                raise
            raise self.why from ended
