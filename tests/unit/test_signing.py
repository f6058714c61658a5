"""Signatures under labels, and the keys that must not be used."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from pushmfa.crypto import signing
from pushmfa.crypto.signing import (
    RESERVED_LABELS,
    Label,
    Signer,
    check_verify_key,
    device_id_of,
    host_id_of,
    mailbox_id_of,
    signed_message,
    verify_signature,
)
from pushmfa.errors import KeyRejectedError, VerificationError
from pushmfa.terms import (
    Binary,
    DeviceId,
    HostId,
    MailboxId,
    Signature,
    VerifyKey,
)

VECTORS = Path(__file__).parent.parent / "vectors"
SEED = bytes(range(32))
KEY = Signer.from_seed(SEED).verify_key
BODY = b'{"decision":"approval"}'
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def sign(seed: bytes, label: Label, body: bytes) -> bytes:
    return Signer.from_seed(seed).sign(label, body)


def vectors(name: str, part: str) -> list[dict[str, Any]]:
    loaded: dict[str, list[dict[str, Any]]] = json.loads(
        (VECTORS / name).read_text("ascii")
    )
    return loaded[part]


RFC_8032 = vectors("rfc8032.json", "vectors")
REJECTED = {
    entry["why"]: bytes.fromhex(entry["key"])
    for entry in vectors("rfc8032_rejected.json", "rejected")
}
SMALL_ORDER = {why: key for why, key in REJECTED.items() if why.startswith("small")}


@pytest.mark.parametrize("vector", RFC_8032, ids=lambda vector: vector["name"])
def test_the_primitive_meets_the_vectors_of_rfc_8032(vector: dict[str, str]) -> None:
    seed, key, message, signature = (
        bytes.fromhex(vector[name])
        for name in ("seed", "verify_key", "message", "signature")
    )
    signer = Signer.from_seed(seed)
    assert signer.verify_key == key
    assert signer._sign_message(message) == signature
    signing._verify_message(key, message, signature)
    check_verify_key(key)


def test_the_signed_message_is_label_nul_length_and_body() -> None:
    assert signed_message(Label.ANSWER, b"{}") == (
        b"pushmfa/v1 answer\x00\x00\x00\x00\x02{}"
    )
    assert signed_message(Label.NOTICE, bytes(70_000)) == (
        b"pushmfa/v1 notice\x00\x00\x01\x11\x70" + bytes(70_000)
    )


def test_labels_are_the_ones_of_the_protocol() -> None:
    assert [label.value.removeprefix("pushmfa/v1 ") for label in Label] == [
        "challenge",
        "answer",
        "webauthn",
        "outcome",
        "notice",
        "host-update",
        "device-update",
        "revoked",
        "enroll-device",
        "enroll-host",
        "enroll-done",
        "relay-hello",
        "offline",
    ]
    assert all(label.startswith("pushmfa/v1 ") for label in Label)


def test_a_reserved_label_cannot_be_used() -> None:
    assert RESERVED_LABELS.isdisjoint(Label)
    for reserved in RESERVED_LABELS:
        with pytest.raises(ValueError, match="not a valid Label"):
            Label(reserved)


@pytest.mark.parametrize("label", Label)
def test_signature_verifies_under_its_own_label(label: Label) -> None:
    signature = sign(SEED, label, BODY)
    assert len(signature) == 64
    verify_signature(KEY, label, BODY, signature)


@pytest.mark.parametrize("used", Label)
def test_signature_under_another_label_is_refused(used: Label) -> None:
    signature = sign(SEED, used, BODY)
    for label in Label:
        if label is not used:
            with pytest.raises(VerificationError):
                verify_signature(KEY, label, BODY, signature)


def test_signature_is_what_another_library_makes_of_the_signed_message() -> None:
    other = Ed25519PrivateKey.from_private_bytes(SEED)
    message = signed_message(Label.CHALLENGE, BODY)
    assert sign(SEED, Label.CHALLENGE, BODY) == other.sign(message)
    assert other.public_key().public_bytes_raw() == KEY


def test_signer_signs_as_the_plain_function_does() -> None:
    signer = Signer.from_seed(SEED)
    assert signer.verify_key == KEY
    assert signer.sign(Label.OUTCOME, BODY) == sign(SEED, Label.OUTCOME, BODY)


def test_keys_and_signatures_may_be_the_types_of_the_wire() -> None:
    key, signature = VerifyKey(KEY), Signature(sign(SEED, Label.ANSWER, BODY))
    check_verify_key(key)
    verify_signature(key, Label.ANSWER, Binary(BODY), signature)
    assert isinstance(host_id_of(key), HostId)
    assert isinstance(device_id_of(key), DeviceId)
    assert isinstance(mailbox_id_of(key), MailboxId)


def test_signer_does_not_show_its_key() -> None:
    shown = repr(Signer.from_seed(SEED))
    assert SEED.hex() not in shown
    assert repr(SEED) not in shown


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_signer_refuses_a_seed_of_another_length(size: int) -> None:
    with pytest.raises(KeyRejectedError, match="not 32"):
        Signer.from_seed(bytes(size))


@pytest.mark.parametrize("size", [0, 1, 32, 63, 65, 128])
def test_signature_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(VerificationError):
        verify_signature(KEY, Label.ANSWER, BODY, bytes(size))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_verify_key_of_another_length_is_refused(size: int) -> None:
    signature = sign(SEED, Label.ANSWER, BODY)
    with pytest.raises(VerificationError):
        verify_signature(bytes(size), Label.ANSWER, BODY, signature)
    with pytest.raises(KeyRejectedError, match="not 32"):
        check_verify_key(bytes(size))


def test_signature_of_another_key_is_refused() -> None:
    signature = sign(bytes(32), Label.ANSWER, BODY)
    with pytest.raises(VerificationError):
        verify_signature(KEY, Label.ANSWER, BODY, signature)


def test_an_honest_key_passes_the_check() -> None:
    for number in range(50):
        seed = sha256(bytes([number])).digest()
        check_verify_key(Signer.from_seed(seed).verify_key)


@pytest.mark.parametrize("why", REJECTED)
def test_key_that_no_honest_party_makes_is_rejected(why: str) -> None:
    with pytest.raises(KeyRejectedError):
        check_verify_key(REJECTED[why])


@pytest.mark.parametrize("why", REJECTED)
def test_own_check_of_the_encoding_agrees_with_the_table(why: str) -> None:
    # Were libsodium's check gone, ours would still refuse these.
    assert signing._is_canonical(REJECTED[why]) is ("non-canonical" not in why)


def test_table_of_rejected_keys_is_complete() -> None:
    p = 2**255 - 19
    assert len(set(SMALL_ORDER.values())) == 8
    beyond_p = {
        (y | sign_bit << 255).to_bytes(32, "little")
        for y in range(p, 2**255)
        for sign_bit in (0, 1)
    }
    assert len(beyond_p) == 38
    assert beyond_p <= set(REJECTED.values())


def small_order_forgeries(key: bytes) -> list[bytes]:
    """R of small order and S = 0: valid wherever k * key is the inverse of R."""
    return [point + bytes(32) for point in [*SMALL_ORDER.values(), key]]


@pytest.mark.parametrize("why", [why for why in REJECTED if "small" in why])
def test_attack_small_order_key_verifies_anything(why: str) -> None:
    key = REJECTED[why]
    for number in range(8):
        body = b"%d" % number
        for forged in small_order_forgeries(key):
            with pytest.raises(VerificationError):
                verify_signature(key, Label.ANSWER, body, forged)


def test_attack_small_order_key_works_against_a_library_without_the_check() -> None:
    # If this fails the attack above tests nothing any more.
    identity = SMALL_ORDER["small order: 1, point 1 of 1"]
    forged = identity + bytes(32)
    naive = Ed25519PublicKey.from_public_bytes(identity)
    for number in range(8):
        naive.verify(forged, signed_message(Label.ANSWER, b"%d" % number))
    with pytest.raises(InvalidSignature):
        naive.verify(b"\x02" + forged[1:], b"")


@pytest.mark.parametrize("why", [why for why in REJECTED if "non-canonical" in why])
def test_attack_second_encoding_of_a_key_verifies(why: str) -> None:
    signature = sign(SEED, Label.ANSWER, BODY)
    for forged in (signature, signature[:32] + bytes(32)):
        with pytest.raises(VerificationError):
            verify_signature(REJECTED[why], Label.ANSWER, BODY, forged)


def test_attack_signature_is_altered_and_stays_valid() -> None:
    # S + L is the same number modulo the order: RFC 8032 section 5.1.7 refuses it.
    signature = sign(SEED, Label.ANSWER, BODY)
    s = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    with pytest.raises(VerificationError):
        verify_signature(
            KEY, Label.ANSWER, BODY, signature[:32] + s.to_bytes(32, "little")
        )


def test_attack_body_is_moved_into_the_label() -> None:
    # The body of one statement holds label and length of another.
    inner = signed_message(Label.CHALLENGE, BODY)
    signature = sign(SEED, Label.ANSWER, inner)
    with pytest.raises(VerificationError):
        verify_signature(KEY, Label.CHALLENGE, BODY, signature)


def test_attack_body_is_cut_or_extended() -> None:
    signature = sign(SEED, Label.ANSWER, BODY)
    for body in (BODY[:-1], BODY + b"\x00", b"\x00" + BODY, b""):
        with pytest.raises(VerificationError):
            verify_signature(KEY, Label.ANSWER, body, signature)


def test_ids_are_digests_of_the_verify_key() -> None:
    digest = sha256(KEY).digest()
    assert host_id_of(KEY) == digest
    assert device_id_of(KEY) == digest
    assert mailbox_id_of(KEY) == digest[:16]
