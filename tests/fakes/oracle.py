"""Judges a run: every verdict is what the people did, and nothing else.

It knows only the ledger, the terminals and the audit. Two events at the same moment
may have come in either order; then both verdicts are right.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from pushmfa.daemon.audit import AttemptRecord, DeliveryRecord, Record
from pushmfa.login.attempt import attempt_id_of
from pushmfa.terms import MailboxId
from tests.fakes.ledger import Act, Arrival, Begun, Ledger
from tests.fakes.people import Seat

SAME_MOMENT: Final = 0.05
NEVER: Final = float("inf")


def judge_run(
    ledger: Ledger,
    seats: Sequence[Seat],
    records: Sequence[Record],
    host_mailbox: MailboxId,
    mailboxes: dict[bytes, MailboxId],
    same_moment: float = SAME_MOMENT,
) -> Iterator[str]:
    """Yield everything that is wrong; mailboxes are those of devices, by their id."""
    yield from ledger.troubles
    rows, delivered = _written(records)
    for seat in seats:
        begun = ledger.begun.get(seat.address)
        if begun is None:
            if seat.left_at is None and seat.verdict not in {
                "unavailable",
                "throttled",
            }:
                yield f"{seat.verdict!r} for a login that asked nobody"
            continue
        right = expected(ledger, seat, begun, host_mailbox, mailboxes, same_moment)
        written = rows.get(begun.attempt_id, [])
        who = seat.who
        told = delivered.get(begun.attempt_id, [])
        yield from _judge_audit(who, right, written)
        if _is_kept(ledger, seat, begun, mailboxes, same_moment):
            yield f"{who}: approved when the device was gone"
        if written == ["approved"] and told == [False]:
            right |= _since_then(ledger, begun)
            written = [seat.verdict or "approved"]
        yield from _judge_terminal(who, seat, right, written, told)
    yield from _judge_devices(ledger, rows)


def _written(
    records: Sequence[Record],
) -> tuple[dict[str, list[str]], dict[str, list[bool]]]:
    """Return verdicts, and whether they were delivered, by attempt."""
    rows: dict[str, list[str]] = {}
    delivered: dict[str, list[bool]] = {}
    for record in records:
        if isinstance(record, AttemptRecord):
            rows.setdefault(record.attempt_id, []).append(record.verdict.value)
        elif isinstance(record, DeliveryRecord):
            delivered.setdefault(record.attempt_id, []).append(record.delivered)
    return rows, delivered


def _judge_audit(who: str, right: set[str], written: list[str]) -> Iterator[str]:
    is_unwritten = right == {"unavailable"}
    if not is_unwritten and len(written) != 1:
        yield f"{who}: {len(written)} rows in the audit: {written}"
    if is_unwritten and written:
        yield f"{who}: a row that the disk refused: {written}"
    for verdict in written:
        if verdict not in right:
            yield f"{who}: {verdict}, and right is {_either(right)}"


def _judge_terminal(
    who: str, seat: Seat, right: set[str], written: list[str], told: list[bool]
) -> Iterator[str]:
    if seat.verdict:
        if seat.verdict not in right:
            yield f"{who}: the terminal heard {seat.verdict}, right is {_either(right)}"
        elif written and written != [seat.verdict]:
            yield f"{who}: the terminal heard {seat.verdict}, the audit has {written}"
    elif seat.left_at is None and right != {"canceled"} and told != [False]:
        # (False: it was approved, and waited for Enter when the daemon restarted.)
        yield f"{who}: the terminal heard nothing, right is {_either(right)}"
    if len(told) > 1 or (seat.verdict == "approved" and told == [False]):
        yield f"{who}: delivered {told}, and the terminal heard {seat.verdict!r}"


def _is_kept(
    ledger: Ledger,
    seat: Seat,
    begun: Begun,
    mailboxes: dict[bytes, MailboxId],
    same_moment: float,
) -> bool:
    """Whether an approval was heard whose device had gone meanwhile."""
    if seat.verdict != "approved" or seat.heard_at is None:
        return False
    gone = [
        ledger.gone.get(ledger.acts[arrival.sealed].device_id, NEVER)
        for arrival in ledger.arrivals
        if _means(ledger, arrival, seat, begun, mailboxes) == "approved"
    ]
    return max(gone, default=NEVER) + same_moment < seat.heard_at


def _since_then(ledger: Ledger, begun: Begun) -> set[str]:
    """Return how an approval may end that waited for Enter and was not delivered."""
    ends = set()
    if any(at >= begun.at for at in ledger.sleeps):
        ends.add("expired")
    if any(device in ledger.gone for device in begun.devices):
        ends.add("not_enrolled")
    return ends


def _either(verdicts: set[str]) -> str:
    return " or ".join(sorted(verdicts))


# --- what is right ----------------------------------------------------------------


def expected(
    ledger: Ledger,
    seat: Seat,
    begun: Begun,
    host_mailbox: MailboxId,
    mailboxes: dict[bytes, MailboxId],
    same_moment: float,
) -> set[str]:
    """Return the verdicts that are right: what the first event means."""
    events = [(begun.at + begun.lifetime, "expired")]
    if seat.left_at is not None:
        events.append((seat.left_at, "canceled"))
    events += [(at, "canceled") for at in ledger.restarts if at >= begun.at]
    gone = [ledger.gone.get(device, NEVER) for device in begun.devices]
    events.append((max(gone), "not_enrolled"))
    for arrival in ledger.arrivals:
        means = _means(ledger, arrival, seat, begun, mailboxes)
        if means is not None and arrival.to == host_mailbox:
            events.append((arrival.at, means))
    first = min(at for at, _ in events)
    near = {verdict for at, verdict in events if at <= first + same_moment}
    if not ledger.has_room(first):
        return {"unavailable"}
    return near


def _counts(
    ledger: Ledger,
    act: Act,
    arrival: Arrival,
    begun: Begun,
    mailboxes: dict[bytes, MailboxId],
) -> bool:
    """Whether an answer that arrived may end this attempt."""
    return (
        act.counts
        and attempt_id_of(act.challenge_id) == begun.attempt_id
        # On the screen stood what the host had sent to this very device.
        and ledger.challenges.get((begun.attempt_id, act.device_id)) == act.shown
        and arrival.sender == mailboxes.get(act.device_id)
        and act.device_id in begun.devices
        and arrival.at < ledger.gone.get(act.device_id, NEVER)
        and arrival.at >= begun.at
        and not begun.started.after(begun.lifetime).has_come(arrival.moment)
    )


def _means(
    ledger: Ledger,
    arrival: Arrival,
    seat: Seat,
    begun: Begun,
    mailboxes: dict[bytes, MailboxId],
) -> str | None:
    """Return what an arrival ends the attempt as, None if it ends nothing."""
    act = ledger.acts.get(arrival.sealed)
    if act is None or not _counts(ledger, act, arrival, begun, mailboxes):
        return None
    return _meant(act, seat, begun)


def _meant(act: Act, seat: Seat, begun: Begun) -> str:
    if act.number is None:
        return "denied"
    if act.seat == seat.address and act.number == begun.number:
        return "approved"
    return "wrong_number"


# --- devices ----------------------------------------------------------------------


def _judge_devices(ledger: Ledger, rows: dict[str, list[str]]) -> Iterator[str]:
    cards = Counter[object]()
    for told in ledger.told:
        if told.what == "card":
            cards[told.device_id, told.challenge_id] += 1
            if (told.device_id, told.shown) not in ledger.signed:
                yield "a device shows a card that its host never sent"
        elif told.what == "outcome" and told.challenge_id is not None:
            written = rows.get(attempt_id_of(told.challenge_id), [])
            if written != [told.verdict] and told.verdict != "unavailable":
                yield f"a device says {told.verdict}, and it was {written}"
        elif told.what in {"notice", "revoked"}:
            yield f"a device shows a {told.what} that no host sent"
    if any(count > 1 for count in cards.values()):
        yield "a device shows one challenge as two cards"
