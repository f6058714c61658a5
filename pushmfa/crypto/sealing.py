"""Sealing: what only the addressed device or host can open.

HPKE (RFC 9180) in base mode: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256,
AES-256-GCM; KEM 0x0010, KDF 0x0001, AEAD 0x0002, no associated data. A sealed
payload is

    enc (65 bytes, an uncompressed point) || ciphertext || tag (16 bytes)

Base mode does not say who sealed: everyone can seal to a public key. The sender
is named by the signature inside; direction, host, device and both mailboxes
stand in `info`, so that an envelope opens at one place and for one purpose only.

Enrollment happens before there are keys to seal to; it encloses with AES-256-GCM
under keys that both sides derive from the secret in the link.
"""

import secrets
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushmfa.errors import KeyRejectedError, SealError
from pushmfa.terms import DeviceId, HostId, MailboxId

SEALING_KEY_SIZE: Final = 65
"""Bytes of a public sealing key: 0x04, then x and y (SEC 1 section 2.3.3)."""

PRIVATE_SCALAR_SIZE: Final = 32
"""Bytes of a private sealing key: the scalar, big-endian."""

TAG_SIZE: Final = 16
SEAL_OVERHEAD: Final = SEALING_KEY_SIZE + TAG_SIZE
"""Bytes by which a sealed payload is longer than its plaintext."""

NONCE_SIZE: Final = 12
ENCLOSE_OVERHEAD: Final = NONCE_SIZE + TAG_SIZE
"""Bytes by which what is enclosed is longer than its plaintext."""

_ENCLOSURE_KEY_SIZE: Final = 32
_ID_SIZE: Final = 32
_MAILBOX_SIZE: Final = 16
_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_DOES_NOT_OPEN: Final = "it does not open with these keys and names"


class Direction(StrEnum):
    """Which way a sealed payload goes; what goes one way never opens the other."""

    TO_DEVICE = "pushmfa/v1 seal-to-device"
    TO_HOST = "pushmfa/v1 seal-to-host"


def sealing_info(
    direction: Direction,
    host_id: HostId,
    device_id: DeviceId,
    sender: MailboxId,
    recipient: MailboxId,
) -> bytes:
    """Return the `info` of HPKE: whom this payload is from, and whom it is for.

    direction || 0x00 || host_id (32) || device_id (32) || sender (16) ||
    recipient (16). The fields have fixed lengths, so nothing can be read in two
    ways; a wrong length is a ValueError, for it is an error of the caller.
    """
    if len(host_id) != _ID_SIZE or len(device_id) != _ID_SIZE:
        raise ValueError("host and device ids are 32 bytes")
    if len(sender) != _MAILBOX_SIZE or len(recipient) != _MAILBOX_SIZE:
        raise ValueError("mailbox ids are 16 bytes")
    label = direction.encode("ascii") + b"\x00"
    return label + host_id + device_id + sender + recipient


class Sealer:
    """The public sealing key of a recipient, checked and ready for use."""

    __slots__ = ("_key", "public_key")

    public_key: bytes
    """The 65 bytes of the recipient's public key."""

    def __init__(self, public_key: bytes) -> None:
        """Load an uncompressed P-256 point, or raise KeyRejectedError."""
        self._key = _load_public(public_key)
        self.public_key = public_key

    def seal(self, info: bytes, plaintext: bytes) -> bytes:
        """Return plaintext sealed under info, SEAL_OVERHEAD bytes longer."""
        return _SUITE.encrypt(plaintext, self._key, info)


class Opener:
    """A private sealing key, ready for use; it shows nobody the key."""

    __slots__ = ("_key", "public_key")

    public_key: bytes
    """The 65 bytes to which others seal."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )

    @classmethod
    def from_private(cls, scalar: bytes) -> "Opener":
        """Return the opener of a scalar: 32 bytes, big-endian, 1 to order - 1.

        KeyRejectedError for anything else.
        """
        if len(scalar) != PRIVATE_SCALAR_SIZE:
            raise KeyRejectedError(f"a sealing key of {len(scalar)} bytes, not 32")
        try:
            key = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
        except ValueError:
            # Not `from error`: nothing of a private key belongs into a log.
            raise KeyRejectedError("a private sealing key out of range") from None
        return cls(key)

    def open(self, info: bytes, sealed: bytes) -> bytes:
        """Return the plaintext of what was sealed to this key under info.

        SealError for everything else, with one text: who sends garbage learns
        nothing about what was wrong with it.
        """
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            raise SealError(_DOES_NOT_OPEN) from None


def seal(public_key: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Seal plaintext to a 65-byte public key under info; KeyRejectedError.

    Who seals more than once to one key keeps a Sealer.
    """
    return Sealer(public_key).seal(info, plaintext)


def check_sealing_key(raw: bytes) -> None:
    """Return if raw is an uncompressed point of P-256 (65 bytes, 0x04 first).

    KeyRejectedError for anything else: a wrong length or form, a coordinate that
    is not below p, a point off the curve (which would leak the private key of
    who computes with it). P-256 has no points of small order.
    """
    _load_public(raw)


def _load_public(raw: bytes) -> ec.EllipticCurvePublicKey:
    # One form only: a second encoding of one key would be a second identity.
    if len(raw) != SEALING_KEY_SIZE or raw[0] != 0x04:
        raise KeyRejectedError("a sealing key that is no uncompressed P-256 point")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError:
        raise KeyRejectedError("a sealing key that is no point of P-256") from None


def enclose(key: bytes, associated: bytes, plaintext: bytes) -> bytes:
    """Return nonce (12 random bytes) || AES-256-GCM ciphertext || tag (16).

    key is 32 bytes, used for one direction of one enrollment: a few messages, so
    that random nonces cannot meet. ValueError for a key of another length.
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    return nonce + _cipher(key).encrypt(nonce, plaintext, associated)


def disclose(key: bytes, associated: bytes, enclosed: bytes) -> bytes:
    """Return the plaintext of what was enclosed under key and associated.

    SealError for everything else; ValueError for a key that is not 32 bytes.
    """
    cipher = _cipher(key)
    if len(enclosed) < ENCLOSE_OVERHEAD:
        raise SealError(_DOES_NOT_OPEN)
    try:
        return cipher.decrypt(enclosed[:NONCE_SIZE], enclosed[NONCE_SIZE:], associated)
    except InvalidTag:
        raise SealError(_DOES_NOT_OPEN) from None


def _cipher(key: bytes) -> AESGCM:
    # AESGCM takes 16 and 24 bytes as well and would quietly use a weaker cipher.
    if len(key) != _ENCLOSURE_KEY_SIZE:
        raise ValueError("a key for enclosing is 32 bytes")
    return AESGCM(key)
