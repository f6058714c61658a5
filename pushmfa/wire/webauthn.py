"""What WebAuthn (level 3) makes of a holder's verification: credential and assertion.

Credential and assertion are parts of our messages. The client data inside of an
assertion are not ours: a browser writes them, and may add members of its own.
"""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec

from pushmfa.terms import Binary, CredentialAlgorithm
from pushmfa.wire.codec import Part, make_decoder

MAX_CLIENT_DATA: Final = 2_048


class CredentialId(Binary):
    """What an authenticator calls its credential (WebAuthn, 4: at most 1,023)."""

    MIN, MAX = 1, 1_023


class CredentialKey(Binary):
    """The public key of a credential: SubjectPublicKeyInfo (RFC 5280) in DER."""

    MIN, MAX = 1, 1_024


class Credential(Part, frozen=True):
    """A WebAuthn credential of a device: what verifies that its holder was there."""

    id: CredentialId
    public_key: CredentialKey
    algorithm: CredentialAlgorithm
    counter: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    """The authenticator's own, of its last signature; 0 if it keeps none."""


class AuthenticatorData(Binary):
    """What an authenticator says of itself, and signs (WebAuthn, 6.1)."""

    MIN, MAX = 37, 1_024


class ClientData(Binary):
    """The exact JSON that a browser made for an assertion (WebAuthn, 5.8.1)."""

    MIN, MAX = 2, MAX_CLIENT_DATA


class AssertionSignature(Binary):
    """ECDSA in DER, Ed25519 or RSA: as the algorithm of the credential says."""

    MIN, MAX = 1, 1_024


class Assertion(Part, frozen=True):
    """A WebAuthn assertion over the digest of an answer, as the browser gave it."""

    credential_id: CredentialId
    authenticator_data: AuthenticatorData
    client_data: ClientData
    signature: AssertionSignature


class CollectedClientData(msgspec.Struct, frozen=True, rename="camel"):
    """What the host reads of the client data; members that it does not know are many.

    WebAuthn 5.8.1 allows browsers to add some, and Chromium does.
    """

    type: str
    challenge: str
    origin: str
    cross_origin: bool | msgspec.UnsetType = msgspec.UNSET
    top_origin: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


decode_client_data: Callable[[bytes], CollectedClientData] = make_decoder(
    CollectedClientData, MAX_CLIENT_DATA
)
