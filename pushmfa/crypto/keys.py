"""Making keys, ids and codes; protecting private keys that lie in a file.

Private keys are plain bytes at every interface: an Ed25519 seed (32) and a P-256
scalar (32, big-endian). `crypto.signing.Signer` and `crypto.sealing.Opener` load
them.
"""

import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import nacl.exceptions
import nacl.pwhash.argon2id
import nacl.secret
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pushmfa.crypto.fingerprint import fingerprint as fingerprint
from pushmfa.crypto.sealing import PRIVATE_SCALAR_SIZE, SEALING_KEY_SIZE
from pushmfa.crypto.signing import SEED_SIZE, VERIFY_KEY_SIZE
from pushmfa.errors import SealError

ENROLLMENT_SECRET_SIZE: Final = 16
"""Bytes of the secret in an enrollment link."""

COMMITMENT_NONCE_SIZE: Final = 32
"""Bytes of the nonce that a host commits to."""

CODE_DIGITS: Final = 6
"""Digits of the code that a person carries from the device to the terminal."""


def new_seed() -> bytes:
    """Return a new private Ed25519 key: 32 random bytes."""
    return secrets.token_bytes(SEED_SIZE)


def new_sealing_scalar() -> bytes:
    """Return a new private P-256 key: the scalar, 32 bytes, big-endian."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_numbers().private_value.to_bytes(PRIVATE_SCALAR_SIZE)


def new_enrollment_secret() -> bytes:
    """Return the secret of a new enrollment link: 16 random bytes."""
    return secrets.token_bytes(ENROLLMENT_SECRET_SIZE)


def new_commitment_nonce() -> bytes:
    """Return a nonce for `commitment`: 32 random bytes."""
    return secrets.token_bytes(COMMITMENT_NONCE_SIZE)


@dataclass(frozen=True, slots=True)
class EnrollmentKeys:
    """What both sides derive from the secret in an enrollment link."""

    relay_seed: bytes = field(repr=False)
    """The Ed25519 seed of the relay key whose mailbox is where both meet."""

    host_key: bytes = field(repr=False)
    """The key of `sealing.enclose` for what the host sends."""

    device_key: bytes = field(repr=False)
    """The key of `sealing.enclose` for what the device sends.

    Two keys, so that nothing can be reflected to who sent it.
    """


def enrollment_keys(secret: bytes) -> EnrollmentKeys:
    """Derive the three 32-byte keys of a 16-byte enrollment secret.

    HKDF-SHA256 (RFC 5869), empty salt, the purpose as info. ValueError if the
    secret is not 16 bytes.
    """
    _check_size("an enrollment secret", secret, ENROLLMENT_SECRET_SIZE)
    return EnrollmentKeys(
        relay_seed=_derive(secret, b"pushmfa/v1 enroll relay"),
        host_key=_derive(secret, b"pushmfa/v1 enroll from-host"),
        device_key=_derive(secret, b"pushmfa/v1 enroll from-device"),
    )


def epoch_key(identity_seed: bytes) -> bytes:
    """Return the key (32 bytes) by which a host recognizes its own state epochs.

    From the host's first identity seed (32 bytes), so that it stays with the host id.
    """
    _check_size("an identity seed", identity_seed, SEED_SIZE)
    return _derive(identity_seed, b"pushmfa/v1 epoch-key")


def _derive(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=b"", info=info).derive(secret)


def commitment(verify_key: bytes, sealing_key: bytes, nonce: bytes) -> bytes:
    """Return what a host says first: a digest (32 bytes) of its keys and a nonce.

    SHA-256("pushmfa/v1 enroll-commit" || 0x00 || verify_key (32) || sealing_key
    (65) || nonce (32)). The host is bound before it sees the device's keys, so
    nobody in the middle can try keys until two confirmation codes meet.
    ValueError for wrong lengths.
    """
    _check_host_keys(verify_key, sealing_key, nonce)
    label = b"pushmfa/v1 enroll-commit\x00"
    return sha256(label + verify_key + sealing_key + nonce).digest()


def confirmation_code(
    verify_key: bytes, sealing_key: bytes, host_nonce: bytes, device_statement: bytes
) -> str:
    """Return the six digits that the device shows and the terminal asks for.

    The first 8 bytes, big-endian, of SHA-256("pushmfa/v1 enroll-code" || 0x00 ||
    verify_key (32) || sealing_key (65) || host_nonce (32) ||
    SHA-256(device_statement)), modulo 1,000,000. device_statement is the exact
    body that the device signed. ValueError for wrong lengths.
    """
    _check_host_keys(verify_key, sealing_key, host_nonce)
    label = b"pushmfa/v1 enroll-code\x00"
    statement = sha256(device_statement).digest()
    digest = sha256(label + verify_key + sealing_key + host_nonce + statement).digest()
    code = int.from_bytes(digest[:8]) % 10**CODE_DIGITS
    return f"{code:0{CODE_DIGITS}d}"


def _check_host_keys(verify_key: bytes, sealing_key: bytes, nonce: bytes) -> None:
    # All lengths are fixed, so no two inputs give the same bytes to the digest.
    _check_size("a verify key", verify_key, VERIFY_KEY_SIZE)
    _check_size("a sealing key", sealing_key, SEALING_KEY_SIZE)
    _check_size("a commitment nonce", nonce, COMMITMENT_NONCE_SIZE)


def _check_size(what: str, value: bytes, size: int) -> None:
    if len(value) != size:
        raise ValueError(f"{what} is {size} bytes, not {len(value)}")


# A protected secret: format (1 byte) || passes (u32be) || memory in KiB (u32be)
# || salt (16) || SecretBox: nonce (24), tag (16) and ciphertext.
_FORMAT: Final = 1
_SALT_SIZE: Final = nacl.pwhash.argon2id.SALTBYTES
_HEADER_SIZE: Final = 1 + 4 + 4
# RFC 9106 section 4, second recommended option, with the one lane of libsodium.
_PASSES: Final = 3
_MEMORY_KIB: Final = 64 * 1024
# Read from a file that others may have written: without a bound it would take
# all memory, or hours, before the passphrase is even found wrong.
_MOST_PASSES: Final = 16
_MOST_MEMORY_KIB: Final = 1024 * 1024
_LEAST_MEMORY_KIB: Final = 8


def protect(passphrase: bytes, secret: bytes) -> bytes:
    """Return secret so that only who knows the passphrase can read it.

    Argon2id (RFC 9106: 3 passes, 64 MiB) and XSalsa20-Poly1305; about a tenth of
    a second. ValueError for an empty passphrase: it would only look protected.
    """
    if not passphrase:
        raise ValueError("an empty passphrase protects nothing")
    header = bytes([_FORMAT]) + _PASSES.to_bytes(4) + _MEMORY_KIB.to_bytes(4)
    salt = secrets.token_bytes(_SALT_SIZE)
    box = _passphrase_box(passphrase, salt, _PASSES, _MEMORY_KIB)
    return header + salt + bytes(box.encrypt(secret))


def unprotect(passphrase: bytes, protected: bytes) -> bytes:
    """Return the secret that `protect` protected.

    SealError for a wrong passphrase, damaged bytes, an unknown format, and
    parameters out of bounds (more than 16 passes or 1 GiB).
    """
    salt = protected[_HEADER_SIZE : _HEADER_SIZE + _SALT_SIZE]
    if len(salt) != _SALT_SIZE or protected[0] != _FORMAT:
        raise SealError("this is not a protected secret of a known format")
    passes = int.from_bytes(protected[1:5])
    memory_kib = int.from_bytes(protected[5:9])
    if not (
        1 <= passes <= _MOST_PASSES
        and _LEAST_MEMORY_KIB <= memory_kib <= _MOST_MEMORY_KIB
    ):
        raise SealError("the protected secret asks for too much work or memory")
    try:
        box = _passphrase_box(passphrase, salt, passes, memory_kib)
        return box.decrypt(protected[_HEADER_SIZE + _SALT_SIZE :])
    except nacl.exceptions.CryptoError:
        raise SealError("wrong passphrase, or a damaged secret") from None


def _passphrase_box(
    passphrase: bytes, salt: bytes, passes: int, memory_kib: int
) -> nacl.secret.SecretBox:
    key = nacl.pwhash.argon2id.kdf(
        nacl.secret.SecretBox.KEY_SIZE,
        passphrase,
        salt,
        opslimit=passes,
        memlimit=memory_kib * 1024,
    )
    return nacl.secret.SecretBox(key)
