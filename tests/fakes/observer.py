"""Looks over the daemon's shoulder, and writes what happens into the ledger."""

from pushmfa.crypto.signing import Label
from pushmfa.daemon.challenges import Context
from pushmfa.daemon.clock import Clock
from pushmfa.daemon.logins import Logins
from pushmfa.daemon.waiting import Waiting
from pushmfa.login.attempt import End, attempt_id_of
from pushmfa.login.devices import Device
from pushmfa.wire.link import Envelope, Stored
from pushmfa.wire.payload import decode_challenge
from tests.fakes.ledger import Arrival, Begun, Ledger, now


def observe(mine: Logins, clock: Clock, ledger: Ledger) -> None:
    """Write down what begins, what arrives and what the host signs; change nothing."""
    begin, receive, address = mine.begin, mine.receive, mine._post.address

    def observed_begin(context: Context, lifetime: int) -> Waiting | End:
        moment, at = clock.now(), now()
        waiting = begin(context, lifetime)
        if isinstance(waiting, Waiting) and context.remote_address:
            ledger.begun[context.remote_address] = Begun(
                attempt_id=waiting.attempt_id,
                address=context.remote_address,
                number=waiting.number,
                lifetime=lifetime,
                started=moment,
                at=at,
                devices=tuple(device.device_id for device in waiting.devices),
            )
        return waiting

    def observed_receive(envelope: Envelope | Stored) -> None:
        ledger.arrivals.append(
            Arrival(
                at=now(),
                moment=clock.now(),
                sender=envelope.sender,
                to=envelope.to,
                sealed=bytes(envelope.sealed),
            )
        )
        receive(envelope)

    def observed_address(
        device: Device, statement: bytes, label: Label, lifetime: int
    ) -> Envelope:
        ledger.signed.add((device.device_id, statement))
        if label is Label.CHALLENGE:
            attempt_id = attempt_id_of(decode_challenge(statement).challenge_id)
            ledger.challenges[attempt_id, device.device_id] = statement
        return address(device, statement, label, lifetime)

    mine.begin = observed_begin  # type: ignore[method-assign]  # looked at only
    mine.receive = observed_receive  # type: ignore[method-assign]  # as above
    mine._post.address = observed_address  # type: ignore[method-assign]  # as above
