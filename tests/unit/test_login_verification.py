"""Of whom a verification of the holder is asked, and who is locked out by that."""

from dataclasses import replace

from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.login.verification import VerificationRule, can_approve, locked_out
from pushmfa.terms import UserName, Verification, VerificationRequired
from tests.fakes.proofs import credential_of
from tests.unit.test_login_verdict import device_of
from tests.vectors.authenticator import Authenticator
from tests.vectors.parties import BOBS, PHONE, TABLET, Party

NONE, REQUIRED = VerificationRequired
ROOT = Account(UserName("root"), 0)
ALICE = Account(UserName("alice"), 1000)
CREDENTIAL = credential_of(Authenticator("of the phone"))


def blank(party: Party = PHONE, user: str = "alice", uid: int = 1000) -> Device:
    return replace(device_of(party, user, uid), capabilities=())


def test_a_rule_is_for_all_or_for_some() -> None:
    assert VerificationRule().of(ALICE, ROOT) is NONE
    assert VerificationRule(is_required=True).of(ALICE) is REQUIRED
    some = VerificationRule(users=frozenset({"root"}))
    assert some.of(ALICE, ALICE) is NONE
    assert some.of(ROOT, ALICE) is REQUIRED, "alice becomes root"
    assert some.of(ALICE, ROOT) is REQUIRED, "root is asked"
    assert some.of(None, ALICE) is NONE


def test_a_credential_counts_more_than_what_else_a_device_says() -> None:
    passphrase = device_of(PHONE)
    assert blank().verification() is Verification.NONE
    assert passphrase.verification() is Verification.PASSPHRASE
    both = replace(passphrase, credential=CREDENTIAL)
    assert both.verification() is Verification.WEBAUTHN


def test_attack_a_capability_without_its_credential_verifies_nothing() -> None:
    liar = replace(blank(), capabilities=("webauthn",))
    assert liar.verification() is Verification.NONE
    assert not can_approve(liar, REQUIRED)
    assert can_approve(liar, NONE)


def test_who_is_locked_out() -> None:
    rule = VerificationRule(is_required=True)
    able, bobs = device_of(PHONE), blank(BOBS, "bob", 1001)
    assert locked_out(rule, [able, bobs, blank(TABLET)]) == ["bob"]
    assert locked_out(VerificationRule(), [bobs]) == []
    assert locked_out(rule, [replace(bobs, revoked_at=1)]) == []


def test_a_device_that_is_gone_lets_nobody_in() -> None:
    rule, left = VerificationRule(is_required=True), blank(TABLET)
    able = device_of(PHONE)
    for gone in (replace(able, revoked_at=1), replace(able, lost_at=1)):
        assert locked_out(rule, [gone, left]) == ["alice"]
