"""What holds for every message, every flipped bit and all garbage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.crypto.keys import commitment, confirmation_code, enrollment_keys
from pushmfa.crypto.sealing import (
    Direction,
    Opener,
    Sealer,
    check_sealing_key,
    disclose,
    enclose,
    sealing_info,
)
from pushmfa.crypto.signing import (
    Label,
    Signer,
    check_verify_key,
    signed_message,
    verify_signature,
)
from pushmfa.errors import KeyRejectedError, SealError, VerificationError
from pushmfa.terms import DeviceId, HostId, MailboxId
from tests.unit import hpke_reference as reference

SIGNER = Signer.from_seed(bytes(range(32)))
SCALAR = bytes(range(1, 33))
OPENER = Opener.from_private(SCALAR)
SEALER = Sealer(OPENER.public_key)
KEY = bytes(32)

labels = st.sampled_from(Label)
texts = st.binary(max_size=300)
garbage = st.binary(max_size=300) | st.builds(
    lambda tail: OPENER.public_key + tail, st.binary(max_size=100)
)
infos = st.builds(
    lambda direction, host, device, sender, recipient: sealing_info(
        direction,
        HostId(host),
        DeviceId(device),
        MailboxId(sender),
        MailboxId(recipient),
    ),
    st.sampled_from(Direction),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=16, max_size=16),
)


def flip(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    bit %= 8 * len(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


bits = st.integers(min_value=0, max_value=10_000)


@given(labels, texts)
def test_every_signature_verifies(label: Label, body: bytes) -> None:
    verify_signature(SIGNER.verify_key, label, body, SIGNER.sign(label, body))


@given(st.tuples(labels, texts), st.tuples(labels, texts))
def test_two_statements_never_share_their_signed_message(
    one: tuple[Label, bytes], other: tuple[Label, bytes]
) -> None:
    assert (signed_message(*one) == signed_message(*other)) == (one == other)


@given(labels, texts, bits)
def test_a_flipped_bit_of_a_signature_refuses(
    label: Label, body: bytes, bit: int
) -> None:
    signature = flip(SIGNER.sign(label, body), bit)
    with pytest.raises(VerificationError):
        verify_signature(SIGNER.verify_key, label, body, signature)


@given(labels, texts.filter(bool), bits)
def test_a_flipped_bit_of_a_body_refuses(label: Label, body: bytes, bit: int) -> None:
    signature = SIGNER.sign(label, body)
    with pytest.raises(VerificationError):
        verify_signature(SIGNER.verify_key, label, flip(body, bit), signature)


@given(labels, texts, bits)
def test_a_flipped_bit_of_a_verify_key_refuses(
    label: Label, body: bytes, bit: int
) -> None:
    signature = SIGNER.sign(label, body)
    with pytest.raises(VerificationError):
        verify_signature(flip(SIGNER.verify_key, bit), label, body, signature)


@given(
    st.binary(max_size=40) | st.binary(min_size=32, max_size=32),
    labels,
    texts,
    st.binary(max_size=80) | st.binary(min_size=64, max_size=64),
)
def test_garbage_raises_nothing_but_verification_error(
    verify_key: bytes, label: Label, body: bytes, signature: bytes
) -> None:
    with pytest.raises(VerificationError):
        verify_signature(verify_key, label, body, signature)


@given(st.binary(max_size=40) | st.binary(min_size=32, max_size=32))
def test_checking_a_verify_key_raises_nothing_but_key_rejected(raw: bytes) -> None:
    try:
        check_verify_key(raw)
    except KeyRejectedError:
        return
    assert len(raw) == 32


@given(st.binary(min_size=32, max_size=32))
def test_the_key_of_every_seed_passes_the_check(seed: bytes) -> None:
    check_verify_key(Signer.from_seed(seed).verify_key)


@given(infos, texts)
def test_what_is_sealed_opens(info: bytes, plaintext: bytes) -> None:
    sealed = SEALER.seal(info, plaintext)
    assert OPENER.open(info, sealed) == plaintext
    assert reference.open_sealed(SCALAR, info, sealed) == plaintext


@given(
    st.binary(min_size=32, max_size=32).filter(
        lambda scalar: 0 < int.from_bytes(scalar) < reference.P256_ORDER
    ),
    st.binary(max_size=200),
    texts,
)
def test_the_library_opens_what_the_reference_seals(
    ephemeral: bytes, info: bytes, plaintext: bytes
) -> None:
    sealed = reference.seal(ephemeral, OPENER.public_key, info, plaintext)
    assert OPENER.open(info, sealed) == plaintext


@given(infos, texts, bits)
def test_a_flipped_bit_of_what_is_sealed_refuses(
    info: bytes, plaintext: bytes, bit: int
) -> None:
    sealed = flip(SEALER.seal(info, plaintext), bit)
    with pytest.raises(SealError):
        OPENER.open(info, sealed)


@given(infos, texts, bits)
def test_a_flipped_bit_of_the_names_refuses(
    info: bytes, plaintext: bytes, bit: int
) -> None:
    sealed = SEALER.seal(info, plaintext)
    with pytest.raises(SealError):
        OPENER.open(flip(info, bit), sealed)


@given(infos, garbage)
def test_opening_garbage_raises_nothing_but_seal_error(
    info: bytes, sealed: bytes
) -> None:
    with pytest.raises(SealError):
        OPENER.open(info, sealed)


@given(st.binary(max_size=70) | st.binary(min_size=64, max_size=64).map(b"\4".__add__))
def test_checking_a_sealing_key_raises_nothing_but_key_rejected(raw: bytes) -> None:
    with pytest.raises(KeyRejectedError):
        check_sealing_key(raw)


@given(texts, texts)
def test_what_is_enclosed_is_disclosed(associated: bytes, plaintext: bytes) -> None:
    enclosed = enclose(KEY, associated, plaintext)
    assert disclose(KEY, associated, enclosed) == plaintext


@given(texts, texts, bits)
def test_a_flipped_bit_of_what_is_enclosed_refuses(
    associated: bytes, plaintext: bytes, bit: int
) -> None:
    enclosed = flip(enclose(KEY, associated, plaintext), bit)
    with pytest.raises(SealError):
        disclose(KEY, associated, enclosed)


@given(texts, garbage)
def test_disclosing_garbage_raises_nothing_but_seal_error(
    associated: bytes, enclosed: bytes
) -> None:
    with pytest.raises(SealError):
        disclose(KEY, associated, enclosed)


@given(st.binary(min_size=16, max_size=16))
def test_the_keys_of_an_enrollment_are_three_different_ones(secret: bytes) -> None:
    derived = enrollment_keys(secret)
    parts = (derived.relay_seed, derived.host_key, derived.device_key)
    assert len(set(parts)) == 3
    assert {len(part) for part in parts} == {32}


@given(
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=65, max_size=65),
    st.binary(min_size=32, max_size=32),
    texts,
)
def test_both_sides_of_an_enrollment_compute_the_same(
    verify_key: bytes, sealing_key: bytes, nonce: bytes, statement: bytes
) -> None:
    code = confirmation_code(verify_key, sealing_key, nonce, statement)
    assert code == confirmation_code(verify_key, sealing_key, nonce, statement)
    assert len(code) == 6
    assert code.isascii()
    assert code.isdigit()
    assert len(commitment(verify_key, sealing_key, nonce)) == 32
