"""What a software authenticator signs, as the messages that carry it."""

from typing import Any

from pushmfa.terms import CredentialAlgorithm
from pushmfa.wire.codec import decode_base64url
from pushmfa.wire.webauthn import (
    Assertion,
    AssertionSignature,
    AuthenticatorData,
    ClientData,
    Credential,
    CredentialId,
    CredentialKey,
)
from tests.vectors.authenticator import Authenticator, spki


def credential_of(authenticator: Authenticator) -> Credential:
    """Return its credential, as an enrollment brings it."""
    return Credential(
        id=CredentialId(authenticator.id),
        public_key=CredentialKey(spki(authenticator.key)),
        algorithm=CredentialAlgorithm(authenticator.algorithm),
        counter=authenticator.counter,
    )


def assertion_of(
    authenticator: Authenticator, statement: bytes, **changes: Any
) -> Assertion:
    """Return its assertion over an answer; changes as `Authenticator.assertion`."""
    fields = authenticator.assertion(statement, **changes)
    raw = {name: decode_base64url(text) for name, text in fields.items()}
    return Assertion(
        credential_id=CredentialId(raw["credential_id"]),
        authenticator_data=AuthenticatorData(raw["authenticator_data"]),
        client_data=ClientData(raw["client_data"]),
        signature=AssertionSignature(raw["signature"]),
    )
