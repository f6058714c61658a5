"""What a terminal authenticator keeps: one private file for each enrollment.

    STATE/enrollments/<first 16 hexadecimal digits of the device id>.json

An enrollment is one account on one host, with keys of its own; hosts cannot see that
two of them are one device. The three private keys lie in one piece, in the clear or
under a passphrase (argon2id).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
import platformdirs

from pushmfa.crypto.keys import new_sealing_scalar, new_seed, protect, unprotect
from pushmfa.crypto.sealing import PRIVATE_SCALAR_SIZE, Opener
from pushmfa.crypto.signing import SEED_SIZE, Signer, device_id_of, mailbox_id_of
from pushmfa.errors import MalformedError, StoreError, UsageError
from pushmfa.store.files import (
    hold_lock,
    load_private,
    make_private_folder,
    remove_private,
    save_private,
)
from pushmfa.terms import Binary, DeviceId, HostId, MailboxId, SealingKey, VerifyKey
from pushmfa.wire.codec import Message, encode, make_decoder
from pushmfa.wire.link import Version
from pushmfa.wire.payload import Counter, Label, RelayUrl, ShortText, Uid, UnixTime

FILE_VERSION: Final = 1
MAX_FILE: Final = 16_384
_NAME_DIGITS: Final = 16
_KEYS_SIZE: Final = 2 * SEED_SIZE + PRIVATE_SCALAR_SIZE


class KeyBytes(Binary):
    """Identity seed (32), sealing scalar (32), relay seed (32); or these, protected.

    Its repr shows nothing: no log and no traceback may hold a key.
    """

    MIN, MAX = _KEYS_SIZE, 512

    def __repr__(self) -> str:
        return "KeyBytes(...)"


class EnrollmentStatus(StrEnum):
    """How far an enrollment is."""

    PENDING = "pending"
    ACTIVE = "active"
    REVOKED = "revoked"


class Enrollment(Message, frozen=True, tag="pushmfa-enrollment"):
    """One account on one host, as this device recorded it when it was enrolled."""

    file_version: Annotated[int, msgspec.Meta(ge=FILE_VERSION, le=FILE_VERSION)]
    status: EnrollmentStatus
    device_id: DeviceId
    mailbox: MailboxId
    label: Label
    host_id: HostId
    host_name: ShortText
    host_verify_key: VerifyKey
    host_sealing_key: SealingKey
    host_mailbox: MailboxId
    user: ShortText
    uid: Uid
    relays: Annotated[tuple[RelayUrl, ...], msgspec.Meta(min_length=1, max_length=3)]
    version: Version
    enrolled_at: UnixTime
    counter: Counter
    has_passphrase: bool
    keys: KeyBytes | None
    epoch: Counter = 0
    """The highest state epoch of the host that this enrollment saw; older files have
    none."""


@dataclass(frozen=True, slots=True, repr=False)
class DeviceKeys:
    """The private keys of one enrollment, ready for use."""

    identity: Signer
    opener: Opener
    relay: Signer

    @property
    def device_id(self) -> DeviceId:
        """The id of the enrollment, that of its first identity key."""
        return device_id_of(self.identity.verify_key)

    @property
    def mailbox(self) -> MailboxId:
        """Where the device takes envelopes."""
        return mailbox_id_of(self.relay.verify_key)


def new_keys() -> KeyBytes:
    """Return three new private keys, in the clear."""
    return KeyBytes(new_seed() + new_sealing_scalar() + new_seed())


def load_keys(raw: bytes) -> DeviceKeys:
    """Return the keys of raw, 96 bytes; StoreError if they are none."""
    if len(raw) != _KEYS_SIZE:
        raise StoreError("the private keys have a wrong length")
    scalar_end = SEED_SIZE + PRIVATE_SCALAR_SIZE
    return DeviceKeys(
        identity=Signer.from_seed(raw[:SEED_SIZE]),
        opener=Opener.from_private(raw[SEED_SIZE:scalar_end]),
        relay=Signer.from_seed(raw[scalar_end:]),
    )


def protect_keys(keys: KeyBytes, passphrase: bytes | None) -> KeyBytes:
    """Return keys as a file holds them: under passphrase, where there is one."""
    return keys if passphrase is None else KeyBytes(protect(passphrase, keys))


def unlock(enrollment: Enrollment, passphrase: bytes | None) -> DeviceKeys:
    """Return the private keys of enrollment.

    SealError for a wrong passphrase, UsageError without one where one is needed,
    StoreError where the keys are forgotten or not those of this enrollment.
    """
    if enrollment.keys is None:
        raise StoreError("the keys of this enrollment are forgotten")
    raw: bytes = enrollment.keys
    if enrollment.has_passphrase:
        if passphrase is None:
            raise UsageError("this enrollment needs its passphrase")
        raw = unprotect(passphrase, raw)
    keys = load_keys(raw)
    if keys.device_id != enrollment.device_id or keys.mailbox != enrollment.mailbox:
        raise StoreError(
            "the keys in the file are those of another enrollment",
            hint="Restore the file from a backup, or enroll again.",
        )
    return keys


def default_state() -> Path:
    """Return the folder that a person's device uses unless told otherwise."""
    return platformdirs.user_data_path("pushmfa") / "device"


_decode: Callable[[bytes], Enrollment] = make_decoder(Enrollment, MAX_FILE)


class Keyring:
    """The enrollments in one state folder; every change is on the disk at once."""

    def __init__(self, state: Path) -> None:
        """Make the folder where it is missing; StoreError, also if it is not ours."""
        self._folder = state / "enrollments"
        make_private_folder(state)
        make_private_folder(self._folder)
        self._lock = state / "lock"

    def load_all(self) -> list[Enrollment]:
        """Return every enrollment, oldest first; StoreError names a bad file."""
        paths = sorted(self._folder.glob("[0-9a-f]*.json"))
        found = [self._load(path) for path in paths]
        return sorted(found, key=lambda enrollment: enrollment.enrolled_at)

    def load(self, device_id: DeviceId) -> Enrollment:
        """Return one enrollment; StoreError if it is not there."""
        return self._load(self._path(device_id))

    def save(self, enrollment: Enrollment) -> None:
        """Write an enrollment, new or changed; StoreError."""
        with hold_lock(self._lock):
            save_private(self._path(enrollment.device_id), encode(enrollment))

    def update(
        self, device_id: DeviceId, change: Callable[[Enrollment], Enrollment]
    ) -> Enrollment:
        """Apply change to what is on the disk now, and return the result.

        Not to what the caller read before: another process of the same device may
        have forgotten the keys meanwhile, and must not see them come back.
        """
        with hold_lock(self._lock):
            changed = change(self.load(device_id))
            save_private(self._path(device_id), encode(changed))
        return changed

    def reserve_counters(self, device_id: DeviceId, count: int) -> range:
        """Return counters for the next answers, larger than all reserved before.

        Those that are not used are never used: the file holds the last of them.
        """
        last = self.update(
            device_id,
            lambda old: msgspec.structs.replace(old, counter=old.counter + count),
        ).counter
        return range(last - count + 1, last + 1)

    def note_epoch(self, device_id: DeviceId, epoch: int) -> None:
        """Remember the state epoch of a challenge, if it is the highest so far."""
        self.update(
            device_id,
            lambda old: msgspec.structs.replace(old, epoch=max(old.epoch, epoch)),
        )

    def forget_keys(self, device_id: DeviceId) -> Enrollment:
        """Mark an enrollment as revoked and drop its private keys."""
        return self.update(
            device_id,
            lambda old: msgspec.structs.replace(
                old, status=EnrollmentStatus.REVOKED, keys=None
            ),
        )

    def remove(self, device_id: DeviceId) -> None:
        """Remove an enrollment and its keys from the disk."""
        with hold_lock(self._lock):
            remove_private(self._path(device_id))

    def _path(self, device_id: DeviceId) -> Path:
        return self._folder / f"{device_id.hex()[:_NAME_DIGITS]}.json"

    def _load(self, path: Path) -> Enrollment:
        raw = load_private(path, MAX_FILE)
        try:
            enrollment = _decode(raw)
        except MalformedError as error:
            raise StoreError(
                f"{path} is damaged, or of another version: {error}",
                hint="Restore it from a backup, or remove it and enroll again.",
            ) from error
        if self._path(enrollment.device_id) != path:
            raise StoreError(f"{path} holds another enrollment than its name says")
        return enrollment
