"""base64url.json, signing.json, names.json, sealing.json and enclosing.json."""

import json
from itertools import permutations
from pathlib import Path

from tests.unit import hpke_reference
from tests.vectors.parties import (
    HOST,
    OTHER_HOST,
    PHONE,
    TABLET,
    Fields,
    Party,
    b64,
    derive,
    enclose,
    info_of,
    malformed,
    material,
    public,
    refusal,
    seal,
    sha256,
    sign,
    sign_bare,
    vector_file,
)

LABELS = {
    "challenge": HOST.seed,
    "answer": PHONE.seed,
    "outcome": HOST.seed,
    "notice": HOST.seed,
    "revoked": HOST.seed,
    "enroll-device": PHONE.seed,
    "enroll-host": HOST.seed,
    "enroll-done": HOST.seed,
    "relay-hello": PHONE.relay_seed,
}
ORDER = 2**252 + 27742317777372353535851937790883648493
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
STEPS = {
    "enroll-commit": "from-host",
    "enroll-claim": "from-device",
    "enroll-host": "from-host",
    "enroll-done": "from-host",
}
SECRET = material("secret of an enrollment link", 16)

RELAYS = {
    "wss://relay.example": "wss://relay.example",
    "wss://relay.example:8443": "wss://relay.example:8443",
    "WSS://Relay.Example:443/": "wss://relay.example",
    "ws://localhost:8300": "ws://localhost:8300",
    "ws://localhost:80": "ws://localhost",
    "ws://127.0.0.1:8300": "ws://127.0.0.1:8300",
    "wss://[2001:DB8::1]:8443": "wss://[2001:db8::1]:8443",
}
NO_RELAYS = {
    "one without TLS to another machine": "ws://relay.example",
    "one of another scheme": "https://relay.example",
    "a name alone": "relay.example",
    "one with a path": "wss://relay.example/path",
    "one with a user": "wss://user@relay.example",
    "one with a query": "wss://relay.example?x",
    "one with a port that is none": "wss://relay.example:99999",
    "one without a host": "wss://",
}


def base64url_file() -> Fields:
    """Return base64url.json."""
    texts = [b"", b"f", b"fo", b"foo", b"\xfb\xff\xbf", bytes(16), material("b64")]
    good = [
        {
            "name": f"{len(raw)} bytes are {b64(raw) or 'the empty text'}",
            "text": b64(raw),
            "expected": raw.hex(),
        }
        for raw in texts
    ]
    wrong = {
        "padding": "Zg==",
        "half a padding": "Zg=",
        "padding alone": "=",
        "one character alone": "Z",
        "five characters": "Zm9vZ",
        "non-zero trailing bits of one byte": "Zh",
        "non-zero trailing bits of two bytes": "Zm9",
        "the plus of the other alphabet": "+_--",
        "the slash of the other alphabet": "-/--",
        "a line end": "Zm9v\n",
        "a blank inside": "Zm 9v",
        "a letter that is not ASCII": "Zm9\u00f6",
        "fullwidth letters": "\uff3am9v",
        "a NUL": "Zm9\u0000",
    }
    bad = [
        {"name": f"{what} is refused", "text": text} | malformed("2.1: b64(n)")
        for what, text in wrong.items()
    ]
    return vector_file(
        "Unpadded base64url: exactly one text for given bytes.",
        "section 2.1",
        good + bad,
    )


def signing_file() -> Fields:
    """Return signing.json."""
    body = b'{"type":"test","text":"\xc3\xa9"}'
    cases = [_signed(name, body) for name in LABELS]
    cases.append(_signed("answer", b"") | {"name": "an empty body is signed as such"})
    cases += [
        _crossed(signed, tried, body) for signed, tried in permutations(LABELS, 2)
    ]
    cases += [_verification(*case) for case in _forgeries(body)]
    path = Path(__file__).parent / "rfc8032_rejected.json"
    for entry in json.loads(path.read_text("ascii"))["rejected"]:
        cases.append(
            {
                "name": f"the key {entry['key'][:8]}..{entry['key'][-8:]} is refused",
                "operation": "check_verify_key",
                "verify_key": entry["key"],
                "why": entry["why"],
            }
            | refusal("KeyRejectedError", "2.2: a verifier refuses a public key")
        )
    return vector_file(
        "Ed25519 under a label. `sign`: the expected signature (a randomized signer"
        " makes others; verify them instead). `verify`: accepted or refused."
        " `check_verify_key`: public keys that a verifier refuses.",
        "section 2.2",
        cases,
    )


def _signed(name: str, body: bytes) -> Fields:
    seed = LABELS[name]
    label = f"pushmfa/v1 {name}"
    message = label.encode("ascii") + b"\0" + len(body).to_bytes(4) + body
    return {
        "name": f"a body is signed under {label}",
        "operation": "sign",
        "label": label,
        "seed": seed.hex(),
        "verify_key": public(seed).hex(),
        "body": body.hex(),
        "message": message.hex(),
        "expected": sign(seed, label, body).hex(),
    }


def _crossed(signed: str, tried: str, body: bytes) -> Fields:
    seed = LABELS[signed]
    signature = sign(seed, f"pushmfa/v1 {signed}", body)
    name = f"what was signed as {signed} is refused as {tried}"
    return _verification(name, public(seed), f"pushmfa/v1 {tried}", body, signature)


def _forgeries(body: bytes) -> list[tuple[str, bytes, str, bytes, bytes]]:
    label, key = "pushmfa/v1 answer", PHONE.verify_key
    good = sign(PHONE.seed, label, body)
    too_great = int.from_bytes(good[32:], "little") + ORDER
    other = good[:32] + too_great.to_bytes(32, "little")
    small_order = bytes.fromhex(
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
    )
    return [
        ("a signature of 63 bytes is refused", key, label, body, good[:-1]),
        ("a signature of 65 bytes is refused", key, label, body, good + b"\0"),
        ("an empty signature is refused", key, label, body, b""),
        ("a key of 31 bytes is refused", key[:-1], label, body, good),
        ("a key of 33 bytes is refused", key + b"\0", label, body, good),
        ("another body is refused", key, label, body + b" ", good),
        ("an empty body is refused for a full one", key, label, b"", good),
        ("another key is refused", TABLET.verify_key, label, body, good),
        ("a flipped bit is refused", key, label, body, good[:-33] + b"\0" + good[-32:]),
        ("S + L, the same signature once more, is refused", key, label, body, other),
        ("zeros under a zero key are refused", bytes(32), label, body, bytes(64)),
        (
            "a forgery under a key of small order is refused",
            small_order,
            label,
            body,
            bytes([1]) + bytes(63),
        ),
        (
            "a body signed without label is refused",
            key,
            label,
            body,
            sign_bare(PHONE.seed, body),
        ),
    ]


def _verification(
    name: str, key: bytes, label: str, body: bytes, signature: bytes
) -> Fields:
    return {
        "name": name,
        "operation": "verify",
        "label": label,
        "verify_key": key.hex(),
        "body": body.hex(),
        "signature": signature.hex(),
    } | refusal("VerificationError", "2.2")


def names_file() -> Fields:
    """Return names.json."""
    cases: list[Fields] = []
    for party in (HOST, OTHER_HOST, PHONE):
        kind = "host" if party.name.startswith("host") else "device"
        for what, key, expected in (
            (f"{kind} id", party.verify_key, party.id),
            ("mailbox id", party.relay_key, party.mailbox),
        ):
            cases.append(
                {
                    "name": f"the {what} of {party.name} is a digest of its key",
                    "operation": what.replace(" ", "_"),
                    "key": key.hex(),
                    "expected": expected.hex(),
                }
            )
    cases += [
        {"name": f"the relay at {url} is {name}", "operation": "relay_name"}
        | {"url": url, "expected": name}
        for url, name in RELAYS.items()
    ]
    cases += [
        {"name": f"{what} is not a relay's URL", "operation": "relay_name", "url": url}
        | refusal("ConfigError", "3.1")
        for what, url in NO_RELAYS.items()
    ]
    return vector_file(
        "Names that are digests of keys. `relay_name`: the name that stands in the"
        " hello, of the URL that was dialed.",
        "sections 2.3 and 3.1",
        cases,
    )


def sealing_file() -> Fields:
    """Return sealing.json."""
    down = info_of("to-device", HOST.id, PHONE.id, HOST.mailbox, PHONE.mailbox)
    up = info_of("to-host", HOST.id, PHONE.id, PHONE.mailbox, HOST.mailbox)
    plaintext = b'{"type":"to-device"}'
    sealed = seal("down", PHONE.sealing_key, down, plaintext)
    cases = [
        _info("to-device", HOST, PHONE, down),
        _info("to-host", PHONE, HOST, up),
        _sealed("what a host seals opens at the device", PHONE, down, plaintext),
        _sealed(
            "what a device seals opens at the host", HOST, up, b'{"type":"to-host"}'
        ),
        _sealed("an empty plaintext is sealed too", PHONE, down, b""),
        _sealed("11,000 bytes are sealed", PHONE, down, material("long", 11_000)),
    ]
    ids = (HOST.id, PHONE.id, HOST.mailbox, PHONE.mailbox)
    wrong = {
        "the info of the other direction": info_of("to-host", *ids),
        "another host id": info_of("to-device", OTHER_HOST.id, *ids[1:]),
        "another device id": info_of("to-device", HOST.id, TABLET.id, *ids[2:]),
        "host id and device id exchanged": info_of(
            "to-device", PHONE.id, HOST.id, *ids[2:]
        ),
        "another sender": info_of("to-device", *ids[:2], TABLET.mailbox, ids[3]),
        "another recipient": info_of("to-device", *ids[:3], TABLET.mailbox),
        "sender and recipient exchanged": info_of(
            "to-device", *ids[:2], ids[3], ids[2]
        ),
        "an empty info": b"",
    }
    cases += [
        _not_opened(f"{what} does not open it", PHONE, info, sealed)
        for what, info in wrong.items()
    ]
    cases.append(_not_opened("another key does not open it", TABLET, down, sealed))
    cases += [
        _not_opened(f"{what} does not open", PHONE, down, changed)
        for what, changed in {
            "a changed ephemeral key": sealed[:40] + b"\0" + sealed[41:],
            "a changed ciphertext": sealed[:70] + b"\0" + sealed[71:],
            "a changed tag": sealed[:-1] + bytes([sealed[-1] ^ 1]),
            "a byte less": sealed[:-1],
            "a byte more": sealed + b"\0",
            "an ephemeral key without the rest": sealed[:65],
            "nothing at all": b"",
            "a compressed ephemeral key": b"\2" + sealed[1:33] + sealed[65:],
            "an ephemeral key off the curve": b"\4" + bytes(64) + sealed[65:],
        }.items()
    ]
    cases += _sealing_keys()
    return vector_file(
        "HPKE, one message, empty aad. `info`: its bytes. `seal`: with this ephemeral"
        " scalar the expected bytes, which also open. `open`: refused.",
        "section 2.4",
        cases,
        keys={"host": HOST.keys(), "device": PHONE.keys(), "other": TABLET.keys()},
    )


def _info(direction: str, sender: Party, recipient: Party, info: bytes) -> Fields:
    return {
        "name": f"the info of what goes {direction}",
        "operation": "info",
        "direction": direction,
        "host_id": HOST.id.hex(),
        "device_id": PHONE.id.hex(),
        "from": sender.mailbox.hex(),
        "to": recipient.mailbox.hex(),
        "expected": info.hex(),
    }


def _sealed(name: str, recipient: Party, info: bytes, plaintext: bytes) -> Fields:
    ephemeral = hpke_reference.derive_scalar(material(f"ephemeral key: {name}"))
    return {
        "name": name,
        "operation": "seal",
        "recipient_scalar": recipient.scalar.hex(),
        "recipient_key": recipient.sealing_key.hex(),
        "ephemeral_scalar": ephemeral.hex(),
        "info": info.hex(),
        "plaintext": plaintext.hex(),
        "expected": seal(name, recipient.sealing_key, info, plaintext).hex(),
    }


def _not_opened(name: str, recipient: Party, info: bytes, sealed: bytes) -> Fields:
    return {
        "name": name,
        "operation": "open",
        "recipient_scalar": recipient.scalar.hex(),
        "info": info.hex(),
        "sealed": sealed.hex(),
    } | refusal("SealError", "2.4")


def _sealing_keys() -> list[Fields]:
    key = PHONE.sealing_key
    wrong = {
        "a compressed point": bytes([2 + key[-1] % 2]) + key[1:33],
        "the hybrid form": bytes([6 + key[-1] % 2]) + key[1:],
        "a point off the curve": key[:-1] + bytes([key[-1] ^ 1]),
        "the origin": b"\4" + bytes(64),
        "the point at infinity": b"\0",
        "a coordinate that is not below p": b"\4" + P.to_bytes(32) + key[33:],
        "64 bytes": key[:-1],
        "66 bytes": key + b"\0",
        "no bytes": b"",
    }
    return [
        {
            "name": f"{what} is no sealing key",
            "operation": "check_sealing_key",
            "sealing_key": raw.hex(),
        }
        | refusal("KeyRejectedError", "2.4: sealing keys")
        for what, raw in wrong.items()
    ]


def enclosing_file() -> Fields:
    """Return enclosing.json."""
    relay_seed = derive(SECRET, "relay")
    cases: list[Fields] = [
        {
            "name": "a secret gives two keys and a meeting mailbox",
            "operation": "derive",
            "secret": SECRET.hex(),
            "expected": {
                "relay_seed": relay_seed.hex(),
                "from_host": derive(SECRET, "from-host").hex(),
                "from_device": derive(SECRET, "from-device").hex(),
                "meeting_mailbox": sha256(public(relay_seed))[:16].hex(),
            },
        }
    ]
    for step, way in STEPS.items():
        key, text = derive(SECRET, way), f'{{"type":"{step}"}}'.encode()
        good = enclose(step, key, step, text)
        cases.append(
            _enclosure(f"{step} is enclosed under {way}", key, step, good)
            | {"expected": text.hex()}
        )
        back = "from-device" if way == "from-host" else "from-host"
        reflected = _enclosure(
            f"{step} does not open as if it came {back}",
            derive(SECRET, back),
            step,
            good,
        )
        cases.append(reflected | refusal("SealError", "2.5"))
        cases += [
            _enclosure(f"{step} does not open as {other}", key, other, good)
            | refusal("SealError", "2.5")
            for other in STEPS
            if other != step
        ]
    key, step = derive(SECRET, "from-host"), "enroll-commit"
    good = enclose(step, key, step, b"text")
    other_key = derive(material("another secret", 16), "from-host")
    cases += [
        _enclosure(name, tried, step, changed) | refusal("SealError", "2.5")
        for name, tried, changed in (
            ("another secret does not open it", other_key, good),
            ("a byte less does not open", key, good[:-1]),
            ("a byte more does not open", key, good + b"\0"),
            ("a changed nonce does not open", key, bytes([good[0] ^ 1]) + good[1:]),
            ("a changed tag does not open", key, good[:-1] + bytes([good[-1] ^ 1])),
            ("27 bytes do not open", key, good[:27]),
            ("no bytes do not open", key, b""),
        )
    ]
    return vector_file(
        "AES-256-GCM under what the secret of an enrollment link gives. `disclose`:"
        " the plaintext of nonce || ciphertext || tag.",
        "section 2.5",
        cases,
    )


def _enclosure(name: str, key: bytes, step: str, enclosed: bytes) -> Fields:
    return {
        "name": name,
        "operation": "disclose",
        "key": key.hex(),
        "step": step,
        "enclosed": enclosed.hex(),
    }
