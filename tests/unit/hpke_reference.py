"""HPKE base mode a second time, straight from the text of RFC 9180.

DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, single shot. It shares with
the library under test only ECDH, HMAC and AES-GCM, and takes the ephemeral key
as an argument, so that the vectors of the RFC can be met byte for byte.
"""

import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

KEM_SUITE = b"KEM\x00\x10"
HPKE_SUITE = b"HPKE\x00\x10\x00\x01\x00\x02"
MODE_BASE = b"\x00"
POINT_SIZE = 65
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True)
class Schedule:
    """What the key schedule of RFC 9180 section 5.1 gives."""

    context: bytes
    secret: bytes
    key: bytes
    base_nonce: bytes
    exporter_secret: bytes

    def nonce(self, sequence: int) -> bytes:
        """Section 5.2, ComputeNonce."""
        number = int.from_bytes(self.base_nonce) ^ sequence
        return number.to_bytes(12)


def labeled_extract(suite: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    """Section 4, LabeledExtract; RFC 5869 section 2.2."""
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(
    suite: bytes, prk: bytes, label: bytes, info: bytes, size: int
) -> bytes:
    """Section 4, LabeledExpand, up to one block of HKDF-Expand."""
    assert size <= 32
    labeled_info = size.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, labeled_info + b"\x01", "sha256")[:size]


def derive_scalar(ikm: bytes) -> bytes:
    """Section 7.1.3, DeriveKeyPair for P-256: the private scalar."""
    dkp_prk = labeled_extract(KEM_SUITE, b"", b"dkp_prk", ikm)
    for counter in range(256):
        candidate = labeled_expand(
            KEM_SUITE, dkp_prk, b"candidate", bytes([counter]), 32
        )
        if 0 < int.from_bytes(candidate) < P256_ORDER:
            return candidate
    raise AssertionError("DeriveKeyPairError")


def public_of(scalar: bytes) -> bytes:
    """Section 7.1.1, SerializePublicKey."""
    return (
        _private(scalar)
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    )


def shared_secret(scalar: bytes, point: bytes, enc: bytes, recipient: bytes) -> bytes:
    """Section 4.1, Encap and Decap: the DH and ExtractAndExpand."""
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    dh = _private(scalar).exchange(ec.ECDH(), public)
    eae_prk = labeled_extract(KEM_SUITE, b"", b"eae_prk", dh)
    return labeled_expand(KEM_SUITE, eae_prk, b"shared_secret", enc + recipient, 32)


def key_schedule(shared: bytes, info: bytes) -> Schedule:
    """Section 5.1, KeySchedule with the default psk and psk_id."""
    context = (
        MODE_BASE
        + labeled_extract(HPKE_SUITE, b"", b"psk_id_hash", b"")
        + labeled_extract(HPKE_SUITE, b"", b"info_hash", info)
    )
    secret = labeled_extract(HPKE_SUITE, shared, b"secret", b"")
    return Schedule(
        context=context,
        secret=secret,
        key=labeled_expand(HPKE_SUITE, secret, b"key", context, 32),
        base_nonce=labeled_expand(HPKE_SUITE, secret, b"base_nonce", context, 12),
        exporter_secret=labeled_expand(HPKE_SUITE, secret, b"exp", context, 32),
    )


def seal(ephemeral: bytes, recipient: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Return enc || ciphertext, as section 6.1 seals in base mode."""
    enc = public_of(ephemeral)
    schedule = key_schedule(shared_secret(ephemeral, recipient, enc, recipient), info)
    return enc + AESGCM(schedule.key).encrypt(schedule.nonce(0), plaintext, b"")


def open_sealed(scalar: bytes, info: bytes, sealed: bytes) -> bytes:
    """Return the plaintext, as section 6.1 opens in base mode."""
    enc = sealed[:POINT_SIZE]
    schedule = key_schedule(shared_secret(scalar, enc, enc, public_of(scalar)), info)
    return AESGCM(schedule.key).decrypt(schedule.nonce(0), sealed[POINT_SIZE:], b"")


def _private(scalar: bytes) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
