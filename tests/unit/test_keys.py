"""Keys, ids, what people compare, and secrets that lie in a file."""

import hmac
import re
from hashlib import sha256

import pytest

from pushmfa.crypto import keys
from pushmfa.crypto.keys import (
    commitment,
    confirmation_code,
    enrollment_keys,
    fingerprint,
    new_commitment_nonce,
    new_enrollment_secret,
    new_sealing_scalar,
    new_seed,
    protect,
    unprotect,
)
from pushmfa.crypto.sealing import Opener
from pushmfa.crypto.signing import (
    Signer,
    check_verify_key,
    device_id_of,
    host_id_of,
    mailbox_id_of,
)
from pushmfa.errors import SealError

SECRET = bytes(range(16))
VERIFY_KEY = b"v" * 32
SEALING_KEY = b"s" * 65
NONCE = b"n" * 32


def test_new_keys_are_usable_and_new() -> None:
    seeds = {new_seed() for _ in range(20)}
    scalars = {new_sealing_scalar() for _ in range(20)}
    assert len(seeds) == len(scalars) == 20
    for seed in seeds:
        check_verify_key(Signer.from_seed(seed).verify_key)
    for scalar in scalars:
        assert len(Opener.from_private(scalar).public_key) == 65


def test_new_secrets_have_their_lengths_and_differ() -> None:
    assert len(new_enrollment_secret()) == 16
    assert len(new_commitment_nonce()) == 32
    assert new_enrollment_secret() != new_enrollment_secret()
    assert new_commitment_nonce() != new_commitment_nonce()


def test_ids_are_digests_of_verify_keys() -> None:
    digest = sha256(VERIFY_KEY).digest()
    assert host_id_of(VERIFY_KEY) == digest
    assert device_id_of(VERIFY_KEY) == digest
    assert mailbox_id_of(VERIFY_KEY) == digest[:16]


def test_fingerprint_is_four_groups_of_the_first_eight_bytes() -> None:
    id32 = bytes.fromhex("9f2c41aa07de55b1") + bytes(24)
    assert fingerprint(id32) == "9f2c 41aa 07de 55b1"


def hkdf(secret: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 with an empty salt, one block: RFC 5869 section 2."""
    prk = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(prk, info + b"\x01", "sha256")


def test_enrollment_keys_are_hkdf_of_the_secret() -> None:
    derived = enrollment_keys(SECRET)
    assert derived.relay_seed == hkdf(SECRET, b"pushmfa/v1 enroll relay")
    assert derived.host_key == hkdf(SECRET, b"pushmfa/v1 enroll from-host")
    assert derived.device_key == hkdf(SECRET, b"pushmfa/v1 enroll from-device")


def test_enrollment_keys_do_not_show_themselves() -> None:
    assert repr(enrollment_keys(SECRET)) == "EnrollmentKeys()"


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_enrollment_secret_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        enrollment_keys(bytes(size))


def test_commitment_is_the_digest_of_label_keys_and_nonce() -> None:
    assert (
        commitment(VERIFY_KEY, SEALING_KEY, NONCE)
        == sha256(
            b"pushmfa/v1 enroll-commit\x00" + b"v" * 32 + b"s" * 65 + b"n" * 32
        ).digest()
    )


def test_confirmation_code_is_six_digits_of_the_digest() -> None:
    statement = b'{"label":"Pixel"}'
    digest = sha256(
        b"pushmfa/v1 enroll-code\x00"
        + VERIFY_KEY
        + SEALING_KEY
        + NONCE
        + sha256(statement).digest()
    ).digest()
    expected = str(int.from_bytes(digest[:8]) % 1_000_000).zfill(6)
    assert confirmation_code(VERIFY_KEY, SEALING_KEY, NONCE, statement) == expected


def test_confirmation_code_keeps_its_leading_zeros() -> None:
    codes = {
        confirmation_code(VERIFY_KEY, SEALING_KEY, NONCE, b"%d" % number)
        for number in range(200)
    }
    assert all(re.fullmatch("[0-9]{6}", code) for code in codes)
    assert any(code.startswith("0") for code in codes)


def test_attack_confirmation_code_stays_when_a_key_is_exchanged() -> None:
    code = confirmation_code(VERIFY_KEY, SEALING_KEY, NONCE, b"statement")
    assert code not in {
        confirmation_code(b"V" * 32, SEALING_KEY, NONCE, b"statement"),
        confirmation_code(VERIFY_KEY, b"S" * 65, NONCE, b"statement"),
        confirmation_code(VERIFY_KEY, SEALING_KEY, b"N" * 32, b"statement"),
        confirmation_code(VERIFY_KEY, SEALING_KEY, NONCE, b"another"),
    }


def test_attack_bytes_are_shifted_between_the_committed_fields() -> None:
    with pytest.raises(ValueError, match="a verify key is 32 bytes"):
        commitment(b"v" * 33, b"s" * 64, NONCE)
    with pytest.raises(ValueError, match="a sealing key is 65 bytes"):
        commitment(VERIFY_KEY, b"s" * 66, b"n" * 31)
    with pytest.raises(ValueError, match="a commitment nonce is 32 bytes"):
        confirmation_code(VERIFY_KEY, SEALING_KEY, b"n" * 31, b"n")


@pytest.fixture(scope="module")
def protected() -> bytes:
    return protect(b"correct horse", b"the secret")


def test_protected_secret_is_read_with_its_passphrase(protected: bytes) -> None:
    assert unprotect(b"correct horse", protected) == b"the secret"


def test_protected_secret_states_format_and_parameters(protected: bytes) -> None:
    assert protected[:9] == b"\x01" + (3).to_bytes(4) + (65536).to_bytes(4)
    assert len(protected) == 9 + 16 + 24 + 16 + len(b"the secret")
    assert b"the secret" not in protected


def test_attack_wrong_passphrase_reads_the_secret(protected: bytes) -> None:
    for wrong in (b"correct hors", b"correct horse ", b""):
        with pytest.raises(SealError, match="wrong passphrase"):
            unprotect(wrong, protected)


def test_two_protections_of_one_secret_have_nothing_in_common(protected: bytes) -> None:
    again = protect(b"correct horse", b"the secret")
    assert again[9:25] != protected[9:25]
    assert again[25:] != protected[25:]


def test_empty_passphrase_is_refused() -> None:
    with pytest.raises(ValueError, match="empty passphrase"):
        protect(b"", b"the secret")


@pytest.mark.parametrize("size", [0, 1, 8, 24, 25, 40, 64])
def test_cut_protected_secret_is_refused(protected: bytes, size: int) -> None:
    with pytest.raises(SealError):
        unprotect(b"correct horse", protected[:size])


def test_unknown_format_is_refused(protected: bytes) -> None:
    with pytest.raises(SealError, match="known format"):
        unprotect(b"correct horse", b"\x02" + protected[1:])


@pytest.mark.parametrize("position", [10, 24, 25, 49, 65, -1])
def test_damaged_protected_secret_is_refused(protected: bytes, position: int) -> None:
    damaged = bytearray(protected)
    damaged[position] ^= 1
    with pytest.raises(SealError):
        unprotect(b"correct horse", bytes(damaged))


@pytest.mark.parametrize(
    ("passes", "memory_kib"),
    [
        (0, 65536),
        (17, 65536),
        (2**32 - 1, 65536),
        (3, 7),
        (3, 2**20 + 1),
        (3, 2**32 - 1),
    ],
)
def test_attack_parameters_ask_for_all_memory_or_hours(
    protected: bytes, passes: int, memory_kib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("the work was begun")

    monkeypatch.setattr(keys, "_passphrase_box", fail)
    altered = b"\x01" + passes.to_bytes(4) + memory_kib.to_bytes(4) + protected[9:]
    with pytest.raises(SealError, match="too much"):
        unprotect(b"correct horse", altered)


def test_secret_protected_with_other_parameters_in_bounds_is_read() -> None:
    salt = bytes(16)
    box = keys._passphrase_box(b"passphrase", salt, 1, 8)
    header = b"\x01" + (1).to_bytes(4) + (8).to_bytes(4)
    sealed = bytes(box.encrypt(b"old secret"))
    assert unprotect(b"passphrase", header + salt + sealed) == b"old secret"
