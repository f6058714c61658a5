"""Push messages and VAPID: the RFC's own bytes, and two libraries that are not ours."""

import base64
import json

import http_ece  # type: ignore[import-untyped]  # has no types
import py_vapid  # type: ignore[import-untyped]  # has no types
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.crypto.webpush import (
    MAX_PLAINTEXT,
    PushKey,
    encrypt_push,
    verify_subscriber_key,
)
from pushmfa.errors import KeyRejectedError

AUTH = b"sixteen bytes ok"


def raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def point_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


RECEIVER = ec.derive_private_key(7, ec.SECP256R1())


def test_the_example_of_rfc_8291_appendix_a() -> None:
    body = encrypt_push(
        raw("V2hlbiBJIGdyb3cgdXAsIEkgd2FudCB0byBiZSBhIHdhdGVybWVsb24"),
        public_key=raw(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx"
            "aOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        auth=raw("BTBZMqHH6r4Tts7J_aSIgg"),
        ephemeral_scalar=raw("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"),
        salt=raw("DGv6ra1nlYgDCS1FRnbzlw"),
    )
    assert body == raw(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml"
        "mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT"
        "pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(st.binary(max_size=MAX_PLAINTEXT))
def test_another_library_decrypts_it(plaintext: bytes) -> None:
    body = encrypt_push(plaintext, public_key=point_of(RECEIVER), auth=AUTH)
    assert len(body) <= 4096
    opened = http_ece.decrypt(
        body, private_key=RECEIVER, auth_secret=AUTH, version="aes128gcm"
    )
    assert opened == plaintext


def test_every_message_has_keys_of_its_own() -> None:
    bodies = {
        encrypt_push(b"x", public_key=point_of(RECEIVER), auth=AUTH) for _ in range(20)
    }
    assert len({body[:16] for body in bodies}) == 20
    assert len({body[21:86] for body in bodies}) == 20


@pytest.mark.parametrize(
    "key",
    [
        b"",
        point_of(RECEIVER)[:64],
        point_of(RECEIVER) + b"\x00",
        b"\x04" + bytes(64),
        b"\x04" + b"\xff" * 64,
        b"\x02" + point_of(RECEIVER)[1:33],
        b"\x02" + point_of(RECEIVER)[1:],
        b"\x06" + point_of(RECEIVER)[1:],
        b"\x00" * 65,
    ],
)
def test_attack_a_key_that_is_no_point(key: bytes) -> None:
    with pytest.raises(KeyRejectedError):
        verify_subscriber_key(key)
    with pytest.raises(KeyRejectedError):
        encrypt_push(b"x", public_key=key, auth=AUTH)


@pytest.mark.parametrize(
    ("plaintext", "auth"), [(bytes(MAX_PLAINTEXT + 1), AUTH), (b"x", AUTH[1:])]
)
def test_sizes_are_kept(plaintext: bytes, auth: bytes) -> None:
    with pytest.raises(ValueError, match="wrong size"):
        encrypt_push(plaintext, public_key=point_of(RECEIVER), auth=auth)


def test_another_library_verifies_the_authorization() -> None:
    key = PushKey.from_pem(PushKey.generate().to_pem())
    for number in range(50):
        value = key.authorization(
            audience=f"https://push{number}.example",
            contact="mailto:root@relay.example",
            expires_at=1_800_000_000,
        )
        assert py_vapid.Vapid02.verify(value)
        token, public = value.removeprefix("vapid t=").split(",k=")
        assert raw(public) == key.public_key
        header, claims, signature = (raw(part) for part in token.split("."))
        assert json.loads(header) == {"typ": "JWT", "alg": "ES256"}
        assert json.loads(claims) == {
            "aud": f"https://push{number}.example",
            "exp": 1_800_000_000,
            "sub": "mailto:root@relay.example",
        }
        # Fixed width, also where a number of the signature is small.
        assert len(signature) == 64
        other = value.replace(token, token[:-8] + "AAAAAAAA")
        assert not py_vapid.Vapid02.verify(other)


def pem_of(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"nonsense",
        pem_of(RECEIVER)[:-40],
        pem_of(RECEIVER, b"secret"),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        RECEIVER.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ),
    ],
)
def test_a_file_that_holds_no_such_key(pem: bytes) -> None:
    with pytest.raises(KeyRejectedError):
        PushKey.from_pem(pem)
