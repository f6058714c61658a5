"""What really happened in a run: written down beside the code under test.

The verdicts are judged by this (oracle.py): by what people did and what arrived, not
by what the daemon made of it.
"""

import asyncio
from dataclasses import dataclass, field

from pushmfa.login.moment import Moment
from pushmfa.terms import AttemptId, ChallengeId, DeviceId, MailboxId


@dataclass(frozen=True)
class Begun:
    """An attempt, as the daemon told who waits for it."""

    attempt_id: AttemptId
    address: str
    """The address of the terminal: every one has its own."""
    number: str
    lifetime: int
    started: Moment
    at: float
    devices: tuple[DeviceId, ...]


@dataclass(frozen=True)
class Act:
    """A person answered a card."""

    at: float
    seat: str | None
    """The address of the terminal that the person meant."""
    challenge_id: ChallengeId
    device_id: DeviceId
    shown: bytes
    """The statement that the card shows."""
    number: str | None
    """As typed; None: a denial."""
    counts: bool = True
    """False: what was sent breaks a rule of the protocol."""


@dataclass(frozen=True)
class Arrival:
    """An envelope came to the daemon over its link."""

    at: float
    moment: Moment
    sender: MailboxId
    to: MailboxId
    sealed: bytes


@dataclass(frozen=True)
class Told:
    """What a device told its holder."""

    what: str
    device_id: DeviceId
    challenge_id: ChallengeId | None = None
    shown: bytes = b""
    verdict: str = ""


@dataclass
class Ledger:
    """All of one run."""

    begun: dict[str, Begun] = field(default_factory=dict)
    """By the address of the terminal."""
    acts: dict[bytes, Act] = field(default_factory=dict)
    """By the sealed bytes that were sent."""
    arrivals: list[Arrival] = field(default_factory=list)
    signed: set[tuple[DeviceId, bytes]] = field(default_factory=set)
    """Statements that the host signed for a device."""
    challenges: dict[tuple[AttemptId, DeviceId], bytes] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    gone: dict[DeviceId, float] = field(default_factory=dict)
    """When a device was revoked or reported lost."""
    sleeps: list[float] = field(default_factory=list)
    """When the machine slept."""
    restarts: list[float] = field(default_factory=list)
    disk_is_full: list[tuple[float, float]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What must never happen: a task of the daemon that died."""

    def has_room(self, at: float) -> bool:
        """Whether the disk took what was written at that time."""
        return not any(start <= at < end for start, end in self.disk_is_full)


def now() -> float:
    """Return the seconds of the loop."""
    return asyncio.get_running_loop().time()
