"""An attempt under every sequence of answers, ends and jumps of the clocks."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pushmfa.errors import PushmfaError, VerificationError
from pushmfa.login.attempt import Attempt, End, close, expire
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.verdict import Opened, judge, verify_answer, verify_fields
from pushmfa.terms import (
    Cause,
    ChallengeId,
    Decision,
    DenialReason,
    DeviceId,
    Digest,
    HostId,
    UserName,
    Verdict,
    Verification,
)
from pushmfa.wire.payload import Answer
from tests.unit.test_login_verdict import NUMBER, START, Login, device_of, keys_of
from tests.vectors.parties import HOST, PHONE, TABLET

LOGIN = Login(fields={"verification": "required", "grant_offered": 300})
KEYS = keys_of(HOST)
FIRST = LOGIN.attempt()
DEVICES = {party.id: device_of(party) for party in (PHONE, TABLET)}
ELSEWHERE = [Verdict.CANCELED, Verdict.EXPIRED, Verdict.UNAVAILABLE]
CAUSES = {
    Verdict.CANCELED: Cause.HANGUP,
    Verdict.EXPIRED: Cause.NO_ANSWER,
    Verdict.UNAVAILABLE: Cause.INTERNAL,
}
# What may be wrong with an answer, one or more of them.
WRONG: dict[str, st.SearchStrategy[Any]] = {
    "number": st.sampled_from(["43", "24", "042", "00000042"]),
    "host_id": st.just(HostId(bytes(32))),
    "device_id": st.just(DeviceId(bytes(32))),
    "challenge_id": st.just(ChallengeId(bytes(32))),
    "challenge_sha256": st.just(Digest(bytes(32))),
    "approver": st.just("bob"),
    "verification": st.just(Verification.NONE),
    "grant": st.integers(301, 43_200),
}


def answer_of(device: Device, attempt: Attempt, changes: dict[str, Any]) -> Answer:
    right: dict[str, Any] = {
        "version": 1,
        "challenge_id": attempt.challenge_id,
        "challenge_sha256": attempt.digests[device.device_id],
        "host_id": HostId(HOST.id),
        "device_id": device.device_id,
        "approver": "alice",
        "decision": Decision.APPROVAL,
        "reason": None,
        "number": NUMBER,
        "verification": Verification.PASSPHRASE,
        "grant": 0,
        "counter": 0,
        "device_time": 0,
        "epoch": 0,
    }
    return Answer(**right | changes)


class _AttemptMachine(RuleBasedStateMachine):
    """The attempt, and what a careful reader of the protocol would expect of it."""

    def __init__(self) -> None:
        super().__init__()
        self.attempt = FIRST
        self.now = START
        self.end: End | None = None
        self.verdicts = 0

    def is_in_time(self) -> bool:
        over = START.after(60)
        return self.now.boot < over.boot and self.now.wall < over.wall

    def receive(self, device: Device, changes: dict[str, Any]) -> bool:
        answer = answer_of(device, self.attempt, changes)
        try:
            verify_fields(answer)
            pending = verify_answer(
                Opened(answer, b""), self.attempt, device, KEYS, self.now
            )
            self.attempt = close(pending, judge(answer, pending, device))
        except PushmfaError:
            return False
        self.verdicts += 1
        return True

    @rule(
        boot=st.floats(0, 40), jump=st.sampled_from([0.0, 0.0, 0.0, -3_600.0, 3_600.0])
    )
    def time_passes(self, boot: float, jump: float) -> None:
        self.now = Moment(self.now.boot + boot, self.now.wall + boot + jump)

    @rule(device=st.sampled_from(sorted(DEVICES.values(), key=lambda d: d.label)))
    def a_right_approval_comes(self, device: Device) -> None:
        may = self.end is None and self.is_in_time()
        assert self.receive(device, {}) is may
        if may:
            self.end = End(Verdict.APPROVED, Cause.DEVICE, device.device_id)

    @rule(
        device=st.sampled_from(sorted(DEVICES.values(), key=lambda d: d.label)),
        reason=st.sampled_from(DenialReason),
    )
    def a_denial_comes(self, device: Device, reason: DenialReason) -> None:
        denial = {"decision": Decision.DENIAL, "reason": reason, "number": None}
        may = self.end is None and self.is_in_time()
        assert self.receive(device, denial) is may
        if may:
            cause = Cause.NOT_ME if reason is DenialReason.NOT_ME else Cause.CANCEL
            self.end = End(Verdict.DENIED, cause, device.device_id)

    @rule(
        device=st.sampled_from(sorted(DEVICES.values(), key=lambda d: d.label)),
        wrong=st.sets(st.sampled_from(sorted(WRONG)), min_size=1, max_size=3),
        data=st.data(),
    )
    def a_wrong_answer_comes(
        self, device: Device, wrong: set[str], data: st.DataObject
    ) -> None:
        changes = {name: data.draw(WRONG[name]) for name in sorted(wrong)}
        only_number = set(changes) == {"number"}
        may = only_number and self.end is None and self.is_in_time()
        assert self.receive(device, changes) is may
        if may:
            cause = Cause.WRONG_NUMBER
            self.end = End(Verdict.WRONG_NUMBER, cause, device.device_id)

    @rule(changes=st.sampled_from([{"number": None}, {"reason": DenialReason.CANCEL}]))
    def an_answer_without_its_fields_comes(self, changes: dict[str, Any]) -> None:
        assert not self.receive(DEVICES[PHONE.id], changes)

    @rule()
    def a_device_of_another_account_answers(self) -> None:
        phone = DEVICES[PHONE.id]
        bobs = Device(**{**fields_of(phone), "user": UserName("bob")})
        assert not self.receive(bobs, {})

    @rule(verdict=st.sampled_from(ELSEWHERE))
    def it_ends_otherwise(self, verdict: Verdict) -> None:
        end = End(verdict, CAUSES[verdict])
        try:
            self.attempt = close(self.attempt, end)
        except VerificationError:
            assert self.end is not None
            return
        assert self.end is None
        self.end = end
        self.verdicts += 1

    @rule()
    def the_daemon_looks_at_the_clock(self) -> None:
        before = self.attempt
        self.attempt = expire(before, self.now)
        if self.end is None and not self.is_in_time():
            self.end = End(Verdict.EXPIRED, Cause.NO_ANSWER)
            self.verdicts += 1
        else:
            assert self.attempt is before

    @invariant()
    def it_ended_as_expected_and_only_once(self) -> None:
        assert self.attempt.end == self.end
        assert self.attempt.is_pending() is (self.end is None)
        assert self.verdicts <= 1


def fields_of(device: Device) -> dict[str, Any]:
    return {name: getattr(device, name) for name in device.__slots__}


_AttemptMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestAttempt = _AttemptMachine.TestCase
