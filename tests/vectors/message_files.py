"""statements.json and frames.json: every message, and what is not one."""

from collections.abc import Iterable
from typing import Any

from tests.vectors import messages as m
from tests.vectors.authenticator import EDDSA, RS256, Authenticator
from tests.vectors.parties import (
    PHONE,
    Fields,
    Raw,
    b64,
    dump,
    malformed,
    material,
    vector_file,
)

CHALLENGE = dump(m.challenge()).encode()
SUDO = m.command(b"/usr/bin/systemctl\0restart\0nginx\0")
LONG = m.command(b"/bin/rm\0" + b"-f\0" * 1_000)
FINGERPRINT = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
FULL_CHALLENGE = m.challenge(
    versions=[1, 2],
    kind="sudo",
    requesting_user="alice",
    user="root",
    uid=0,
    service="sudo",
    first_factor={"method": "publickey", "fingerprint": FINGERPRINT},
    command=SUDO,
    tty="/dev/pts/3",
    remote_notes=["a network of the office", "seen before: yes"],
    digits=6,
    verification="required",
    grant_offered=43_200,
    others_pending=2,
    risk=["new_address", "others-pending"],
)

VALID: dict[str, Fields] = {
    "the challenge of an ssh login": m.challenge(),
    "the challenge of a sudo with all it can have": FULL_CHALLENGE,
    "a challenge with a command of which head and tail are shown": m.challenge(
        kind="sudo", service="sudo", command=LONG
    ),
    "the challenge of a confirm": m.challenge(
        kind="confirm", text="Deploy release 7\nto production?"
    ),
    "a challenge with the greatest numbers": m.challenge(
        version=65_535,
        versions=list(range(1, 17)),
        uid=2**32 - 2,
        lifetime=600,
        digits=8,
        epoch=2**53 - 1,
        others_pending=100,
    ),
    "an approval": m.answer(CHALLENGE),
    "an approval with leading zeros": m.answer(CHALLENGE, number="004217"),
    "an approval after the holder was verified": m.answer(
        CHALLENGE, verification="passphrase", grant=300
    ),
    "a denial: it was not me": m.answer(CHALLENGE, **m.DENIAL),
    "a denial: cancel": m.answer(CHALLENGE, **m.DENIAL | {"reason": "cancel"}),
    "an outcome": m.OUTCOME,
    "a notice": m.NOTICE,
    "a notice with 64 characters beyond the basic plane": m.NOTICE
    | {"subject_label": "\U0001f4f1" * 64},
    "a revocation": m.REVOKED,
    "the claim of a device": m.enroll_device(),
    "the claim of a terminal without capabilities": m.enroll_device(
        kind="terminal", capabilities=[], credential=None
    ),
    "the claim of a device with an Ed25519 credential": m.enroll_device(
        credential=Authenticator("of the phone", EDDSA).credential()
    ),
    "the claim of a device with an RSA credential": m.enroll_device(
        credential=Authenticator("of the phone", RS256).credential()
    ),
    "the claim of a device with the largest credential": m.enroll_device(
        credential=m.enroll_device()["credential"]
        | {
            "id": b64(bytes(1_023)),
            "public_key": b64(bytes(1_024)),
            "counter": 2**32 - 1,
        }
    ),
    "what a host reveals": m.enroll_host(),
    "what a host with three relays reveals": m.enroll_host(
        relays=["wss://a.example", "wss://b.example:8443", "ws://localhost:8300"],
        verification="required",
    ),
    "the end of an enrollment": m.enroll_done(),
    "the hello of a device": m.relay_hello(),
    "the hello of a host": m.relay_hello(role="host", relay="ws://localhost:8300"),
    "a payload to a device": m.TO_DEVICE,
    "a payload to a host": m.TO_HOST,
    "a payload to a host with an assertion": m.TO_HOST | {"assertion": m.ASSERTION},
    "a commitment": m.ENROLL_COMMIT,
    "a payload with a claim": m.ENROLL_CLAIM,
}

NULLABLE = {
    "subscription": ("push",),
    "challenge": (
        "requesting_user",
        "first_factor",
        "command",
        "text",
        "tty",
        "remote_address",
    ),
    "answer": ("reason", "number"),
    "enroll-device": ("credential",),
    "enroll-host": ("issuer",),
    "to-host": ("assertion",),
    "hello": ("invitation",),
}


def statements_file() -> Fields:
    """Return statements.json."""
    cases = [_valid(name, fields) for name, fields in VALID.items()]
    cases += _other_forms(m.REVOKED)
    kinds = {fields["type"]: fields for fields in reversed(VALID.values())}
    for fields in reversed(kinds.values()):
        cases += _every_field(fields)
    cases += _not_json(m.REVOKED)
    cases += [_bad(*case) for case in _bad_challenges()]
    cases += [_bad(*case) for case in _bad_answers()]
    cases += [_bad(*case) for case in _bad_others()]
    cases += [_ill_matched(*case) for case in _ill_matched_answers()]
    return vector_file(
        "Statements and payloads. `message`: the text is that message (a writer may"
        " order fields otherwise). `leave_out`, `null`: the text with any one of these"
        " fields left out, or null, is refused. `decode`: refused as it is. `fields`:"
        " an answer that parses and has not the fields it must have.",
        "sections 2.1, 4, 5 and 6",
        cases,
    )


def _valid(name: str, fields: Fields) -> Fields:
    text = dump(fields)
    return {
        "name": name,
        "operation": "message",
        "type": fields["type"],
        "text": text,
        "expected": text.encode().hex(),
    }


def _other_forms(fields: Fields) -> list[Fields]:
    text, turned = dump(fields), dump(dict(reversed(fields.items())))
    expected = text.encode().hex()
    spaced = text.replace(",", " ,\n\t").replace("{", " { ") + "\r\n"
    return [
        {
            "name": name,
            "operation": "message",
            "type": fields["type"],
            "text": form,
            "expected": expected,
        }
        for name, form in {
            "the order of fields does not matter": turned,
            "white space does not matter": spaced,
            "an escaped letter is that letter": text.replace("type", "\\u0074ype"),
            "needless escapes do not matter": text.replace("revoked", "\\u0072evoked"),
        }.items()
    ]


def _every_field(fields: Fields) -> Iterable[Fields]:
    kind, text = fields["type"], dump(fields)
    base = {"type": kind, "text": text}
    yield (
        {
            "name": f"{kind}: without any one field it is refused",
            "operation": "leave_out",
            "fields": list(fields),
        }
        | base
        | malformed("2.1: missing fields")
    )
    may_be_null = NULLABLE.get(kind, ())
    yield (
        {
            "name": f"{kind}: with null where a value must be it is refused",
            "operation": "null",
            "fields": [field for field in fields if field not in may_be_null],
        }
        | base
        | malformed("2.1: or null")
    )
    for name, changed in (
        ("an unknown field", dump(fields | {"more": 1})),
        ("a doubled type", text[:-1] + f',"type":"{kind}"}}'),
        ("a doubled field with another value", text[:-1] + f",{dump_last(fields)}}}"),
        ("the type of nothing", text.replace(f'"{kind}"', '"nothing"', 1)),
        ("its type in upper case", text.replace(f'"{kind}"', f'"{kind.upper()}"', 1)),
    ):
        yield (
            {
                "name": f"{kind}: with {name} it is refused",
                "operation": "decode",
            }
            | {"type": kind, "text": changed}
            | malformed("2.1")
        )


def dump_last(fields: Fields) -> str:
    """Return the last field again, as null or as something else that fits it."""
    key, value = list(fields.items())[-1]
    return f"{dump(key)}:{'1' if value is None else 'null'}"


def _not_json(fields: Fields) -> Iterable[Fields]:
    text, kind = dump(fields), fields["type"]
    forms = {
        "a byte order mark": "\ufeff" + text,
        "a NUL after the object": text + "\0",
        "a letter after the object": text + "x",
        "a second object": text + text,
        "no end": text[:-1],
        "a comma before the end": text[:-1] + ",}",
        "an array around it": f"[{text}]",
        "a comment": text[:-1] + "/**/}",
        "single quotes": text.replace('"', "'"),
        "nothing at all": "",
        "white space alone": " ",
        "null": "null",
        "a text": '"revoked"',
        "brackets without end": "[" * 4_000,
        "objects without end": '{"at":' * 1_000,
        "a doubled key in other letters": text[:-1] + ',"\\u0061t":1}',
        "a doubled key before the first": '{"\\u0061t":1,' + text[1:],
        "a key __proto__": text[:-1] + ',"__proto__":{"at":1}}',
        "a key __proto__ instead of a field": text.replace('"at"', '"__proto__"'),
        "a key constructor": text[:-1] + ',"constructor":1}',
        "a type that is a name of every object": text.replace(
            '"revoked"', '"toString"'
        ),
        "a list of the type": text.replace('"revoked"', '["revoked"]'),
        "a no-break space before it": "\u00a0" + text,
        "a line separator after it": text + "\u2028",
        "a form feed after it": text + "\f",
        "a letter escaped as in JavaScript": text.replace("revoked", "\\x72evoked"),
        "a line end in a text": text.replace("revoked", "revo\nked"),
        "white space to more than 8,192 bytes": text + " " * (8_193 - len(text)),
    }
    for name, form in forms.items():
        yield _bad(kind, f"{name} is refused", form)
    for name, raw in {
        "a byte that is not UTF-8": text.encode().replace(b'"at"', b'"a\xff"'),
        "UTF-16": text.encode("utf-16"),
        "a surrogate in UTF-8": text.encode().replace(b'"at"', b'"\xed\xa0\x80"'),
        "an overlong NUL": text.encode().replace(b'"at"', b'"\xc0\x80"'),
    }.items():
        yield {
            "name": f"revoked: {name} is refused",
            "operation": "decode",
            "type": kind,
            "hex": raw.hex(),
        } | malformed("2.1: UTF-8")
    for number in ("1.5", "-0.0", "0e0", "10e-1", "1.0000000000000000001", ".5", "1."):
        form = dump(fields | {"at": Raw(number)})
        yield _bad(kind, f"the time {number[:9]} is refused", form)
    for number in ("1.0", "1e0", "1E3", '"1"', "true", "NaN", "Infinity", "-1", "01"):
        form = dump(fields | {"at": Raw(number)})
        yield _bad(kind, f"the time {number} is refused", form)
    for number in ("1e400", "9" * 400, "-Infinity", "0x10", "1_0", "+1", "[]", "{}"):
        form = dump(fields | {"at": Raw(number)})
        yield _bad(kind, f"the time {number[:9]} is refused", form)


def _bad(kind: str, name: str, text: str) -> Fields:
    return {
        "name": f"{kind}: {name}",
        "operation": "decode",
        "type": kind,
        "text": text,
    } | malformed("2.1")


def _bad_challenges() -> Iterable[tuple[str, str, str]]:
    factor = dump({"method": "publickey", "fingerprint": None})
    values: dict[str, list[tuple[str, object]]] = {
        "version": [("0", 0), ("65536", 65_536)],
        "versions": [
            ("an empty list", []),
            ("17 versions", list(range(1, 18))),
            ("a version as text", ["1"]),
        ],
        "challenge_id": _bad_32(),
        "kind": [("an unknown kind", "logout"), ("a kind in capitals", "Login")],
        "host_name": [("an empty name", ""), ("256 characters", "h" * 256)],
        "uid": [("4294967295", 2**32 - 1), ("-1", -1)],
        "first_factor": [
            ("an unknown field", Raw(factor[:-1] + ',"more":1}')),
            ("a missing field", {"method": "publickey"}),
            ("a doubled key", Raw(factor[:-1] + ',"method":"password"}')),
            ("a word in capitals", {"method": "Publickey", "fingerprint": None}),
            ("a text instead", "publickey"),
        ],
        "command": [
            ("a head of 2,049 bytes", SUDO | {"head": b64(bytes(2_049))}),
            ("a length of 32,769", SUDO | {"length": 32_769}),
            ("a digest of 31 bytes", SUDO | {"sha256": b64(bytes(31))}),
            ("a doubled key", Raw(dump(SUDO)[:-1] + ',"length":1}')),
        ],
        "text": [("an empty text", ""), ("2,001 characters", "t" * 2_001)],
        "tty": [("501 characters", "t" * 501)],
        "remote_address": [("one character", "a"), ("65 characters", "a" * 65)],
        "remote_notes": [("nine notes", ["n"] * 9), ("a text instead", "note")],
        "lifetime": [("0", 0), ("601", 601)],
        "digits": [("1", 1), ("9", 9), ("a text", "2")],
        "verification": [("what belongs to an answer", "webauthn")],
        "grant_offered": [("43201", 43_201), ("-1", -1)],
        "others_pending": [("101", 101)],
        "risk": [("a text that is no word", ["New"]), ("17 words", ["w"] * 17)],
        "epoch": [
            ("2 to the power of 53", 2**53),
            ("2 to the power of 53, and 1", 2**53 + 1),
            ("a fraction below it", Raw("9007199254740990.5")),
        ],
    }
    for field, wrongs in values.items():
        for name, value in wrongs:
            text = dump(m.challenge() | {field: value})
            yield "challenge", f"as {field} {name} is refused", text
    yield "challenge", "a number in it is refused", dump(m.challenge(number="42"))


def _bad_32() -> list[tuple[str, object]]:
    good = b64(material("32 bytes"))
    return [
        ("31 bytes", b64(bytes(31))),
        ("33 bytes", b64(bytes(33))),
        ("padded base64url", good + "="),
        ("base64url with trailing bits", b64(bytes(32))[:-1] + "B"),
        ("base64 of the other alphabet", b64(b"\xff" * 32).replace("_", "/")),
        ("hexadecimal", bytes(32).hex()),
        ("a line end after it", good + "\n"),
        ("a list of numbers", [0] * 32),
    ]


def _bad_answers() -> Iterable[tuple[str, str, str]]:
    numbers = ["", "4", "123456789", " 42", "42 ", "42\n", "+42", "-42", "4_2", "4.2"]
    numbers += ["\u0664\u0662", "\uff14\uff12", "4\u00b2", "0x2a", "\u096a\u0968"]
    for number in numbers:
        text = dump(m.answer(CHALLENGE, number=number))
        yield "answer", f"the number {number!a} is refused", text
    for field, value in {
        "number": 42,
        "decision": "approved",
        "reason": "busy",
        "verification": "required",
        "grant": 43_201,
        "counter": -1,
        "approver": "",
    }.items():
        text = dump(m.answer(CHALLENGE, **{field: value}))
        yield "answer", f"as {field} {value!a} is refused", text
    both = dump(m.answer(CHALLENGE, **m.DENIAL))[:-1] + ',"decision":"approval"}'
    yield "answer", "a denial that is an approval too is refused", both


def _bad_others() -> Iterable[tuple[str, str, str]]:
    yes = dump(m.OUTCOME | {"by_this_device": 1})
    yield "outcome", "1 for true is refused", yes
    yield (
        "outcome",
        "an unknown verdict is refused",
        dump(m.OUTCOME | {"verdict": "ok"}),
    )
    yield "outcome", "an unknown cause is refused", dump(m.OUTCOME | {"cause": "luck"})
    yield "notice", "an unknown kind is refused", dump(m.NOTICE | {"kind": "device"})
    for name, label in {
        "an empty label": "",
        "a label of 65 characters": "l" * 65,
        "a label of 65 characters beyond the basic plane": "\U0001f4f1" * 65,
    }.items():
        yield "notice", f"{name} is refused", dump(m.NOTICE | {"subject_label": label})
    lone = dump(m.NOTICE | {"subject_label": Raw('"\\ud800"')})
    yield "notice", "half a surrogate pair is refused", lone
    for field, value in {
        "sealing_key": b64(PHONE.sealing_key[:-1]),
        "verify_key": b64(PHONE.verify_key + b"\0"),
        "mailbox": b64(bytes(32)),
        "kind": "phone",
        "capabilities": ["a b"],
        "label": "l" * 65,
    }.items():
        text = dump(m.enroll_device(**{field: value}))
        yield "enroll-device", f"a wrong {field} is refused", text
    seventeen = dump(m.enroll_device(capabilities=["word"] * 17))
    yield "enroll-device", "17 capabilities are refused", seventeen
    for name, relays in {
        "no relay": [],
        "four relays": ["wss://r.example"] * 4,
        "a relay of five characters": ["wss:/"],
        "a relay of 256 characters": ["w" * 256],
    }.items():
        yield "enroll-host", f"{name} is refused", dump(m.enroll_host(relays=relays))
    issued = dump(m.enroll_host(issuer=b64(bytes(16))))
    yield "enroll-host", "an issuer of 16 bytes is refused", issued
    yield (
        "enroll-done",
        "an unknown result is refused",
        dump(m.enroll_done(result="ok")),
    )
    yield "relay-hello", "an unknown role is refused", dump(m.relay_hello(role="relay"))
    yield "relay-hello", "an empty name is refused", dump(m.relay_hello(relay=""))
    long = dump(m.relay_hello(relay="r" * 256))
    yield "relay-hello", "a name of 256 characters is refused", long
    wide = dump(m.relay_hello()) + " " * 1_024
    yield "relay-hello", "more than 1,024 bytes are refused", wide
    for what, base in (("to-device", m.TO_DEVICE), ("to-host", m.TO_HOST)):
        for name, wrong in {
            "a statement of one byte": base | {"statement": b64(b"1")},
            "a statement of 8,193 bytes": base | {"statement": b64(bytes(8_193))},
            "a signature of 63 bytes": base | {"signature": b64(bytes(63))},
            "a statement as an object": base | {"statement": {}},
        }.items():
            yield what, f"{name} is refused", dump(wrong)
        wide = dump(base) + " " * 11_000
        yield what, "more than 11,000 bytes are refused", wide
    yield (
        "to-host",
        "an empty assertion is refused",
        dump(m.TO_HOST | {"assertion": {}}),
    )
    yield from _bad_credentials()
    yield from _bad_assertions()


def _bad_credentials() -> Iterable[tuple[str, str, str]]:
    good = m.enroll_device()["credential"]
    wrongs: dict[str, Any] = {
        "without an algorithm": {k: v for k, v in good.items() if k != "algorithm"},
        "with an unknown field": good | {"transports": ["internal"]},
        "with a doubled key": Raw(dump(good)[:-1] + ',"counter":1}'),
        "of an unknown algorithm": good | {"algorithm": -47},
        "whose algorithm is a text": good | {"algorithm": "ES256"},
        "with an empty id": good | {"id": ""},
        "with an id of 1,024 bytes": good | {"id": b64(bytes(1_024))},
        "with a key of 1,025 bytes": good | {"public_key": b64(bytes(1_025))},
        "with an empty key": good | {"public_key": ""},
        "with a counter of -1": good | {"counter": -1},
        "with a counter of 2 to the power of 32": good | {"counter": 2**32},
        "with a counter that is null": good | {"counter": None},
        "that is a list": [],
    }
    for name, wrong in wrongs.items():
        text = dump(m.enroll_device(credential=wrong))
        yield "enroll-device", f"a credential {name} is refused", text


def _bad_assertions() -> Iterable[tuple[str, str, str]]:
    good = m.ASSERTION
    wrongs: dict[str, Any] = {
        "without a signature": {k: v for k, v in good.items() if k != "signature"},
        "with a user handle": good | {"user_handle": None},
        "with a doubled key": Raw(dump(good)[:-1] + f',"signature":{dump("AA")}}}'),
        "with an empty signature": good | {"signature": ""},
        "with a signature of 1,025 bytes": good | {"signature": b64(bytes(1_025))},
        "with an empty credential id": good | {"credential_id": ""},
        "with a credential id of 1,024 bytes": good
        | {"credential_id": b64(bytes(1_024))},
        "with authenticator data of 36 bytes": good
        | {"authenticator_data": b64(bytes(36))},
        "with authenticator data of 1,025 bytes": good
        | {"authenticator_data": b64(bytes(1_025))},
        "with client data of one byte": good | {"client_data": b64(b"1")},
        "with client data of 2,049 bytes": good | {"client_data": b64(bytes(2_049))},
        "with padded base64": good | {"credential_id": "AAA="},
        "that is a text": "assertion",
    }
    for name, wrong in wrongs.items():
        text = dump(m.TO_HOST | {"assertion": wrong})
        yield "to-host", f"an assertion {name} is refused", text


def _ill_matched_answers() -> Iterable[tuple[str, Fields]]:
    yield "an approval without a number", {"number": None}
    yield "an approval with a reason", {"reason": "cancel"}
    yield "a denial with a number", m.DENIAL | {"number": "42"}
    yield "a denial without a reason", m.DENIAL | {"reason": None}
    yield "a denial with a grant", m.DENIAL | {"grant": 300}


def _ill_matched(name: str, changes: Fields) -> Fields:
    return {
        "name": f"{name} is refused",
        "operation": "fields",
        "type": "answer",
        "text": dump(m.answer(CHALLENGE, **changes)),
    } | malformed("5.2")


LONG_ENDPOINT = "https://push.example/".ljust(2_048, "a")
PEER_FRAMES: dict[str, Fields] = {
    "hello": m.HELLO,
    "hello with an invitation": m.HELLO | {"invitation": "welcome", "features": []},
    "hello for 64 mailboxes": m.HELLO | {"mailboxes": m.HELLO["mailboxes"] * 64},
    "allow": m.ALLOW,
    "allow nobody": m.ALLOW | {"senders": []},
    "allow 256 senders": m.ALLOW | {"senders": m.ALLOW["senders"] * 256},
    "envelope": m.ENVELOPE,
    "envelope of 11,264 bytes for 7 days": m.ENVELOPE
    | {"sealed": b64(bytes(11_264)), "lifetime": 604_800},
    "quiet": m.QUIET,
    "received": m.RECEIVED,
    "withdraw": m.WITHDRAW,
    "subscription": m.SUBSCRIPTION,
    "subscription that is removed": m.SUBSCRIPTION | {"push": None},
    "subscription with an end point of 2,048 characters": m.SUBSCRIPTION
    | {"push": m.SUBSCRIPTION["push"] | {"endpoint": LONG_ENDPOINT}},
    "try-wakeup": m.TRY_WAKEUP,
}
WAKEUP_RESULTS = ("kept", "removed", "refused", "sent", "gone", "failed", "none")
RELAY_FRAMES: dict[str, Fields] = {
    "greeting": m.GREETING,
    "greeting with a feature that has a hyphen": m.GREETING | {"features": ["a-b_1"]},
    "ready": m.READY,
    "envelope": m.ENVELOPE,
    "stored": m.STORED,
    "accepted": m.ACCEPTED,
    "accepted, nothing to wake up": m.ACCEPTED | {"wakeup": "none"},
    "refused": m.REFUSED,
    "wakeup-key": m.WAKEUP_KEY,
} | {
    f"wakeup-result, {word}": m.WAKEUP_RESULT | {"result": word}
    for word in WAKEUP_RESULTS
}
RESERVED = ("cancel", "wakeup", "move")


def frames_file() -> Fields:
    """Return frames.json."""
    cases = []
    for by, frames in (("peer", PEER_FRAMES), ("relay", RELAY_FRAMES)):
        for name, fields in frames.items():
            cases.append({"by": by} | _valid(f"{by}: {name}", fields))
        kinds = {fields["type"]: fields for fields in reversed(frames.values())}
        for fields in reversed(kinds.values()):
            cases += [
                {"by": by} | case | {"name": f"{by}: {case['name']}"}
                for case in _every_field(fields)
            ]
        cases += [_bad_frame(by, *case) for case in _bad_frames(by)]
    cases += [_bad_frame("peer", *case) for case in _bad_peer_frames()]
    cases += [_bad_frame("relay", *case) for case in _bad_relay_frames()]
    return vector_file(
        "Frames, by who sends them; operations as in statements.json.",
        "section 3",
        cases,
    )


def _bad_frame(by: str, name: str, text: str) -> Fields:
    return {
        "by": by,
        "name": f"{by}: {name} is refused",
        "operation": "decode",
        "text": text,
    } | malformed("3: 4400 malformed")


def _bad_frames(by: str) -> Iterable[tuple[str, str]]:
    for name in RESERVED:
        yield f"the reserved frame {name}", dump(m.ENVELOPE | {"type": name})
        yield f"the reserved frame {name} without fields", dump({"type": name})
    others = RELAY_FRAMES if by == "peer" else PEER_FRAMES
    for kind, fields in {fields["type"]: fields for fields in others.values()}.items():
        if kind != "envelope":
            yield f"{kind}, a frame of the other side,", dump(fields)
    e = m.ENVELOPE
    wrongs: dict[str, Fields] = {
        "a lifetime of 0": {"lifetime": 0},
        "a lifetime of 604,801": {"lifetime": 604_801},
        "a lifetime with a fraction": {"lifetime": Raw("60.0")},
        "27 sealed bytes": {"sealed": b64(bytes(27))},
        "11,265 sealed bytes": {"sealed": b64(bytes(11_265))},
        "an id of 15 bytes": {"id": b64(bytes(15))},
        "an id of 17 bytes": {"id": b64(bytes(17))},
        "a mailbox in hexadecimal": {"to": bytes(16).hex()},
        "a sender called sender": {"sender": e["from"]},
    }
    for name, wrong in wrongs.items():
        yield f"an envelope with {name}", dump(e | wrong)
    yield "a frame of 16,385 bytes", dump(e) + " " * (16_385 - len(dump(e)))
    yield "a frame without type", dump(dict(list(e.items())[1:]))
    yield "an array of frames", f"[{dump(e)}]"
    for name, kind in {
        "a list": ["envelope"],
        "null": None,
        "a number": 1,
        "an object": {"envelope": 1},
        "a name that every object has": "toString",
        "two words": "envelope received" if by == "peer" else "envelope stored",
        "nothing": "",
    }.items():
        yield f"a frame with {name} as its type", dump(e | {"type": kind})
    yield "no frame at all", ""


def _bad_peer_frames() -> Iterable[tuple[str, str]]:
    proof = m.HELLO["mailboxes"][0]
    wrongs: dict[str, Fields] = {
        "no mailbox": {"mailboxes": []},
        "65 mailboxes": {"mailboxes": [proof] * 65},
        "a key of 31 bytes": {"mailboxes": [proof | {"key": b64(bytes(31))}]},
        "a proof with an unknown field": {"mailboxes": [proof | {"more": 1}]},
        "a proof with a doubled key": {
            "mailboxes": [Raw(dump(proof)[:-1] + f',"key":"{proof["key"]}"}}')]
        },
        "a statement of 1,025 bytes": {"statement": b64(bytes(1_025))},
        "a feature in capitals": {"features": ["Accepted"]},
        "a feature of 33 characters": {"features": ["a" * 33]},
        "33 features": {"features": ["a"] * 33},
        "an empty invitation": {"invitation": ""},
        "an invitation of 129 characters": {"invitation": "i" * 129},
    }
    for name, wrong in wrongs.items():
        yield f"a hello with {name}", dump(m.HELLO | wrong)
    many = dump(m.ALLOW | {"senders": m.ALLOW["senders"] * 257})
    yield "a list of 257 senders", many
    push = m.SUBSCRIPTION["push"]
    pushes: dict[str, Fields] = {
        "an empty end point": {"endpoint": ""},
        "an end point of 2,049 characters": {"endpoint": LONG_ENDPOINT + "a"},
        "an end point that is null": {"endpoint": None},
        "a key of 64 bytes": {"p256dh": b64(bytes(64))},
        "a secret of 15 bytes": {"auth": b64(bytes(15))},
        "a secret in padded base64": {"auth": push["auth"] + "=="},
        "an unknown field in push": {"expirationTime": None},
    }
    for name, wrong in pushes.items():
        text = dump(m.SUBSCRIPTION | {"push": push | wrong})
        yield f"a subscription with {name}", text


def _bad_relay_frames() -> Iterable[tuple[str, str]]:
    yield "a greeting without a version", dump(m.GREETING | {"versions": []})
    yield "an unknown wake-up", dump(m.ACCEPTED | {"wakeup": "maybe"})
    yield "an unknown reason", dump(m.REFUSED | {"reason": "busy"})
    yield "an unknown result", dump(m.WAKEUP_RESULT | {"result": "maybe"})
    yield "a key of 64 bytes", dump(m.WAKEUP_KEY | {"key": b64(bytes(64))})
    yield "a ready with a field", dump(m.READY | {"at": 1})
