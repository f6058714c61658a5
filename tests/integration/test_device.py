"""A terminal authenticator from enrollment to answer, through the real relay.

The host's side is made of the same wire structs, but none of the daemon's code.
"""

import asyncio
import io
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from pushmfa.cli.objects import enrollment_object
from pushmfa.crypto.keys import (
    confirmation_code,
    enrollment_keys,
    new_sealing_scalar,
)
from pushmfa.crypto.sealing import Opener
from pushmfa.crypto.signing import Signer
from pushmfa.device import main
from pushmfa.device.keyring import Enrollment, EnrollmentStatus, Keyring, unlock
from pushmfa.device.links import new_envelope, running
from pushmfa.device.runner import Runner
from pushmfa.device.screen import Screen
from pushmfa.device.scripted import SETTLE_SECONDS
from pushmfa.device.session import Session, Unlocked
from pushmfa.errors import (
    ExpiredError,
    NotEnrolledError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    SealError,
    UsageError,
    VerificationError,
)
from pushmfa.link.dialing import Network
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.relay.main import running as relay_running
from pushmfa.relay.settings import RelaySettings
from pushmfa.terms import (
    Cause,
    ChallengeId,
    DeviceId,
    HostId,
    MailboxId,
    Role,
    SealingKey,
    Verdict,
    Verification,
    VerificationRequired,
)
from pushmfa.wire.codec import Message, decode_base64url, encode_base64url
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import Answer, EnrollDevice, EnrollResult, Revoked
from tests.unit.enrollment_peer import HostPeer, enroll_at

pytestmark = pytest.mark.integration

SECRET = b"s" * 16
PASSPHRASE = b"correct horse"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Device:
    """A device's state folder and what it showed; its commands run in a thread."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "device"
        self.output = io.StringIO()
        self.screen = Screen(Console(file=self.output, width=80))

    async def call(self, function: Callable[..., Any], *args: Any, **how: Any) -> Any:
        """Run a command as a program of its own would, with a loop of its own."""
        how.setdefault("state", self.state)
        how.setdefault("screen", self.screen)
        return await asyncio.to_thread(function, *args, **how)

    async def sees(self, text: str, times: int = 1) -> str:
        """Wait until text stands on its screen that often; return all of it."""
        async with asyncio.timeout(10):
            while self.output.getvalue().count(text) < times:  # noqa: ASYNC110  a screen has no event
                await asyncio.sleep(0.01)
        return self.output.getvalue()

    @property
    def enrollment(self) -> Enrollment:
        """The only enrollment that it has."""
        (enrollment,) = Keyring(self.state).load_all()
        return enrollment


class Host:
    """The host's side: enrolls one device, asks it, and hears its answers."""

    def __init__(self, relay: str) -> None:
        self.peer = HostPeer(relays=(relay,))
        self.relay = relay
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        self.claims: asyncio.Queue[bytes] = asyncio.Queue()
        meeting = Signer.from_seed(enrollment_keys(SECRET).relay_seed)
        self.meeting = OpenMailbox(meeting)
        self.meet = self._link(self.meeting, self._take_claim)
        self.own = self._link(OpenMailbox(self.peer.relay), self._take_answer)
        self.device: EnrollDevice | None = None
        self.ids: dict[MailboxId, DeviceId] = {}
        self.keys: dict[MailboxId, SealingKey] = {}

    @property
    def link_text(self) -> str:
        """The enrollment link."""
        place = self.relay.removeprefix("ws://")
        return f"http://{place}/#1{encode_base64url(SECRET)}"

    def _link(self, mailbox: OpenMailbox, take: Callable[[Any], None]) -> Link:
        return Link(
            urls=[self.relay],
            role=Role.HOST,
            mailboxes=[mailbox],
            on_envelope=take,
            draw=lambda: 0.02,
        )

    def _take_claim(self, envelope: Envelope | Stored) -> None:
        self.claims.put_nowait(envelope.sealed)

    def _take_answer(self, envelope: Envelope | Stored) -> None:
        device_id = self.ids[envelope.sender]
        answer, _, _ = self.peer.open_answer(
            envelope.sealed, device_id, envelope.sender
        )
        self.answers.put_nowait(answer)

    def meet_send(self, sealed: bytes) -> None:
        """Send something to the meeting mailbox."""
        mailbox = self.meeting.mailbox
        envelope = new_envelope(sender=mailbox, to=mailbox, lifetime=300, sealed=sealed)
        assert self.meet.send(envelope)

    async def enroll(
        self,
        result: EnrollResult = EnrollResult.ACTIVE,
        before_done: Callable[[str], None] = lambda code: None,
        **changes: Any,
    ) -> str:
        """Do the host's part of an enrollment; return the six digits."""
        self.meet_send(self.peer.commit(SECRET))
        async with asyncio.timeout(20):
            sealed = await self.claims.get()
        device, raw = self.peer.open_claim(SECRET, sealed)
        self.device = device
        enrollment = self.peer.reveal(device, raw, **changes)
        self.ids[device.mailbox] = enrollment.device_id
        self.keys[device.mailbox] = device.sealing_key
        self.meet_send(
            self.peer.enclose_statement(SECRET, device, enrollment, step=b"enroll-host")
        )
        code = confirmation_code(
            self.peer.identity.verify_key,
            self.peer.opener.public_key,
            self.peer.nonce,
            raw,
        )
        await asyncio.to_thread(before_done, code)
        done = self.peer.done(device, raw, result)
        self.meet_send(
            self.peer.enclose_statement(SECRET, device, done, step=b"enroll-done")
        )
        return code

    def send(self, statement: Message, mailbox: MailboxId, lifetime: int = 60) -> None:
        """Seal a statement to a device and send it."""
        sealed = self.peer.seal(
            self.peer.payload(statement),
            device_id=self.ids[mailbox],
            sealing_key=self.keys[mailbox],
            mailbox=mailbox,
        )
        assert self.own.send(
            new_envelope(
                sender=self.peer.mailbox, to=mailbox, lifetime=lifetime, sealed=sealed
            )
        )

    def challenge(self, device: Enrollment, number: int = 1, **changes: Any) -> None:
        """Send a challenge to a device."""
        challenge = self.peer.challenge(
            device.device_id, challenge_id=ChallengeId(bytes([number]) * 32), **changes
        )
        self.send(challenge, device.mailbox)

    def outcome(self, device: Enrollment, number: int = 1, **changes: Any) -> None:
        """Send an outcome to a device."""
        outcome = self.peer.outcome(
            device.device_id, challenge_id=ChallengeId(bytes([number]) * 32), **changes
        )
        self.send(outcome, device.mailbox)

    async def answer(self) -> Answer:
        """Return the next answer."""
        async with asyncio.timeout(10):
            return await self.answers.get()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[Host, Device]]:
    """Give a host and a device with a relay between them."""
    port = free_port()
    name = f"ws://127.0.0.1:{port}"
    settings = RelaySettings(
        public_urls=frozenset({name}), state_path=folder / "relay.db", port=port
    )
    async with relay_running(settings):
        host = Host(name)
        async with running(host.meet, host.own):
            assert await host.meet.wait_ready(5)
            assert await host.own.wait_ready(5)
            yield host, Device(folder)


def enrolling(host: Host, device: Device, **how: Any) -> asyncio.Task[Enrollment]:
    """Begin the device's part of an enrollment."""
    given: dict[str, Any] = {"label": "laptop", "local_host_id": lambda: None, **how}
    return asyncio.create_task(device.call(main.enroll, host.link_text, **given))


async def enrolled(host: Host, device: Device, **how: Any) -> Enrollment:
    task = enrolling(host, device, **how)
    await host.enroll()
    await task
    return device.enrollment


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


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


# --- answer --------------------------------------------------------------------------


async def answering(host: Host, device: Device, **how: Any) -> tuple[Answer, Any]:
    """Let the device answer what waits; give the answer and the running command."""
    task = asyncio.create_task(device.call(main.answer, timeout=10, **how))
    return await host.answer(), task


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
