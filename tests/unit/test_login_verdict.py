"""The verification of an answer, and the attacks on it.

What fails at each step stands in the vectors (answer.json); here are whole stories.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pushmfa.crypto.sealing import Direction, Opener, seal, sealing_info
from pushmfa.crypto.signing import Label, Signer
from pushmfa.errors import MalformedError, PushmfaError, SealError, VerificationError
from pushmfa.login.attempt import Attempt, End, attempt_id_of, close, expire
from pushmfa.login.devices import Device
from pushmfa.login.moment import Moment
from pushmfa.login.verdict import (
    HostKeys,
    Opened,
    digest_of,
    is_right_number,
    judge,
    open_answer,
    verify_answer,
)
from pushmfa.terms import (
    AttemptId,
    Cause,
    ChallengeId,
    DeviceId,
    DeviceKind,
    Digest,
    HostId,
    Kind,
    MailboxId,
    SealingKey,
    UserName,
    Verdict,
    VerificationRequired,
    VerifyKey,
)
from pushmfa.wire.payload import decode_answer
from tests.fakes.proofs import credential_of
from tests.vectors import messages
from tests.vectors.authenticator import ORIGIN, Authenticator
from tests.vectors.parties import (
    BOBS,
    HOST,
    OTHER_HOST,
    PHONE,
    TABLET,
    Party,
    b64,
    dump,
    material,
)

START = Moment(boot=5_000.0, wall=1_790_000_000.0)
IN_TIME = START.after(9)
NUMBER = "42"


def device_of(
    party: Party, user: str = "alice", uid: int = 1000, **more: Any
) -> Device:
    return Device(
        device_id=DeviceId(party.id),
        user=UserName(user),
        uid=uid,
        label=party.name,
        kind=DeviceKind.APP,
        capabilities=("passphrase",),
        verify_key=VerifyKey(party.verify_key),
        sealing_key=SealingKey(party.sealing_key),
        mailbox=MailboxId(party.mailbox),
        version=1,
        enrolled_at=0,
        **more,
    )


def keys_of(party: Party) -> HostKeys:
    opener = Opener.from_private(party.scalar)
    return HostKeys(HostId(party.id), MailboxId(party.mailbox), opener, ORIGIN)


@dataclass
class Login:
    """One attempt at one host, with what was sent to each device."""

    name: str = "a login"
    host: Party = HOST
    asked: tuple[Party, ...] = (PHONE, TABLET)
    fields: dict[str, Any] = field(default_factory=dict)
    number: str = NUMBER

    def challenge(self, party: Party) -> bytes:
        """Return the exact bytes that party got."""
        changes = {
            "challenge_id": b64(material(self.name)),
            "host_id": b64(self.host.id),
            "device_id": b64(party.id),
        }
        return dump(messages.challenge(**changes | self.fields)).encode()

    def attempt(self) -> Attempt:
        """Return it as it was when it began."""
        challenge = json.loads(self.challenge(PHONE))
        return Attempt(
            attempt_id=AttemptId("0" * 16),
            challenge_id=ChallengeId(material(self.name)),
            kind=Kind(challenge["kind"]),
            approver=UserName(challenge["approver"]),
            approver_uid=challenge["uid"],
            number=self.number,
            digests={
                DeviceId(party.id): Digest(digest_of(self.challenge(party)))
                for party in self.asked
            },
            verification=VerificationRequired(challenge["verification"]),
            grant_offered=challenge["grant_offered"],
            started=START,
            expires=START.after(challenge["lifetime"]),
        )

    def statement(self, party: Party, **changes: Any) -> bytes:
        """Return what party answers, with changes."""
        right = {
            "challenge_id": b64(material(self.name)),
            "host_id": b64(self.host.id),
            "device_id": b64(party.id),
        }
        challenge = self.challenge(party)
        return dump(messages.answer(challenge, **right | changes)).encode()

    def answer(self, party: Party, **changes: Any) -> bytes:
        """Return what party sends: signed and sealed, with changes inside."""
        return send(self.statement(party, **changes), party, self.host)


def send(
    statement: bytes, party: Party, host: Party, label: Label = Label.ANSWER
) -> bytes:
    """Return statement, signed under label and sealed by party to host."""
    signature = Signer.from_seed(party.seed).sign(label, statement)
    return seal_payload(statement, signature, party, host)


def seal_payload(
    statement: bytes, signature: bytes, party: Party, host: Party
) -> bytes:
    payload = messages.TO_HOST | {
        "statement": b64(statement),
        "signature": b64(signature),
    }
    ids = (MailboxId(party.mailbox), MailboxId(host.mailbox))
    info = sealing_info(Direction.TO_HOST, HostId(host.id), DeviceId(party.id), *ids)
    return seal(host.sealing_key, info, dump(payload).encode())


def receive(
    attempt: Attempt,
    sealed: bytes,
    device: Device,
    host: Party = HOST,
    now: Moment = IN_TIME,
) -> Attempt:
    """Return what the host makes of sealed, which came from device's mailbox."""
    keys = keys_of(host)
    opened = open_answer(sealed, keys.mailbox, device, keys)
    pending = verify_answer(opened, attempt, device, keys, now)
    return close(pending, judge(opened.answer, pending, device))


def is_refused(
    attempt: Attempt,
    sealed: bytes,
    device: Device,
    host: Party = HOST,
    now: Moment = IN_TIME,
) -> str:
    """Return why it is refused; fail if it is not."""
    with pytest.raises(PushmfaError) as caught:
        receive(attempt, sealed, device, host, now)
    return str(caught.value)


def test_a_right_answer_approves_and_names_the_device() -> None:
    login = Login()
    ended = receive(login.attempt(), login.answer(PHONE), device_of(PHONE))
    assert ended.end == End(Verdict.APPROVED, Cause.DEVICE, DeviceId(PHONE.id))
    assert ended.end.is_approved()
    assert not ended.is_pending()


def test_every_asked_device_may_answer() -> None:
    login = Login()
    ended = receive(login.attempt(), login.answer(TABLET), device_of(TABLET))
    assert ended.end == End(Verdict.APPROVED, Cause.DEVICE, DeviceId(TABLET.id))


def test_a_holder_that_was_verified_is_enough_where_it_is_asked() -> None:
    login = Login(fields={"verification": "required"})
    sealed = login.answer(PHONE, verification="passphrase")
    assert receive(login.attempt(), sealed, device_of(PHONE)).end is not None


def test_attack_an_approval_speaks_of_an_assertion_that_is_not_there() -> None:
    login, keys = Login(), keys_of(HOST)
    statement = login.statement(PHONE, verification="webauthn")
    sealed = send(statement, PHONE, HOST)
    proved = device_of(PHONE, credential=credential_of(Authenticator("of the phone")))
    assert "without it" in is_refused(login.attempt(), sealed, proved)
    # Also if step 5 were not there.
    opened = Opened(decode_answer(statement), statement)
    with pytest.raises(VerificationError, match="no assertion"):
        verify_answer(opened, login.attempt(), proved, keys, IN_TIME)


def test_a_denial_needs_no_verification_of_the_holder() -> None:
    login = Login(fields={"verification": "required"})
    ended = receive(
        login.attempt(), login.answer(PHONE, **messages.DENIAL), device_of(PHONE)
    )
    assert ended.end == End(Verdict.DENIED, Cause.NOT_ME, DeviceId(PHONE.id))


def test_attack_an_answer_is_replayed_to_the_same_login() -> None:
    login = Login()
    sealed = login.answer(PHONE)
    ended = receive(login.attempt(), sealed, device_of(PHONE))
    assert is_refused(ended, sealed, device_of(PHONE)) == "the attempt has ended"


def test_attack_an_answer_is_replayed_to_the_next_login_with_that_number() -> None:
    first, second = Login("first"), Login("second")
    sealed = first.answer(PHONE)
    assert "ended" in is_refused(second.attempt(), sealed, device_of(PHONE))


def test_attack_an_answer_is_replayed_after_a_restart() -> None:
    login = Login()
    keys, device = keys_of(HOST), device_of(PHONE)
    opened = open_answer(login.answer(PHONE), keys.mailbox, device, keys)
    with pytest.raises(VerificationError, match="not known here"):
        verify_answer(opened, None, device, keys, IN_TIME)


def test_attack_an_answer_is_taken_to_another_host() -> None:
    here, there = Login(host=HOST), Login(host=OTHER_HOST)
    sealed = here.answer(PHONE)
    device = device_of(PHONE)
    assert "does not open" in is_refused(there.attempt(), sealed, device, OTHER_HOST)
    # Even a host that opens it, and seals it again to the other one, gains nothing.
    again = send(here.statement(PHONE), PHONE, OTHER_HOST)
    assert "another host" in is_refused(there.attempt(), again, device, OTHER_HOST)


def test_attack_a_host_copies_the_challenge_id_of_another_host() -> None:
    evil, honest = Login("same id", host=OTHER_HOST), Login("same id", host=HOST)
    statement = evil.statement(PHONE)
    again = send(statement, PHONE, HOST)
    assert "another host" in is_refused(honest.attempt(), again, device_of(PHONE))


def test_attack_one_device_answers_in_the_name_of_another() -> None:
    login = Login()
    phones = login.answer(PHONE)
    assert "does not open" in is_refused(login.attempt(), phones, device_of(TABLET))
    named = send(login.statement(PHONE), TABLET, HOST)
    assert "not asked" in is_refused(login.attempt(), named, device_of(TABLET))


def test_attack_one_device_answers_what_another_was_sent() -> None:
    login = Login()
    digest = b64(digest_of(login.challenge(TABLET)))
    sealed = login.answer(PHONE, challenge_sha256=digest)
    assert "another text" in is_refused(login.attempt(), sealed, device_of(PHONE))


def test_attack_a_device_that_was_not_asked_answers() -> None:
    login = Login(asked=(PHONE,))
    assert "not asked" in is_refused(
        login.attempt(), login.answer(TABLET), device_of(TABLET)
    )


def test_attack_the_device_of_another_user_answers() -> None:
    login = Login(asked=(PHONE, BOBS))
    bobs = device_of(BOBS, "bob", 1001)
    as_alice = login.answer(BOBS)
    assert "another account" in is_refused(login.attempt(), as_alice, bobs)
    as_bob = login.answer(BOBS, approver="bob")
    assert "another account" in is_refused(login.attempt(), as_bob, bobs)


def test_attack_an_account_was_made_again_with_the_name_of_an_old_one() -> None:
    login = Login()
    old = device_of(PHONE, "alice", 999)
    assert "another uid" in is_refused(login.attempt(), login.answer(PHONE), old)


@pytest.mark.parametrize(
    "changes",
    [
        {"service": "sudo"},
        {"kind": "sudo"},
        {"command": messages.command(b"/bin/sh\0")},
        {"remote_address": "203.0.113.9"},
        {"user": "root"},
        {"lifetime": 600},
        {"verification": "required"},
        {"grant_offered": 43_200},
        {"text": "something else"},
    ],
    ids=str,
)
def test_attack_an_answer_to_another_text_of_the_challenge(
    changes: dict[str, Any],
) -> None:
    shown, real = Login("one"), Login("one", fields=changes)
    sealed = shown.answer(PHONE, verification="passphrase")
    assert "another text" in is_refused(real.attempt(), sealed, device_of(PHONE))


def test_attack_the_device_is_revoked_while_the_attempt_waits() -> None:
    login = Login()
    revoked = replace(device_of(PHONE), revoked_at=1_790_000_005)
    lost = replace(device_of(PHONE), lost_at=1_790_000_005)
    for device in (revoked, lost):
        why = is_refused(login.attempt(), login.answer(PHONE), device)
        assert why == "the device is revoked or reported lost"


def test_attack_a_second_device_answers_after_the_first() -> None:
    login = Login()
    ended = receive(login.attempt(), login.answer(PHONE), device_of(PHONE))
    second = login.answer(TABLET, **messages.DENIAL)
    assert is_refused(ended, second, device_of(TABLET)) == "the attempt has ended"
    assert ended.end == End(Verdict.APPROVED, Cause.DEVICE, DeviceId(PHONE.id))


def test_attack_two_answers_pass_the_checks_before_one_of_them_closes() -> None:
    login = Login()
    keys, device = keys_of(HOST), device_of(PHONE)
    opened = open_answer(login.answer(PHONE), keys.mailbox, device, keys)
    pending = verify_answer(opened, login.attempt(), device, keys, IN_TIME)
    ended = close(pending, judge(opened.answer, pending, device))
    with pytest.raises(VerificationError, match="has ended: approved"):
        close(ended, judge(opened.answer, pending, device))


def test_attack_a_right_answer_after_a_wrong_number_is_refused() -> None:
    login = Login()
    ended = receive(login.attempt(), login.answer(PHONE, number="43"), device_of(PHONE))
    assert ended.end is not None
    assert ended.end.verdict is Verdict.WRONG_NUMBER
    assert "ended" in is_refused(ended, login.answer(PHONE), device_of(PHONE))
    assert "ended" in is_refused(ended, login.answer(TABLET), device_of(TABLET))


def test_attack_the_number_of_another_attempt_closes_the_one_it_was_typed_for() -> None:
    mine, theirs = Login("mine", number="42"), Login("theirs", number="77")
    sealed = theirs.answer(PHONE, number="42")
    ended = receive(theirs.attempt(), sealed, device_of(PHONE))
    assert ended.end is not None
    assert ended.end.verdict is Verdict.WRONG_NUMBER
    assert mine.attempt().is_pending()


FORMS = ["\u0664\u0662", " 42", "42 ", "+42", "-42", "4_2", "42\n", "042", "4", ""]
FORMS += ["\uff14\uff12", "4\u00b2", "0x2a", "42.", "4e1", "\u09ea\u09e8", "42\0"]


@pytest.mark.parametrize("number", FORMS, ids=ascii)
def test_attack_a_number_in_another_form_than_the_shown(number: str) -> None:
    assert not is_right_number(number, "42")
    login = Login()
    sealed = login.answer(PHONE, number=number)
    if number == "042":
        ended = receive(login.attempt(), sealed, device_of(PHONE))
        assert ended.end is not None
        assert ended.end.verdict is Verdict.WRONG_NUMBER
        return
    with pytest.raises(MalformedError):
        receive(login.attempt(), sealed, device_of(PHONE))


def test_a_number_is_compared_digit_by_digit() -> None:
    assert is_right_number("42", "42")
    assert is_right_number("004217", "004217")
    assert not is_right_number("4217", "004217")
    assert not is_right_number("43", "42")


@pytest.mark.parametrize("label", [label for label in Label if label != Label.ANSWER])
def test_attack_a_signature_for_another_purpose_approves_nothing(label: Label) -> None:
    login = Login()
    sealed = send(login.statement(PHONE), PHONE, HOST, label)
    with pytest.raises(VerificationError, match="signature is not valid"):
        receive(login.attempt(), sealed, device_of(PHONE))


def test_attack_the_relay_has_the_device_sign_an_answer_as_its_hello() -> None:
    # The nonce of the greeting is the relay's, the rest of the hello is not; and the
    # relay key is another key.
    login = Login()
    statement = login.statement(PHONE)
    signature = Signer.from_seed(PHONE.relay_seed).sign(Label.RELAY_HELLO, statement)
    sealed = seal_payload(statement, signature, PHONE, HOST)
    with pytest.raises(VerificationError, match="signature is not valid"):
        receive(login.attempt(), sealed, device_of(PHONE))


def test_attack_a_denial_is_turned_into_an_approval() -> None:
    login = Login()
    denial = login.statement(PHONE, **messages.DENIAL)
    signature = Signer.from_seed(PHONE.seed).sign(Label.ANSWER, denial)
    sealed = seal_payload(login.statement(PHONE), signature, PHONE, HOST)
    with pytest.raises(VerificationError, match="signature is not valid"):
        receive(login.attempt(), sealed, device_of(PHONE))


def test_attack_whoever_reaches_the_relay_cannot_end_an_attempt() -> None:
    login = Login()
    attempt = login.attempt()
    denial = login.statement(PHONE, **messages.DENIAL)
    forged = send(denial, TABLET, HOST)
    as_phone = seal_payload(denial, bytes(64), PHONE, HOST)
    for sealed in (forged, as_phone, bytes(120)):
        with pytest.raises((VerificationError, SealError)):
            receive(attempt, sealed, device_of(PHONE))
    assert receive(attempt, login.answer(PHONE), device_of(PHONE)).end is not None


def test_attack_an_answer_that_comes_too_late() -> None:
    login = Login()
    sealed, device = login.answer(PHONE), device_of(PHONE)
    late = START.after(60)
    for now in (late, Moment(late.boot, 0.0), Moment(0.0, late.wall)):
        assert "too late" in is_refused(login.attempt(), sealed, device, now=now)
    set_back = Moment(START.boot + 59.9, 0.0)
    assert receive(login.attempt(), sealed, device, now=set_back).end is not None


def test_an_attempt_expires_by_either_clock_and_only_once() -> None:
    attempt = Login().attempt()
    assert expire(attempt, IN_TIME) is attempt
    expired = expire(attempt, START.after(60))
    assert expired.end == End(Verdict.EXPIRED, Cause.NO_ANSWER)
    assert expire(expired, START.after(99)) is expired
    with pytest.raises(VerificationError, match="has ended: expired"):
        close(expired, End(Verdict.APPROVED, Cause.DEVICE))


def test_an_attempt_is_named_by_the_first_digits_of_its_challenge() -> None:
    challenge_id = ChallengeId(bytes.fromhex("07de55b19f2c41aa" + "ff" * 24))
    assert attempt_id_of(challenge_id) == "07de55b19f2c41aa"


def test_an_end_fits_its_cause_or_there_is_none() -> None:
    approving = {Cause.DEVICE, Cause.TOTP, Cause.RECOVERY_CODE, Cause.BYPASS_CODE}
    approving |= {Cause.TICKET, Cause.OFFLINE, Cause.GRANT, Cause.EXEMPT}
    approving |= {Cause.UNREACHABLE_ALLOWED, Cause.UNENROLLED_ALLOWED}
    closed = {Cause.MISCONFIGURED, Cause.INTERNAL, Cause.NO_FIRST_FACTOR}
    closed |= {Cause.NOT_PERMITTED}
    for verdict in Verdict:
        for cause in Cause:
            fits = (verdict is Verdict.APPROVED) == (cause in approving)
            fits = fits and (cause not in closed or verdict is Verdict.UNAVAILABLE)
            if fits:
                assert End(verdict, cause).is_approved() == (cause in approving)
                continue
            with pytest.raises(ValueError, match="because of"):
                End(verdict, cause)
