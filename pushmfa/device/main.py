"""What `pushmfa device` does; the command line calls these functions.

Each raises only subclasses of PushmfaError for what a person can mend, and lets
KeyboardInterrupt out after it has put everything in order.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pushmfa.device import enroller, report, scripted
from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.device.keyring import (
    Enrollment,
    EnrollmentStatus,
    Keyring,
    default_state,
    unlock,
)
from pushmfa.device.link_text import parse_link
from pushmfa.device.runner import Runner
from pushmfa.device.screen import Screen
from pushmfa.device.scripted import SETTLE_SECONDS
from pushmfa.device.session import RESERVED, Session, Unlocked
from pushmfa.device.words import account
from pushmfa.errors import NotEnrolledError, SealError, StoreError, UsageError
from pushmfa.link.dialing import Network
from pushmfa.terms import MAX_LABEL, DenialReason, HostId
from pushmfa.wire.payload import Outcome

__all__ = [
    "answer",
    "default_state",
    "enroll",
    "list_enrollments",
    "run",
]

AskPassphrase = Callable[[str], bytes]
"""Asks for a passphrase, given whose it is; without echo."""

PASSPHRASE_TRIES: Final = 3


def enroll(
    link: str,
    *,
    state: Path,
    label: str,
    force: bool = False,
    passphrase: bytes | None = None,
    local_host_id: Callable[[], HostId | None] | None = None,
    ca: Path | None = None,
    proxy: str | None = None,
    screen: Screen | None = None,
) -> Enrollment:
    """Enroll this terminal as a device, by the link that the host shows.

    label is what the host calls it. force allows it on the very host that it is to
    protect. passphrase, if any, protects the keys in the file. ca: certificates to
    trust instead of the system's; proxy: an HTTP proxy. Returns what was recorded.
    """
    _check_label(label)
    if passphrase is not None and not passphrase.strip():
        raise UsageError(
            "the passphrase is empty",
            hint="Choose one with more than blanks, or enroll without a passphrase.",
        )
    screen = screen or Screen()
    wish = enroller.Wish(parse_link(link), label, force, passphrase)
    keyring = Keyring(state)
    enrollment = asyncio.run(
        enroller.enroll(
            wish,
            keyring,
            show_code=screen.show_code,
            local_host_id=local_host_id or _ask_daemon,
            network=Network(ca=ca, proxy=proxy),
        )
    )
    screen.say(f"enrolled: {account(enrollment)}", "green")
    screen.say("`pushmfa device run` shows its logins.")
    return enrollment


def run(
    *,
    state: Path,
    ask_passphrase: AskPassphrase | None = None,
    ca: Path | None = None,
    proxy: str | None = None,
    screen: Screen | None = None,
) -> int:
    """Show challenges on this terminal and send what is typed, until interrupted."""
    screen = screen or Screen()
    keyring = Keyring(state)
    unlocked = _unlock_all(keyring, ask_passphrase)
    for item in unlocked:
        screen.say(f"answers for {account(item.enrollment)}", "dim")
    # Links are told on the screen; a log in between would tear it.
    logging.getLogger("pushmfa.link").addHandler(logging.NullHandler())
    runner = Runner(screen)
    network = Network(ca=ca, proxy=proxy)

    async def work() -> None:
        session = Session(
            keyring,
            unlocked,
            runner,
            network=network,
            acknowledges=True,
            settle_seconds=SETTLE_SECONDS,
            reserved=RESERVED,
        )
        await runner.run(session)

    asyncio.run(work())
    return 0


def answer(
    *,
    state: Path,
    number: str | None = None,
    deny: bool = False,
    not_me: bool = False,
    attempt: str | None = None,
    timeout: float = 60.0,
    as_json: bool = False,
    ask_passphrase: AskPassphrase | None = None,
    ca: Path | None = None,
    proxy: str | None = None,
    screen: Screen | None = None,
) -> int:
    """Answer the one challenge that waits, and return 0 if it ended as answered.

    Without number, deny and not_me it shows the challenge and answers nothing. With
    several waiting, attempt says which, by the beginning of the name that is shown.
    timeout: seconds to wait for a challenge. as_json: one object on standard output.
    """
    if sum((number is not None, deny, not_me)) > 1:
        raise UsageError(
            "only one of --number, --deny and --not-me",
            hint="--number approves, the other two deny: name the one that is meant.",
        )
    reason = None
    if deny or not_me:
        reason = Choice(reason=DenialReason.NOT_ME if not_me else DenialReason.CANCEL)
    keyring = Keyring(state)
    unlocked = _unlock_all(keyring, ask_passphrase)
    network = Network(ca=ca, proxy=proxy)
    screen = screen or Screen()

    async def work() -> tuple[Card, int, Outcome | None]:
        waiter = scripted.Waiter()
        # Not acknowledged: a challenge that is only looked at waits for its answer.
        session = Session(
            keyring, unlocked, waiter, network=network, acknowledges=False
        )
        async with session.running():
            wanted = scripted.Wanted(attempt, timeout)
            card = await scripted.pick(session, waiter, wanted)
            left = card.seconds_left(session.clock())
            if number is None and reason is None:
                return card, left, None
            # The passphrase was asked for this one answer, right above.
            choice = scripted.choose(
                card, number=number, reason=reason, is_verified=True
            )
            return card, left, await scripted.answer(session, waiter, card, choice)

    card, left, outcome = asyncio.run(work())
    report.show_answer(screen, card, left, outcome, as_json=as_json)
    return 0


def list_enrollments(state: Path) -> list[Enrollment]:
    """Return every enrollment of this device, oldest first."""
    # Who only looks makes no folder.
    return Keyring(state).load_all() if state.exists() else []


def _ask_daemon() -> HostId | None:
    # Here, not above: only this one function of the device needs a daemon's client.
    from pushmfa.client import local_host_id

    return local_host_id()


def _check_label(label: str) -> None:
    if not 1 <= len(label) <= MAX_LABEL or not label.isprintable():
        raise UsageError(
            f"a label has 1 to {MAX_LABEL} printable characters",
            hint="Name another one: --label Laptop",
        )


def _unlock_all(keyring: Keyring, ask: AskPassphrase | None) -> list[Unlocked]:
    active = [
        enrollment
        for enrollment in keyring.load_all()
        if enrollment.status is EnrollmentStatus.ACTIVE
    ]
    if not active:
        raise NotEnrolledError(
            "this device is not enrolled at any host",
            hint="Run `pushmfa enroll` on the host, then `pushmfa device enroll LINK`.",
        )
    last: bytes | None = None
    unlocked: list[Unlocked] = []
    for enrollment in active:
        item, last = _unlock(enrollment, ask, last)
        unlocked.append(item)
    return unlocked


def _unlock(
    enrollment: Enrollment, ask: AskPassphrase | None, last: bytes | None
) -> tuple[Unlocked, bytes | None]:
    """Return an enrollment unlocked, and the passphrase that did it."""
    if not enrollment.has_passphrase:
        return Unlocked(enrollment, unlock(enrollment, None)), last
    if ask is None:
        raise UsageError(
            f"{account(enrollment)} needs its passphrase",
            hint="Run it where it can be asked for: in a terminal.",
        )
    if last is not None:
        try:
            return Unlocked(enrollment, unlock(enrollment, last)), last
        except SealError:
            last = None  # It has one of its own: ask.
    for _ in range(PASSPHRASE_TRIES):
        passphrase = ask(account(enrollment))
        try:
            return Unlocked(enrollment, unlock(enrollment, passphrase)), passphrase
        except SealError:
            continue
    raise StoreError(
        f"wrong passphrase for {account(enrollment)}",
        hint="If it is lost, revoke the device on the host and enroll it again.",
    )
