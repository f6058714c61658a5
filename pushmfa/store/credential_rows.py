"""The credentials of devices: a table of its own, beside the devices.

Of its own, so that a state of before has the same digest of its devices as it had.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pushmfa.store.database import Database


class CredentialRow(NamedTuple):
    """A row of credentials, in the order of its columns."""

    device_id: bytes
    credential_id: bytes
    public_key: bytes
    algorithm: int
    counter: int


class CounterRow(NamedTuple):
    """The counter that an authenticator has reached."""

    counter: int
    device_id: bytes


def load_credentials(database: Database) -> list[CredentialRow]:
    """Return all, in no order."""
    columns = ", ".join(CredentialRow._fields)
    rows = database.query(f"SELECT {columns} FROM credentials")  # noqa: S608  names of our own columns
    return [CredentialRow(*row) for row in rows]


def add_credential(database: Database, row: CredentialRow) -> None:
    """Write the credential of a device that is written in the same change."""
    database.execute("INSERT INTO credentials VALUES (?, ?, ?, ?, ?)", row)


def raise_counters(database: Database, rows: Sequence[CounterRow]) -> None:
    """Write what authenticators have counted; none goes back."""
    for row in rows:
        database.execute(
            "UPDATE credentials SET counter = max(counter, ?) WHERE device_id = ?", row
        )
