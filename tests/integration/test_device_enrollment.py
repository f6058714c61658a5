"""A terminal authenticator is enrolled, through the real relay."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from pushmfa.crypto.keys import (
    new_sealing_scalar,
)
from pushmfa.crypto.sealing import Opener
from pushmfa.device import main
from pushmfa.device.keyring import EnrollmentStatus, Keyring, unlock
from pushmfa.errors import (
    ExpiredError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    SealError,
    UsageError,
    VerificationError,
)
from pushmfa.terms import (
    HostId,
    SealingKey,
    VerificationRequired,
)
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.payload import EnrollResult
from tests.integration.device_world import SECRET, enrolling, free_port, play, world
from tests.unit.enrollment_peer import HostPeer

pytestmark = pytest.mark.integration


# --- enrollment ----------------------------------------------------------------------


def test_an_enrollment(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            seen: list[str] = []

            def read_code(code: str) -> None:
                asyncio.run(device.sees(f"{code[:3]} {code[3:]}"))
                seen.append(Keyring(device.state).load_all()[0].status)

            task = enrolling(
                host, device, local_host_id=lambda: HostId(b"another machine".ljust(32))
            )
            await host.enroll(before_done=read_code)
            await task
            assert seen == [EnrollmentStatus.PENDING]
            assert device.enrollment.status is EnrollmentStatus.ACTIVE
            assert device.enrollment.host_mailbox == host.peer.mailbox
            assert device.enrollment.relays == (host.relay,)
            unlock(device.enrollment, None)
            # Nothing that is sent right after is lost.
            host.challenge(device.enrollment)
            assert await device.call(main.answer, timeout=5) == 0

    play(scenario())


@pytest.mark.parametrize(
    ("result", "error"),
    [
        (EnrollResult.WRONG_CODE, RefusedError),
        (EnrollResult.EXPIRED, ExpiredError),
        (EnrollResult.CANCELED, RefusedError),
    ],
)
def test_an_enrollment_that_fails_leaves_nothing(
    tmp_path: Path, result: EnrollResult, error: type[PushmfaError]
) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            task = enrolling(host, device)
            await host.enroll(result)
            with pytest.raises(error):
                await task
            assert Keyring(device.state).load_all() == []

    play(scenario())


def test_a_link_that_another_device_used_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            task = enrolling(host, device)
            host.meet_send(host.peer.commit(SECRET))
            claim, raw = host.peer.open_claim(SECRET, await host.claims.get())
            first = msgspec.structs.replace(
                claim,
                sealing_key=SealingKey(
                    Opener.from_private(new_sealing_scalar()).public_key
                ),
            )
            reveal = host.peer.reveal(claim, raw)
            host.meet_send(
                host.peer.enclose_statement(SECRET, first, reveal, step=b"enroll-host")
            )
            with pytest.raises(SealError, match="was used already") as caught:
                await task
            assert "again for a new link" in caught.value.hint

    play(scenario())


def test_the_host_itself_is_refused_without_force_and_shows_no_digits(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):

            async def attempt(*, force: bool) -> None:
                task = enrolling(
                    host, device, force=force, local_host_id=lambda: host.peer.host_id
                )
                await host.enroll()
                await task

            with pytest.raises(UsageError, match="this machine is the host") as caught:
                await attempt(force=False)
            assert "--force" in caught.value.hint
            assert "digits" not in device.output.getvalue()
            assert Keyring(device.state).load_all() == []

    play(scenario())


def test_the_host_itself_is_taken_by_force(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            task = enrolling(
                host, device, force=True, local_host_id=lambda: host.peer.host_id
            )
            await host.enroll()
            await task
            assert device.enrollment.status is EnrollmentStatus.ACTIVE

    play(scenario())


def test_attack_relay_swaps_the_host_key(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            task = enrolling(host, device)
            host.meet_send(host.peer.commit(SECRET))
            claim, raw = host.peer.open_claim(SECRET, await host.claims.get())
            evil = HostPeer(letter=b"e", relays=(host.relay,))
            host.meet_send(
                evil.enclose_statement(
                    SECRET, claim, evil.reveal(claim, raw), step=b"enroll-host"
                )
            )
            with pytest.raises(VerificationError, match="check 7"):
                await task
            assert "digits" not in device.output.getvalue()
            assert Keyring(device.state).load_all() == []

    play(scenario())


def test_a_host_that_demands_a_passphrase_is_told_before_the_digits(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            task = enrolling(host, device)
            await host.enroll(verification=VerificationRequired.REQUIRED)
            with pytest.raises(UsageError):
                await task
            assert "digits" not in device.output.getvalue()

    play(scenario())


def test_no_relay_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pushmfa.device import enroller

    monkeypatch.setattr(enroller, "READY_SECONDS", 0.3)
    link = f"http://127.0.0.1:{free_port()}/#1{encode_base64url(SECRET)}"
    with pytest.raises(NotReachableError, match="cannot connect"):
        main.enroll(link, state=tmp_path / "device", label="laptop")


@pytest.mark.parametrize("passphrase", [b"", b" \n"])
def test_an_empty_passphrase_is_none(tmp_path: Path, passphrase: bytes) -> None:
    link, state = f"http://127.0.0.1:1/#1{encode_base64url(SECRET)}", tmp_path / "state"
    with pytest.raises(UsageError, match="passphrase is empty") as caught:
        main.enroll(link, state=state, label="laptop", passphrase=passphrase)
    assert "without a passphrase" in caught.value.hint
    assert not state.exists()


@pytest.mark.parametrize("label", ["", "x" * 65, "a\x1b[2J"])
def test_a_label_that_cannot_be_shown(tmp_path: Path, label: str) -> None:
    link, state = f"http://127.0.0.1:1/#1{encode_base64url(SECRET)}", tmp_path / "state"
    with pytest.raises(UsageError, match="64 printable") as caught:
        main.enroll(link, state=state, label=label)
    assert "--label" in caught.value.hint
    assert not state.exists()


def test_one_answer_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only one of") as caught:
        main.answer(state=tmp_path / "state", number="42", deny=True)
    assert "--number approves" in caught.value.hint
