"""The audit: one record for each decision and each act, exact bytes in a chain.

hash = SHA-256(previous || record), so that a changed, removed or inserted record
shows. There is no number and no secret in any record.
"""

import json
import logging
from collections.abc import Callable, Sequence
from typing import Annotated, Final, TypeVar

import msgspec

from pushmfa.errors import MalformedError
from pushmfa.login.chain import ChainEnd, chain
from pushmfa.login.policy import Account
from pushmfa.store.credential_rows import CounterRow
from pushmfa.store.host_rows import AuditRow, HostStore
from pushmfa.terms import Cause, DeviceId, Kind, Verdict
from pushmfa.text import json_line
from pushmfa.wire.codec import Message, encode, make_decoder
from pushmfa.wire.payload import UnixTime

log = logging.getLogger("pushmfa.audit")

T = TypeVar("T")

Schema = Annotated[int, msgspec.Meta(ge=1)]


class AttemptRecord(Message, frozen=True, tag="attempt"):
    """How a login attempt ended."""

    schema: Schema
    at: UnixTime
    attempt_id: str
    kind: Kind
    service: str
    user: str | None
    uid: int | None
    approver: str | None
    approver_uid: int | None
    requesting_user: str | None
    remote_address: str | None
    tty: str | None
    first_factor: str | None
    verdict: Verdict
    cause: Cause
    device_id: DeviceId | None
    device_label: str | None
    latency_ms: int


class DeliveryRecord(Message, frozen=True, tag="delivery"):
    """Whether an approval was still wanted when the terminal pressed Enter."""

    schema: Schema
    at: UnixTime
    attempt_id: str
    delivered: bool


class ActRecord(Message, frozen=True, tag="act"):
    """An administrative act: who did what to which device of whom."""

    schema: Schema
    at: UnixTime
    actor_uid: int
    act: str
    user: str
    uid: int
    device_id: DeviceId | None
    device_label: str | None
    attempt_id: str | None


class RefusalsRecord(Message, frozen=True, tag="refusals"):
    """Refusals without a first factor, counted: one source, one minute."""

    schema: Schema
    at: UnixTime
    remote_address: str
    count: int


class StateRecord(Message, frozen=True, tag="state"):
    """Something happened to the state as a whole: repair, restore, adopt, alarm."""

    schema: Schema
    at: UnixTime
    act: str
    detail: str
    epoch: int
    seen: int | None
    device_id: DeviceId | None


Record = AttemptRecord | DeliveryRecord | ActRecord | RefusalsRecord | StateRecord

SCHEMA: Final = 1
_MAX_RECORD: Final = 65_536
_decode = make_decoder(Record, _MAX_RECORD)  # type: ignore[arg-type, var-annotated]  # to mypy a union is no type[M]


def decode_record(raw: bytes) -> Record:
    """Return the record in raw, or raise MalformedError."""
    record: Record = _decode(raw)
    return record


class Audit:
    """The end of the chain, in memory, and the file that it is written to."""

    def __init__(self, store: HostStore) -> None:
        self._store = store
        last = store.last_audit()
        self.end = ChainEnd(last.seq, last.hash) if last else ChainEnd()
        self._later: list[Record] = []
        self._unlogged: list[bytes] = []

    def append(self, *records: Record) -> None:
        """Write records; they are on disk when this returns, else StoreError."""
        self.append_quietly(*records)
        self.log_rows()

    def append_quietly(
        self, *records: Record, counters: Sequence[CounterRow] = ()
    ) -> None:
        """Write records as `append` does; the log hears of them at the next `log_rows`.

        For what somebody waits for: the promise is the row, and not its copy. With
        them, in the same change, goes what authenticators have counted.
        """
        self._append_with(
            lambda rows: self._store.append_audit(*rows, counters=counters), *records
        )

    def append_with(
        self, change: Callable[[Sequence[AuditRow]], T], *records: Record
    ) -> T:
        """Write records with the change that they tell of; return what change does.

        change writes the rows and itself as one change of the store: an act without
        its row, or a row without its act, is on no disk. StoreError: there is neither.
        """
        done = self._append_with(change, *records)
        self.log_rows()
        return done

    def _append_with(
        self, change: Callable[[Sequence[AuditRow]], T], *records: Record
    ) -> T:
        rows, end = [], self.end
        for record in (*self._later, *records):
            raw, before = encode(record), end
            end = ChainEnd(before.seq + 1, chain(before.hash, raw))
            rows.append(AuditRow(end.seq, raw, before.hash, end.hash))
        done = change(rows)
        self.end, self._later = end, []
        self._unlogged += [row.record for row in rows]
        return done

    def log_rows(self) -> None:
        """Copy to the log what was written and is not there yet."""
        unlogged, self._unlogged = self._unlogged, []
        for record in unlogged:
            # Every label in it is a stranger's.
            log.info("%s", json_line(json.loads(record), is_compact=True))

    def append_later(self, record: Record) -> None:
        """Keep record until the next `append`, or `flush`, writes it as well.

        For what only confirms a row that is on disk already: a sync waits for the
        disk, and all logins wait with it.
        """
        self._later.append(record)

    def flush(self) -> None:
        """Write what is kept; StoreError, and then it is still kept."""
        if self._later:
            self.append()

    def rows_after(self, seq: int, limit: int) -> list[AuditRow]:
        """Return the rows that follow row seq, oldest first; StoreError."""
        return self._store.load_audit_after(seq, limit)

    def last_attempts(self, account: Account, limit: int) -> list[AttemptRecord]:
        """Return the last attempts that account's devices were asked for, newest first.

        By name and uid, both: a name that was given to somebody else shows nothing.
        """
        found: list[AttemptRecord] = []
        for row in self._store.load_audit(500):
            try:
                record = decode_record(row.record)
            except MalformedError:
                continue
            if isinstance(record, AttemptRecord) and (
                record.approver,
                record.approver_uid,
            ) == (account.name, account.uid):
                found.append(record)
            if len(found) == limit:
                break
        return found
