"""What command line and daemon say to each other, on control.sock.

A stream of JSON objects, one a line, at most 64 KiB each. The caller sends one
request; the daemon answers with any number of events and one reply, then closes.
During an enrollment the caller sends `enroll-code` after the event `enroll-claimed`.
Closing the connection cancels whatever the request started. SO_PEERCRED says who
the caller is; nothing in a request does.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from pushmfa.errors import (
    ConfigError,
    ExpiredError,
    LimitError,
    NotEnrolledError,
    NotPermittedError,
    NotReachableError,
    PushmfaError,
    RefusedError,
    UsageError,
)
from pushmfa.terms import (
    Cause,
    DeviceId,
    DeviceKind,
    HostId,
    Kind,
    Verdict,
    Verification,
)
from pushmfa.wire.codec import Message, Part, encode, make_decoder
from pushmfa.wire.control_account import Mute, Muted, StartConfirm, Unlock, Unlocked
from pushmfa.wire.control_audit import (
    AuditEntry,
    AuditShown,
    AuditVerified,
    TailAudit,
    VerifyAudit,
)
from pushmfa.wire.control_host import BackupDone, BackupPiece, GetBackup
from pushmfa.wire.fields import Label, Text, UnixTime

MAX_LINE: Final = 65_536

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
TicketText = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Code = Annotated[str, msgspec.Meta(max_length=64)]


class FailureKind(StrEnum):
    """Why a request was not done; the command line maps it to its exit code."""

    REFUSED = "refused"
    USAGE = "usage"
    NOT_REACHABLE = "not_reachable"
    EXPIRED = "expired"
    LIMIT = "limit"
    NOT_ENROLLED = "not_enrolled"
    NOT_PERMITTED = "not_permitted"
    CONFIG = "config"
    INTERNAL = "internal"


# --- requests: user None is the caller ------------------------------------------


class GetHost(Message, frozen=True, tag="get-host"):
    """Ask which host this is."""


class GetStatus(Message, frozen=True, tag="get-status"):
    """Is this host protected and healthy; the devices and last attempts of user."""

    user: Name | None


class ListDevices(Message, frozen=True, tag="list-devices"):
    """All devices that user ever had."""

    user: Name | None


class RevokeDevice(Message, frozen=True, tag="revoke-device"):
    """Revoke one device, named by its label, its id or the id's beginning."""

    user: Name | None
    device: Name


class RenameDevice(Message, frozen=True, tag="rename-device"):
    """Give one device another label."""

    user: Name | None
    device: Name
    label: Label


class ReportLost(Message, frozen=True, tag="report-lost"):
    """Mute one device at once: it is asked no more, and its answers count no more."""

    user: Name | None
    device: Name


class Enroll(Message, frozen=True, tag="enroll"):
    """Enroll a device for user."""

    user: Name | None
    label: Label | None
    ticket: TicketText | None


class EnrollCode(Message, frozen=True, tag="enroll-code"):
    """What the person read from the new device and typed."""

    code: Code


class MakeTicket(Message, frozen=True, tag="make-ticket"):
    """Make an enrollment ticket for user's first device."""

    user: Name


class StartTest(Message, frozen=True, tag="start-test"):
    """One real attempt outside of PAM."""

    user: Name | None


# --- events -------------------------------------------------------------------------


class NumberShown(Message, frozen=True, tag="number-shown"):
    """Show this number: an attempt waits for it."""

    attempt_id: str
    number: str
    devices: tuple[Label, ...]
    lifetime: int


class EnrollLink(Message, frozen=True, tag="enroll-link"):
    """Show this link to the new device."""

    link: str
    lifetime: int


class EnrollClaimed(Message, frozen=True, tag="enroll-claimed"):
    """A device took the link; it shows six digits now."""

    label: Label
    kind: DeviceKind
    can_approve: bool
    """False: it cannot verify its holder, and this account's logins need that."""


# --- replies ------------------------------------------------------------------------


class Failure(Message, frozen=True, tag="failure"):
    """It was not done: what happened, and what to do."""

    kind: FailureKind
    message: str
    hint: str


class Host(Message, frozen=True, tag="host"):
    """Which host this is."""

    host_id: HostId
    host_name: Name
    version: str


class DeviceInfo(Part, frozen=True):
    """One device, as lists show it."""

    device_id: DeviceId
    label: Label
    kind: DeviceKind
    enrolled_at: UnixTime
    last_seen_at: UnixTime | None
    lost_at: UnixTime | None
    revoked_at: UnixTime | None
    verification: Verification
    """How it verifies its holder; with `none` it cannot approve where that is asked."""


class RelayInfo(Part, frozen=True):
    """One relay, as the daemon sees it."""

    url: str
    connected: bool
    problem: Text | None


class AttemptInfo(Part, frozen=True):
    """One attempt that ended, from the audit."""

    attempt_id: str
    at: UnixTime
    kind: Kind
    service: str
    remote_address: str | None
    verdict: Verdict
    cause: Cause
    device_label: str | None


class Status(Message, frozen=True, tag="status"):
    """Health of the host; user, devices and attempts are null for a monitor."""

    version: str
    host_id: HostId
    host_name: Name
    healthy: bool
    problems: tuple[Text, ...]
    relays: tuple[RelayInfo, ...]
    pending_attempts: int
    enrolled_accounts: int
    user: Name | None
    muted_until: UnixTime | None
    devices: tuple[DeviceInfo, ...] | None
    attempts: tuple[AttemptInfo, ...] | None


class Devices(Message, frozen=True, tag="devices"):
    """All devices that user ever had, newest first."""

    user: Name
    devices: tuple[DeviceInfo, ...]


class Ticket(Message, frozen=True, tag="ticket"):
    """An enrollment ticket; it is shown once."""

    user: Name
    ticket: TicketText
    expires_at: UnixTime


class Done(Message, frozen=True, tag="done"):
    """It was done, to this device."""

    user: Name
    device: DeviceInfo


class AttemptEnded(Message, frozen=True, tag="attempt-ended"):
    """The attempt that this request was has ended."""

    attempt_id: str
    verdict: Verdict
    cause: Cause
    device_label: str | None
    elapsed_ms: int


Request = (
    GetHost
    | GetStatus
    | ListDevices
    | RevokeDevice
    | RenameDevice
    | ReportLost
    | Enroll
    | EnrollCode
    | MakeTicket
    | StartTest
    | StartConfirm
    | Mute
    | Unlock
    | TailAudit
    | VerifyAudit
    | GetBackup
)
Event = NumberShown | EnrollLink | EnrollClaimed | AuditEntry | BackupPiece
Reply = (
    Failure
    | Host
    | Status
    | Devices
    | Ticket
    | Done
    | AttemptEnded
    | Muted
    | Unlocked
    | AuditShown
    | AuditVerified
    | BackupDone
)

decode_request: Callable[[bytes], Request] = make_decoder(
    Request,  # type: ignore[arg-type]  # to mypy a union is no type[M]
    MAX_LINE,
)
decode_response: Callable[[bytes], Event | Reply] = make_decoder(
    Event | Reply,  # type: ignore[arg-type]  # as above
    MAX_LINE,
)


def encode_line(message: Request | Event | Reply) -> bytes:
    """Return message as one line with its end."""
    return encode(message) + b"\n"


_ERRORS: Final[Mapping[FailureKind, type[PushmfaError]]] = {
    FailureKind.REFUSED: RefusedError,
    FailureKind.USAGE: UsageError,
    FailureKind.NOT_REACHABLE: NotReachableError,
    FailureKind.EXPIRED: ExpiredError,
    FailureKind.LIMIT: LimitError,
    FailureKind.NOT_ENROLLED: NotEnrolledError,
    FailureKind.NOT_PERMITTED: NotPermittedError,
    FailureKind.CONFIG: ConfigError,
    FailureKind.INTERNAL: PushmfaError,
}
"""What is raised in the daemon, and raised again at the caller."""

_KINDS: Final = {error: kind for kind, error in _ERRORS.items()}


def failure_of(error: PushmfaError) -> Failure:
    """Return the reply that tells an error; one without a kind is internal."""
    kind = _KINDS.get(type(error), FailureKind.INTERNAL)
    return Failure(kind=kind, message=str(error), hint=error.hint)


def error_of(failure: Failure) -> PushmfaError:
    """Return the error that a reply tells; without its own hint the class has one."""
    return _ERRORS[failure.kind](failure.message, hint=failure.hint or None)
