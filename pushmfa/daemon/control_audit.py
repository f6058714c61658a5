"""Asked over control.sock of the audit: show it, follow it, verify it.

All reading is in pieces, between which the daemon does its work: logins do not wait.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from pushmfa.daemon.audit import ActRecord, AttemptRecord, DeliveryRecord, decode_record
from pushmfa.daemon.calls import Exchange, Parts
from pushmfa.errors import MalformedError, VerificationError
from pushmfa.login.chain import ChainEnd, verify_end, verify_row
from pushmfa.login.policy import Account
from pushmfa.store.host_rows import AuditRow
from pushmfa.terms import Digest
from pushmfa.text import decode_text, make_harmless
from pushmfa.wire.control_audit import AuditEntry, AuditShown, AuditVerified, TailAudit

PIECE: Final = 200
LOOK_BACK: Final = 5_000
"""Rows among which the last ones of one account are looked for. Attack: any user has
the daemon read years of records, again and again."""

LOOK_EVERY: Final = 0.5
"""Seconds between looks for new rows; a look compares two numbers."""


async def tail(
    parts: Parts, exchange: Exchange, account: Account | None, request: TailAudit
) -> AuditShown:
    """Send the last rows of account, or for None of all; and on until the caller goes.

    With `follow` it never returns.
    """
    about = _About(account)
    last = parts.audit.end.seq
    back = request.last if account is None else LOOK_BACK
    first = max(last - back, 0)
    wanted = [row async for row in _rows(parts, first, last) if about.has(row)]
    for row in wanted[len(wanted) - min(request.last, len(wanted)) :]:
        await exchange.tell(_entry(row))
    while request.follow:
        await asyncio.sleep(LOOK_EVERY)
        async for row in _rows(parts, last, parts.audit.end.seq):
            last = row.seq
            if about.has(row):
                await exchange.tell(_entry(row))
    return AuditShown()


async def verify(parts: Parts) -> AuditVerified:
    """Return how many rows are as they were written, and what is wrong with the next.

    VerificationError's text says what it means.
    """
    end = ChainEnd()
    try:
        async for row in _rows(parts, 0, None):
            verify_row(end, row.seq, row.record, row.previous, row.hash)
            end = ChainEnd(row.seq, row.hash)
        verify_end(end, parts.audit.end)
    except VerificationError as error:
        problem = make_harmless(str(error))
        return _verified(end, broken=end.seq + 1, problem=problem)
    return _verified(end, broken=None, problem=None)


def _verified(
    end: ChainEnd, *, broken: int | None, problem: str | None
) -> AuditVerified:
    return AuditVerified(
        rows=end.seq, hash=Digest(end.hash), broken=broken, problem=problem
    )


async def _rows(parts: Parts, after: int, last: int | None) -> AsyncIterator[AuditRow]:
    """Give the rows behind row after, up to row last or up to the end."""
    while last is None or after < last:
        count = PIECE if last is None else min(PIECE, last - after)
        rows = parts.audit.rows_after(after, count)
        for row in rows:
            yield row
        if not rows:
            return
        after = rows[-1].seq
        await asyncio.sleep(0)


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        seq=row.seq, hash=Digest(row.hash), record=decode_text(row.record)
    )


class _About:
    """Which rows are about an account: its attempts, and what was done to it."""

    def __init__(self, account: Account | None) -> None:
        self._account = account
        self._attempts: set[str] = set()

    def has(self, row: AuditRow) -> bool:
        """Whether row is one of them; by name and uid, both."""
        if self._account is None:
            return True
        wanted = (self._account.name, self._account.uid)
        try:
            record = decode_record(row.record)
        except MalformedError:
            return False
        match record:
            case AttemptRecord():
                is_own = (record.approver, record.approver_uid) == wanted
                if is_own:
                    self._attempts.add(record.attempt_id)
                return is_own
            case DeliveryRecord():
                return record.attempt_id in self._attempts
            case ActRecord():
                return (record.user, record.uid) == wanted
            case _:
                return False
