"""The same hostile relay over real websockets: real daemon, real pam.sock, real time.

A login lives three seconds here in place of a minute; many people log in at once. The
relay goes through all moods, and the daemon restarts between the rounds.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, serve

from pushmfa.config.model import LoginSettings
from pushmfa.crypto.signing import Label
from pushmfa.link.dialing import _library_log
from pushmfa.terms import MailboxId, Role
from pushmfa.wire.link import Envelope
from tests.fakes import attacker
from tests.fakes.hostile_relay import HostileRelay
from tests.fakes.hostile_run import Report
from tests.fakes.ledger import Begun, Ledger, now
from tests.fakes.observer import observe
from tests.fakes.oracle import judge_run
from tests.fakes.people import INTENTS, Holder, Intent, Seat
from tests.fakes.stage import keep, new_host, session_of
from tests.integration.daemon_device import TestDevice
from tests.integration.daemon_module import Module
from tests.integration.daemon_world import World, world

LIFETIME: Final = 3
PACE: Final = LIFETIME / 60
DEADLINE: Final = LIFETIME + 20.0
"""Seconds after which a terminal hangs: far more than needed, on a busy machine."""

SAME_MOMENT: Final = 1.0
MOODS: Final = ("sly", "rough", "sly", "brutal")


class _Terminal:
    """The real pam.sock, as a person at a terminal uses it."""

    def __init__(self, module: Module) -> None:
        self._module = module

    async def hear(self, seconds: float) -> bytes:
        """Return the daemon's next datagram, b"" at the end."""
        return await self._module.hear(seconds)

    def type(self) -> None:
        """Press Enter; the daemon may have gone."""
        try:
            self._module.type()
        except OSError:
            return

    def leave(self) -> None:
        """Go away."""
        self._module.close()


class RealRuns:
    """People who log in over and over, with one device each."""

    def __init__(self, w: World, seed: int) -> None:
        self._w = w
        self._rng = Random(seed)  # noqa: S311  a seed is what is wanted
        self._ledger = Ledger()
        self._relay = HostileRelay(self._rng, pace=PACE)
        self._evil = new_host("evil")
        self._holders = [
            Holder(device, self._ledger, self._rng, [], pace=PACE)
            for device in w.devices
        ]
        self._seats: list[Seat] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.report = Report(seed, "all", "real link")

    async def play(self, rounds: int) -> Report:
        """Play so many logins of everybody, and judge."""
        async with self._relay_running(), self._devices_on():
            observe(self._w.host.daemon._logins, self._w.host.clock, self._ledger)
            await self._links_are_ready()
            for number in range(rounds):
                self._relay.mood = MOODS[number % len(MOODS)]
                self._relay.begin(LIFETIME)
                attacking = asyncio.ensure_future(self._attack())
                await self._round([self._rng.choice(INTENTS) for _ in self._holders])
                attacking.cancel()
                await asyncio.gather(attacking, return_exceptions=True)
                if number % 2:
                    await self._restart()
            self._relay.become_honest()
            await self._links_are_ready()
            if self._w.host.daemon._logins.count_pending():
                self.report.wrong.append("an attempt is left when all have ended")
            last = await self._round(["approve"] * len(self._holders))
            heard = Counter(seat.verdict for seat in last)
            if heard != Counter({"approved": len(last)}):
                self.report.wrong.append(f"the honest logins at the end: {heard}")
            if any(task.done() for task in self._tasks):
                self.report.wrong.append("the link of a device died")
            self._judge()
        return self.report

    async def _round(self, intents: list[Intent]) -> list[Seat]:
        seats = []
        for holder, intent in zip(self._holders, intents, strict=True):
            number = len(self._seats)
            address = f"198.18.{number // 250}.{1 + number % 250}"
            user = holder.device.enrollment.user
            seat = Seat(address, intent, self._rng, user=user, pace=PACE)
            self._seats.append(seat)
            holder.seats[:] = [seat]
            seats.append(seat)
        sitting = [seat.sit(self._log_in, DEADLINE) for seat in seats]
        for ended in await asyncio.gather(*sitting, return_exceptions=True):
            if ended is not None:
                self.report.wrong.append(f"a terminal hangs: {ended!r}")
        self.report.verdicts.update(
            seat.verdict or ("none" if seat.left_at is None else "canceled")
            for seat in seats
        )
        return seats

    async def _log_in(self, datagram: bytes) -> _Terminal:
        return _Terminal(await Module.begin(self._w.host.run, datagram))

    async def _restart(self) -> None:
        self._ledger.restarts.append(now())
        await self._w.host.stop()
        await self._w.host.start(is_ready=False)
        observe(self._w.host.daemon._logins, self._w.host.clock, self._ledger)
        async with asyncio.timeout(DEADLINE):
            await self._w.host.daemon.is_relay_ready.wait()

    # --- the attacker -----------------------------------------------------------------

    async def _attack(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            begun = list(self._ledger.begun.values())[-len(self._holders) :]
            if not begun:
                continue
            one = self._rng.choice(begun)
            for device in self._w.devices:
                key = (one.attempt_id, device.keys.device_id)
                challenge = self._ledger.challenges.get(key)
                if challenge is not None:
                    await self._attack_one(one, device, challenge)

    async def _attack_one(
        self, begun: Begun, device: TestDevice, challenge: bytes
    ) -> None:
        rng, number = self._rng, begun.number
        host_id = device.enrollment.host_id
        own = rng.choice([d for d in self._w.devices if d is not device])
        sealed = rng.choice(
            [
                attacker.forged_answer(rng, device, challenge, number),
                attacker.forged_answer(rng, device, challenge, None),
                attacker.answer_of_another(own, device, challenge, number),
            ]
        )
        letter = attacker.envelope_of(rng, rng.choice([own, device]), sealed)
        await self._send(letter, Role.HOST)
        for statement, label in [
            (attacker.other_text(challenge, "203.0.113.9", host_id), Label.CHALLENGE),
            *attacker.forged_statements(rng, device, challenge),
        ]:
            forged = attacker.to_victim(rng, device, statement, label, self._evil)
            await self._send(forged, Role.DEVICE)

    async def _send(self, letter: Envelope, role: Role) -> None:
        self._relay.letters.append(letter)
        await self._relay.deliver(letter, role)

    # --- the stage --------------------------------------------------------------------

    @asynccontextmanager
    async def _relay_running(self) -> AsyncIterator[None]:
        async def hold(connection: ServerConnection) -> None:
            await self._relay.serve(connection)

        port = int(self._w.relay_url.rpartition(":")[2])
        async with serve(
            hold,
            "127.0.0.1",
            port,
            compression=None,
            close_timeout=1,
            logger=_library_log,
        ):
            yield

    @asynccontextmanager
    async def _devices_on(self) -> AsyncIterator[None]:
        for holder in self._holders:
            holder.session = session_of(holder.device, holder)
            self._tasks.append(asyncio.ensure_future(keep(holder.session)))
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _links_are_ready(self) -> None:
        links = [h.session._all_links[0] for h in self._holders if h.session]
        for link in (self._w.host.daemon._link, *links):
            if not await link.wait_ready(90):
                self.report.wrong.append("a link does not come back")
        await asyncio.sleep(0.2)

    def _judge(self) -> None:
        mailboxes: dict[bytes, MailboxId] = {
            device.keys.device_id: device.keys.mailbox for device in self._w.devices
        }
        self.report.wrong += judge_run(
            self._ledger,
            self._seats,
            self._w.host.records(),
            self._w.host.keys.mailbox,
            mailboxes,
            SAME_MOMENT,
        )


async def play_real(folder: Path, *, seed: int, people: int, rounds: int) -> Report:
    """Return the report of people * rounds logins over the real link."""
    devices = [(f"user{number}", "Pixel") for number in range(people)]
    settings = LoginSettings(lifetime=LIFETIME)
    async with world(folder, *devices, login=settings, has_relay=False) as w:
        return await RealRuns(w, seed).play(rounds)
