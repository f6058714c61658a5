"""How many attempts at once; the limits by the hour are a later part of this file."""

from dataclasses import dataclass, replace

from pushmfa.login.attempt import End
from pushmfa.login.moment import Moment
from pushmfa.terms import AttemptId, Cause, Verdict


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """The attempts of one approver that wait now, each with the time that it ends."""

    pending: tuple[tuple[AttemptId, Moment], ...] = ()


@dataclass(frozen=True, slots=True)
class ThrottleFacts:
    """What the decision needs to know of a new attempt."""

    attempt_id: AttemptId
    expires: Moment
    max_pending: int


def decide(
    state: ThrottleState, facts: ThrottleFacts, now: Moment
) -> tuple[ThrottleState, End | None]:
    """Return the new state, and the refusal if there is one.

    Attack: attempts in parallel, to have many numbers up at once or to make the
    person tired. Those whose time is up count no more, even if nobody said so.
    """
    pending = tuple(item for item in state.pending if not item[1].has_come(now))
    state = replace(state, pending=pending)
    if len(pending) >= facts.max_pending:
        return state, End(Verdict.THROTTLED, Cause.LIMIT)
    pending = (*pending, (facts.attempt_id, facts.expires))
    return replace(state, pending=pending), None


def release(state: ThrottleState, attempt_id: AttemptId) -> ThrottleState:
    """Return state without this attempt: it has ended."""
    pending = tuple(item for item in state.pending if item[0] != attempt_id)
    return replace(state, pending=pending)
