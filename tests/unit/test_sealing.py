"""Sealing to a key, and enclosing under a derived key."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pushmfa.crypto.sealing import (
    ENCLOSE_OVERHEAD,
    SEAL_OVERHEAD,
    Direction,
    Opener,
    Sealer,
    check_sealing_key,
    disclose,
    enclose,
    seal,
    sealing_info,
)
from pushmfa.errors import KeyRejectedError, SealError
from pushmfa.terms import DeviceId, HostId, MailboxId
from tests.unit import hpke_reference as reference

RFC_9180 = cast(
    dict[str, Any],
    json.loads(
        (Path(__file__).parent.parent / "vectors/rfc9180.json").read_text("ascii")
    ),
)
HOST = HostId(b"H" * 32)
DEVICE = DeviceId(b"D" * 32)
FROM = MailboxId(b"f" * 16)
TO = MailboxId(b"t" * 16)
INFO = sealing_info(Direction.TO_DEVICE, HOST, DEVICE, FROM, TO)
SCALAR = bytes(range(1, 33))
OPENER = Opener.from_private(SCALAR)
OTHER = Opener.from_private(bytes(range(2, 34)))
SEALED = seal(OPENER.public_key, INFO, b"challenge")
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def rfc(name: str) -> bytes:
    return bytes.fromhex(RFC_9180[name])


def test_reference_meets_the_vector_of_rfc_9180_byte_for_byte() -> None:
    assert reference.derive_scalar(rfc("ikmE")) == rfc("skEm")
    assert reference.derive_scalar(rfc("ikmR")) == rfc("skRm")
    assert reference.public_of(rfc("skEm")) == rfc("pkEm") == rfc("enc")
    assert reference.public_of(rfc("skRm")) == rfc("pkRm")
    shared = reference.shared_secret(rfc("skEm"), rfc("pkRm"), rfc("enc"), rfc("pkRm"))
    assert shared == rfc("shared_secret")
    schedule = reference.key_schedule(shared, rfc("info"))
    assert schedule.context == rfc("key_schedule_context")
    assert schedule.secret == rfc("secret")
    assert schedule.key == rfc("key")
    assert schedule.base_nonce == rfc("base_nonce")
    assert schedule.exporter_secret == rfc("exporter_secret")
    for sequence, case in enumerate(RFC_9180["encryptions"]):
        nonce, aad, plaintext, sealed = (
            bytes.fromhex(case[name]) for name in ("nonce", "aad", "pt", "ct")
        )
        assert schedule.nonce(sequence) == nonce
        assert AESGCM(schedule.key).encrypt(nonce, plaintext, aad) == sealed


def test_library_opens_what_the_reference_seals_with_the_keys_of_rfc_9180() -> None:
    opener = Opener.from_private(rfc("skRm"))
    assert opener.public_key == rfc("pkRm")
    sealed = reference.seal(rfc("skEm"), rfc("pkRm"), rfc("info"), b"Beauty is truth")
    assert sealed.startswith(rfc("enc"))
    assert opener.open(rfc("info"), sealed) == b"Beauty is truth"


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 1000, 16384])
def test_library_and_reference_open_what_the_other_seals(size: int) -> None:
    plaintext = bytes(number % 251 for number in range(size))
    ours = seal(OPENER.public_key, INFO, plaintext)
    assert len(ours) == size + SEAL_OVERHEAD
    assert reference.open_sealed(SCALAR, INFO, ours) == plaintext
    theirs = reference.seal(bytes([7] * 32), OPENER.public_key, INFO, plaintext)
    assert OPENER.open(INFO, theirs) == plaintext


def test_info_is_direction_nul_and_four_ids() -> None:
    ids = b"H" * 32 + b"D" * 32 + b"f" * 16 + b"t" * 16
    assert INFO == b"pushmfa/v1 seal-to-device\x00" + ids
    to_host = sealing_info(Direction.TO_HOST, HOST, DEVICE, FROM, TO)
    assert to_host == b"pushmfa/v1 seal-to-host\x00" + ids


@pytest.mark.parametrize(
    ("host", "device", "sender", "recipient"),
    [
        (HOST[:31], DEVICE, FROM, TO),
        (HOST, DEVICE + b"D", FROM, TO),
        (HOST, DEVICE, FROM[:15], TO),
        (HOST, DEVICE, FROM, HOST),
        (HOST + b"D", DEVICE[:31], FROM, TO),
    ],
)
def test_info_refuses_ids_of_a_wrong_length(
    host: Any, device: Any, sender: Any, recipient: Any
) -> None:
    # Plain bytes, as no type checker would let them through.
    with pytest.raises(ValueError, match=r"ids are (32|16) bytes"):
        sealing_info(Direction.TO_HOST, host, device, sender, recipient)


def test_sealer_and_plain_function_seal_to_the_same_key() -> None:
    sealer = Sealer(OPENER.public_key)
    assert sealer.public_key == OPENER.public_key
    assert OPENER.open(INFO, sealer.seal(INFO, b"one")) == b"one"
    assert OPENER.open(INFO, SEALED) == b"challenge"


def test_sealing_twice_gives_different_bytes() -> None:
    assert seal(OPENER.public_key, INFO, b"x") != seal(OPENER.public_key, INFO, b"x")


def test_opener_does_not_show_its_key() -> None:
    assert SCALAR.hex() not in repr(OPENER)
    assert str(int.from_bytes(SCALAR)) not in repr(OPENER)


def test_attack_envelope_is_opened_by_another_device() -> None:
    with pytest.raises(SealError):
        OTHER.open(INFO, SEALED)


@pytest.mark.parametrize(
    "info",
    [
        sealing_info(Direction.TO_HOST, HOST, DEVICE, FROM, TO),
        sealing_info(Direction.TO_DEVICE, HostId(b"h" * 32), DEVICE, FROM, TO),
        sealing_info(Direction.TO_DEVICE, HOST, DeviceId(b"d" * 32), FROM, TO),
        sealing_info(Direction.TO_DEVICE, HostId(DEVICE), DeviceId(HOST), FROM, TO),
        sealing_info(Direction.TO_DEVICE, HOST, DEVICE, TO, FROM),
        sealing_info(Direction.TO_DEVICE, HOST, DEVICE, TO, TO),
        sealing_info(Direction.TO_DEVICE, HOST, DEVICE, FROM, FROM),
        b"",
    ],
)
def test_attack_envelope_is_opened_under_other_names_or_direction(info: bytes) -> None:
    with pytest.raises(SealError):
        OPENER.open(info, SEALED)


@pytest.mark.parametrize("size", range(len(SEALED)))
def test_attack_envelope_is_cut(size: int) -> None:
    with pytest.raises(SealError):
        OPENER.open(INFO, SEALED[:size])


def test_attack_envelope_is_extended() -> None:
    with pytest.raises(SealError):
        OPENER.open(INFO, SEALED + b"\x00")


@pytest.mark.parametrize(
    "enc",
    [
        bytes(65),
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x02" + SEALED[1:33],
        b"\x06" + SEALED[1:65],
        b"\x07" + SEALED[1:65],
        b"\x00",
    ],
    ids=["zeros", "off-curve", "beyond-p", "compressed", "hybrid-6", "hybrid-7", "inf"],
)
def test_attack_ephemeral_key_is_no_uncompressed_point(enc: bytes) -> None:
    with pytest.raises(SealError):
        OPENER.open(INFO, enc + SEALED[65:])


def test_everything_that_does_not_open_gives_one_text() -> None:
    texts = set()
    for sealed in (b"", b"\x04" * 100, SEALED[:-1], SEALED + b"x"):
        with pytest.raises(SealError) as caught:
            OPENER.open(INFO, sealed)
        texts.add(str(caught.value))
        assert caught.value.__cause__ is None
    assert len(texts) == 1


def test_sealing_key_of_an_honest_party_passes() -> None:
    check_sealing_key(OPENER.public_key)


def point_with_small_x() -> tuple[int, int]:
    """Return a point whose x has a second encoding, x + p, in 32 bytes."""
    for x in range(100):
        square = (x**3 - 3 * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return x, y
    raise AssertionError("no such point")


def encoded(x: int, y: int) -> bytes:
    return b"\x04" + x.to_bytes(32) + y.to_bytes(32)


def test_attack_sealing_key_has_a_second_encoding() -> None:
    x, y = point_with_small_x()
    check_sealing_key(encoded(x, y))
    with pytest.raises(KeyRejectedError):
        check_sealing_key(encoded(x + P, y))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x04",
        b"\x00",
        bytes(65),
        b"\x04" + bytes(64),
        OPENER.public_key[:64],
        OPENER.public_key + b"\x00",
        OPENER.public_key[1:],
        OPENER.public_key[1:] + b"\x00",
        b"\x02" + OPENER.public_key[1:33],
        b"\x03" + OPENER.public_key[1:33],
        b"\x06" + OPENER.public_key[1:],
        b"\x07" + OPENER.public_key[1:],
        OPENER.public_key[:-1] + bytes([OPENER.public_key[-1] ^ 1]),
        encoded(P, P),
    ],
)
def test_attack_sealing_key_is_no_uncompressed_point_of_the_curve(raw: bytes) -> None:
    for use in (check_sealing_key, Sealer, lambda key: seal(key, INFO, b"x")):
        with pytest.raises(KeyRejectedError):
            use(raw)


@pytest.mark.parametrize(
    "scalar",
    [b"", bytes(31), bytes(33), bytes(32), reference.P256_ORDER.to_bytes(32)],
)
def test_private_sealing_key_out_of_range_is_rejected(scalar: bytes) -> None:
    with pytest.raises(KeyRejectedError) as caught:
        Opener.from_private(scalar)
    assert caught.value.__cause__ is None


ENCLOSURE_KEY = bytes(range(32))


@pytest.mark.parametrize("size", [0, 1, 16, 5000])
def test_enclosed_is_disclosed_by_the_same_key_and_associated_data(size: int) -> None:
    enclosed = enclose(ENCLOSURE_KEY, b"claim", bytes(size))
    assert len(enclosed) == size + ENCLOSE_OVERHEAD
    assert disclose(ENCLOSURE_KEY, b"claim", enclosed) == bytes(size)


def test_enclosure_is_nonce_and_aes_256_gcm() -> None:
    enclosed = enclose(ENCLOSURE_KEY, b"claim", b"text")
    cipher = AESGCM(ENCLOSURE_KEY)
    assert cipher.decrypt(enclosed[:12], enclosed[12:], b"claim") == b"text"


def test_enclosing_twice_uses_two_nonces() -> None:
    nonces = {enclose(ENCLOSURE_KEY, b"", b"")[:12] for _ in range(100)}
    assert len(nonces) == 100


def test_attack_enclosure_is_disclosed_under_another_key_or_purpose() -> None:
    enclosed = enclose(ENCLOSURE_KEY, b"claim", b"text")
    with pytest.raises(SealError):
        disclose(bytes(32), b"claim", enclosed)
    with pytest.raises(SealError):
        disclose(ENCLOSURE_KEY, b"reveal", enclosed)


def test_attack_enclosure_is_cut() -> None:
    enclosed = enclose(ENCLOSURE_KEY, b"", b"text")
    for size in range(len(enclosed)):
        with pytest.raises(SealError):
            disclose(ENCLOSURE_KEY, b"", enclosed[:size])


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33])
def test_enclosure_takes_no_shorter_key(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        enclose(bytes(size), b"", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        disclose(bytes(size), b"", bytes(40))
