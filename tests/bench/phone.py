"""The device of `make bench`: approves every card as soon as it knows its number.

    python -m tests.bench.phone STATE CA SOCKET         prints "ready"

The device's own code, with all its enrollments; only the person is replaced: what
stands on a terminal comes as a datagram "USER NUMBER" to SOCKET.
"""

import asyncio
import socket
import sys
from collections import deque
from pathlib import Path

import uvloop

from pushmfa.device.authenticator import Choice
from pushmfa.device.cards import Card
from pushmfa.device.keyring import Enrollment, Keyring, unlock
from pushmfa.device.session import RESERVED, Session, Unlocked
from pushmfa.link.dialing import Network
from pushmfa.link.link import LinkState
from pushmfa.wire.payload import Notice


class Phone:
    """Brings numbers and cards of one user together."""

    def __init__(self, state: Path, ca: Path) -> None:
        keyring = Keyring(state)
        self.session = Session(
            keyring,
            [Unlocked(e, unlock(e, None)) for e in keyring.load_all()],
            self,
            network=Network(ca=ca, proxy=None),
            acknowledges=True,
            reserved=RESERVED,
        )
        self._cards: dict[str, deque[Card]] = {}
        self._numbers: dict[str, deque[str]] = {}

    def forget(self) -> None:
        self._cards.clear()

    def take_number(self, line: str) -> None:
        user, _, number = line.partition(" ")
        self._numbers.setdefault(user, deque()).append(number)
        self._answer(user)

    def on_card(self, card: Card) -> None:
        user = card.challenge.user
        self._cards.setdefault(user, deque()).append(card)
        self._answer(user)

    def _answer(self, user: str) -> None:
        cards, numbers = self._cards.get(user), self._numbers.get(user)
        while cards and numbers:
            self.session.answer(cards.popleft(), Choice(number=numbers.popleft()))

    def on_end(self, card: Card) -> None:
        """The terminal goes on by itself."""

    def on_notice(self, enrollment: Enrollment, notice: Notice) -> None:
        """No notice is part of this."""

    def on_revoked(self, enrollment: Enrollment) -> None:
        raise AssertionError("revoked")

    def on_state(self, state: LinkState) -> None:
        """Links stay."""


async def main(state: Path, ca: Path, path: str) -> None:
    phone = Phone(state, ca)
    numbers = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    numbers.bind(path)

    def hear() -> None:
        phone.take_number(numbers.recv(256).decode())

    asyncio.get_running_loop().add_reader(numbers, hear)
    async with phone.session.running():
        await phone.session.until_ready(30)
        # What a phone before this one has answered already comes again.
        await asyncio.sleep(1)
        phone.forget()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            await asyncio.sleep(1)
            phone.session.expire()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
