"""Who speaks in the vectors: fixed keys, and a second, small way to sign and seal.

Nothing of pushmfa is imported here or by what makes the vectors: bytes that two
implementations agree on were not made by one of them alone.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import nacl.signing
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.unit import hpke_reference

Fields = dict[str, Any]


@dataclass(frozen=True)
class Raw:
    """JSON text to put where a value stands, as it is."""

    text: str


def dump(value: Any) -> str:
    """Return value as compact JSON, as pushmfa writes it; Raw stands as it is."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        inside = ",".join(f"{dump(key)}:{dump(item)}" for key, item in value.items())
        return "{" + inside + "}"
    if isinstance(value, list):
        return "[" + ",".join(dump(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def b64(raw: bytes) -> str:
    """Return raw as unpadded base64url."""
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def sha256(raw: bytes) -> bytes:
    """Return the SHA-256 of raw."""
    return hashlib.sha256(raw).digest()


def material(name: str, size: int = 32) -> bytes:
    """Return bytes that look random and are always the same for name."""
    return hashlib.shake_256(b"pushmfa test vectors: " + name.encode()).digest(size)


def public(seed: bytes) -> bytes:
    """Return the Ed25519 public key of seed."""
    return bytes(nacl.signing.SigningKey(seed).verify_key)


def sign_bare(seed: bytes, message: bytes) -> bytes:
    """Return the signature of message, without label; PyNaCl's are always the same."""
    return bytes(nacl.signing.SigningKey(seed).sign(message).signature)


def sign(seed: bytes, label: str, body: bytes) -> bytes:
    """Return the signature of protocol 2.2."""
    message = label.encode("ascii") + b"\0" + len(body).to_bytes(4) + body
    return sign_bare(seed, message)


@dataclass(frozen=True)
class Party:
    """A host, or a device of one enrollment: its private keys."""

    name: str

    @property
    def seed(self) -> bytes:
        """The private identity key."""
        return material(f"{self.name} identity key")

    @property
    def scalar(self) -> bytes:
        """The private sealing key."""
        return hpke_reference.derive_scalar(material(f"{self.name} sealing key"))

    @property
    def relay_seed(self) -> bytes:
        """The private relay key."""
        return material(f"{self.name} relay key")

    @property
    def verify_key(self) -> bytes:
        """The public identity key."""
        return public(self.seed)

    @property
    def sealing_key(self) -> bytes:
        """The public sealing key."""
        return hpke_reference.public_of(self.scalar)

    @property
    def relay_key(self) -> bytes:
        """The public relay key."""
        return public(self.relay_seed)

    @property
    def id(self) -> bytes:
        """Host id or device id."""
        return sha256(self.verify_key)

    @property
    def mailbox(self) -> bytes:
        """Its mailbox id."""
        return sha256(self.relay_key)[:16]

    def keys(self) -> Fields:
        """Return all that stands in a file about it; bytes in hexadecimal."""
        return {
            "identity_seed": self.seed.hex(),
            "verify_key": self.verify_key.hex(),
            "sealing_scalar": self.scalar.hex(),
            "sealing_key": self.sealing_key.hex(),
            "relay_seed": self.relay_seed.hex(),
            "relay_key": self.relay_key.hex(),
            "id": self.id.hex(),
            "mailbox": self.mailbox.hex(),
        }


HOST = Party("host web1")
OTHER_HOST = Party("host web2")
PHONE = Party("phone of alice at web1")
TABLET = Party("tablet of alice at web1")
BOBS = Party("phone of bob at web1")


def info_of(
    direction: str, host: bytes, device: bytes, sender: bytes, recipient: bytes
) -> bytes:
    """Return the info of protocol 2.4; direction is `to-device` or `to-host`."""
    label = f"pushmfa/v1 seal-{direction}".encode("ascii")
    return label + b"\0" + host + device + sender + recipient


def seal(name: str, recipient: bytes, info: bytes, plaintext: bytes) -> bytes:
    """Return plaintext sealed with an ephemeral key that name decides."""
    ephemeral = hpke_reference.derive_scalar(material(f"ephemeral key: {name}"))
    return hpke_reference.seal(ephemeral, recipient, info, plaintext)


def enclose(name: str, key: bytes, step: str, plaintext: bytes) -> bytes:
    """Return plaintext enclosed with a nonce that name decides."""
    nonce = material(f"nonce: {name}", 12)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, step.encode("ascii"))


def derive(secret: bytes, purpose: str) -> bytes:
    """Return the key of protocol 2.5 for `relay`, `from-host` or `from-device`."""
    info = f"pushmfa/v1 enroll {purpose}".encode("ascii")
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def refusal(error: str, step: str, message: str | None = None) -> Fields:
    """Return how a case says that it is refused."""
    said = {} if message is None else {"message": message}
    return {"refusal": {"error": error, "step": step} | said}


def malformed(step: str) -> Fields:
    """Return the refusal of bytes that are not a message."""
    return refusal("MalformedError", step)


def vector_file(
    description: str, source: str, cases: list[Fields], **context: Any
) -> Fields:
    """Return the content of one file."""
    names = [case["name"] for case in cases]
    doubled = {name for name in names if names.count(name) > 1}
    assert not doubled, doubled
    head = {"description": description, "source": f"docs/protocol.md, {source}"}
    return head | context | {"cases": cases}
