"""A terminal authenticator answers, by a script, through the real relay."""

import json
from pathlib import Path
from typing import Any

import pytest

from pushmfa.cli.objects import enrollment_object
from pushmfa.device import main
from pushmfa.device.keyring import Keyring
from pushmfa.errors import (
    ExpiredError,
    NotEnrolledError,
    PushmfaError,
    RefusedError,
    UsageError,
    VerificationError,
)
from pushmfa.terms import (
    Cause,
    ChallengeId,
    Verdict,
    Verification,
    VerificationRequired,
)
from pushmfa.wire.codec import decode_base64url
from pushmfa.wire.payload import Revoked
from tests.integration.device_world import PASSPHRASE, answering, enrolled, play, world
from tests.unit.enrollment_peer import enroll_at

pytestmark = pytest.mark.integration


# --- answer --------------------------------------------------------------------------


def test_an_approval_by_script(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.challenge(enrollment)
            answer, task = await answering(host, device, number="42")
            assert answer.number == "42"
            assert answer.verification is Verification.NONE
            host.outcome(enrollment)
            assert await task == 0
            assert "approved: press Enter" in device.output.getvalue()
            assert device.enrollment.counter == answer.counter == 1

    play(scenario())


def test_a_challenge_is_looked_at_and_then_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.challenge(enrollment)
            shown = {}
            for _ in range(2):
                device.output.truncate(0)
                device.output.seek(0)
                assert await device.call(main.answer, timeout=5, as_json=True) == 0
                shown = json.loads(device.output.getvalue())
                assert (shown["user"], shown["verdict"]) == ("alice", None)
                assert decode_base64url(shown["host_id"]) == host.peer.host_id
            answer, task = await answering(
                host, device, number="42", attempt=shown["attempt_id"], as_json=True
            )
            host.outcome(enrollment)
            assert await task == 0
            assert answer.number == "42"
            values = json.loads(device.output.getvalue().splitlines()[-1])
            assert values["verdict"] == "approved"
            assert values["press_enter"] is True

    play(scenario())


@pytest.mark.parametrize(
    ("how", "changes", "error"),
    [
        (
            {"number": "41"},
            {"verdict": Verdict.WRONG_NUMBER, "cause": Cause.WRONG_NUMBER},
            RefusedError,
        ),
        (
            {"number": "42"},
            {"verdict": Verdict.EXPIRED, "cause": Cause.NO_ANSWER},
            ExpiredError,
        ),
        ({"deny": True}, {"by_this_device": False}, RefusedError),
        ({"deny": True}, {"verdict": Verdict.DENIED, "cause": Cause.CANCEL}, None),
        ({"not_me": True}, {"verdict": Verdict.DENIED, "cause": Cause.NOT_ME}, None),
    ],
)
def test_how_an_answer_ends(
    tmp_path: Path,
    how: dict[str, Any],
    changes: dict[str, Any],
    error: type[PushmfaError] | None,
) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.challenge(enrollment)
            _, task = await answering(host, device, **how)
            host.outcome(enrollment, **changes)
            if error is None:
                assert await task == 0
            else:
                with pytest.raises(error):
                    await task

    play(scenario())


def test_attack_with_two_waiting_nothing_is_answered_by_chance(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.challenge(enrollment, 1)
            host.challenge(enrollment, 2, remote_address="198.51.100.7")
            with pytest.raises(UsageError, match="2 logins wait") as caught:
                await device.call(main.answer, number="42", timeout=5)
            assert "198.51.100.7" in str(caught.value)
            assert "--attempt" in caught.value.hint
            assert host.answers.empty()
            answer, task = await answering(host, device, number="42", attempt="0202")
            assert answer.challenge_id == ChallengeId(b"\x02" * 32)
            host.outcome(enrollment, 2)
            assert await task == 0

    play(scenario())


def test_nothing_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            with pytest.raises(ExpiredError, match="no login waits"):
                await device.call(main.answer, number="42", timeout=0.5)
            # One that is over already does not wait either.
            host.challenge(enrollment)
            host.outcome(enrollment, verdict=Verdict.CANCELED, cause=Cause.HANGUP)
            with pytest.raises(ExpiredError, match="no login waits"):
                await device.call(main.answer, number="42", timeout=1)

    play(scenario())


def test_a_number_of_other_digits_is_not_sent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.challenge(enrollment)
            with pytest.raises(UsageError, match="2 digits"):
                await device.call(main.answer, number="042", timeout=5)
            assert host.answers.empty()

    play(scenario())


def test_a_passphrase_verifies_an_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device, passphrase=PASSPHRASE)
            assert host.device is not None
            assert host.device.capabilities == ("passphrase",)
            host.challenge(enrollment, verification=VerificationRequired.REQUIRED)
            with pytest.raises(UsageError, match="needs its passphrase") as caught:
                await device.call(main.answer, number="42", timeout=5)
            assert "in a terminal" in caught.value.hint
            asked: list[str] = []

            def ask(whose: str) -> bytes:
                asked.append(whose)
                return b"wrong" if len(asked) == 1 else PASSPHRASE

            answer, task = await answering(
                host, device, number="42", ask_passphrase=ask
            )
            assert answer.verification is Verification.PASSPHRASE
            assert asked == ["alice on web1.example"] * 2
            host.outcome(enrollment)
            assert await task == 0

    play(scenario())


def test_a_revoked_device_forgets_its_keys(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            host.send(
                Revoked(
                    version=1,
                    host_id=host.peer.host_id,
                    device_id=enrollment.device_id,
                    at=1,
                ),
                enrollment.mailbox,
            )
            with pytest.raises(VerificationError, match="revoked"):
                await device.call(main.answer, number="42", timeout=10)
            assert device.enrollment.keys is None
            with pytest.raises(NotEnrolledError):
                await device.call(main.answer, number="42", timeout=10)

    play(scenario())


def test_a_device_that_is_not_enrolled(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolledError) as caught:
        main.answer(state=tmp_path / "device", number="42")
    assert "pushmfa enroll" in caught.value.hint
    with pytest.raises(UsageError, match="only one"):
        main.answer(state=tmp_path / "device", number="42", deny=True)
    assert main.list_enrollments(tmp_path / "device") == []


def test_what_a_killed_enrollment_left_is_removed_by_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            old, _ = enroll_at(host.peer, status="pending")
            Keyring(device.state).save(old)
            assert (await enrolled(host, device)).device_id != old.device_id

    play(scenario())


def test_the_list_holds_no_key(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            listed = main.list_enrollments(device.state)
            assert listed == [enrollment]
            values = json.dumps(enrollment_object(listed[0]))
            assert "keys" not in values

    play(scenario())
