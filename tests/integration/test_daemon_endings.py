"""Attempts that end at the same time: whatever goes wrong, each ends and is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pushmfa.daemon import challenges, endings
from pushmfa.daemon.outcomes import Outcomes
from pushmfa.daemon.waiting import Live
from pushmfa.errors import StoreError
from pushmfa.login.attempt import End
from pushmfa.login.policy import Account
from pushmfa.terms import Cause, UserName, Verdict
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import World, scene, world

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")
ALICE = Account(UserName("alice"), 1001)
LOGINS = 3


async def _waiting(w: World) -> list[Module]:
    modules = [await w.host.log_in() for _ in range(LOGINS)]
    for module in modules:
        await module.number()
        module.type()
    return modules


def _break_second(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> Callable[[], None]:
    """Break the record of the second attempt that ends; return what sets it right."""
    real, calls = challenges.attempt_record, list[object]()

    def fail(*values: object) -> object:
        calls.append(values)
        if len(calls) == 2:
            raise error
        return real(*values)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(endings, "attempt_record", fail)
    return lambda: monkeypatch.setattr(endings, "attempt_record", real)


@pytest.mark.parametrize(
    "error", [StoreError("full"), RuntimeError("a mistake"), MemoryError()]
)
@scene
async def test_attack_one_end_that_fails_leaves_others_waiting(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes one record fail, no login hangs until the module's deadline."""
    caught: list[object] = []
    monkeypatch.setattr(endings, "end_if_out_of_memory", caught.append)
    async with world(tmp_path, PIXEL) as w:
        modules = await _waiting(w)
        set_right = _break_second(monkeypatch, error)
        w.host.daemon._logins.end_all_of(ALICE, End(Verdict.LOCKED, Cause.LOCKED))
        for module in modules:
            assert (await module.verdict())[0] == "unavailable"
        assert caught == [error], "without memory the service ends"
        for _ in range(LOGINS):
            outcome = await w.devices[0].outcome()
            assert (outcome.verdict, outcome.cause) == ("unavailable", "internal")
        assert not w.host.verdicts(), "what was not told is not in the audit"
        set_right()
        assert w.host.daemon._logins.count_pending() == 0
        # Their places are free again.
        for module in await _waiting(w):
            module.close()


@scene
async def test_a_card_that_cannot_be_told_keeps_no_other_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = Outcomes.tell, list[Live]()

    def fail(self: Outcomes, live: Live) -> None:
        calls.append(live)
        if len(calls) == 1:
            raise RuntimeError("a mistake")
        real(self, live)

    async with world(tmp_path, PIXEL) as w:
        modules = await _waiting(w)
        monkeypatch.setattr(Outcomes, "tell", fail)
        w.host.daemon._logins.end_all_of(ALICE, End(Verdict.LOCKED, Cause.LOCKED))
        for module in modules:
            assert (await module.verdict())[0] == "locked"
        for _ in range(LOGINS - 1):
            assert (await w.devices[0].outcome()).verdict == "locked"
        assert w.host.verdicts() == [("locked", "locked")] * LOGINS
