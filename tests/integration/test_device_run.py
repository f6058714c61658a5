"""A terminal authenticator and a person in front of it, through the real relay."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pushmfa.device.keyring import Keyring, unlock
from pushmfa.device.links import running
from pushmfa.device.runner import Runner
from pushmfa.device.scripted import SETTLE_SECONDS
from pushmfa.device.session import Session, Unlocked
from pushmfa.link.dialing import Network
from pushmfa.relay.main import running as relay_running
from pushmfa.relay.settings import RelaySettings
from pushmfa.terms import (
    ChallengeId,
    Verification,
    VerificationRequired,
)
from pushmfa.wire.payload import Revoked
from tests.integration.device_world import (
    PASSPHRASE,
    Device,
    Host,
    enrolled,
    free_port,
    play,
    world,
)

pytestmark = pytest.mark.integration


# --- run -----------------------------------------------------------------------------


@asynccontextmanager
async def watched(
    device: Device, first: str = "connected to"
) -> AsyncIterator[Callable[[str], None]]:
    """Run the device as a person would, until it says first.

    Give a function that types a line.
    """
    keyring = Keyring(device.state)
    unlocked = [
        Unlocked(each, unlock(each, PASSPHRASE if each.has_passphrase else None))
        for each in keyring.load_all()
    ]
    read_end, write_end = os.pipe()
    runner = Runner(device.screen, read_end)
    session = Session(
        keyring,
        unlocked,
        runner,
        network=Network(),
        acknowledges=True,
        settle_seconds=SETTLE_SECONDS,
    )

    def type_line(line: str) -> None:
        os.write(write_end, line.encode() + b"\n")

    task = asyncio.create_task(runner.run(session))
    try:
        await device.sees(first)
        yield type_line
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        os.close(read_end)
        os.close(write_end)


def test_a_person_approves(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            async with watched(device) as type_line:
                host.challenge(enrollment)
                await device.sees("number (2 digits)")
                type_line("4x")
                await device.sees("nothing was sent")
                type_line("42")
                assert (await host.answer()).number == "42"
                host.outcome(enrollment)
                await device.sees("approved: press Enter in the terminal")

    play(scenario())


def test_a_killed_device_does_not_ask_again_what_was_answered(tmp_path: Path) -> None:
    """The relay brings what waited, in order: the challenge first, then its outcome."""

    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            async with watched(device) as type_line:
                host.challenge(enrollment)
                await device.sees("number (2 digits)")
                type_line("42")
                assert (await host.answer()).number == "42"
            host.outcome(enrollment)
            host.challenge(enrollment, 2)
            async with watched(device):
                shown = await device.sees("number (2 digits)", 2)
                assert shown.count("A ·") == 2
                assert "B ·" not in shown
                assert "another" not in shown

    play(scenario())


def test_a_device_looks_for_its_relay_as_soon_as_somebody_presses_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushmfa.link.backoff.BASE_SECONDS", 6_000.0)
    monkeypatch.setattr("pushmfa.link.connection.HURRY_SECONDS", 0.0)

    async def scenario() -> None:
        port = free_port()
        name = f"ws://127.0.0.1:{port}"
        settings = RelaySettings(
            public_urls=frozenset({name}), state_path=tmp_path / "relay.db", port=port
        )
        device, host = Device(tmp_path), Host(name)
        async with relay_running(settings), running(host.meet, host.own):
            assert await host.meet.wait_ready(5)
            await enrolled(host, device)
        async with watched(device, "Enter tries at once") as type_line:
            async with relay_running(settings):
                type_line("")
                await device.sees("\nconnected to")

    play(scenario())


def test_attack_two_cards_need_their_letter(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            async with watched(device) as type_line:
                host.challenge(enrollment, 1)
                host.challenge(enrollment, 2, remote_address="198.51.100.7")
                await device.sees(
                    "B: login as alice on web1.example, from 198.51.100.7"
                )
                type_line("42")
                await device.sees("type the card's letter first")
                assert host.answers.empty()
                type_line("b n")
                answer = await host.answer()
                assert answer.challenge_id == ChallengeId(b"\x02" * 32)
                assert answer.reason is not None
                type_line("a 42")
                answer = await host.answer()
                assert answer.challenge_id == ChallengeId(b"\x01" * 32)

    play(scenario())


def test_the_passphrase_is_asked_for_each_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device, passphrase=PASSPHRASE)
            async with watched(device) as type_line:
                host.challenge(enrollment, verification=VerificationRequired.REQUIRED)
                await device.sees("number (2 digits)")
                type_line("42")
                await device.sees("passphrase for alice on web1.example:")
                type_line("wrong")
                await device.sees("wrong passphrase")
                assert host.answers.empty()
                type_line("42")
                await device.sees("passphrase for alice on web1.example:", times=2)
                type_line(PASSPHRASE.decode())
                answer = await host.answer()
                assert answer.verification is Verification.PASSPHRASE
                host.challenge(enrollment, 2)
                await device.sees("B · login")
                await device.sees("number (2 digits)", times=3)
                type_line("b 43")
                assert (await host.answer()).verification is Verification.NONE

    play(scenario())


def test_a_revoked_device_says_so_and_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as (host, device):
            enrollment = await enrolled(host, device)
            async with watched(device):
                host.send(
                    Revoked(
                        version=1,
                        host_id=host.peer.host_id,
                        device_id=enrollment.device_id,
                        at=1,
                    ),
                    enrollment.mailbox,
                )
                await device.sees("this device was revoked; its keys are forgotten")
            assert device.enrollment.keys is None

    play(scenario())
