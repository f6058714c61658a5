"""Web Push: what a push message is encrypted with, and what the relay signs it by.

Message encryption (RFC 8291: ECDH on P-256, HKDF-SHA256, and one record of the
`aes128gcm` coding, RFC 8188) and VAPID (RFC 8292: a JWT under ES256). Nothing of it
opens an envelope: the key is the relay's own, and the message holds an envelope id.
It stands here since only `crypto` imports a library of primitives; why it is our own
code: docs/decisions/0016-web-push.md.
"""

import json
import secrets
from typing import Final, Self, TypeAlias

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pushmfa.errors import KeyRejectedError
from pushmfa.wire.codec import encode_base64url

Claims: TypeAlias = dict[str, str | int]

POINT_SIZE: Final = 65
"""Bytes of an uncompressed P-256 point."""

AUTH_SIZE: Final = 16
"""Bytes of a subscription's authentication secret (RFC 8291, section 3.2)."""

MAX_PLAINTEXT: Final = 3_993
"""Bytes that fit into a message of 4,096, which every push service takes."""

_SALT_SIZE: Final = 16
_RECORD_SIZE: Final = 4_096
_LAST_RECORD: Final = b"\x02"


class PushKey:
    """The key by which push services know the relay: ECDSA on P-256."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public_key = _point_of(key)
        """An uncompressed point; what a browser calls applicationServerKey."""

    @classmethod
    def generate(cls) -> Self:
        """Return a new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Return the key in a PEM file, or raise KeyRejectedError."""
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise KeyRejectedError("not a private key in PEM") from error
        if isinstance(key, ec.EllipticCurvePrivateKey):
            if isinstance(key.curve, ec.SECP256R1):
                return cls(key)
        raise KeyRejectedError("not a key on P-256")

    def to_pem(self) -> bytes:
        """Return the private key, PKCS#8 in PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def authorization(self, *, audience: str, contact: str, expires_at: int) -> str:
        """Return the value of the header Authorization (RFC 8292, sections 2 and 3).

        audience is the origin of the end point, contact a mailto: or https: URL,
        expires_at Unix seconds, at most 24 hours from now. The token is good for
        every end point of that origin, and says nothing of the message.
        """
        claims: Claims = {"aud": audience, "exp": expires_at, "sub": contact}
        token = f"{_part({'typ': 'JWT', 'alg': 'ES256'})}.{_part(claims)}"
        der = self._key.sign(token.encode(), ec.ECDSA(SHA256()))
        signature = b"".join(part.to_bytes(32) for part in decode_dss_signature(der))
        key = encode_base64url(self.public_key)
        # Without a blank behind the comma: a verifier in use does not take it.
        return f"vapid t={token}.{encode_base64url(signature)},k={key}"


def verify_subscriber_key(public_key: bytes) -> None:
    """Return if public_key is a point that a message can be encrypted to.

    KeyRejectedError if it is not 65 bytes, not uncompressed, or not on P-256.
    """
    _load(public_key)


def encrypt_push(
    plaintext: bytes,
    *,
    public_key: bytes,
    auth: bytes,
    ephemeral_scalar: bytes | None = None,
    salt: bytes | None = None,
) -> bytes:
    """Return the body of a push message, one record of `aes128gcm`.

    public_key (65 bytes) and auth (16) are the subscription's; plaintext is at most
    MAX_PLAINTEXT bytes, UTF-8 (of anything else a browser makes null). The last two,
    32 and 16 bytes, are for test vectors only. KeyRejectedError for a public key
    that is none, ValueError for sizes.
    """
    if len(auth) != AUTH_SIZE or len(plaintext) > MAX_PLAINTEXT:
        raise ValueError("auth or plaintext has a wrong size")
    receiver = _load(public_key)
    if ephemeral_scalar is None:
        ephemeral = ec.generate_private_key(ec.SECP256R1())
    else:
        scalar = int.from_bytes(ephemeral_scalar)
        ephemeral = ec.derive_private_key(scalar, ec.SECP256R1())
    salt = secrets.token_bytes(_SALT_SIZE) if salt is None else salt
    ours = _point_of(ephemeral)
    # RFC 8291, section 3.4.
    shared = ephemeral.exchange(ec.ECDH(), receiver)
    secret = _hkdf(auth, shared, b"WebPush: info\x00" + public_key + ours, 32)
    key = _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12)
    # RFC 8188, section 2.1: salt, record size, length of the key id, key id.
    header = salt + _RECORD_SIZE.to_bytes(4) + bytes([len(ours)]) + ours
    return header + AESGCM(key).encrypt(nonce, plaintext + _LAST_RECORD, None)


def _load(public_key: bytes) -> ec.EllipticCurvePublicKey:
    # Only one encoding of a point: the point itself goes into the key.
    if len(public_key) != POINT_SIZE or public_key[0] != 4:
        raise KeyRejectedError("not an uncompressed point on P-256")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    except ValueError as error:
        raise KeyRejectedError("not an uncompressed point on P-256") from error


def _point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)


def _part(claims: Claims) -> str:
    return encode_base64url(json.dumps(claims, separators=(",", ":")).encode())
