"""WebAuthn on the host: what a credential may be, and what an assertion proves.

An authenticator (of the phone, or a security key) verifies its holder and signs

    authenticator data || SHA-256(client data)

where the client data, written by the browser, carry a challenge. Ours is the digest of
the answer, so the assertion is good for that answer and nothing else. Verification:
WebAuthn level 3, section 7.2, narrowed to what this protocol needs (docs/protocol.md,
5.3). Primitives: ECDSA on P-256 and RSASSA-PKCS1-v1_5 by `cryptography`, Ed25519 by
PyNaCl, since under a key of small order `cryptography` verifies anything.

Why no library: docs/decisions/0017-webauthn.md.
"""

from hashlib import sha256
from typing import Final

import msgspec
import nacl.exceptions
import nacl.signing
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from pushmfa.crypto.signing import (
    SIGNATURE_SIZE,
    Label,
    check_verify_key,
    signed_message,
)
from pushmfa.errors import ClonedError, KeyRejectedError, VerificationError
from pushmfa.terms import CredentialAlgorithm
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.webauthn import (
    Assertion,
    CollectedClientData,
    Credential,
    decode_client_data,
)

PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

RSA_BITS: Final = range(2_048, 4_097)
RSA_EXPONENT: Final = 65_537

DATA_SIZE: Final = 37
"""Bytes of authenticator data without more: digest of the RP id, flags, counter."""

_FLAGS: Final = 32
_USER_PRESENT: Final = 0x01
_USER_VERIFIED: Final = 0x04
_BACKUP_ELIGIBLE: Final = 0x08
_BACKED_UP: Final = 0x10


def challenge_of(statement: bytes) -> bytes:
    """Return the challenge (32 bytes) of the assertion that belongs to an answer."""
    return sha256(signed_message(Label.WEBAUTHN, statement)).digest()


def check_credential(credential: Credential) -> None:
    """Return if credential can be recorded: one key, in one form, of its algorithm.

    KeyRejectedError. To be asked once, when a device is enrolled.
    """
    _load_key(credential)


def verify_assertion(
    assertion: Assertion, credential: Credential, statement: bytes, origin: str
) -> None:
    """Return if the holder of credential was verified for this very statement.

    credential is the recorded one with the last counter seen, origin that of the app
    (`web.origin`, canonical). VerificationError; MalformedError for client data that
    are none; ClonedError, after everything else, if the counter did not grow.
    """
    # (a) Attack: the credential of another device, or of another account.
    if assertion.credential_id != credential.id:
        raise VerificationError("the assertion is of another credential")
    # (b) Attack: {"type": "webauthn.get", ..., "type": "webauthn.create"}.
    client = decode_client_data(assertion.client_data)
    _verify_client_data(client, statement, origin)  # (c) to (f)
    data = assertion.authenticator_data
    _verify_authenticator_data(data, origin)  # (g), (h)
    # (i) Over the bytes as they came, never over what was read in them.
    message = data + sha256(assertion.client_data).digest()
    _verify_signature(credential, message, assertion.signature)
    # (j) Last, since an alarm must not be raised by who cannot sign.
    verify_counter(counter_of(assertion), credential.counter)


def counter_of(assertion: Assertion) -> int:
    """Return the authenticator's counter in an assertion (WebAuthn, 6.1.1)."""
    return int.from_bytes(assertion.authenticator_data[_FLAGS + 1 : DATA_SIZE])


def verify_counter(counter: int, recorded: int) -> None:
    """Return if counter has grown, or the authenticator keeps none; ClonedError.

    Attack: a copy of the credential signs; original and copy each count for themselves.
    """
    if (counter or recorded) and counter <= recorded:
        raise ClonedError(
            f"the authenticator's counter is {counter} and was {recorded}: its"
            " credential may have been copied"
        )


def _verify_client_data(
    client: CollectedClientData, statement: bytes, origin: str
) -> None:
    # (c) Attack: what was signed when another credential was made.
    if client.type != "webauthn.get":
        raise VerificationError("the assertion is not one of webauthn.get")
    # (d) Attack: the assertion of another answer; a replay.
    if client.challenge != encode_base64url(challenge_of(statement)):
        raise VerificationError("the assertion is over another answer")
    # (e) Attack: another site asks the authenticator, in our name.
    if client.origin != origin:
        raise VerificationError("the assertion was asked for by another origin")
    # (f) Attack: our app in the frame of another site, which draws over it. What we
    #     show forbids frames; an old browser may not obey.
    if client.cross_origin not in (False, msgspec.UNSET):
        raise VerificationError("the assertion was asked for across origins")
    if client.top_origin is not msgspec.UNSET:
        raise VerificationError("the assertion was asked for across origins")


def _verify_authenticator_data(data: bytes, origin: str) -> None:
    # (g) No credential data and no extensions: nobody asked for any, and what is not
    #     read must not be signed.
    if len(data) != DATA_SIZE:
        raise VerificationError("the assertion has more than it was asked for")
    if data[:_FLAGS] != sha256(rp_id_of(origin).encode("ascii")).digest():
        raise VerificationError("the assertion is for another relying party")
    # (h) Attack: a tap, or nothing at all, in place of fingerprint or PIN.
    flags = data[_FLAGS]
    if flags & 0xC0:
        raise VerificationError("the assertion says that it has more")
    if not flags & _USER_PRESENT or not flags & _USER_VERIFIED:
        raise VerificationError("the authenticator did not verify its holder")
    if flags & _BACKED_UP and not flags & _BACKUP_ELIGIBLE:
        raise VerificationError("the assertion contradicts itself")


def rp_id_of(origin: str) -> str:
    """Return the relying party of an origin: its host name, without port."""
    host = origin.split("//", 1)[1]
    return host if host.endswith("]") else host.rsplit(":", 1)[0]


def _verify_signature(credential: Credential, message: bytes, signature: bytes) -> None:
    try:
        match _load_key(credential):
            case ec.EllipticCurvePublicKey() as key:
                key.verify(signature, message, ec.ECDSA(SHA256()))
            case RSAPublicKey() as key:
                key.verify(signature, message, padding.PKCS1v15(), SHA256())
            case key:
                if len(signature) != SIGNATURE_SIZE:
                    raise InvalidSignature
                nacl.signing.VerifyKey(key.public_bytes_raw()).verify(
                    message, signature
                )
    except (InvalidSignature, nacl.exceptions.CryptoError):
        raise VerificationError("the assertion's signature is not valid") from None
    except KeyRejectedError as error:
        raise VerificationError(f"it cannot be verified: {error}") from error


def _load_key(credential: Credential) -> PublicKey:
    try:
        key = load_der_public_key(credential.public_key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRejectedError("a credential's key that is none") from error
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    # Attack: one key in two forms, or with bytes after it, as two credentials.
    if key.public_bytes(*form) != credential.public_key:
        raise KeyRejectedError("a credential's key that is not in its one form")
    match credential.algorithm, key:
        case CredentialAlgorithm.ES256, ec.EllipticCurvePublicKey() if isinstance(
            key.curve, ec.SECP256R1
        ):
            return key
        case CredentialAlgorithm.EDDSA, Ed25519PublicKey():
            check_verify_key(key.public_bytes_raw())
            return key
        case CredentialAlgorithm.RS256, RSAPublicKey() if (
            key.key_size in RSA_BITS and key.public_numbers().e == RSA_EXPONENT
        ):
            return key
    # Attack: the key chooses how it is verified.
    raise KeyRejectedError("a credential's key that is not one of its algorithm")
