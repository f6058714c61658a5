"""Assertions of WebAuthn. What fails at each check stands in assertion.json."""

from typing import Any

import msgspec
import pytest

from pushmfa.crypto.signing import Label, signed_message
from pushmfa.crypto.webauthn import (
    challenge_of,
    check_credential,
    counter_of,
    rp_id_of,
    verify_assertion,
    verify_counter,
)
from pushmfa.errors import ClonedError, KeyRejectedError, VerificationError
from pushmfa.terms import CredentialAlgorithm
from pushmfa.wire.webauthn import Assertion, Credential, CredentialKey
from tests.fakes.proofs import assertion_of, credential_of
from tests.vectors import authenticator as reference
from tests.vectors.authenticator import (
    BE,
    BS,
    EDDSA,
    ES256,
    ORIGIN,
    RS256,
    UP,
    UV,
    Authenticator,
)

STATEMENT = b'{"type":"answer","decision":"approval"}'


def phone(algorithm: int = ES256, counter: int = 7) -> Authenticator:
    return Authenticator("of the phone", algorithm, counter)


def verify(
    assertion: Assertion, credential: Credential | None = None, **more: Any
) -> None:
    values = {"statement": STATEMENT, "origin": ORIGIN} | more
    verify_assertion(assertion, credential or credential_of(phone()), **values)


def refused(assertion: Assertion, **more: Any) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(assertion, **more)
    return str(caught.value)


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_each_algorithm_verifies(algorithm: int) -> None:
    each = phone(algorithm)
    credential = credential_of(each)
    check_credential(credential)
    assertion = assertion_of(each, STATEMENT)
    verify(assertion, credential)
    assert counter_of(assertion) == 8


def test_the_challenge_is_the_digest_of_what_a_signature_would_cover() -> None:
    assert challenge_of(STATEMENT) == reference.challenge_of(STATEMENT)
    assert signed_message(Label.WEBAUTHN, STATEMENT).startswith(b"pushmfa/v1 webauthn")


@pytest.mark.parametrize(
    ("origin", "rp_id"),
    [
        ("https://mfa.example", "mfa.example"),
        ("https://mfa.example:8443", "mfa.example"),
        ("http://localhost:8301", "localhost"),
        ("http://[::1]:8301", "[::1]"),
        ("http://[::1]", "[::1]"),
    ],
)
def test_the_relying_party_is_the_host_name(origin: str, rp_id: str) -> None:
    assert rp_id_of(origin) == rp_id


def test_attack_the_user_was_not_verified() -> None:
    for flags in (UP, UV, 0, BE | BS):
        assertion = assertion_of(phone(), STATEMENT, flags=flags)
        assert "did not verify" in refused(assertion)


def test_attack_another_site_asks_in_our_name() -> None:
    evil = assertion_of(phone(), STATEMENT, origin="https://evil.example")
    assert "another origin" in refused(evil)
    party = assertion_of(phone(), STATEMENT, rp_id="evil.example")
    assert "another relying party" in refused(party)


def test_attack_the_app_in_a_frame_of_another_site() -> None:
    assert "across origins" in refused(
        assertion_of(phone(), STATEMENT, crossOrigin=True)
    )
    top = assertion_of(phone(), STATEMENT, topOrigin="https://evil.example")
    assert "across origins" in refused(top)


def test_attack_the_assertion_of_another_answer() -> None:
    assertion = assertion_of(phone(), STATEMENT)
    verify(assertion)
    assert "another answer" in refused(assertion, statement=STATEMENT + b" ")


def test_attack_a_credential_is_made_in_place_of_used() -> None:
    assertion = assertion_of(phone(), STATEMENT, type="webauthn.create")
    assert "webauthn.get" in refused(assertion)


def test_attack_the_assertion_of_another_device() -> None:
    other = Authenticator("of the tablet")
    assert "another credential" in refused(assertion_of(other, STATEMENT))


def test_attack_a_key_chooses_how_it_is_verified() -> None:
    for algorithm in CredentialAlgorithm:
        for other in CredentialAlgorithm:
            credential = credential_of(phone(other))
            lied = msgspec.structs.replace(credential, algorithm=algorithm)
            if algorithm is other:
                check_credential(lied)
                continue
            with pytest.raises(KeyRejectedError):
                check_credential(lied)
            assertion = assertion_of(phone(other), STATEMENT)
            assert "cannot be verified" in refused(assertion, credential=lied)


def test_a_recorded_key_that_is_none_refuses_and_does_not_crash() -> None:
    broken = msgspec.structs.replace(
        credential_of(phone()), public_key=CredentialKey(b"\0")
    )
    assertion = assertion_of(phone(), STATEMENT)
    assert "cannot be verified" in refused(assertion, credential=broken)


@pytest.mark.parametrize(
    ("counter", "recorded", "is_fine"),
    [
        (0, 0, True),
        (1, 0, True),
        (8, 7, True),
        (2**32 - 1, 7, True),
        (7, 7, False),
        (6, 7, False),
        (0, 7, False),
    ],
)
def test_attack_a_copy_of_the_authenticator(
    counter: int, recorded: int, *, is_fine: bool
) -> None:
    if is_fine:
        verify_counter(counter, recorded)
        return
    with pytest.raises(ClonedError):
        verify_counter(counter, recorded)
    assertion = assertion_of(phone(), STATEMENT, counter=counter)
    with pytest.raises(ClonedError):
        verify(assertion, credential_of(phone(counter=recorded)))


def test_attack_a_forged_assertion_raises_no_alarm() -> None:
    forged = assertion_of(phone(), STATEMENT, counter=0, signature=b"\x30")
    with pytest.raises(VerificationError) as caught:
        verify(forged)
    assert type(caught.value) is VerificationError
