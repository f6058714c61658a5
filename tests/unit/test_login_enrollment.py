"""An enrollment at the host, and the attacks on it; every check is in the vectors."""

from typing import Any

import pytest

from pushmfa.crypto.signing import Label, Signer
from pushmfa.errors import (
    ExpiredError,
    KeyRejectedError,
    MalformedError,
    PushmfaError,
    RefusedError,
    VerificationError,
)
from pushmfa.login.enrollment import (
    OFFER_LIFETIME,
    Enrollment,
    accept_claim,
    confirm,
    end,
    enrolled_device,
)
from pushmfa.login.moment import Moment
from pushmfa.terms import DeviceKind, Digest, UserName, Verification
from pushmfa.wire.payload import EnrollClaim, EnrollResult, decode_enroll_claim
from tests.vectors import messages
from tests.vectors.authenticator import Authenticator
from tests.vectors.parties import (
    BOBS,
    PHONE,
    TABLET,
    Party,
    b64,
    dump,
    material,
    sha256,
)

START = Moment(boot=1_000.0, wall=1_790_000_000.0)
COMMITMENT = material("a commitment")
CODE = "004217"


def offer(user: str = "alice", uid: int = 1000) -> Enrollment:
    return Enrollment(
        user=UserName(user),
        uid=uid,
        commitment=Digest(COMMITMENT),
        expires=START.after(OFFER_LIFETIME),
    )


def statement_of(party: Party, **changes: Any) -> bytes:
    own = {
        "verify_key": b64(party.verify_key),
        "sealing_key": b64(party.sealing_key),
        "mailbox": b64(party.mailbox),
    }
    return dump(messages.enroll_device(**own | changes)).encode()


def claim_with(statement: bytes, signature: bytes) -> EnrollClaim:
    fields = {"statement": b64(statement), "signature": b64(signature)}
    return decode_enroll_claim(dump(messages.ENROLL_CLAIM | fields).encode())


def claim_of(
    party: Party, label: Label = Label.ENROLL_DEVICE, **changes: Any
) -> EnrollClaim:
    statement = statement_of(party, **changes)
    return claim_with(statement, Signer.from_seed(party.seed).sign(label, statement))


def claimed() -> Enrollment:
    return accept_claim(offer(), claim_of(PHONE), set(), START)


def test_an_enrollment_from_the_offer_to_the_device() -> None:
    assert offer().is_open()
    enrollment = claimed()
    assert enrollment.claim is not None
    assert enrollment.claim.statement == statement_of(PHONE)
    assert enrollment.claim.digest() == sha256(statement_of(PHONE))
    assert enrollment.claim.device_id == PHONE.id
    active = confirm(enrollment, "004 217", CODE, START.after(20))
    assert active.result is EnrollResult.ACTIVE
    assert not active.is_open()
    device = enrolled_device(active, START.after(20))
    assert (device.user, device.uid, device.label) == ("alice", 1000, "Pixel")
    assert (device.kind, device.capabilities) == (DeviceKind.APP, ("webauthn",))
    assert device.credential is not None
    assert device.credential.id == Authenticator("of the phone").id
    assert device.verification() is Verification.WEBAUTHN
    assert device.enrolled_at == int(START.after(20).wall)
    assert (
        device.verify_key,
        device.sealing_key,
        device.mailbox,
        device.device_id,
    ) == (
        PHONE.verify_key,
        PHONE.sealing_key,
        PHONE.mailbox,
        PHONE.id,
    )
    assert device.is_active()


def test_the_claim_starts_the_time_for_the_six_digits() -> None:
    enrollment = accept_claim(offer(), claim_of(PHONE), set(), START.after(299))
    assert enrollment.expires == START.after(599)
    assert confirm(enrollment, CODE, CODE, START.after(598)).result
    with pytest.raises(ExpiredError):
        confirm(enrollment, CODE, CODE, START.after(599))


def test_a_wrong_code_ends_it_at_once() -> None:
    wrong = confirm(claimed(), "004218", CODE, START)
    assert wrong.result is EnrollResult.WRONG_CODE
    with pytest.raises(RefusedError):
        confirm(wrong, CODE, CODE, START)
    with pytest.raises(ValueError, match="not active"):
        enrolled_device(wrong, START)


def test_there_is_no_device_before_the_code() -> None:
    for enrollment in (offer(), claimed()):
        with pytest.raises(ValueError, match="not active"):
            enrolled_device(enrollment, START)


def test_a_code_before_a_claim_is_refused() -> None:
    with pytest.raises(RefusedError):
        confirm(offer(), CODE, CODE, START)


def test_an_end_without_a_device_is_final() -> None:
    for result in (
        EnrollResult.EXPIRED,
        EnrollResult.CANCELED,
        EnrollResult.WRONG_CODE,
    ):
        ended = end(claimed(), result)
        assert ended.result is result
        assert end(ended, EnrollResult.CANCELED) == ended
        with pytest.raises(RefusedError):
            confirm(ended, CODE, CODE, START)
        with pytest.raises(VerificationError, match="used already"):
            accept_claim(ended, claim_of(TABLET), set(), START)


def test_only_the_code_makes_a_device_active() -> None:
    with pytest.raises(ValueError, match="only confirm"):
        end(claimed(), EnrollResult.ACTIVE)


TYPED = ["", " ", "4217", "0042170", "+004217", "0042.17", "00421\u0667", "00_4217"]
TYPED += ["\u0660\u0660\u0664\u0662\u0661\u0667", "\ud800", "004217x", "004\u00a0217"]


@pytest.mark.parametrize("typed", TYPED, ids=ascii)
def test_attack_a_code_in_another_form(typed: str) -> None:
    assert confirm(claimed(), typed, CODE, START).result is EnrollResult.WRONG_CODE


def refused(
    error: type[PushmfaError],
    claim: EnrollClaim,
    known: set[bytes] | None = None,
    now: Moment = START,
) -> str:
    with pytest.raises(error) as caught:
        accept_claim(offer(), claim, known or set(), now)
    return str(caught.value)


def test_attack_the_link_is_claimed_twice() -> None:
    with pytest.raises(VerificationError, match="used already"):
        accept_claim(claimed(), claim_of(TABLET), set(), START)
    with pytest.raises(VerificationError, match="used already"):
        accept_claim(claimed(), claim_of(PHONE), set(), START)


def test_attack_a_claim_that_fails_does_not_burn_the_link() -> None:
    enrollment = offer()
    with pytest.raises(VerificationError):
        accept_claim(enrollment, claim_of(TABLET, Label.ANSWER), set(), START)
    assert accept_claim(enrollment, claim_of(PHONE), set(), START).claim is not None


SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


@pytest.mark.parametrize("key", SMALL_ORDER)
@pytest.mark.parametrize("signature", [bytes(64), bytes([1]) + bytes(63)], ids=len)
def test_attack_a_claim_with_an_identity_key_of_small_order(
    key: str, signature: bytes
) -> None:
    statement = statement_of(PHONE, verify_key=b64(bytes.fromhex(key)))
    refused(KeyRejectedError, claim_with(statement, signature))


def test_attack_a_claim_with_the_key_of_another_account() -> None:
    bobs = {BOBS.verify_key, BOBS.mailbox}
    assert "known" in refused(VerificationError, claim_of(BOBS), bobs)
    assert "known" in refused(VerificationError, claim_of(BOBS), {BOBS.verify_key})


def test_attack_a_claim_of_the_mailbox_of_another_device() -> None:
    claim = claim_of(PHONE, mailbox=b64(BOBS.mailbox))
    assert "known" in refused(VerificationError, claim, {BOBS.mailbox})


def test_attack_the_relay_swaps_the_sealing_key() -> None:
    good = statement_of(PHONE)
    signature = Signer.from_seed(PHONE.seed).sign(Label.ENROLL_DEVICE, good)
    swapped = statement_of(PHONE, sealing_key=b64(TABLET.sealing_key))
    refused(VerificationError, claim_with(swapped, signature))


def test_attack_the_relay_swaps_the_identity_key() -> None:
    good = statement_of(PHONE)
    signature = Signer.from_seed(PHONE.seed).sign(Label.ENROLL_DEVICE, good)
    swapped = statement_of(PHONE, verify_key=b64(TABLET.verify_key))
    refused(VerificationError, claim_with(swapped, signature))


def test_attack_a_sealing_key_off_the_curve() -> None:
    refused(KeyRejectedError, claim_of(PHONE, sealing_key=b64(b"\4" + bytes(64))))


@pytest.mark.parametrize("label", [la for la in Label if la != Label.ENROLL_DEVICE])
def test_attack_a_signature_for_another_purpose_claims_nothing(label: Label) -> None:
    refused(VerificationError, claim_of(PHONE, label))


def test_attack_a_claim_of_another_enrollment() -> None:
    claim = claim_of(PHONE, commitment=b64(material("another")))
    assert "another commitment" in refused(VerificationError, claim)


def test_attack_a_claim_that_talks_the_version_down() -> None:
    assert "version" in refused(VerificationError, claim_of(PHONE, versions=[2]))
    claim = claim_of(PHONE, version=2, versions=[1, 2])
    assert "version" in refused(VerificationError, claim)


def test_attack_a_claim_after_the_link_expired() -> None:
    late = START.after(OFFER_LIFETIME)
    for now in (late, Moment(late.boot, 0.0), Moment(0.0, late.wall)):
        assert "expired" in refused(VerificationError, claim_of(PHONE), now=now)


def test_attack_a_claim_with_one_key_twice_in_it() -> None:
    statement = statement_of(PHONE)[:-1] + b',"label":"Pixel"}'
    signature = Signer.from_seed(PHONE.seed).sign(Label.ENROLL_DEVICE, statement)
    refused(MalformedError, claim_with(statement, signature))
