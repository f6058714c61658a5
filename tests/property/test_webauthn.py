"""No assertion but the very one that was made proves anything."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.crypto.webauthn import check_credential, verify_assertion
from pushmfa.errors import (
    ClonedError,
    KeyRejectedError,
    MalformedError,
    VerificationError,
)
from pushmfa.terms import CredentialAlgorithm
from pushmfa.wire.webauthn import (
    Assertion,
    AssertionSignature,
    AuthenticatorData,
    ClientData,
    Credential,
    CredentialId,
    CredentialKey,
    decode_client_data,
)
from tests.fakes.proofs import assertion_of, credential_of
from tests.vectors.authenticator import EDDSA, ES256, ORIGIN, RS256, Authenticator

STATEMENT = b'{"type":"answer"}'
FIELDS: dict[str, type[Any]] = {
    "credential_id": CredentialId,
    "authenticator_data": AuthenticatorData,
    "client_data": ClientData,
    "signature": AssertionSignature,
}
REFUSED = VerificationError, MalformedError


@cache
def made(algorithm: int) -> tuple[Credential, Assertion]:
    phone = Authenticator("of the phone", algorithm)
    return credential_of(phone), assertion_of(phone, STATEMENT)


@given(
    algorithm=st.sampled_from([ES256, EDDSA, RS256]),
    field=st.sampled_from(sorted(FIELDS)),
    data=st.data(),
)
def test_attack_one_bit_of_an_assertion_is_turned(
    algorithm: int, field: str, data: st.DataObject
) -> None:
    credential, right = made(algorithm)
    verify_assertion(right, credential, STATEMENT, ORIGIN)
    raw = bytearray(getattr(right, field))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    parts = {name: getattr(right, name) for name in FIELDS}
    wrong = Assertion(**parts | {field: FIELDS[field](bytes(raw))})
    with pytest.raises(REFUSED) as caught:
        verify_assertion(wrong, credential, STATEMENT, ORIGIN)
    assert not isinstance(caught.value, ClonedError)


@given(statement=st.binary(max_size=200))
def test_an_assertion_is_good_for_one_answer(statement: bytes) -> None:
    credential, right = made(ES256)
    if statement == STATEMENT:
        return
    with pytest.raises(VerificationError):
        verify_assertion(right, credential, statement, ORIGIN)


@given(
    algorithm=st.sampled_from(CredentialAlgorithm),
    key=st.binary(min_size=1, max_size=400),
)
def test_a_key_is_acceptable_or_refused(
    algorithm: CredentialAlgorithm, key: bytes
) -> None:
    credential = Credential(
        id=CredentialId(b"x"),
        public_key=CredentialKey(key),
        algorithm=algorithm,
        counter=0,
    )
    with pytest.raises(KeyRejectedError):
        check_credential(credential)


@given(
    algorithm=st.sampled_from([ES256, EDDSA, RS256]),
    data=st.data(),
)
def test_a_key_has_one_form(algorithm: int, data: st.DataObject) -> None:
    credential, right = made(algorithm)
    raw = bytearray(credential.public_key)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = Credential(
        id=credential.id,
        public_key=CredentialKey(bytes(raw)),
        algorithm=credential.algorithm,
        counter=0,
    )
    try:
        check_credential(changed)
    except KeyRejectedError:
        return
    # Another key, then: what the first one signed is not its.
    with pytest.raises(VerificationError):
        verify_assertion(right, changed, STATEMENT, ORIGIN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=st.dictionaries(st.text(), json_values) | json_values, more=st.binary())
def test_client_data_are_read_or_refused(value: Any, more: bytes) -> None:
    for raw in (json.dumps(value).encode(), more):
        try:
            found = decode_client_data(raw)
        except MalformedError:
            continue
        assert json.loads(raw)["type"] == found.type
