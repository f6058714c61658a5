"""An enrollment under every sequence of claims, codes, ends and passing time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pushmfa.crypto.signing import Label
from pushmfa.errors import PushmfaError
from pushmfa.login.enrollment import accept_claim, confirm, end, enrolled_device
from pushmfa.login.moment import Moment
from pushmfa.wire.payload import EnrollClaim, EnrollResult
from tests.unit.test_login_enrollment import CODE, START, claim_of, offer
from tests.vectors.parties import BOBS, PHONE, TABLET, b64

GOOD = [claim_of(PHONE), claim_of(TABLET)]
BAD = [
    claim_of(BOBS),
    claim_of(PHONE, Label.ANSWER),
    claim_of(PHONE, versions=[2]),
    claim_of(PHONE, commitment=b64(bytes(32))),
    claim_of(PHONE, sealing_key=b64(b"\4" + bytes(64))),
    claim_of(PHONE, mailbox=b64(BOBS.mailbox)),
]
KNOWN = {BOBS.verify_key, BOBS.mailbox}


class _EnrollmentMachine(RuleBasedStateMachine):
    """The enrollment, and what may have happened to it."""

    def __init__(self) -> None:
        super().__init__()
        self.enrollment = offer()
        self.now = START
        self.expires = START.after(300)
        self.claim: EnrollClaim | None = None
        self.result: EnrollResult | None = None

    def is_over(self) -> bool:
        over = self.expires
        return self.now.boot >= over.boot or self.now.wall >= over.wall

    def try_claim(self, claim: EnrollClaim) -> bool:
        try:
            self.enrollment = accept_claim(self.enrollment, claim, KNOWN, self.now)
        except PushmfaError:
            return False
        return True

    @rule(
        boot=st.floats(0, 200), jump=st.sampled_from([0.0, 0.0, 0.0, -9_000.0, 9_000.0])
    )
    def time_passes(self, boot: float, jump: float) -> None:
        self.now = Moment(self.now.boot + boot, self.now.wall + boot + jump)

    @rule(claim=st.sampled_from(GOOD))
    def a_good_claim_comes(self, claim: EnrollClaim) -> None:
        may = self.claim is None and self.result is None and not self.is_over()
        assert self.try_claim(claim) is may
        if may:
            self.claim = claim
            self.expires = self.now.after(300)

    @rule(claim=st.sampled_from(BAD))
    def a_bad_claim_comes(self, claim: EnrollClaim) -> None:
        assert not self.try_claim(claim)

    @rule(typed=st.sampled_from([CODE, "004 217", "004-217\n"]))
    def the_right_code_is_typed(self, typed: str) -> None:
        self.type_code(typed, EnrollResult.ACTIVE)

    @rule(typed=st.text(max_size=8).filter(lambda text: "4217" not in text))
    def a_wrong_code_is_typed(self, typed: str) -> None:
        self.type_code(typed, EnrollResult.WRONG_CODE)

    def type_code(self, typed: str, result: EnrollResult) -> None:
        may = self.claim is not None and self.result is None and not self.is_over()
        try:
            self.enrollment = confirm(self.enrollment, typed, CODE, self.now)
        except PushmfaError:
            assert not may
            return
        assert may
        self.result = result

    @rule(result=st.sampled_from([EnrollResult.EXPIRED, EnrollResult.CANCELED]))
    def it_ends(self, result: EnrollResult) -> None:
        self.enrollment = end(self.enrollment, result)
        self.result = self.result or result

    @invariant()
    def it_is_what_was_expected(self) -> None:
        assert self.enrollment.result is self.result
        assert self.enrollment.is_open() is (self.result is None)
        held = self.enrollment.claim
        assert (held is None) is (self.claim is None)
        if held is not None and self.claim is not None:
            assert held.statement == self.claim.statement

    @invariant()
    def there_is_a_device_only_after_a_claim_and_its_code(self) -> None:
        try:
            device = enrolled_device(self.enrollment, self.now)
        except ValueError:
            assert self.result is not EnrollResult.ACTIVE
            return
        assert self.result is EnrollResult.ACTIVE
        assert self.claim is not None
        assert device.device_id not in (BOBS.id,)


_EnrollmentMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20)
TestEnrollment = _EnrollmentMachine.TestCase
