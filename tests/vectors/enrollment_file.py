"""enrollment.json: a whole transcript, and every way to tamper with it."""

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tests.vectors import messages as m
from tests.vectors.authenticator import (
    EDDSA,
    ES256,
    RS256,
    Authenticator,
    odd,
    rsa_public,
    spki,
)
from tests.vectors.parties import (
    BOBS,
    HOST,
    OTHER_HOST,
    PHONE,
    TABLET,
    Fields,
    b64,
    derive,
    dump,
    enclose,
    info_of,
    malformed,
    material,
    public,
    refusal,
    seal,
    sha256,
    sign,
    vector_file,
)

SECRET = material("secret of the enrollment", 16)
OTHER_SECRET = material("secret of another enrollment", 16)
HOST_NONCE = material("nonce of the enrollment's host")
MEETING = sha256(public(derive(SECRET, "relay")))[:16]
COMMITMENT = sha256(
    b"pushmfa/v1 enroll-commit\0" + HOST.verify_key + HOST.sealing_key + HOST_NONCE
)
SMALL_ORDER = bytes.fromhex("01" + "00" * 31)
OFFERED_AT = {"boot": 1_000.0, "wall": float(m.ISSUED_AT)}
MESSAGE = {"type": "enroll-claim"}


def code_of(statement: bytes) -> str:
    """Return the six digits of protocol 4.5."""
    digest = sha256(
        b"pushmfa/v1 enroll-code\0"
        + HOST.verify_key
        + HOST.sealing_key
        + HOST_NONCE
        + sha256(statement)
    )
    return f"{int.from_bytes(digest[:8]) % 1_000_000:06d}"


def claim_statement(**changes: Any) -> bytes:
    """Return the phone's statement about this enrollment, with changes."""
    return dump(m.enroll_device(commitment=b64(COMMITMENT)) | changes).encode()


STATEMENT = claim_statement()
CLAIM_SHA256 = sha256(STATEMENT)


def enrollment_file() -> Fields:
    """Return enrollment.json."""
    cases = [_transcript(), _commitment()]
    cases += _codes() + _claims() + _reveals() + _dones() + _confirmations()
    return vector_file(
        "One enrollment. `transcript`: everything in its order. `commitment`, `code`:"
        " what both sides compute. `claim`: what the host does with an envelope."
        " `reveal`, `done`: what the device does with one. `confirm`: what the host"
        " does with the typed digits.",
        "section 4",
        cases,
        keys={
            "host": HOST.keys(),
            "device": PHONE.keys(),
            "other_device": TABLET.keys(),
        },
        context={
            "secret": SECRET.hex(),
            "from_host": derive(SECRET, "from-host").hex(),
            "from_device": derive(SECRET, "from-device").hex(),
            "meeting_mailbox": MEETING.hex(),
            "host_nonce": HOST_NONCE.hex(),
            "commitment": COMMITMENT.hex(),
            "claim_statement": STATEMENT.decode(),
            "code": code_of(STATEMENT),
            "offered_at": OFFERED_AT,
            "user": "alice",
            "uid": 1000,
        },
    )


# --- what is sent ---------------------------------------------------------------


@dataclass(frozen=True)
class Sent:
    """How a claim is made; the defaults are right."""

    statement: bytes = STATEMENT
    seed: bytes = PHONE.seed
    label: str = "enroll-device"
    signature: bytes | None = None
    more: str = ""
    secret: bytes = SECRET
    way: str = "from-device"
    step: str = "enroll-claim"

    def enclosed(self, name: str) -> bytes:
        """Return the bytes of the envelope's `sealed`."""
        signature = self.signature
        if signature is None:
            signature = sign(self.seed, f"pushmfa/v1 {self.label}", self.statement)
        fields = {"statement": b64(self.statement), "signature": b64(signature)}
        text = dump(MESSAGE | fields)[:-1] + self.more + "}"
        return enclose(name, derive(self.secret, self.way), self.step, text.encode())


@dataclass(frozen=True)
class Revealed:
    """How the host's enroll-host or enroll-done is made; the defaults are right."""

    statement: bytes
    step: str = "enroll-host"
    seed: bytes = HOST.seed
    label: str | None = None
    signature: bytes | None = None
    more: str = ""
    secret: bytes = SECRET
    way: str = "from-host"
    front: bytes = HOST.id
    info_host: bytes = HOST.id
    info_device: bytes = PHONE.id
    sender: bytes = MEETING
    recipient: bytes = PHONE.sealing_key
    enclosed_as: str | None = None

    def enclosed(self, name: str) -> bytes:
        """Return the bytes of the envelope's `sealed`."""
        signature = self.signature
        if signature is None:
            label = f"pushmfa/v1 {self.label or self.step}"
            signature = sign(self.seed, label, self.statement)
        fields = {"statement": b64(self.statement), "signature": b64(signature)}
        text = dump({"type": "to-device"} | fields)[:-1] + self.more + "}"
        ids = (self.info_host, self.info_device, self.sender, MEETING)
        info = info_of("to-device", *ids)
        inside = self.front + seal(name, self.recipient, info, text.encode())
        step = self.enclosed_as or self.step
        return enclose(name, derive(self.secret, self.way), step, inside)


def _host_statement(**changes: Any) -> bytes:
    fields = {"claim_sha256": b64(CLAIM_SHA256), "nonce": b64(HOST_NONCE)}
    return dump(m.enroll_host(**fields) | changes).encode()


def _done_statement(**changes: Any) -> bytes:
    return dump(m.enroll_done(claim_sha256=b64(CLAIM_SHA256)) | changes).encode()


# --- cases ----------------------------------------------------------------------


def _transcript() -> Fields:
    commit = dump(m.ENROLL_COMMIT | {"commitment": b64(COMMITMENT)}).encode()
    name = "the whole transcript"
    return {
        "name": "an enrollment from the link to its end",
        "operation": "transcript",
        "link": f"https://mfa.example/#1{b64(SECRET)}relay.example",
        "commit": enclose(
            name, derive(SECRET, "from-host"), "enroll-commit", commit
        ).hex(),
        "claim": Sent().enclosed(name).hex(),
        "host": Revealed(_host_statement()).enclosed(name + " host").hex(),
        "done": Revealed(_done_statement(), "enroll-done")
        .enclosed(name + " done")
        .hex(),
        "expected": {
            "commit": commit.decode(),
            "claim_statement": STATEMENT.decode(),
            "claim_sha256": CLAIM_SHA256.hex(),
            "device_id": PHONE.id.hex(),
            "host_statement": _host_statement().decode(),
            "code": code_of(STATEMENT),
            "done_statement": _done_statement().decode(),
        },
    }


def _commitment() -> Fields:
    return {
        "name": "the host commits to its keys and a nonce",
        "operation": "commitment",
        "verify_key": HOST.verify_key.hex(),
        "sealing_key": HOST.sealing_key.hex(),
        "nonce": HOST_NONCE.hex(),
        "expected": COMMITMENT.hex(),
    }


def _codes() -> list[Fields]:
    labels = (f"phone {number}" for number in range(10_000))
    zeros = next(
        statement
        for statement in (claim_statement(label=label) for label in labels)
        if code_of(statement) < "001000"
    )
    return [
        {
            "name": name,
            "operation": "code",
            "statement": statement.decode(),
            "expected": code_of(statement),
        }
        for name, statement in (
            ("six digits of the transcript", STATEMENT),
            ("leading zeros are kept", zeros),
            ("another order of the same fields is another statement", _turned()),
        )
    ]


def _turned() -> bytes:
    fields = m.enroll_device(commitment=b64(COMMITMENT))
    return dump(dict(reversed(fields.items()))).encode()


def _claim(name: str, sent: Sent, **state: Any) -> Fields:
    return {
        "name": name,
        "operation": "claim",
        "enclosed": sent.enclosed(name).hex(),
    } | state


def _accepted(statement: bytes = STATEMENT) -> Fields:
    digest = sha256(statement).hex()
    return {"expected": {"device_id": PHONE.id.hex(), "claim_sha256": digest}}


def _failed(step: str) -> Fields:
    return refusal("VerificationError", step)


def _claims() -> list[Fields]:
    swapped = STATEMENT.replace(
        b64(PHONE.sealing_key).encode(), b64(TABLET.sealing_key).encode()
    )
    good = sign(PHONE.seed, "pushmfa/v1 enroll-device", STATEMENT)
    does_not_open = refusal("SealError", "4.3 (1)")
    one, two = malformed("4.3 (2)"), _failed("4.3 (3)")
    versions = _failed("4.3 (4): a version in common")
    keys = refusal("KeyRejectedError", "4.3 (5)")
    known, late = _failed("4.3 (5): not known on this host"), _failed("4.3 (6)")
    small = claim_statement(verify_key=b64(SMALL_ORDER))
    forged = SMALL_ORDER + bytes(32)
    off_curve = PHONE.sealing_key[:-1] + bytes([PHONE.sealing_key[-1] ^ 1])
    cases = [
        _claim("the claim of the device is accepted", Sent()) | _accepted(),
        _claim("one that comes in time is accepted", Sent(), after={"boot": 299.9})
        | _accepted(),
        _claim("a claim in another order of fields", Sent(_turned()))
        | _accepted(_turned()),
        _claim("one reflected: enclosed from-host", Sent(way="from-host"))
        | does_not_open,
        _claim("one enclosed as another step", Sent(step="enroll-host"))
        | does_not_open,
        _claim("one of another secret", Sent(secret=OTHER_SECRET)) | does_not_open,
        _claim("one with an unknown field outside", Sent(more=',"more":1')) | one,
        _claim("one signed by another key", Sent(seed=TABLET.seed)) | two,
        _claim("one signed under the label of an answer", Sent(label="answer")) | two,
        _claim("one signed as a relay-hello", Sent(label="relay-hello")) | two,
        _claim("one with a swapped sealing key", Sent(swapped, signature=good)) | two,
        _claim("one with a signature of zeros", Sent(signature=bytes(64))) | two,
    ]
    statements = {
        "one with an unknown field inside": (STATEMENT[:-1] + b',"more":1}', None),
        "one with a doubled key inside": (STATEMENT[:-1] + b',"kind":"app"}', None),
        "one that is no statement of a claim": (_done_statement(), None),
        "one to another commitment": (
            claim_statement(commitment=b64(material("other"))),
            _failed("4.3 (4): this commitment"),
        ),
        "one of version 2": (claim_statement(version=2, versions=[1, 2]), versions),
        "one without a version in common": (claim_statement(versions=[2]), versions),
    }
    for name, (statement, refused) in statements.items():
        refused = refused or malformed("4.3 (4)")
        cases.append(_claim(name, Sent(statement)) | refused)
    cases += [
        _claim("one with a key of small order", Sent(small, signature=forged)) | keys,
        _claim("one with a sealing key off the curve", _sealing(off_curve)) | keys,
        _claim("one with an even sealing key", _sealing(b"\2" + bytes(64))) | keys,
        _claim(
            "one whose identity key is another account's",
            Sent(),
            known=[PHONE.verify_key.hex()],
        )
        | known,
        _claim(
            "one whose mailbox is another account's",
            Sent(),
            known=[BOBS.verify_key.hex(), PHONE.mailbox.hex()],
        )
        | known,
        _claim("a second claim", Sent(), state="claimed") | late,
        _claim("a claim after the end", Sent(), state="canceled") | late,
        _claim("one too late by the boot clock", Sent(), after={"boot": 300.0}) | late,
        _claim("one too late by the wall clock", Sent(), after={"wall": 300.0}) | late,
    ]
    return cases + _credentials(known)


def _credentials(known: Fields) -> list[Fields]:
    cases = []
    for name, algorithm in {"an Ed25519": EDDSA, "an RSA": RS256}.items():
        statement = claim_statement(
            credential=Authenticator("of the phone", algorithm).credential()
        )
        cases.append(
            _claim(f"one with {name} credential is accepted", Sent(statement))
            | _accepted(statement)
        )
    terminal = claim_statement(capabilities=["passphrase"], credential=None)
    cases.append(
        _claim("one without a credential is accepted", Sent(terminal))
        | _accepted(terminal)
    )
    matched = malformed("4.3 (4): a credential exactly with its capability")
    unmatched: dict[str, Fields] = {
        "one that can do webauthn without a credential": {"credential": None},
        "one with a credential that cannot do webauthn": {"capabilities": []},
    }
    for name, changes in unmatched.items():
        cases.append(_claim(name, Sent(claim_statement(**changes))) | matched)
    keys = refusal("KeyRejectedError", "4.3 (5)")
    for name, (algorithm, key) in _bad_keys().items():
        credential = Authenticator("of the phone").credential(
            algorithm=algorithm, public_key=b64(key)
        )
        statement = claim_statement(credential=credential)
        cases.append(_claim(f"one with {name}", Sent(statement)) | keys)
    phones = spki(Authenticator("of the phone").key)
    cases.append(
        _claim("one whose credential is another's", Sent(), known=[phones.hex()])
        | known
    )
    return cases


def _bad_keys() -> dict[str, tuple[int, bytes]]:
    p256, ed = (spki(Authenticator("x", kind).key) for kind in (ES256, EDDSA))
    p384 = spki(ec.derive_private_key(7, ec.SECP384R1()))
    point = p256[26:]
    # 0x30, length: of the whole, then the same header with a compressed point.
    compressed = b"\x30\x39" + p256[2:23] + b"\x03\x22\x00"
    compressed += bytes([2 + point[64] % 2]) + point[1:33]
    cose = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20" + point[1:33]
    return {
        "a credential's key in COSE": (ES256, cose + b"\x22\x58\x20" + point[33:]),
        "a credential's key that is a bare point": (ES256, point),
        "a credential's key off the curve": (
            ES256,
            p256[:-1] + bytes([p256[-1] ^ 1]),
        ),
        "a compressed credential's key": (ES256, compressed),
        "a credential's key on P-384": (ES256, p384),
        "a credential's key with a byte after it": (ES256, p256 + b"\0"),
        "a credential's key that is cut": (ES256, p256[:-1]),
        "a credential's key with a long form of its length": (
            ES256,
            b"\x30\x81" + p256[1:],
        ),
        "an Ed25519 key as ES256": (ES256, ed),
        "a P-256 key as EdDSA": (EDDSA, p256),
        "a P-256 key as RS256": (RS256, p256),
        "an Ed25519 credential of small order": (EDDSA, ed[:12] + SMALL_ORDER),
        "an Ed25519 credential that is not canonical": (
            EDDSA,
            ed[:12] + b"\xee" + b"\xff" * 30 + b"\x7f",
        ),
        "an RSA credential of 1,024 bits": (
            RS256,
            rsa_public(odd("a modulus", 1_024)),
        ),
        "an RSA credential of 4,104 bits": (
            RS256,
            rsa_public(odd("a modulus", 4_104)),
        ),
        "an RSA credential with the exponent 3": (
            RS256,
            rsa_public(odd("a modulus", 2_048), 3),
        ),
        "a credential's key that is nothing": (ES256, b"\0"),
    }


def _sealing(key: bytes) -> Sent:
    return Sent(claim_statement(sealing_key=b64(key)))


def _reveal(name: str, revealed: Revealed) -> Fields:
    operation = "done" if revealed.step == "enroll-done" else "reveal"
    enclosed = revealed.enclosed(name).hex()
    return {"name": name, "operation": operation, "enclosed": enclosed}


def _reveals() -> list[Fields]:
    right = _host_statement()
    one, two = refusal("SealError", "4.4 (1)"), refusal("SealError", "4.4 (2)")
    three, four = malformed("4.4 (3)"), _failed("4.4 (4)")
    five, six = _failed("4.4 (5)"), _failed("4.4 (6)")
    seven, eight = _failed("4.4 (7)"), _failed("4.4 (8)")
    other = _host_statement(
        verify_key=b64(OTHER_HOST.verify_key), host_id=b64(OTHER_HOST.id)
    )
    middle = Revealed(
        other, seed=OTHER_HOST.seed, front=OTHER_HOST.id, info_host=OTHER_HOST.id
    )
    sealing_key = _host_statement(sealing_key=b64(OTHER_HOST.sealing_key))
    nonce = _host_statement(nonce=b64(material("another nonce")))
    no_key = b64(b"\4" + bytes(64))
    changes: dict[str, tuple[Revealed, Fields]] = {
        "one of another secret": (Revealed(right, secret=OTHER_SECRET), one),
        "one reflected: enclosed from-device": (
            Revealed(right, way="from-device"),
            one,
        ),
        "one enclosed as enroll-done": (
            Revealed(right, enclosed_as="enroll-done"),
            one,
        ),
        "one sealed to another device": (
            Revealed(right, recipient=TABLET.sealing_key),
            two,
        ),
        "one sealed for another device id": (
            Revealed(right, info_device=TABLET.id),
            two,
        ),
        "one sealed from another mailbox": (Revealed(right, sender=HOST.mailbox), two),
        "one behind another host id": (Revealed(right, front=OTHER_HOST.id), two),
        "one with an unknown field outside": (Revealed(right, more=',"more":1'), three),
        "one with an unknown field inside": (Revealed(right[:-1] + b',"a":1}'), three),
        "one that is a challenge": (Revealed(dump(m.challenge()).encode()), three),
        "one signed by another key": (Revealed(right, seed=OTHER_HOST.seed), four),
        "one signed as enroll-done": (Revealed(right, label="enroll-done"), four),
        "one with the id of another host": (
            Revealed(
                _host_statement(host_id=b64(OTHER_HOST.id)),
                front=OTHER_HOST.id,
                info_host=OTHER_HOST.id,
            ),
            five,
        ),
        "one whose host id is not the one in front": (
            Revealed(right, front=OTHER_HOST.id, info_host=OTHER_HOST.id),
            five,
        ),
        "one to another device": (
            Revealed(_host_statement(device_id=b64(TABLET.id))),
            five,
        ),
        "one about another claim": (
            Revealed(_host_statement(claim_sha256=b64(material("other claim")))),
            six,
        ),
        "one of a host in the middle": (middle, seven),
        "one with a swapped sealing key": (Revealed(sealing_key), seven),
        "one with another nonce": (Revealed(nonce), seven),
        "one of version 2": (Revealed(_host_statement(version=2)), eight),
        "one without a version in common": (
            Revealed(_host_statement(versions=[2])),
            eight,
        ),
    }
    # A host that commits to a key that is none: everything before (8) is right.
    bad = _host_statement(sealing_key=no_key)
    bad_commitment = sha256(
        b"pushmfa/v1 enroll-commit\0" + HOST.verify_key + b"\4" + bytes(64) + HOST_NONCE
    )
    return [
        _reveal("what the host reveals is accepted", Revealed(right))
        | {"expected": code_of(STATEMENT)},
        *(_reveal(f"reveal: {k}", sent) | fate for k, (sent, fate) in changes.items()),
        _reveal("reveal: one with a sealing key off the curve", Revealed(bad))
        | {"commitment": bad_commitment.hex()}
        | refusal("KeyRejectedError", "4.4 (8)"),
    ]


def _dones() -> list[Fields]:
    cases = []
    for result in ("active", "wrong_code", "expired", "canceled"):
        sent = Revealed(_done_statement(result=result), "enroll-done")
        case = _reveal(f"done: the enrollment ends as {result}", sent)
        cases.append(case | {"expected": result})
    right = _done_statement()
    changes: dict[str, tuple[Revealed, Fields]] = {
        "one enclosed as enroll-host": (
            Revealed(right, "enroll-done", enclosed_as="enroll-host"),
            refusal("SealError", "4.6"),
        ),
        "one sealed to another device": (
            Revealed(right, "enroll-done", recipient=TABLET.sealing_key),
            refusal("SealError", "4.6"),
        ),
        "one with an unknown result": (
            Revealed(_done_statement(result="ok"), "enroll-done"),
            malformed("4.6"),
        ),
        "one signed by another host": (
            Revealed(right, "enroll-done", seed=OTHER_HOST.seed),
            _failed("4.6"),
        ),
        "one signed as an outcome": (
            Revealed(right, "enroll-done", label="outcome"),
            _failed("4.6"),
        ),
        "one to another device": (
            Revealed(_done_statement(device_id=b64(TABLET.id)), "enroll-done"),
            _failed("4.6"),
        ),
        "one of another host": (
            Revealed(_done_statement(host_id=b64(OTHER_HOST.id)), "enroll-done"),
            _failed("4.6"),
        ),
        "one about another claim": (
            Revealed(_done_statement(claim_sha256=b64(bytes(32))), "enroll-done"),
            _failed("4.6"),
        ),
    }
    return cases + [
        _reveal(f"done: {name}", sent) | fate for name, (sent, fate) in changes.items()
    ]


def _confirmations() -> list[Fields]:
    code = code_of(STATEMENT)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    arabic = "".join(chr(0x660 + int(digit)) for digit in code)
    typed = {
        "the six digits": (code, "active"),
        "the six digits in two halves": (f"{code[:3]} {code[3:]}", "active"),
        "the six digits with a hyphen and a line end": (
            f"{code[:3]}-{code[3:]}\n",
            "active",
        ),
        "other six digits": (wrong, "wrong_code"),
        "five digits": (code[:5], "wrong_code"),
        "seven digits": (code + "0", "wrong_code"),
        "nothing": ("", "wrong_code"),
        "a sign before them": ("+" + code, "wrong_code"),
        "underscores between them": ("_".join(code), "wrong_code"),
        "digits of another script": (arabic, "wrong_code"),
    }
    cases: list[Fields] = [
        {
            "name": f"{name} typed: {result}",
            "operation": "confirm",
            "typed": text,
            "expected": result,
        }
        for name, (text, result) in typed.items()
    ]
    for name, state, after, error in (
        ("before a claim", "offered", 0.0, "RefusedError"),
        ("after the end", "canceled", 0.0, "RefusedError"),
        ("too late", "claimed", 300.0, "ExpiredError"),
    ):
        cases.append(
            {"name": f"the six digits typed {name}", "operation": "confirm"}
            | {"typed": code, "state": state, "after": {"boot": after, "wall": after}}
            | refusal(error, "4.5")
        )
    return cases
