"""What stands of each approver: attempts that wait, numbers that rest."""

import secrets
from collections.abc import Collection
from enum import Enum
from typing import Final

from pushmfa.daemon.clock import Clock
from pushmfa.login import throttle
from pushmfa.login.attempt import Attempt, End
from pushmfa.login.moment import Moment
from pushmfa.login.numbers import (
    QUARANTINE,
    RestingNumber,
    choose_number,
    first_and_count,
    still_resting,
)
from pushmfa.terms import AttemptId, Cause, Verdict


class Lane(Enum):
    """Where attempts come from; each has its own budget.

    Attack: a process of the user's keeps attempts pending over control.sock, so that
    the user cannot log in any more; or somebody does so over ssh, who proved nothing.
    """

    PAM = "pam"
    STRANGER = "stranger"
    CONTROL = "control"


MAX_RESTING: Final = 45
"""Numbers that may rest when something begins over control.sock; half of those that
two digits give."""


class Standing:
    """By uid of the approver, in memory: a restart ends all attempts anyway."""

    def __init__(self, clock: Clock, *, max_pending: int, digits: int) -> None:
        self._clock = clock
        self._max_pending = {
            Lane.PAM: max_pending,
            Lane.STRANGER: max_pending,
            Lane.CONTROL: 1,
        }
        self._digits = digits
        self._throttles: dict[tuple[int, Lane], throttle.ThrottleState] = {}
        self._resting: dict[int, tuple[RestingNumber, ...]] = {}

    def admit(
        self,
        account: tuple[int, Lane],
        attempt_id: AttemptId,
        expires: Moment,
        shown: Collection[str],
    ) -> str | End:
        """Return the number of a new attempt, or its refusal.

        shown are the numbers of this approver's attempts that wait. If none is left
        to give, the attempt is throttled: an equal number on two screens would let
        an answer to the one approve the other.
        """
        uid, lane = account
        now = self._clock.now()
        state, refusal = throttle.decide(
            self._throttles.get(account, throttle.ThrottleState()),
            throttle.ThrottleFacts(attempt_id, expires, self._max_pending[lane]),
            now,
        )
        if refusal is not None:
            return refusal
        resting = still_resting(self._resting.get(uid, ()), now)
        taken = {rest.number for rest in resting} | set(shown)
        number = choose_number(self._digits, taken, secrets.randbits(128))
        # Attack: somebody begins and leaves until every number rests, or over
        # control.sock, where more digits give more, until disk and relay have had
        # enough. Half of the numbers are for the owner's logins only.
        most = first_and_count(self._digits)[1]
        if lane is Lane.STRANGER:
            most //= 2
        elif lane is Lane.CONTROL:
            most = min(most // 2, MAX_RESTING)
        if number is None or len(taken) >= most:
            return End(Verdict.THROTTLED, Cause.LIMIT)
        self._throttles[account] = state
        return number

    def release(self, attempt: Attempt, lane: Lane) -> None:
        """Note that attempt ended; its number rests unless it was approved."""
        uid, now = attempt.approver_uid, self._clock.now()
        state = self._throttles.pop((uid, lane), throttle.ThrottleState())
        state = throttle.release(state, attempt.attempt_id)
        if state.pending:
            self._throttles[uid, lane] = state
        resting = still_resting(self._resting.pop(uid, ()), now)
        if attempt.end is None or not attempt.end.is_approved():
            rest = RestingNumber(attempt.number, now.boot + QUARANTINE)
            resting = (*resting, rest)
        if resting:
            self._resting[uid] = resting
