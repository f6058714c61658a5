"""A software authenticator: signs as the one of a phone or a security key would.

Its keys are derived from its name and its signatures are always the same. Nothing of
pushmfa is imported here (see `parties`).
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.unit import hpke_reference
from tests.vectors.parties import Fields, b64, dump, material, sha256

ORIGIN = "https://mfa.example"
ES256, EDDSA, RS256 = -7, -8, -257
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
Private = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def challenge_of(statement: bytes) -> bytes:
    """Return the challenge that binds an assertion to an answer (protocol 5.2)."""
    size = len(statement).to_bytes(4)
    return sha256(b"pushmfa/v1 webauthn\0" + size + statement)


def spki(key: Private) -> bytes:
    """Return the public key as `getPublicKey()` gives it."""
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*form)


def rsa_public(n: int, e: int = 65_537) -> bytes:
    """Return a public key with this modulus."""
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return rsa.RSAPublicNumbers(e, n).public_key().public_bytes(*form)


def odd(name: str, bits: int) -> int:
    """Return an odd number of exactly so many bits (a multiple of 8)."""
    found = int.from_bytes(material(name, bits // 8))
    return found | (3 << (bits - 2)) | 1


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    # The first primes from there on.
    p = odd("first prime of an RSA credential", 1_024) + 472
    q = odd("second prime of an RSA credential", 1_024) + 532
    d = pow(65_537, -1, (p - 1) * (q - 1))
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    public = rsa.RSAPublicNumbers(65_537, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, *parts, public).private_key()


@dataclass
class Authenticator:
    """One credential; its counter grows with each assertion, or stays 0."""

    name: str
    algorithm: int = ES256
    counter: int = 0
    counts: bool = True
    origin: str = ORIGIN
    key: Private = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the key."""
        secret = material(f"key of the credential {self.name}")
        if self.algorithm == EDDSA:
            self.key = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
        elif self.algorithm == RS256:
            self.key = _rsa_key()
        else:
            scalar = int.from_bytes(hpke_reference.derive_scalar(secret))
            self.key = ec.derive_private_key(scalar, ec.SECP256R1())

    @property
    def id(self) -> bytes:
        """The credential id."""
        return material(f"id of the credential {self.name}", 32)

    def credential(self, **changes: Any) -> Fields:
        """Return the field of enroll-device, with changes."""
        return {
            "id": b64(self.id),
            "public_key": b64(spki(self.key)),
            "algorithm": self.algorithm,
            "counter": self.counter,
        } | changes

    def sign(self, message: bytes) -> bytes:
        """Return the signature of message, always the same one."""
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), SHA256())
        return self.key.sign(message, ec.ECDSA(SHA256(), deterministic_signing=True))

    def client_data(self, challenge: bytes, /, **changes: Any) -> bytes:
        """Return the client data as Chromium writes them, with changes."""
        fields = {
            "type": "webauthn.get",
            "challenge": b64(challenge),
            "origin": self.origin,
            "crossOrigin": False,
        } | changes
        return dump({k: v for k, v in fields.items() if v is not None}).encode()

    def assertion(
        self,
        statement: bytes,
        *,
        flags: int = UP | UV,
        rp_id: str | None = None,
        counter: int | None = None,
        more: bytes = b"",
        client_data: bytes | None = None,
        signature: bytes | None = None,
        **changes: Any,
    ) -> Fields:
        """Return the field of to-host for an answer, with changes of the client data.

        rp_id: the host name of the origin, if not given; more: bytes after the
        authenticator data.
        """
        if counter is None:
            self.counter += self.counts
            counter = self.counter
        name = rp_id or self.origin.split("//")[1].split(":")[0]
        data = sha256(name.encode()) + bytes([flags]) + counter.to_bytes(4) + more
        client = client_data or self.client_data(challenge_of(statement), **changes)
        return {
            "credential_id": b64(self.id),
            "authenticator_data": b64(data),
            "client_data": b64(client),
            "signature": b64(signature or self.sign(data + sha256(client))),
        }
