"""assertion.json: answers with an assertion of WebAuthn, and how each can be wrong."""

from collections.abc import Callable
from typing import Any

from tests.vectors import messages as m
from tests.vectors.answer_file import (
    CHALLENGE,
    TABLETS,
    Sent,
    answers,
    case_of,
    malformed,
    refused,
)
from tests.vectors.authenticator import (
    AT,
    BE,
    BS,
    ED,
    EDDSA,
    ES256,
    ORIGIN,
    RS256,
    UP,
    UV,
    Authenticator,
    challenge_of,
)
from tests.vectors.parties import PHONE, Fields, b64, dump, sha256, sign


def assertion_file() -> Fields:
    """Return assertion.json."""
    return answers(_proved() + _not_proved() + _not_client_data())


RECORDED = 7
"""The counter that the host recorded."""


def _phone(algorithm: int = ES256, counter: int = RECORDED) -> Authenticator:
    return Authenticator("of the phone", algorithm, counter)


def _proof(
    name: str,
    how: Callable[[Authenticator, bytes], Any],
    phone: Authenticator | None = None,
    **changed: Any,
) -> Fields:
    """Return a case: an approval with the assertion that how makes."""
    phone = phone or _phone()
    recorded = {"credential": phone.credential(), "capabilities": ["webauthn"]}
    sent = Sent({"verification": "webauthn"}, proof=lambda raw: how(phone, raw))
    return case_of(f"step 11: {name}", sent, **recorded | changed)


def _as_it_is(phone: Authenticator, raw: bytes) -> Any:
    return phone.assertion(raw)


def _proved() -> list[Fields]:
    approved = {"expected": {"verdict": "approved", "cause": "device"}}
    none = Authenticator("of the phone", counts=False)

    def unknown(phone: Authenticator, raw: bytes) -> Any:
        more: Fields = {"other_keys_can_be_added_here": "do not compare"}
        return phone.assertion(raw, **more)

    def blanks(phone: Authenticator, raw: bytes) -> Any:
        client = phone.client_data(challenge_of(raw)).replace(b",", b" ,\n")
        return phone.assertion(raw, client_data=client)

    cases = [
        _proof("an assertion by ES256", _as_it_is),
        _proof("an assertion by EdDSA", _as_it_is, _phone(EDDSA)),
        _proof("an assertion by RS256", _as_it_is, _phone(RS256)),
        _proof("an authenticator that keeps no counter", _as_it_is, none),
        _proof("the first count of one that was at 0", _as_it_is, _phone(counter=0)),
        _proof(
            "a counter that jumps to its end",
            lambda p, raw: p.assertion(raw, counter=2**32 - 1),
        ),
        _proof(
            "a credential that is backed up",
            lambda p, raw: p.assertion(raw, flags=UP | UV | BE | BS),
        ),
        _proof(
            "flags that WebAuthn keeps for later",
            lambda p, raw: p.assertion(raw, flags=UP | UV | 0x22),
        ),
        _proof("client data with members of the browser's own", unknown),
        _proof("client data with white space", blanks),
        _proof(
            "client data without crossOrigin",
            lambda p, raw: p.assertion(raw, crossOrigin=None),
        ),
        _proof("an assertion where none was asked", _as_it_is, asked="none"),
    ]
    denial = Sent(
        m.DENIAL | {"verification": "webauthn"},
        proof=lambda raw: _phone().assertion(raw, flags=UP, counter=0),
    )
    return [case | approved for case in cases] + [
        case_of(
            "step 11: the assertion of a denial is not looked at",
            denial,
            credential=_phone().credential(),
            capabilities=["webauthn"],
        )
        | {"expected": {"verdict": "denied", "cause": "not_me"}}
    ]


def _not_proved() -> list[Fields]:
    unverified = refused(11, "the authenticator did not verify its holder")
    origin = refused(11, "the assertion was asked for by another origin")
    across = refused(11, "the assertion was asked for across origins")
    party = refused(11, "the assertion is for another relying party")
    another = refused(11, "the assertion is over another answer")
    kind = refused(11, "the assertion is not one of webauthn.get")
    more = refused(11, "the assertion has more than it was asked for")
    says_more = refused(11, "the assertion says that it has more")
    invalid = refused(11, "the assertion's signature is not valid")
    stranger = refused(11, "the assertion is of another credential")
    wrong_way = refused(11, "the device verified its holder in another way")
    tablet = Authenticator("of the tablet", counter=RECORDED)
    denial = dump(m.answer(CHALLENGE, **m.DENIAL | {"verification": "webauthn"}))
    cases = [
        *(
            _proof(name, _flags(flags)) | unverified
            for name, flags in {
                "UV missing": UP,
                "UP missing": UV,
                "neither UP nor UV": 0,
            }.items()
        ),
        _proof("BS without BE", _flags(UP | UV | BS))
        | refused(11, "the assertion contradicts itself"),
        _proof("AT without credential data", _flags(UP | UV | AT)) | says_more,
        _proof("ED without extensions", _flags(UP | UV | ED)) | says_more,
        _proof(
            "bytes after the authenticator data",
            lambda p, raw: p.assertion(raw, more=b"\0"),
        )
        | more,
        _proof(
            "extensions that nobody asked for",
            lambda p, raw: p.assertion(raw, flags=UP | UV | ED, more=b"\xa0"),
        )
        | more,
        *(
            _proof(f"the origin {wrong}", _client(origin=wrong)) | origin
            for wrong in (
                "https://mfa.example.evil.example",
                "https://evil.example",
                "http://mfa.example",
                "https://mfa.example:8443",
                "https://mfa.example/",
                "https://MFA.example",
                "null",
                "",
            )
        ),
        _proof("a frame of another site", _client(crossOrigin=True)) | across,
        _proof(
            "a topOrigin that is another site's",
            _client(crossOrigin=True, topOrigin="https://evil.example"),
        )
        | across,
        _proof("a topOrigin without crossOrigin", _client(topOrigin=ORIGIN)) | across,
        *(
            _proof(f"the RP id {wrong}", _rp(wrong)) | party
            for wrong in ("evil.example", "example", "mfa.example:443", ORIGIN)
        ),
        _proof("the type webauthn.create", _client(type="webauthn.create")) | kind,
        _proof("the type payment.get", _client(type="payment.get")) | kind,
        _proof(
            "an assertion over another answer",
            lambda p, _: p.assertion(dump(m.answer(TABLETS)).encode()),
        )
        | another,
        _proof("an assertion over a denial", lambda p, _: p.assertion(denial.encode()))
        | another,
        _proof("an assertion over the challenge", lambda p, _: p.assertion(CHALLENGE))
        | another,
        _proof(
            "a bare digest as challenge",
            lambda p, raw: p.assertion(raw, challenge=b64(sha256(raw))),
        )
        | another,
        _proof(
            "a padded challenge",
            lambda p, raw: p.assertion(raw, challenge=b64(challenge_of(raw)) + "="),
        )
        | another,
        _proof("another credential of this name", lambda _, raw: tablet.assertion(raw))
        | stranger,
        _proof(
            "the right id, signed by another credential",
            lambda p, raw: tablet.assertion(raw) | {"credential_id": b64(p.id)},
        )
        | invalid,
        _proof(
            "a signature of the identity key",
            lambda p, raw: p.assertion(raw, signature=sign(PHONE.seed, "x", raw)),
        )
        | invalid,
        _proof(
            "a signature that is cut",
            lambda p, raw: p.assertion(raw, signature=b"\x30"),
        )
        | invalid,
        _proof(
            "a signature with a byte after it",
            lambda p, raw: _longer(p.assertion(raw)),
        )
        | invalid,
        *(
            _proof(
                f"a signature of one bit else, {name}",
                lambda p, raw: _turned(p.assertion(raw)),
                _phone(algorithm),
            )
            | invalid
            for name, algorithm in {
                "ES256": ES256,
                "EdDSA": EDDSA,
                "RS256": RS256,
            }.items()
        ),
        _proof(
            "an Ed25519 signature that is cut",
            lambda p, raw: p.assertion(raw, signature=bytes(63)),
            _phone(EDDSA),
        )
        | invalid,
        _proof(
            "flags changed after signing",
            lambda p, raw: (
                p.assertion(raw, flags=UP)
                | {"authenticator_data": p.assertion(raw)["authenticator_data"]}
            ),
        )
        | invalid,
        *(_counted(counter) for counter in (RECORDED, RECORDED - 1, 0)),
        _proof("no credential recorded", _as_it_is, credential=None) | wrong_way,
        _proof(
            "no credential recorded, none asked",
            _as_it_is,
            credential=None,
            asked="none",
        )
        | refused(11, "the device was enrolled without a credential"),
        case_of(
            "step 11: a passphrase of a device with a credential",
            Sent(),
            credential=_phone().credential(),
            capabilities=["webauthn", "passphrase"],
        )
        | wrong_way,
        case_of(
            "step 11: a passphrase it was not enrolled with", Sent(), capabilities=[]
        )
        | wrong_way,
    ]
    return cases


def _not_client_data() -> list[Fields]:
    return [
        _proof(f"client data: {name}", _written(text)) | malformed(11)
        for name, text in _bad_client_data().items()
    ]


def _flags(flags: int) -> Callable[[Authenticator, bytes], Any]:
    return lambda phone, raw: phone.assertion(raw, flags=flags)


def _client(**changes: Any) -> Callable[[Authenticator, bytes], Any]:
    return lambda phone, raw: phone.assertion(raw, **changes)


def _rp(name: str) -> Callable[[Authenticator, bytes], Any]:
    return lambda phone, raw: phone.assertion(raw, rp_id=name)


def _written(
    change: Callable[[bytes], bytes],
) -> Callable[[Authenticator, bytes], Any]:
    def how(phone: Authenticator, raw: bytes) -> Any:
        text = change(phone.client_data(challenge_of(raw)))
        return phone.assertion(raw, client_data=text)

    return how


def _bad_client_data() -> dict[str, Callable[[bytes], bytes]]:
    return {
        "a doubled key": lambda text: text[:-1] + b',"type":"webauthn.get"}',
        "a doubled key inside of an unknown one": lambda text: (
            text[:-1] + b',"more":{"a":1,"a":1}}'
        ),
        "bytes after it": lambda text: text + b"{}",
        "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
        "no UTF-8": lambda text: text[:-1] + b',"more":"\xff"}',
        "no JSON": lambda _: b"no",
        "an array": lambda text: b"[" + text + b"]",
        "no type": lambda text: text.replace(b'"type":"webauthn.get",', b""),
        "no challenge": lambda text: text.replace(b'"challenge"', b'"Challenge"'),
        "no origin": lambda text: text.replace(b'"origin"', b'"Origin"'),
        "crossOrigin as a text": lambda text: text.replace(b"false", b'"false"'),
        "crossOrigin null": lambda text: text.replace(b"false", b"null"),
        "an origin that is a list": lambda text: text.replace(
            b'"https://mfa.example"', b'["https://mfa.example"]'
        ),
    }


def _counted(counter: int) -> Fields:
    said = (
        f"the authenticator's counter is {counter} and was {RECORDED}: its"
        " credential may have been copied"
    )
    return _proof(
        f"a counter of {counter} after {RECORDED}",
        lambda phone, raw: phone.assertion(raw, counter=counter),
    ) | refused(11, said, "ClonedError")


def _longer(assertion: Fields) -> Fields:
    return assertion | {"signature": assertion["signature"] + "AAAA"}


def _turned(assertion: Fields) -> Fields:
    last = assertion["signature"]
    turned = ("B" if last[20] == "A" else "A").join((last[:20], last[21:]))
    return assertion | {"signature": turned}
