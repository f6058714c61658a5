"""A relay in the hands of an attacker: what it can do to the links of phones.

It runs as the real one does; `BadRelay` sees every envelope, keeps some back and says
what it likes. It has no key that opens or signs anything for others.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec

from pushmfa.crypto.sealing import Direction, Sealer, sealing_info
from pushmfa.crypto.signing import Label
from pushmfa.daemon.post import Host, label_of, to_device
from pushmfa.login.devices import Device
from pushmfa.relay import main
from pushmfa.relay.links import Links
from pushmfa.relay.mailboxes import Link, Mailboxes, Send
from pushmfa.terms import EnvelopeId, Role
from pushmfa.wire.codec import encode
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope, RelayFrame, encode_frame
from pushmfa.wire.payload import HostStatement


class BadRelay:
    """What the attacker does; `letters` is all that went through."""

    def __init__(self) -> None:
        self.letters: list[tuple[Role, Envelope]] = []
        self.keeps: Callable[[Role, Envelope], bool] = lambda _role, _letter: False
        """Says which envelopes go nowhere."""
        self._links: Links | None = None

    def run(self, mailboxes: Mailboxes, *given: Any, **named: Any) -> Links:
        """Stand in for the class of a relay's links."""
        honest = mailboxes.take

        def take(link: Link, letter: Envelope, now: float, **how: Any) -> list[Send]:
            self.letters.append((link.role, letter))
            if self.keeps(link.role, letter):
                return []
            return honest(link, letter, now, **how)

        mailboxes.take = take  # type: ignore[assignment, method-assign]  # taken over
        self._links = Links(mailboxes, *given, **named)
        return self._links

    def sent_by(self, role: Role) -> list[Envelope]:
        """Return the envelopes of hosts, or of devices, oldest first."""
        return [letter for sender, letter in self.letters if sender is role]

    def say(self, frame: RelayFrame | str) -> None:
        """Send a frame, or any text, to every device."""
        assert self._links is not None
        text = frame if isinstance(frame, str) else encode_frame(frame)
        for link, connection in list(self._links._connections.items()):
            if link.role is Role.DEVICE:
                connection.send(text)

    def again(self, letter: Envelope, **changes: Any) -> Envelope:
        """Return letter under a new id, with other fields."""
        return msgspec.structs.replace(letter, **{"id": new_id(), **changes})

    def forge(
        self,
        device: Device,
        author: Host,
        statement: HostStatement,
        *,
        names: Host | None = None,
        label: Label | None = None,
    ) -> Envelope:
        """Return what only an insider could seal: statement, signed by author.

        Sealed and addressed in the name of another host; the relay does not even know
        the key to seal to.
        """
        host = names or author
        raw = encode(statement)
        info = sealing_info(
            Direction.TO_DEVICE,
            host.host_id,
            device.device_id,
            host.mailbox,
            device.mailbox,
        )
        payload = to_device(author, raw, label or label_of(statement))
        return Envelope(
            id=new_id(),
            to=device.mailbox,
            sender=host.mailbox,
            lifetime=60,
            sealed=Sealed(Sealer(device.sealing_key).seal(info, payload)),
        )


def new_id() -> EnvelopeId:
    return EnvelopeId(secrets.token_bytes(16))


@contextmanager
def taken_over() -> Iterator[BadRelay]:
    """Have the next relay that starts in this process be the attacker's."""
    bad = BadRelay()
    with mock.patch.object(main, "Links", bad.run):
        yield bad
