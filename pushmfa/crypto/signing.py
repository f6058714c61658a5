"""Ed25519 signatures under a label, and the ids that are digests of verify keys.

Primitive: Ed25519 (RFC 8032 section 5.1) by PyNaCl, that is libsodium. What is
signed is never a bare body but

    label || 0x00 || u32be(length of body) || body

so that a statement made for one purpose is worth nothing for another, and no
body can be read as the label of another statement.

Of `crypto` the relay imports this module and `webpush`, and no other.
"""

from enum import StrEnum
from hashlib import sha256
from typing import Final

import nacl.bindings
import nacl.exceptions
import nacl.signing

from pushmfa.errors import KeyRejectedError, VerificationError
from pushmfa.terms import DeviceId, HostId, MailboxId

SEED_SIZE: Final = 32
"""Bytes of a private signing key (RFC 8032 section 5.1.5 calls it private key)."""

VERIFY_KEY_SIZE: Final = 32
"""Bytes of a public key (RFC 8032 section 5.1.5)."""

SIGNATURE_SIZE: Final = 64
"""Bytes of a signature (RFC 8032 section 5.1.6)."""

RESERVED_LABELS: Final = frozenset({"pushmfa/v1 roster"})
"""Labels that a later release will use; until then nothing signs or accepts them."""


class Label(StrEnum):
    """What a signature is for; the part that no other statement can have."""

    CHALLENGE = "pushmfa/v1 challenge"
    ANSWER = "pushmfa/v1 answer"
    WEBAUTHN = "pushmfa/v1 webauthn"
    OUTCOME = "pushmfa/v1 outcome"
    NOTICE = "pushmfa/v1 notice"
    HOST_UPDATE = "pushmfa/v1 host-update"
    DEVICE_UPDATE = "pushmfa/v1 device-update"
    REVOKED = "pushmfa/v1 revoked"
    ENROLL_DEVICE = "pushmfa/v1 enroll-device"
    ENROLL_HOST = "pushmfa/v1 enroll-host"
    ENROLL_DONE = "pushmfa/v1 enroll-done"
    RELAY_HELLO = "pushmfa/v1 relay-hello"
    OFFLINE = "pushmfa/v1 offline"


def signed_message(label: Label, body: bytes) -> bytes:
    """Return the bytes that the signature covers; body is at most 2**32 - 1 bytes."""
    return b"%b\x00%b%b" % (label.encode("ascii"), len(body).to_bytes(4), body)


class Signer:
    """A private signing key, ready for use; it shows nobody the key."""

    __slots__ = ("_key", "verify_key")

    verify_key: bytes
    """The 32 bytes by which others check what this key signs."""

    def __init__(self, key: nacl.signing.SigningKey) -> None:
        self._key = key
        self.verify_key = bytes(key.verify_key)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Signer":
        """Return the signer of a seed; KeyRejectedError if it is not 32 bytes."""
        if len(seed) != SEED_SIZE:
            raise KeyRejectedError(f"a signing key of {len(seed)} bytes, not 32")
        return cls(nacl.signing.SigningKey(seed))

    def sign(self, label: Label, body: bytes) -> bytes:
        """Return the signature of body under label: 64 bytes."""
        return self._sign_message(signed_message(label, body))

    def _sign_message(self, message: bytes) -> bytes:
        # Apart from the label, so that the vectors of RFC 8032 can reach it.
        return self._key.sign(message).signature


def verify_signature(
    verify_key: bytes, label: Label, body: bytes, signature: bytes
) -> None:
    """Return if signature is verify_key's over body under label.

    VerificationError for everything else: another body, label or key, a wrong
    length, a key of small order, a key or signature that is not canonical.
    Signatures are not unique (an engine may randomize them): never compare two
    of them, and never take one as a mark against replays.
    """
    _verify_message(verify_key, signed_message(label, body), signature)


def _verify_message(verify_key: bytes, message: bytes, signature: bytes) -> None:
    if len(verify_key) != VERIFY_KEY_SIZE or len(signature) != SIGNATURE_SIZE:
        raise VerificationError("the signature or its key has a wrong length")
    try:
        # libsodium, unlike others, refuses small-order and non-canonical keys
        # here too: under such a key one signature fits every message.
        nacl.signing.VerifyKey(verify_key).verify(message, signature)
    except nacl.exceptions.CryptoError:
        # CryptoError, not BadSignatureError: PyNaCl's own ValueError and
        # TypeError derive from it, and a forger must not choose what is raised.
        raise VerificationError("the signature is not valid") from None


def check_verify_key(raw: bytes) -> None:
    """Return if raw is an Ed25519 public key that an honest party can have made.

    KeyRejectedError for a wrong length, a non-canonical encoding (RFC 8032
    section 5.1.3: y >= p, or x = 0 with the sign bit set), what is no point of
    the curve, and points outside the group of prime order: the eight of small
    order, under which one signature fits every message, and their sums with
    others, about whose signatures libraries disagree. To be asked once, of every
    key that comes from outside, before it is stored.
    """
    if len(raw) != VERIFY_KEY_SIZE:
        raise KeyRejectedError(f"a verify key of {len(raw)} bytes, not 32")
    if not _is_canonical(raw) or not nacl.bindings.crypto_core_ed25519_is_valid_point(
        raw
    ):
        raise KeyRejectedError("a verify key that no honest party can have made")


_P: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255
_Y_WHERE_X_IS_0: Final = frozenset({1, _P - 1})


def _is_canonical(raw: bytes) -> bool:
    # libsodium checks this as well; stated here so that the rule does not hang
    # on a version of it: two encodings of one key would be two host ids.
    encoded = int.from_bytes(raw, "little")
    y = encoded & ~_SIGN_BIT
    return y < _P and not (encoded & _SIGN_BIT and y in _Y_WHERE_X_IS_0)


def host_id_of(verify_key: bytes) -> HostId:
    """Return the id of the host whose first verify key this is: 32 bytes."""
    return HostId(sha256(verify_key).digest())


def device_id_of(verify_key: bytes) -> DeviceId:
    """Return the id of the enrollment whose first verify key this is: 32 bytes."""
    return DeviceId(sha256(verify_key).digest())


def mailbox_id_of(relay_verify_key: bytes) -> MailboxId:
    """Return the mailbox of a relay key: the first 16 bytes of its SHA-256.

    Whoever wants to open the mailbox of another needs a key with that digest.
    """
    return MailboxId(sha256(relay_verify_key).digest()[:16])
