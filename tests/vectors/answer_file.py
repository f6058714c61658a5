"""answer.json: one challenge, its right answer, and one that fails at each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.vectors import messages as m
from tests.vectors.authenticator import ORIGIN
from tests.vectors.parties import (
    HOST,
    OTHER_HOST,
    PHONE,
    TABLET,
    Fields,
    b64,
    dump,
    info_of,
    material,
    refusal,
    seal,
    sha256,
    sign,
    vector_file,
)

CHALLENGE = dump(
    m.challenge(verification="required", grant_offered=300, digits=2)
).encode()
TABLETS = CHALLENGE.replace(b64(PHONE.id).encode(), b64(TABLET.id).encode())
NUMBER = "42"
SENT_AT = {"boot": 5_000.0, "wall": float(m.ISSUED_AT)}
RIGHT = {"verification": "passphrase"}


@dataclass(frozen=True)
class Sent:
    """How an answer is made; the defaults are right."""

    changes: Fields = field(default_factory=dict)
    statement: bytes | None = None
    seed: bytes = PHONE.seed
    label: str = "answer"
    signed: bytes | None = None
    assertion: Any = None
    proof: Callable[[bytes], Any] | None = None
    padding: int = 0
    more: str = ""
    info: bytes = info_of("to-host", HOST.id, PHONE.id, PHONE.mailbox, HOST.mailbox)
    recipient: bytes = HOST.sealing_key
    to: bytes = HOST.mailbox
    sealed: bytes | None = None

    def frame(self, name: str) -> str:
        """Return the frame by which the relay delivers it."""
        statement = self.statement
        if statement is None:
            statement = dump(m.answer(CHALLENGE, **RIGHT) | self.changes).encode()
        signature = sign(
            self.seed, f"pushmfa/v1 {self.label}", self.signed or statement
        )
        payload = dump(
            {
                "type": "to-host",
                "statement": b64(statement),
                "signature": b64(signature),
                "assertion": self.proof(statement) if self.proof else self.assertion,
            }
        )
        payload = payload[:-1] + self.more + "}"
        text = payload.encode().ljust(self.padding)
        sealed = self.sealed
        if sealed is None:
            sealed = seal(name, self.recipient, self.info, text)
        return dump(
            {
                "type": "envelope",
                "id": b64(material(f"envelope: {name}", 16)),
                "to": b64(self.to),
                "from": b64(PHONE.mailbox),
                "lifetime": 60,
                "sealed": b64(sealed),
            }
        )


def answer_file() -> Fields:
    """Return answer.json."""
    cases = _ends() + _before_the_lock() + _fields() + _under_the_lock()
    return answers(cases)


def answers(cases: list[Fields]) -> Fields:
    """Return a file of such cases."""
    return vector_file(
        "What a host does with a `frame` of the relay, as `changed`: the end of the"
        " attempt, or the refusal, which closes nothing, with the step of 5.3 where it"
        " is refused and what the host says of it.",
        "section 5.3",
        cases,
        keys={"host": HOST.keys(), "device": PHONE.keys()},
        context={
            "origin": ORIGIN,
            "challenge": CHALLENGE.decode(),
            "number": NUMBER,
            "sent_at": SENT_AT,
            "lifetime": 60,
            "received_at": {"boot": 5_009.0, "wall": m.ISSUED_AT + 9.0},
            "device": {
                "user": "alice",
                "uid": 1000,
                "label": "Pixel",
                "version": 1,
                "capabilities": ["passphrase"],
                "credential": None,
            },
        },
    )


def case_of(name: str, sent: Sent, **changed: Any) -> Fields:
    """Return a case; changed is what of the context is different."""
    return {"name": name, "frame": sent.frame(name), "changed": changed}


def _end(name: str, verdict: str, cause: str, **changes: Any) -> Fields:
    case = case_of(name, Sent(changes))
    return case | {"expected": {"verdict": verdict, "cause": cause}}


def _ends() -> list[Fields]:
    denied = m.DENIAL
    return [
        _end("the right number approves", "approved", "device"),
        _end("a grant as offered approves", "approved", "device", grant=300),
        _end("the device's clock does not matter", "approved", "device", device_time=0),
        _end("the counter does not matter", "approved", "device", counter=0),
        _end("step 12: a denial denies", "denied", "not_me", **denied),
        _end(
            "step 11: a denial needs no verification of the holder",
            "denied",
            "not_me",
            **denied | {"verification": "none"},
        ),
        _end(
            "step 12: a cancellation denies",
            "denied",
            "cancel",
            **denied | {"reason": "cancel"},
        ),
        *(
            _end(
                f"step 13: {number} is wrong",
                "wrong_number",
                "wrong_number",
                number=number,
            )
            for number in ("43", "24", "00", "042", "420", "00000042")
        ),
    ]


def refused(step: int, message: str, error: str = "VerificationError") -> Fields:
    """Return the refusal at a step of 5.3, and what the host says."""
    return refusal(error, f"5.3 ({step})", message)


def malformed(step: int) -> Fields:
    """Return the refusal of bytes that are not a message."""
    return refusal("MalformedError", f"5.3 ({step})")


def _before_the_lock() -> list[Fields]:
    ids = (HOST.id, PHONE.id, PHONE.mailbox, HOST.mailbox)
    closed = refused(2, "the device is revoked or reported lost")
    shut = refused(3, "it does not open with these keys and names", "SealError")
    invalid = refused(4, "the signature is not valid")
    right = dump(m.answer(CHALLENGE, **RIGHT)).encode()
    denial = dump(m.answer(CHALLENGE, **RIGHT | m.DENIAL)).encode()
    infos = {
        "the info of the other direction": info_of("to-device", *ids),
        "the info of another device": info_of("to-host", HOST.id, TABLET.id, *ids[2:]),
        "the info of another host": info_of("to-host", OTHER_HOST.id, *ids[1:]),
        "the info of another sender": info_of(
            "to-host", *ids[:2], TABLET.mailbox, HOST.mailbox
        ),
    }
    opened = [
        case_of(f"step 3: {name} does not open", Sent(info=info)) | shut
        for name, info in infos.items()
    ]
    labels = ("challenge", "relay-hello", "enroll-device", "outcome", "webauthn")
    return [
        case_of("step 1: 27 sealed bytes", Sent(sealed=bytes(27))) | malformed(1),
        case_of("step 1: 11,265 sealed bytes", Sent(sealed=bytes(11_265)))
        | malformed(1),
        case_of("step 1: a payload of 11,001 bytes", Sent(padding=11_001))
        | malformed(1),
        case_of("step 1: a payload with an unknown field", Sent(more=',"a":1'))
        | malformed(1),
        case_of(
            "step 2: the device was revoked meanwhile", Sent(), revoked_at=m.ISSUED_AT
        )
        | closed,
        case_of("step 2: the device was reported lost", Sent(), lost_at=m.ISSUED_AT)
        | closed,
        case_of("step 2: an envelope to another mailbox", Sent(to=OTHER_HOST.mailbox))
        | refused(2, "the envelope is for another mailbox"),
        *opened,
        case_of(
            "step 3: sealed to another host", Sent(recipient=OTHER_HOST.sealing_key)
        )
        | shut,
        case_of("step 3: nothing that was sealed", Sent(sealed=bytes(120))) | shut,
        *(
            case_of(f"step 4: signed as {label}", Sent(label=label)) | invalid
            for label in labels
        ),
        case_of("step 4: signed by another device", Sent(seed=TABLET.seed)) | invalid,
        case_of("step 4: signed by the relay key", Sent(seed=PHONE.relay_seed))
        | invalid,
        case_of("step 4: signed by the host", Sent(seed=HOST.seed)) | invalid,
        case_of("step 4: a denial turned into an approval", Sent(signed=denial))
        | invalid,
        case_of(
            "step 4: a blank added after signing",
            Sent(statement=right + b" ", signed=right),
        )
        | invalid,
    ]


def _fields() -> list[Fields]:
    right = dump(m.answer(CHALLENGE, **RIGHT))
    unknown = refused(
        5, "the answer is of a version below the recorded one, or not known here"
    )
    approval = refused(
        5, "an approval without a number, or with a reason", "MalformedError"
    )
    denial = refused(
        5, "a denial with a number or a grant, or without a reason", "MalformedError"
    )
    unproved = refused(
        5, "an assertion without its verification, or without it", "MalformedError"
    )
    numbers = ("\u0664\u0662", " 42", "42 ", "+42", "4_2", "42\n", "4", "\uff14\uff12")
    return [
        case_of("step 5: an unknown field", _signed(right[:-1] + ',"a":1}'))
        | malformed(5),
        case_of("step 5: a doubled key", _signed(right[:-1] + ',"number":"42"}'))
        | malformed(5),
        case_of("step 5: bytes after it", _signed(right + "{}")) | malformed(5),
        case_of("step 5: it is a challenge", Sent(statement=CHALLENGE)) | malformed(5),
        case_of(
            "step 5: it has no type", _signed(right.replace('"type":"answer",', ""))
        )
        | malformed(5),
        *(
            case_of(f"step 5: the number {number!a}", Sent({"number": number}))
            | malformed(5)
            for number in numbers
        ),
        case_of("step 5: a number that is one", Sent({"number": 42})) | malformed(5),
        case_of("step 5: a version that the host does not know", Sent({"version": 2}))
        | unknown,
        case_of("step 5: a version below the recorded one", Sent(), version=2)
        | unknown,
        case_of("step 5: an approval without number", Sent({"number": None}))
        | approval,
        case_of("step 5: an approval with a reason", Sent({"reason": "cancel"}))
        | approval,
        case_of("step 5: a denial with a number", Sent(m.DENIAL | {"number": "42"}))
        | denial,
        case_of("step 5: a denial without reason", Sent(m.DENIAL | {"reason": None}))
        | denial,
        case_of("step 5: a denial with a grant", Sent(m.DENIAL | {"grant": 1}))
        | denial,
        case_of("step 5: an assertion nobody speaks of", Sent(assertion=m.ASSERTION))
        | unproved,
        case_of(
            "step 5: webauthn without an assertion", Sent({"verification": "webauthn"})
        )
        | unproved,
    ]


def _signed(text: str) -> Sent:
    return Sent(statement=text.encode())


def _under_the_lock() -> list[Fields]:
    another = b64(sha256(TABLETS))
    ended = refused(7, "the attempt has ended")
    stranger = refused(8, "the answer is another account's")
    not_asked = refused(8, "the device was not asked")
    text = refused(9, "the answer is to another text of the challenge")
    late = refused(10, "the answer came too late")
    sudo = CHALLENGE.replace(b'"sshd"', b'"sudo"')
    return [
        case_of("step 6: for another host", Sent({"host_id": b64(OTHER_HOST.id)}))
        | refused(6, "the answer is for another host"),
        case_of("step 7: to another challenge", Sent({"challenge_id": b64(bytes(32))}))
        | refused(7, "the challenge is not known here"),
        *(
            case_of(f"step 7: after the attempt was {verdict}", Sent(), ended=end)
            | ended
            for verdict, end in {
                "approved": ["approved", "device"],
                "denied": ["denied", "cancel"],
                "canceled": ["canceled", "hangup"],
                "expired": ["expired", "no_answer"],
            }.items()
        ),
        case_of(
            "step 7: a denial after the approval",
            Sent(m.DENIAL),
            ended=["approved", "device"],
        )
        | ended,
        case_of(
            "step 8: in the name of another device", Sent({"device_id": b64(TABLET.id)})
        )
        | not_asked,
        case_of("step 8: by a device that was not asked", Sent(), not_asked=True)
        | not_asked,
        case_of("step 8: for another account", Sent({"approver": "bob"})) | stranger,
        case_of("step 8: by the device of another account", Sent(), user="bob")
        | stranger,
        case_of("step 8: by the device of an account of that name", Sent(), uid=1001)
        | refused(8, "the device is of an account with another uid"),
        case_of(
            "step 9: to the text of another device", Sent({"challenge_sha256": another})
        )
        | text,
        case_of(
            "step 9: to a challenge of another service",
            Sent({"challenge_sha256": b64(sha256(sudo))}),
        )
        | text,
        case_of(
            "step 10: too late by the boot clock", Sent(), received_at={"boot": 5_060.0}
        )
        | late,
        case_of(
            "step 10: too late by the wall clock",
            Sent(),
            received_at={"wall": m.ISSUED_AT + 60.0},
        )
        | late,
        case_of("step 11: the holder was not verified", Sent({"verification": "none"}))
        | refused(11, "the device did not verify its holder"),
        case_of("step 11: more than was offered", Sent({"grant": 301}))
        | refused(11, "the answer takes a grant that was not offered"),
    ]
