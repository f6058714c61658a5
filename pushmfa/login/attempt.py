"""One login attempt: pending, then ended; old value in, new value out.

    pending --close(approved | denied | wrong_number | expired | ...)--> ended

An ended attempt stays as it ended, whatever comes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pushmfa.errors import VerificationError
from pushmfa.login.moment import Moment
from pushmfa.terms import (
    ALWAYS_CLOSED_CAUSES,
    APPROVING_CAUSES,
    AttemptId,
    Cause,
    ChallengeId,
    DeviceId,
    Digest,
    Kind,
    UserName,
    Verdict,
    VerificationRequired,
)


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended; verdict and cause fit each other, or there is no End."""

    verdict: Verdict
    cause: Cause
    device_id: DeviceId | None = None

    def __post_init__(self) -> None:
        """Refuse a pair that makes no sense: a refusal must not look approved."""
        if (self.verdict is Verdict.APPROVED) != (self.cause in APPROVING_CAUSES):
            raise ValueError(f"{self.verdict} because of {self.cause}")
        if (
            self.cause in ALWAYS_CLOSED_CAUSES
            and self.verdict is not Verdict.UNAVAILABLE
        ):
            raise ValueError(f"{self.verdict} because of {self.cause}")

    def is_approved(self) -> bool:
        """Whether the login may go on."""
        return self.verdict is Verdict.APPROVED


@dataclass(frozen=True, slots=True)
class Attempt:
    """One login attempt and the challenge that was sent for it."""

    attempt_id: AttemptId
    challenge_id: ChallengeId
    kind: Kind
    approver: UserName
    approver_uid: int
    number: str
    digests: Mapping[DeviceId, Digest]
    """SHA-256 of the challenge's exact bytes, by the device it was addressed to."""
    verification: VerificationRequired
    grant_offered: int
    started: Moment
    expires: Moment
    end: End | None = None

    def is_pending(self) -> bool:
        """Whether an answer can still end it."""
        return self.end is None

    def is_expired(self, now: Moment) -> bool:
        """Whether its time is up, by the boot clock or by the wall clock."""
        return self.expires.has_come(now)


def attempt_id_of(challenge_id: ChallengeId) -> AttemptId:
    """Return the attempt's name: the first 16 hexadecimal digits of its challenge's id.

    So that the person at the device and the administrator at the log mean the same.
    """
    return AttemptId(challenge_id.hex()[:16])


def close(attempt: Attempt, end: End) -> Attempt:
    """Return attempt with its end, or raise VerificationError if it has one.

    This is the compare-and-set: the caller holds the attempt's lock, and whoever is
    second hears that it was second (attack: two devices, or one answer twice, make
    two logins of one approval).
    """
    if attempt.end is not None:
        raise VerificationError(f"the attempt has ended: {attempt.end.verdict}")
    return replace(attempt, end=end)


def revisit(
    end: End, *, has_device: bool, is_muted: bool, until: Moment, now: Moment
) -> End:
    """Return an approval that still stands when the terminal can hear it, or why not.

    has_device: the device that approved is active still, or none was asked. until:
    when whoever asked stops to wait. Attack: a number is approved, and its Enter is
    kept for later, when the phone has been revoked or the person has muted it.
    """
    if not end.is_approved():
        return end
    # The boot clock alone, which counts a sleep of the machine: the answer was in
    # time by both clocks, and a wall clock that is set since then changes nothing.
    if now.boot >= until.boot:
        return End(Verdict.EXPIRED, Cause.NO_ANSWER)
    if is_muted:
        return End(Verdict.LOCKED, Cause.LOCKED)
    if not has_device:
        return End(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED)
    return end


def expire(attempt: Attempt, now: Moment) -> Attempt:
    """Return attempt, ended as expired if it is pending and its time is up."""
    if attempt.end is None and attempt.is_expired(now):
        return replace(attempt, end=End(Verdict.EXPIRED, Cause.NO_ANSWER))
    return attempt
