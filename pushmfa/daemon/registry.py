"""The devices of this host: rows on disk, `Device` in memory, the two kept equal.

All devices are held in memory: a login reads no file. Every change is on disk before
it counts, but for a revocation, which counts at once even if the disk refuses it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import replace

import msgspec

from pushmfa.daemon.unwritten import Unwritten
from pushmfa.errors import StoreError
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.policy import Account
from pushmfa.store.credential_rows import CounterRow, CredentialRow
from pushmfa.store.host_rows import AuditRow, DeviceRow, EventRow, HostStore
from pushmfa.terms import (
    CredentialAlgorithm,
    DeviceId,
    DeviceKind,
    MailboxId,
    SealingKey,
    UserName,
    VerifyKey,
)
from pushmfa.wire.webauthn import Credential, CredentialId, CredentialKey


class Registry:
    """All devices that were ever enrolled on this host."""

    def __init__(self, store: HostStore, unwritten: Unwritten | None = None) -> None:
        self._store = store
        self._unwritten = Unwritten() if unwritten is None else unwritten
        self._devices: dict[DeviceId, Device] = {}
        self._by_account: dict[tuple[int, UserName], list[DeviceId]] = {}
        self._by_mailbox: dict[bytes, DeviceId] = {}
        self._keys: set[bytes] = set()
        self.counter = 0
        """How often the devices changed: the counter of the state epoch."""
        self._seen: dict[DeviceId, tuple[int, int]] = {}
        self.on_change: Callable[[], None] = lambda: None
        """Hears at once of devices that were added, revoked or reported lost."""
        credentials = {row.device_id: row for row in store.load_credentials()}
        for row in store.load_devices():
            self._remember(_device_of(row, credentials.get(row.device_id)))
        host = store.load_host()
        if host is not None:
            self.counter = host.epoch
        self._take_over()

    def devices_of(self, account: Account) -> tuple[Device, ...]:
        """Return all devices of account, oldest first.

        Keyed by uid and name, both: an account that got another's uid, or another's
        name, has none of its devices.
        """
        found = self._by_account.get((account.uid, account.name), ())
        return tuple(self._devices[device_id] for device_id in found)

    def active_devices_of(self, account: Account) -> tuple[Device, ...]:
        """Return the devices of account that are asked."""
        return tuple(d for d in self.devices_of(account) if d.is_active())

    def by_mailbox(self, mailbox: MailboxId) -> Device | None:
        """Return the device that sends from mailbox, as it is now."""
        device_id = self._by_mailbox.get(mailbox)
        return None if device_id is None else self._devices[device_id]

    def by_id(self, device_id: DeviceId) -> Device | None:
        """Return the device with this id, as it is now."""
        return self._devices.get(device_id)

    def known_keys(self) -> AbstractSet[bytes]:
        """Return all public keys and mailboxes of devices, revoked ones included."""
        return self._keys

    def count_accounts(self) -> int:
        """Return how many accounts have an active device."""
        return len({d.uid for d in self._devices.values() if d.is_active()})

    def all_devices(self) -> Iterable[Device]:
        """Return every device."""
        return tuple(self._devices.values())

    def add(
        self, device: Device, actor_uid: int, audit: Sequence[AuditRow] = ()
    ) -> None:
        """Add an enrolled device, with its rows of the audit.

        StoreError if it cannot be kept.
        """
        event = _event(device, "enrolled", actor_uid, device.enrolled_at, device.label)
        # Nothing can fail after this: whoever asked must not hear of a failure then.
        self.counter = self._store.add_device(
            _row_of(device), event, audit, _credential_row(device)
        )
        self._remember(device)
        self.on_change()

    def revoke(self, device: Device, actor_uid: int, now: Moment) -> Device:
        """Revoke device and return it as it is now."""
        return self._end(device, "revoked_at", "revoked", actor_uid, now)

    def report_lost(self, device: Device, actor_uid: int, now: Moment) -> Device:
        """Mute device and return it as it is now."""
        return self._end(device, "lost_at", "lost", actor_uid, now)

    def rename(
        self,
        device: Device,
        label: str,
        actor_uid: int,
        now: Moment,
        audit: Sequence[AuditRow] = (),
    ) -> Device:
        """Give device another label and return it as it is now; StoreError."""
        detail = f"{device.label} -> {label}"
        event = _event(device, "renamed", actor_uid, int(now.wall), detail)
        self._store.set_device_label(label, event, audit)
        # As it is now: what the caller holds may be from before a login, whose count
        # would be forgotten (attack: a copy of the authenticator signs after that).
        return self._replace(replace(self._devices[device.device_id], label=label))

    def note_answer(self, device: Device, counter: int, now: Moment) -> None:
        """Note when device last answered; `write_seen` brings it to the disk."""
        at = int(now.wall)
        current = self._devices[device.device_id]
        self._replace(replace(current, last_seen_at=at))
        _, before = self._seen.get(device.device_id, (at, 0))
        self._seen[device.device_id] = (at, max(counter, before))

    def note_counter(self, device: Device, counter: int) -> CounterRow | None:
        """Note how far the authenticator of device has counted, from now on.

        Returns what is to be written with the attempt that it was for; None if the
        authenticator keeps no counter, or the device has none.
        """
        current = self._devices[device.device_id]
        if current.credential is None or counter <= current.credential.counter:
            return None
        credential = msgspec.structs.replace(current.credential, counter=counter)
        self._replace(replace(current, credential=credential))
        return CounterRow(counter, device.device_id)

    def write_seen(self) -> None:
        """Write what `note_answer` noted; StoreError, and then it is still noted."""
        if self._seen:
            self._store.set_devices_seen(
                [(at, counter, key) for key, (at, counter) in self._seen.items()]
            )
            self._seen = {}

    def _end(
        self, device: Device, column: str, event: str, actor_uid: int, now: Moment
    ) -> Device:
        at = int(now.wall)
        # In memory first: what is revoked is refused from this moment on, even if
        # the disk is full; the caller hears of the disk by StoreError.
        ended = self._replace(_ended(self._devices[device.device_id], column, at))
        self.on_change()
        row = _event(device, event, actor_uid, at)
        try:
            self.counter = self._store.set_device_time(column, at, row)
        except StoreError:
            # It holds in memory; a restart would make the device active again.
            self._unwritten.ended.append((column, row))
            raise
        return ended

    def _take_over(self) -> None:
        """End the devices that an earlier state of this process could not end."""
        left, self._unwritten.ended[:] = self._unwritten.ended[:], ()
        for column, row in left:
            device = self._devices.get(DeviceId(row.device_id))
            # Else another host's, after a reset; or it is on this disk already.
            if device is not None and getattr(device, column) is None:
                self._replace(_ended(device, column, row.at))
                self._unwritten.ended.append((column, row))

    def write_again(self) -> None:
        """Write what the disk refused before; StoreError if it does so again."""
        ended = self._unwritten.ended
        if not ended:
            return
        on_disk = {row.device_id: row for row in self._store.load_devices()}
        while ended:
            column, row = ended[0]
            # A disk that fails may have kept what it refused. A second time would be
            # refused for ever, and what stands behind it never written.
            if getattr(on_disk.get(row.device_id), column, None) is None:
                self.counter = self._store.set_device_time(column, row.at, row)
            del ended[0]

    def note_seen(self, counter: int) -> None:
        """Note what a device proved to have seen: later starts refuse, too."""
        # If the disk refuses it, the next answer of that device says it again.
        with suppress(StoreError):
            self._store.note_seen(counter)

    def _replace(self, device: Device) -> Device:
        self._devices[device.device_id] = device
        return device

    def _remember(self, device: Device) -> None:
        self._devices[device.device_id] = device
        owner = (device.uid, device.user)
        self._by_account.setdefault(owner, []).append(device.device_id)
        self._by_mailbox[device.mailbox] = device.device_id
        self._keys.update((device.verify_key, device.mailbox))
        if device.credential is not None:
            self._keys.add(device.credential.public_key)


def _ended(device: Device, column: str, at: int) -> Device:
    if column == "revoked_at":
        return replace(device, revoked_at=at)
    return replace(device, lost_at=at)


def _event(
    device: Device, event: str, actor_uid: int, at: int, detail: str = ""
) -> EventRow:
    return EventRow(at, device.device_id, event, actor_uid, detail)


def _row_of(device: Device) -> DeviceRow:
    return DeviceRow(
        device_id=device.device_id,
        user=device.user,
        uid=device.uid,
        label=device.label,
        kind=device.kind.value,
        capabilities=json.dumps(device.capabilities),
        verify_key=device.verify_key,
        sealing_key=device.sealing_key,
        mailbox=device.mailbox,
        version=device.version,
        counter=0,
        enrolled_at=device.enrolled_at,
        last_seen_at=device.last_seen_at,
        lost_at=device.lost_at,
        revoked_at=device.revoked_at,
    )


def _credential_row(device: Device) -> CredentialRow | None:
    found = device.credential
    if found is None:
        return None
    return CredentialRow(
        device.device_id, found.id, found.public_key, found.algorithm, found.counter
    )


def _credential_of(row: CredentialRow | None) -> Credential | None:
    if row is None:
        return None
    return Credential(
        id=CredentialId(row.credential_id),
        public_key=CredentialKey(row.public_key),
        algorithm=CredentialAlgorithm(row.algorithm),
        counter=row.counter,
    )


def _device_of(row: DeviceRow, credential: CredentialRow | None) -> Device:
    try:
        return Device(
            device_id=DeviceId(row.device_id),
            user=UserName(row.user),
            uid=row.uid,
            label=row.label,
            kind=DeviceKind(row.kind),
            capabilities=tuple(json.loads(row.capabilities)),
            verify_key=VerifyKey(row.verify_key),
            sealing_key=SealingKey(row.sealing_key),
            mailbox=MailboxId(row.mailbox),
            version=row.version,
            enrolled_at=row.enrolled_at,
            last_seen_at=row.last_seen_at,
            lost_at=row.lost_at,
            revoked_at=row.revoked_at,
            credential=_credential_of(credential),
        )
    except ValueError as error:
        raise StoreError(
            f"a device in the database cannot be understood: {error}",
            hint="Put back a copy of the database.",
        ) from error
