"""The hello: each check refuses what it is there for, in its order."""

from typing import Any

import pytest

from pushmfa.crypto.signing import Label, Signer, mailbox_id_of
from pushmfa.errors import MalformedError, VerificationError
from pushmfa.relay.hello import verify_hello
from pushmfa.terms import Nonce, Role, Signature, VerifyKey
from pushmfa.wire.codec import encode
from pushmfa.wire.link import Hello, HelloStatement, MailboxProof, RelayHello

NONCE = Nonce(b"n" * 32)
NAMES = frozenset({"wss://relay.example", "ws://localhost:8443"})
FIRST, SECOND = Signer.from_seed(b"1" * 32), Signer.from_seed(b"2" * 32)


def statement_of(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "version": 1,
        "role": Role.HOST,
        "relay": "wss://relay.example",
        "nonce": NONCE,
    }
    return encode(RelayHello(**fields | changes))


def proof_of(
    key: Signer, statement: bytes, label: Label = Label.RELAY_HELLO
) -> MailboxProof:
    return MailboxProof(
        key=VerifyKey(key.verify_key), signature=Signature(key.sign(label, statement))
    )


def hello_of(statement: bytes, *proofs: MailboxProof) -> Hello:
    return Hello(
        statement=HelloStatement(statement),
        mailboxes=proofs or (proof_of(FIRST, statement),),
        features=("accepted", "unheard_of"),
        invitation="ignored",
    )


def verify(hello: Hello) -> Any:
    return verify_hello(hello, nonce=NONCE, names=NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize("role", Role)
def test_hello_opens_the_mailboxes_of_its_keys(name: str, role: Role) -> None:
    statement = statement_of(role=role, relay=name)
    peer = verify(
        hello_of(statement, proof_of(FIRST, statement), proof_of(SECOND, statement))
    )
    assert peer.role is role
    assert peer.mailboxes == {
        mailbox_id_of(FIRST.verify_key),
        mailbox_id_of(SECOND.verify_key),
    }
    assert peer.features == {"accepted", "unheard_of"}


@pytest.mark.parametrize(
    "statement",
    [
        b"{}",
        b"nonsense",
        statement_of() + b" x",
        statement_of().replace(b'"host"', b'"relay"'),
        statement_of().replace(b'"relay-hello"', b'"challenge"'),
        statement_of().replace(b'"version":1', b'"version":1,"version":1'),
        statement_of().replace(b'"version":1', b'"version":"1"'),
        statement_of().replace(b'"version":1', b'"version":1,"more":1'),
    ],
)
def test_statement_that_is_none_is_malformed(statement: bytes) -> None:
    with pytest.raises(MalformedError):
        verify(hello_of(statement))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"nonce": Nonce(b"o" * 32)}, "nonce"),
        ({"version": 2}, "version"),
        ({"relay": "wss://other.example"}, "another relay"),
        ({"relay": "wss://relay.example:443"}, "another relay"),
        ({"relay": "WSS://relay.example"}, "another relay"),
    ],
)
def test_statement_for_another_link_version_or_relay_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(VerificationError, match=problem):
        verify(hello_of(statement_of(**changes)))


def test_signature_of_another_key_is_refused() -> None:
    statement = statement_of()
    forged = MailboxProof(
        key=VerifyKey(FIRST.verify_key),
        signature=Signature(SECOND.sign(Label.RELAY_HELLO, statement)),
    )
    with pytest.raises(VerificationError, match="signature"):
        verify(hello_of(statement, proof_of(SECOND, statement), forged))


def test_signature_under_another_label_is_refused() -> None:
    statement = statement_of()
    with pytest.raises(VerificationError, match="signature"):
        verify(hello_of(statement, proof_of(FIRST, statement, Label.CHALLENGE)))


def test_signature_of_another_encoding_is_refused() -> None:
    statement = statement_of()
    spaced = statement.replace(b",", b", ")
    with pytest.raises(VerificationError, match="signature"):
        verify(hello_of(spaced, proof_of(FIRST, statement)))


def test_attack_key_of_small_order_fits_every_statement() -> None:
    proof = MailboxProof(
        key=VerifyKey(bytes(31) + b"\x80"), signature=Signature(bytes(64))
    )
    with pytest.raises(VerificationError):
        verify(hello_of(statement_of(), proof))


def test_key_twice_is_refused() -> None:
    statement = statement_of()
    proof = proof_of(FIRST, statement)
    with pytest.raises(VerificationError, match="twice"):
        verify(hello_of(statement, proof, proof))
