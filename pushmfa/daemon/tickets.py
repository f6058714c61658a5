"""Enrollment tickets: how an account without a device gets its first one.

Root makes a ticket for one account. Typed at the login prompt it admits one login;
typed at `pushmfa enroll` it authorizes one enrollment, at most 20 minutes after that
login. 80 bits, one host, 24 hours; on disk is only a digest.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

from pushmfa.errors import RefusedError
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.store.host_rows import AuditRow, HostStore, TicketRow

LIFETIME: Final = 86_400
"""Seconds from making to the last use."""

ENROLL_WITHIN: Final = 1_200
"""Seconds from the login that it admitted to the enrollment (SP 800-63B: 20 min)."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FORM: Final = re.compile(r"B[0-9A-HJKMNP-TV-Z]{16}", re.ASCII)
_LOOKALIKES: Final = str.maketrans("OIL", "011")


class Tickets:
    """The tickets of this host."""

    def __init__(self, store: HostStore) -> None:
        self._store = store

    def make(
        self, account: Account, now: Moment, audit: Sequence[AuditRow] = ()
    ) -> tuple[str, int]:
        """Return a new ticket for account and when it expires; older ones are void.

        The rows of the audit are written with it; StoreError.
        """
        symbols = "".join(secrets.choice(_ALPHABET) for _ in range(16))
        ticket = "B-" + "-".join(symbols[i : i + 4] for i in range(0, 16, 4))
        expires_at = int(now.wall) + LIFETIME
        self._store.add_ticket(
            TicketRow(
                digest=digest_of_ticket(ticket),
                user=account.name,
                uid=account.uid,
                made_at=int(now.wall),
                expires_at=expires_at,
                admitted_at=None,
                enrolled_at=None,
            ),
            audit,
        )
        return ticket, expires_at

    def is_out(self, account: Account, now: Moment) -> bool:
        """Whether account has a ticket that can still admit a login."""
        return self._store.has_ticket(account.name, account.uid, int(now.wall))

    def admit(self, account: Account, typed: str, now: Moment) -> bool:
        """Whether typed is account's ticket and admits this login; once."""
        row = self._find(account, typed, now)
        if row is None or row.enrolled_at is not None:
            return False
        # Compare-and-set on disk: two logins at once cannot both be admitted.
        return self._store.use_ticket(row.digest, "admitted_at", int(now.wall))

    def check_enroll(self, account: Account, typed: str, now: Moment) -> bytes:
        """Return the digest of a ticket that authorizes account's enrollment.

        It is used up by `use_enroll` when the device is active. RefusedError if it
        does not authorize anything.
        """
        row = self._find(account, typed, now)
        wrong = RefusedError(
            "the enrollment ticket is not valid for this account",
            hint="Ask your administrator for a new one: pushmfa enroll --user "
            f"{account.name} --ticket",
        )
        if row is None or row.enrolled_at is not None:
            raise wrong
        admitted = row.admitted_at
        # Attack: the clock is set back, so that the 20 minutes begin anew.
        if admitted is not None and not 0 <= now.wall - admitted <= ENROLL_WITHIN:
            raise wrong
        return row.digest

    def use_enroll(self, digest: bytes, now: Moment) -> bool:
        """Mark a ticket as used for an enrollment; False if it was."""
        return self._store.use_ticket(digest, "enrolled_at", int(now.wall))

    def _find(self, account: Account, typed: str, now: Moment) -> TicketRow | None:
        digest = digest_of_ticket(typed)
        row = None if digest == b"" else self._store.find_ticket(digest)
        if row is None or row.uid != account.uid or row.user != account.name:
            return None
        if not row.made_at <= now.wall < row.expires_at:
            return None
        return row


def digest_of_ticket(typed: str) -> bytes:
    """Return the digest of a ticket however it is written, b"" if it is none.

    Crockford's base 32: case and hyphens do not matter, O is 0, I and L are 1.
    """
    compact = re.sub(r"[\s-]", "", typed).upper()
    compact = compact[:1] + compact[1:].translate(_LOOKALIKES)
    if not _FORM.fullmatch(compact):
        return b""
    return hashlib.sha256(b"pushmfa ticket\0" + compact.encode("ascii")).digest()
