"""How many attempts wait at once, and which numbers they get, in every sequence."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pushmfa.login.attempt import End
from pushmfa.login.moment import Moment
from pushmfa.login.numbers import choose_number, first_and_count
from pushmfa.login.throttle import ThrottleFacts, ThrottleState, decide, release
from pushmfa.terms import AttemptId, Cause, Verdict

START = Moment(boot=1_000.0, wall=1_790_000_000.0)


class _ThrottleMachine(RuleBasedStateMachine):
    """The attempts of one approver that wait, and the same kept in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.state = ThrottleState()
        self.now = START
        self.waiting: dict[AttemptId, Moment] = {}
        self.count = 0
        self.most = 3

    @initialize(most=st.integers(0, 4))
    def a_limit(self, most: int) -> None:
        self.most = most

    def still_waiting(self) -> dict[AttemptId, Moment]:
        return {
            attempt_id: over
            for attempt_id, over in self.waiting.items()
            if self.now.boot < over.boot and self.now.wall < over.wall
        }

    @rule(boot=st.floats(0, 30), jump=st.sampled_from([0.0, 0.0, -3_600.0, 3_600.0]))
    def time_passes(self, boot: float, jump: float) -> None:
        self.now = Moment(self.now.boot + boot, self.now.wall + boot + jump)

    @rule(lifetime=st.integers(1, 60))
    def an_attempt_begins(self, lifetime: int) -> None:
        self.count += 1
        attempt_id = AttemptId(f"{self.count:016x}")
        over = self.now.after(lifetime)
        # What expired is forgotten, also if a clock is set back later.
        self.waiting = self.still_waiting()
        may = len(self.waiting) < self.most
        facts = ThrottleFacts(attempt_id, over, self.most)
        self.state, refusal = decide(self.state, facts, self.now)
        assert refusal == (None if may else End(Verdict.THROTTLED, Cause.LIMIT))
        if may:
            self.waiting[attempt_id] = over

    @rule(data=st.data())
    def an_attempt_ends(self, data: st.DataObject) -> None:
        ids = [f"{number:016x}" for number in range(self.count + 2)]
        attempt_id = AttemptId(data.draw(st.sampled_from(ids)))
        self.state = release(self.state, attempt_id)
        self.waiting.pop(attempt_id, None)

    @invariant()
    def it_holds_what_waits_and_never_too_many(self) -> None:
        assert dict(self.state.pending) == self.waiting
        assert len(self.state.pending) <= self.most


_ThrottleMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
TestThrottle = _ThrottleMachine.TestCase


@given(st.data(), st.integers(2, 8), st.integers(0, 2**128 - 1))
def test_a_number_has_its_digits_and_is_not_taken(
    data: st.DataObject, digits: int, random: int
) -> None:
    first, count = first_and_count(digits)
    numbers = st.integers(first, first + count - 1)
    taken = {
        str(number).zfill(digits) for number in data.draw(st.sets(numbers, max_size=50))
    }
    number = choose_number(digits, taken, random)
    assert number is not None
    assert len(number) == digits
    assert number.isascii()
    assert number.isdigit()
    assert number not in taken
    assert first <= int(number) < first + count


@given(st.sets(st.integers(10, 99), max_size=90))
def test_each_free_number_is_drawn_by_as_many_random_numbers(taken: set[int]) -> None:
    free = sorted(set(range(10, 100)) - taken)
    given_out = [
        choose_number(2, {str(number) for number in taken}, random)
        for random in range(len(free))
    ]
    assert given_out == [str(number) for number in free]
