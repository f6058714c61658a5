"""What no combination of facts and settings can make the policy do."""

from ipaddress import ip_address, ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pushmfa.login.attempt import End
from pushmfa.login.policy import (
    Account,
    Accounts,
    Action,
    LoginFacts,
    PolicySettings,
    choose_approver,
    first_factor_of,
    is_first_factor_proved,
    plan,
    relay_unreachable,
)
from pushmfa.terms import APPROVING_CAUSES, Cause, UserName, Verdict
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import decode_challenge
from tests.vectors import messages
from tests.vectors.parties import dump

NETWORKS = [ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")]
accounts = st.none() | st.builds(
    Account, st.sampled_from([UserName("alice"), UserName("bob")]), st.integers(0, 3)
)
refusals = st.builds(
    End,
    st.just(Verdict.UNAVAILABLE),
    st.sampled_from([cause for cause in Cause if cause not in APPROVING_CAUSES]),
)
policies = st.builds(
    PolicySettings,
    stack_services=st.frozensets(st.sampled_from(["sudo", "sshd"])),
    su_ask=st.sampled_from(["requesting", "target", "login"]),
    unreachable_users=st.frozensets(st.sampled_from(["alice", "bob"])),
    unreachable_networks=st.lists(st.sampled_from(NETWORKS), max_size=2).map(tuple),
    unenrolled_until=st.none() | st.floats(0, 10),
)
every_facts = st.builds(
    LoginFacts,
    phase=st.sampled_from(["auth", "account", "else"]),
    role=st.sampled_from(["attempt", "decoy", "else"]),
    service=st.sampled_from(["sshd", "sudo", "su", "login"]),
    is_cut=st.booleans(),
    user=accounts,
    approver=accounts,
    is_approver_certain=st.booleans(),
    has_publickey=st.booleans(),
    remote_address=st.sampled_from(
        [None, "", "192.0.2.7", "198.51.100.7", "2001:db8::1"]
    )
    | st.text(max_size=5),
    active_devices=st.integers(0, 2),
    has_ticket=st.booleans(),
    earlier_refusal=st.none() | refusals,
    is_relay_ready=st.booleans(),
    wall=st.floats(0, 10),
    had_device=st.booleans(),
)
many = settings(max_examples=200)


@many
@given(policies, every_facts)
def test_an_approval_without_a_device_needs_a_proved_first_factor(
    policy: PolicySettings, facts: LoginFacts
) -> None:
    planned = plan(policy, facts)
    assert (planned.end is not None) == (planned.action is Action.END)
    if planned.end is None or not planned.end.is_approved():
        return
    assert is_first_factor_proved(policy, facts)
    assert facts.role == "attempt"
    assert facts.phase == "auth"
    assert facts.is_approver_certain
    assert not facts.is_cut
    assert facts.earlier_refusal is None
    assert facts.user is not None
    assert facts.approver is not None
    if planned.end.cause is Cause.UNENROLLED_ALLOWED:
        assert facts.active_devices == 0
        assert not facts.had_device
        assert policy.unenrolled_until is not None
        assert facts.wall < policy.unenrolled_until
    else:
        assert planned.end.cause is Cause.UNREACHABLE_ALLOWED
        assert not facts.is_relay_ready
        check_both_lists(policy, facts)


def check_both_lists(policy: PolicySettings, facts: LoginFacts) -> None:
    assert facts.approver is not None
    assert facts.approver.name in policy.unreachable_users
    address = ip_address(facts.remote_address or "")
    assert any(address in network for network in policy.unreachable_networks)


@many
@given(policies, every_facts)
def test_an_unreachable_relay_opens_only_for_both_lists_and_a_first_factor(
    policy: PolicySettings, facts: LoginFacts
) -> None:
    end = relay_unreachable(policy, facts)
    if not end.is_approved():
        assert end == End(Verdict.UNAVAILABLE, Cause.RELAY_UNREACHABLE)
        return
    assert is_first_factor_proved(policy, facts)
    check_both_lists(policy, facts)


@many
@given(policies, every_facts)
def test_devices_are_asked_only_of_who_is_certain_and_has_some(
    policy: PolicySettings, facts: LoginFacts
) -> None:
    planned = plan(policy, facts)
    if facts.role != "attempt":
        assert planned.action in (Action.PRETEND, Action.END)
        assert planned.end is None or not planned.end.is_approved()
    if planned.action is Action.ASK:
        assert facts.active_devices > 0
        assert facts.approver is not None
        assert facts.is_approver_certain
        assert facts.is_relay_ready
        assert facts.earlier_refusal is None
    if planned.action is Action.TICKET:
        assert facts.has_ticket
        assert is_first_factor_proved(policy, facts)
        assert facts.active_devices == 0


@given(policies, every_facts)
def test_without_a_first_factor_nobody_learns_which_accounts_are_enrolled(
    policy: PolicySettings, facts: LoginFacts
) -> None:
    # Asked and pretended look alike at the terminal; what ends at once must not
    # depend on the account.
    if is_first_factor_proved(policy, facts):
        return
    changes: list[dict[str, Any]] = [
        {"active_devices": 1, "user": ALICE, "approver": ALICE},
        {"active_devices": 0, "user": ALICE, "approver": ALICE},
        {"active_devices": 0, "user": None, "approver": None},
        {"active_devices": 0, "had_device": False, "has_ticket": True},
    ]
    seen = {plan(policy, with_changes(facts, change)).end for change in changes}
    assert len(seen) == 1


ALICE = Account(UserName("alice"), 1000)


def with_changes(facts: LoginFacts, changes: dict[str, Any]) -> LoginFacts:
    fields = {name: getattr(facts, name) for name in facts.__slots__}
    return LoginFacts(**fields | changes)


@many
@given(
    policies,
    st.sampled_from(["sudo", "sudo-i", "su", "su-l", "sshd", "login"]),
    st.builds(
        Accounts,
        user=accounts,
        caller=accounts,
        login=accounts,
        requesting=st.sampled_from([None, "alice", "bob", "root"]),
    ),
)
def test_in_sudo_whoever_is_asked_for_certain_is_at_the_keyboard(
    policy: PolicySettings, service: str, named: Accounts
) -> None:
    approver, certain = choose_approver(policy, service, named)
    if service.startswith("sudo"):
        assert approver == named.caller
    if service.startswith("su") and certain:
        assert named.caller is not None
        assert named.requesting == named.caller.name
    if not service.startswith("su"):
        assert (approver, certain) == (named.user, True)


@given(
    st.text(max_size=60)
    | st.text(max_size=30).map("publickey ssh-ed25519 ".__add__)
    | st.from_regex(r"\A[a-zA-Z0-9/_-]{1,34}( [ -~]{0,20})?\n?\Z")
)
def test_whatever_sshd_says_fits_into_a_challenge(methods: str) -> None:
    factor = first_factor_of(methods)
    if factor is None:
        return
    challenge = decode_challenge(dump(messages.challenge()).encode())
    fields = {name: getattr(challenge, name) for name in challenge.__struct_fields__}
    changed = type(challenge)(**fields | {"first_factor": factor})
    assert decode_challenge(encode(changed)).first_factor == factor
