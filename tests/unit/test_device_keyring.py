"""What a terminal authenticator keeps on its disk."""

import stat
from pathlib import Path

import msgspec
import pytest

from pushmfa.device.keyring import EnrollmentStatus, KeyBytes, Keyring, unlock
from pushmfa.errors import SealError, StoreError, UsageError
from pushmfa.wire.codec import encode
from tests.unit.enrollment_peer import HostPeer, enroll_at

PASSPHRASE = b"correct horse"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "device")


def only_file(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "device" / "enrollments").glob("*.json")
    return path


def test_what_is_saved_is_loaded(keyring: Keyring) -> None:
    enrollment, keys = enroll_at(HostPeer())
    keyring.save(enrollment)
    assert keyring.load_all() == [enrollment]
    loaded = unlock(keyring.load(enrollment.device_id), None)
    assert loaded.identity.verify_key == keys.identity.verify_key
    assert loaded.opener.public_key == keys.opener.public_key
    assert loaded.mailbox == keys.mailbox


def test_files_and_folders_are_private(tmp_path: Path, keyring: Keyring) -> None:
    enrollment, _ = enroll_at(HostPeer())
    keyring.save(enrollment)
    path = only_file(tmp_path)
    assert path.name == f"{enrollment.device_id.hex()[:16]}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_that_others_can_read_is_refused(
    tmp_path: Path, keyring: Keyring
) -> None:
    keyring.save(enroll_at(HostPeer())[0])
    only_file(tmp_path).chmod(0o644)
    with pytest.raises(StoreError, match="others may read") as caught:
        keyring.load_all()
    assert caught.value.hint


def test_keys_are_in_no_repr(keyring: Keyring) -> None:
    enrollment, keys = enroll_at(HostPeer())
    assert enrollment.keys is not None
    secret = repr(bytes(enrollment.keys[:32]))[2:-1]
    for shown in (repr(enrollment), f"{enrollment}", repr(keys)):
        assert secret not in shown
    assert repr(enrollment.keys) == "KeyBytes(...)"


def test_a_passphrase_protects_the_keys(tmp_path: Path, keyring: Keyring) -> None:
    host = HostPeer()
    enrollment, keys = enroll_at(host, passphrase=PASSPHRASE)
    keyring.save(enrollment)
    loaded = keyring.load(enrollment.device_id)
    with pytest.raises(UsageError, match="passphrase"):
        unlock(loaded, None)
    with pytest.raises(SealError):
        unlock(loaded, b"wrong")
    assert unlock(loaded, PASSPHRASE).mailbox == keys.mailbox


def test_keys_of_another_enrollment_are_refused() -> None:
    first, _ = enroll_at(HostPeer())
    second, _ = enroll_at(HostPeer())
    with pytest.raises(StoreError, match="another enrollment"):
        unlock(msgspec.structs.replace(first, keys=second.keys), None)


def test_the_counter_grows_on_the_disk(keyring: Keyring) -> None:
    enrollment, _ = enroll_at(HostPeer())
    keyring.save(enrollment)
    assert keyring.reserve_counters(enrollment.device_id, 1) == range(1, 2)
    assert keyring.reserve_counters(enrollment.device_id, 3) == range(2, 5)
    assert keyring.load(enrollment.device_id).counter == 4


def test_forgotten_keys_do_not_come_back(tmp_path: Path, keyring: Keyring) -> None:
    enrollment, _ = enroll_at(HostPeer())
    keyring.save(enrollment)
    other_process = Keyring(tmp_path / "device")
    other_process.forget_keys(enrollment.device_id)
    keyring.reserve_counters(enrollment.device_id, 1)
    loaded = keyring.load(enrollment.device_id)
    assert loaded.keys is None
    assert loaded.status is EnrollmentStatus.REVOKED
    with pytest.raises(StoreError, match="forgotten"):
        unlock(loaded, None)


def test_a_removed_enrollment_is_gone(keyring: Keyring) -> None:
    enrollment, _ = enroll_at(HostPeer())
    keyring.save(enrollment)
    keyring.remove(enrollment.device_id)
    assert keyring.load_all() == []
    with pytest.raises(StoreError):
        keyring.load(enrollment.device_id)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"garbage", b"[" * 10_000, b'{"type":"pushmfa-enrollment"}']
)
def test_a_damaged_file_is_named(
    tmp_path: Path, keyring: Keyring, content: bytes
) -> None:
    keyring.save(enroll_at(HostPeer())[0])
    path = only_file(tmp_path)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=path.name) as caught:
        keyring.load_all()
    assert caught.value.hint


def test_a_file_of_a_later_version_is_not_guessed(
    tmp_path: Path, keyring: Keyring
) -> None:
    enrollment, _ = enroll_at(HostPeer())
    keyring.save(enrollment)
    path = only_file(tmp_path)
    path.write_bytes(
        encode(enrollment).replace(b'"file_version":1', b'"file_version":2')
    )
    with pytest.raises(StoreError, match="version"):
        keyring.load_all()


def test_a_renamed_file_is_refused(tmp_path: Path, keyring: Keyring) -> None:
    keyring.save(enroll_at(HostPeer())[0])
    path = only_file(tmp_path)
    path.rename(path.with_name("0123456789abcdef.json"))
    with pytest.raises(StoreError, match="another enrollment"):
        keyring.load_all()


def test_keys_have_one_length() -> None:
    with pytest.raises(ValueError, match="KeyBytes"):
        KeyBytes(b"short")
