"""Python API of a host's daemon, over control.sock; blocking, without threads.

    from pushmfa.client import Client
    from pushmfa.terms import Verdict

    with Client() as client:
        ended = client.test(on_number=lambda shown: print(shown.number, shown.devices))
        if ended.verdict is Verdict.APPROVED:
            print("approved on", ended.device_label)
        for device in client.devices().devices:
            print(device.label, device.enrolled_at)

Who may do what: the daemon asks the kernel who calls (SO_PEERCRED) and looks it up in
`pushmfa.login.authority`. `user` None is the caller's own account; another one is
for root. What adds or removes a device needs an approval by a device of its owner,
unless root asks: then `on_number` is called with the number to type into the device,
and the call returns when the device has answered.

Every method sends one request on a connection of its own, returns one reply of
`pushmfa.wire.control`, and raises only subclasses of `pushmfa.errors.PushmfaError`:
NotReachableError (no daemon), NotPermittedError, NotEnrolledError, LimitError,
ExpiredError, RefusedError, UsageError, ConfigError, MalformedError for an answer that
is none, and PushmfaError itself for a mistake inside of the daemon. Leaving the `with`
block, also by an exception such as KeyboardInterrupt, ends a request that waits, and
the daemon cancels its attempt.

Times in replies are Unix seconds, ids are bytes, texts can hold anything: show them
through `pushmfa.text.make_harmless`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from pushmfa.config.run_dir import DEFAULT_RUN
from pushmfa.control_connection import ControlConnection
from pushmfa.errors import MalformedError, NotReachableError, UsageError
from pushmfa.terms import HostId
from pushmfa.wire import control
from pushmfa.wire.control_account import (
    MAX_LIFETIME,
    MIN_LIFETIME,
    Mute,
    Muted,
    StartConfirm,
    Unlock,
    Unlocked,
)
from pushmfa.wire.control_audit import (
    MAX_LAST,
    AuditEntry,
    AuditShown,
    AuditVerified,
    TailAudit,
    VerifyAudit,
)
from pushmfa.wire.control_host import BackupDone, BackupPiece, GetBackup

R = TypeVar("R", bound=control.Reply)
OnNumber = Callable[[control.NumberShown], None]
"""Is called when an attempt waits: show `number`, name `devices`."""

OnLink = Callable[[control.EnrollLink], None]
AskCode = Callable[[control.EnrollClaimed], str]

SOCKET_NAME: Final = "control.sock"
ANSWER_TIMEOUT: Final = 15.0
"""Seconds for whatever the daemon does by itself; waiting for a person comes on top."""

VERIFY_TIMEOUT: Final = 600.0
"""Seconds for years of audit."""

FOREVER: Final = 10.0 * 366 * 86_400
"""Seconds that a row may take to come; the daemon's end is heard at once."""

BACKUP_TIMEOUT: Final = 300.0
"""Seconds for the daemon to copy a long audit before the first piece comes."""


def local_host_id(run_dir: Path = DEFAULT_RUN) -> HostId | None:
    """Return the id of the host that this computer is, None if it runs no daemon.

    What does answer, but wrongly, is an error.
    """
    try:
        with Client(run_dir) as client:
            return client.host().host_id
    except NotReachableError:
        return None


class Client:
    """Asks the daemon whose sockets are in run_dir.

    timeout: seconds for what the daemon does by itself.
    """

    def __init__(
        self, run_dir: Path = DEFAULT_RUN, *, timeout: float = ANSWER_TIMEOUT
    ) -> None:
        self._path = run_dir / SOCKET_NAME
        self._timeout = timeout
        self._connection: ControlConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the request that waits, if there is one; the daemon cancels it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # --- what looks, and changes nothing -------------------------------------------

    def host(self) -> control.Host:
        """Return which host this is; everybody may ask."""
        return self._ask(control.GetHost(), control.Host)

    def status(self, user: str | None = None) -> control.Status:
        """Return health, devices and last attempts of user.

        To members of pushmfa-monitor user, devices and attempts are None.
        """
        return self._ask(control.GetStatus(user=user), control.Status)

    def devices(self, user: str | None = None) -> control.Devices:
        """Return every device that user ever had, newest first."""
        return self._ask(control.ListDevices(user=user), control.Devices)

    # --- what changes devices; device is a label, an id or the beginning of an id ----

    def revoke_device(
        self, device: str, user: str | None = None, *, on_number: OnNumber | None = None
    ) -> control.Done:
        """Revoke device for ever; the owner approves it on an active device."""
        request = control.RevokeDevice(user=user, device=device)
        return self._ask(request, control.Done, on_number=on_number)

    def rename_device(
        self,
        device: str,
        label: str,
        user: str | None = None,
        *,
        on_number: OnNumber | None = None,
    ) -> control.Done:
        """Give device another label (1 to 64 characters); the owner approves it."""
        request = control.RenameDevice(user=user, device=device, label=label)
        return self._ask(request, control.Done, on_number=on_number)

    def report_lost(self, device: str, user: str | None = None) -> control.Done:
        """Mute device at once; needs no approval, for who lost it cannot give one."""
        return self._ask(control.ReportLost(user=user, device=device), control.Done)

    def make_ticket(self, user: str) -> control.Ticket:
        """Return a ticket for user's first device; root only, and shown only here."""
        return self._ask(control.MakeTicket(user=user), control.Ticket)

    def enroll(
        self,
        *,
        on_link: OnLink,
        ask_code: AskCode,
        user: str | None = None,
        label: str | None = None,
        ticket: str | None = None,
        on_number: OnNumber | None = None,
    ) -> control.Done:
        """Enroll a device and return it.

        on_link shows the link to the new device; ask_code returns the six digits
        that the person reads there (one try). Who has active devices approves on one
        of them first; a first device needs a ticket, or root beside the user: without
        either it is NotEnrolledError.
        """
        request = control.Enroll(user=user, label=label, ticket=ticket)
        return self._ask(
            request,
            control.Done,
            on_number=on_number,
            on_link=on_link,
            ask_code=ask_code,
        )

    def mute(self, seconds: int, user: str | None = None) -> Muted:
        """Have user's devices asked for nothing for 60 seconds to 7 days.

        Logins are refused meanwhile, and those that wait end. It needs no approval,
        and never shortens a mute.
        """
        return self._ask(Mute(user=user, seconds=seconds), Muted)

    def unlock(
        self, user: str | None = None, *, on_number: OnNumber | None = None
    ) -> Unlocked:
        """End user's mute and the attempts that wait; the owner approves it.

        LimitError if a mute was asked to end three times within an hour.
        """
        return self._ask(Unlock(user=user), Unlocked, on_number=on_number)

    # --- the audit --------------------------------------------------------------------

    def audit(
        self, user: str | None = None, *, last: int = 20, follow: bool = False
    ) -> Iterator[AuditEntry]:
        """Give the last rows (0 to 1,000) of the audit, oldest first.

        With follow it goes on with every new row, until the client is closed. None is
        the caller's own account; for root it is everybody. `record` is JSON whose
        fields `pushmfa.daemon.audit` documents.
        """
        if not 0 <= last <= MAX_LAST:
            raise UsageError(f"last is 0 to {MAX_LAST}")
        connection = self._connect()
        try:
            connection.send(TailAudit(user=user, last=last, follow=follow))
            while True:
                match connection.receive(FOREVER if follow else self._timeout):
                    case AuditEntry() as entry:
                        yield entry
                    case AuditShown():
                        return
                    case other:
                        raise _unexpected(other, "a row")
        finally:
            self.close()

    def verify_audit(self) -> AuditVerified:
        """Have the daemon verify the chain of the audit; root only.

        `broken` is the number of the first row that is not as it was written, None if
        all are; `problem` says what it means. `hash` is that of the last whole row:
        kept elsewhere, it shows a later cut.
        """
        return self._ask(VerifyAudit(), AuditVerified, wait=VERIFY_TIMEOUT)

    def back_up(self, on_piece: Callable[[bytes], None]) -> BackupDone:
        """Have the daemon send a backup of this host, private keys too; root only.

        on_piece gets the bytes of the file, piece by piece; it is complete only if
        this returns, and then `sha256` is that of all pieces together.
        """
        connection = self._connect()
        try:
            connection.send(GetBackup())
            while True:
                match connection.receive(BACKUP_TIMEOUT):
                    case BackupPiece() as piece:
                        on_piece(piece.data)
                    case BackupDone() as done:
                        return done
                    case other:
                        raise _unexpected(other, "a piece")
        finally:
            self.close()

    # --- attempts -------------------------------------------------------------------

    def test(
        self, user: str | None = None, *, on_number: OnNumber | None = None
    ) -> control.AttemptEnded:
        """Start one real attempt outside of PAM and return how it ended.

        A refusal is a reply, not an exception: look at `verdict`.
        """
        request = control.StartTest(user=user)
        return self._ask(request, control.AttemptEnded, on_number=on_number)

    def confirm(
        self,
        text: str,
        user: str | None = None,
        *,
        lifetime: int | None = None,
        on_number: OnNumber | None = None,
    ) -> control.AttemptEnded:
        """Ask user's devices to approve an action and return how it ended.

        text says on one line what is to be done, in 1 to 2,000 bytes of UTF-8; the
        device shows it and signs it. lifetime: 10 to 600 seconds that it may take,
        None for what the host is configured to. A refusal is a reply, not an
        exception: only `Verdict.APPROVED` means yes. UsageError for a text that
        cannot be shown as it is.
        """
        if lifetime is not None and not MIN_LIFETIME <= lifetime <= MAX_LIFETIME:
            raise UsageError(f"lifetime is {MIN_LIFETIME} to {MAX_LIFETIME} seconds")
        from pushmfa.login.confirmation import confirm_text

        asked = confirm_text(text)
        request = StartConfirm(user=user, text=asked, lifetime=lifetime)
        return self._ask(request, control.AttemptEnded, on_number=on_number)

    # --------------------------------------------------------------------------------

    def _ask(
        self,
        request: control.Request,
        expected: type[R],
        *,
        on_number: OnNumber | None = None,
        on_link: OnLink | None = None,
        ask_code: AskCode | None = None,
        wait: float | None = None,
    ) -> R:
        """Send request, serve the events, return the reply of the expected type."""
        connection = self._connect()
        wait = wait or self._timeout
        try:
            connection.send(request)
            while True:
                match connection.receive(wait):
                    case control.NumberShown() as shown:
                        wait = shown.lifetime + self._timeout
                        if on_number is not None:
                            on_number(shown)
                    case control.EnrollLink() as link if on_link is not None:
                        wait = link.lifetime + self._timeout
                        on_link(link)
                    case control.EnrollClaimed() as claimed if ask_code is not None:
                        wait = self._timeout
                        connection.send(control.EnrollCode(code=ask_code(claimed)))
                    case reply if isinstance(reply, expected):
                        return reply
                    case other:
                        raise _unexpected(other, expected.__name__)
        finally:
            self.close()

    def _connect(self) -> ControlConnection:
        if self._connection is not None:
            raise UsageError("one request at a time: this client still waits")
        self._connection = ControlConnection(self._path, self._timeout)
        return self._connection


def _unexpected(message: object, wanted: str) -> MalformedError:
    return MalformedError(f"the daemon answered {type(message).__name__}, not {wanted}")
