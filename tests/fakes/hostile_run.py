"""One seeded run: people log in, an attacker has the relay; then it is judged."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from pushmfa.daemon.front import REACH_SECONDS
from pushmfa.terms import MailboxId
from pushmfa.wire.link import Envelope
from tests.fakes.ledger import Begun, now
from tests.fakes.oracle import judge_run
from tests.fakes.people import INTENTS, Holder, Intent, Seat
from tests.fakes.plots import PLOTS
from tests.fakes.stage import Stage, new_host
from tests.fakes.virtual_time import run_virtual
from tests.integration.daemon_device import TestDevice

DEADLINE: Final = 60.0 + REACH_SECONDS + 0.5
"""Seconds after which every terminal must have heard: the lifetime, which begins when
the relay was waited for."""

PATIENCE: Final = 300.0
"""Virtual seconds until all links must be back when the relay behaves again."""


@dataclass
class Report:
    """What a run was, and what was wrong in it."""

    seed: int
    mood: str
    plot: str
    detail: str = ""
    """What the plot chose, if it has a choice."""
    verdicts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Run:
    """The cast of one run."""

    def __init__(self, seed: int, plot: str = "") -> None:
        self.rng = rng = Random(seed)  # noqa: S311  a seed is what is wanted
        self.stage = Stage(rng)
        self.relay = self.stage.relay
        self.evil = new_host("evil")
        self.pixel = self._enrolled("alice", "Pixel")
        self.tablet = self._enrolled("alice", "Tablet")
        self.phone = self._enrolled("mallory", "Phone")
        # Of an account that had the same name, before it was made again.
        self.old = self._enrolled("alice", "Old phone", uid=900)
        self.seats: list[Seat] = []
        """Those of the victim."""
        self.intruders: list[Seat] = []
        self.tasks: set[asyncio.Task[Any]] = set()
        self.sitting: list[asyncio.Task[None]] = []
        devices = {"pixel": self.pixel, "tablet": self.tablet}
        self.holders = {
            name: Holder(device, self.stage.ledger, rng, self.seats)
            for name, device in devices.items()
        }
        mood = rng.choices(["sly", "rough", "brutal"], [6, 3, 1])[0]
        drawn = rng.choices(list(PLOTS), [often for often, _ in PLOTS.values()])[0]
        self.report = Report(seed, mood, plot or drawn)

    def _enrolled(self, user: str, label: str, uid: int | None = None) -> TestDevice:
        device = self.stage.device(user, label, uid)
        self.stage.enroll(device)
        return device

    # --- the play -------------------------------------------------------------------

    async def play(self) -> Report:
        """Play, and judge."""
        stage, report = self.stage, self.report
        stage.start()
        for holder in self.holders.values():
            holder.session = stage.switch_on(holder.device, holder)
        await self._links_are_ready()
        self.relay.mood = report.mood
        self.relay.begin(70.0)
        self._sit_down(self.rng.choice(INTENTS), self.seats, after=0.0)
        if self.rng.random() < 0.25:
            after = self.rng.uniform(0.0, 70.0)
            self._sit_down(self.rng.choice(INTENTS), self.seats, after=after)
        plotting = asyncio.ensure_future(PLOTS[report.plot][1](self))
        await self._all_have_heard()
        plotting.cancel()
        await asyncio.gather(plotting, return_exceptions=True)
        await self._aftermath()
        await stage.close()
        self._judge()
        stage.store.close()
        return report

    def _sit_down(self, intent: Intent, seats: list[Seat], *, after: float) -> Seat:
        number = len(self.seats) + len(self.intruders)
        seat = Seat(f"192.0.2.{10 + number}", intent, self.rng)
        seats.append(seat)

        async def sit() -> None:
            await asyncio.sleep(after)
            await seat.sit(self.stage.log_in, DEADLINE)

        self.sitting.append(asyncio.ensure_future(sit()))
        return seat

    def intrude(self) -> Seat:
        """Begin a login as the victim, whose first factor is known."""
        seat = self._sit_down("ignore", self.intruders, after=0.0)
        seat.is_intruder = True
        return seat

    async def begun(self, seat: Seat) -> Begun:
        """Return the attempt of a terminal as soon as there is one."""
        while seat.address not in self.stage.ledger.begun:  # noqa: ASYNC110  virtual time: looking costs nothing
            await asyncio.sleep(0.1)
        return self.stage.ledger.begun[seat.address]

    async def intruder_begun(self) -> tuple[Begun, bytes]:
        """Begin a login as the victim; return its attempt and the Pixel's challenge."""
        await asyncio.sleep(self.rng.uniform(0.0, 3.0))
        begun = await self.begun(self.intrude())
        return begun, self.challenge_of(begun, self.pixel)

    def challenge_of(self, begun: Begun, device: TestDevice) -> bytes:
        """Return the statement that was sent to a device."""
        key = (begun.attempt_id, device.keys.device_id)
        return self.stage.ledger.challenges[key]

    def send(self, holder: Holder, letter: Envelope) -> bool:
        """Send over the link of a device what its session would not."""
        assert holder.session is not None
        return holder.session._all_links[0].send(letter)

    async def _all_have_heard(self) -> None:
        while not all(task.done() for task in self.sitting):
            await asyncio.wait(self.sitting)
        for task in self.sitting:
            error = task.exception()
            if isinstance(error, TimeoutError):
                self.report.wrong.append("a terminal heard nothing until its deadline")
            elif error is not None:
                raise error

    # --- afterwards -------------------------------------------------------------------

    async def _aftermath(self) -> None:
        """The relay behaves again: nothing may wait, and the next login works."""
        stage = self.stage
        async with stage.restarting:
            self.relay.become_honest()
        for task in self.tasks:
            task.cancel()
        stage.ledger.disk_is_full = [
            (start, min(end, now() + 0.01)) for start, end in stage.ledger.disk_is_full
        ]
        if stage.daemon._logins.count_pending():
            self.report.wrong.append("an attempt is left when all have ended")
        for holder in self.holders.values():
            holder.is_in_hand, holder.answers = True, None
        if not await self._links_are_ready():
            return
        last = self._sit_down("approve", self.seats, after=0.1)
        await self._all_have_heard()
        if last.verdict != "approved":
            self.report.wrong.append(f"the honest login at the end: {last.verdict!r}")

    async def _links_are_ready(self) -> bool:
        links = [self.stage.daemon._link]
        links += [h.session._all_links[0] for h in self.holders.values() if h.session]
        for link in links:
            if not await link.wait_ready(PATIENCE):
                self.report.wrong.append("a link does not come back")
                return False
        # The allow lists are on their way.
        await asyncio.sleep(0.1)
        return True

    def _judge(self) -> None:
        cast = (self.pixel, self.tablet, self.phone, self.old)
        mailboxes: dict[bytes, MailboxId] = {
            device.keys.device_id: device.keys.mailbox for device in cast
        }
        stage, seats = self.stage, [*self.seats, *self.intruders]
        wrong = judge_run(
            stage.ledger, seats, stage.records(), stage.host.mailbox, mailboxes
        )
        self.report.wrong += wrong
        for seat in seats:
            late = (seat.heard_at or 0.0) - seat.began_at
            if late > DEADLINE:
                self.report.wrong.append(f"a terminal heard after {late:.0f} seconds")
        first = self.seats[0]
        ended = first.verdict or ("canceled" if first.left_at is not None else "none")
        self.report.verdicts[ended] += 1


def play(seed: int, plot: str = "") -> Report:
    """Return the report of the run of that seed; to be called `on_stage`.

    plot: what the attacker is after, in place of what the seed draws.
    """
    return run_virtual(_play(seed, plot))


async def _play(seed: int, plot: str) -> Report:
    run = Run(seed, plot)
    try:
        return await run.play()
    except Exception as error:  # noqa: BLE001  a step that is taken away may break anything
        run.report.wrong.append(f"{type(error).__name__}: {error}")
        return run.report
