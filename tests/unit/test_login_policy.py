"""What is done with a login before any device is asked."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from pushmfa.login.attempt import End
from pushmfa.login.policy import (
    Account,
    Accounts,
    Action,
    LoginFacts,
    Plan,
    PolicySettings,
    choose_approver,
    first_factor_of,
    has_publickey,
    kind_of,
    plan,
    relay_unreachable,
)
from pushmfa.terms import Cause, Kind, UserName, Verdict
from pushmfa.wire.payload import FirstFactor

ALICE = Account(UserName("alice"), 1000)
BOB = Account(UserName("bob"), 1001)
ROOT = Account(UserName("root"), 0)
WALL = 1_790_000_000.0
FACTS = LoginFacts(
    phase="auth",
    role="attempt",
    service="sshd",
    is_cut=False,
    user=ALICE,
    approver=ALICE,
    is_approver_certain=True,
    has_publickey=True,
    remote_address="192.0.2.7",
    active_devices=1,
    has_ticket=False,
    earlier_refusal=None,
    is_relay_ready=True,
    wall=WALL,
    had_device=True,
)
CLOSED = PolicySettings()
OPEN = PolicySettings(
    stack_services=frozenset({"sudo"}),
    unreachable_users=frozenset({"alice"}),
    unreachable_networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
    unenrolled_until=WALL + 1,
)
NEW = {"active_devices": 0, "had_device": False}


def ended(verdict: Verdict, cause: Cause) -> Plan:
    return Plan(Action.END, End(verdict, cause))


ASK, PRETEND, TICKET = Plan(Action.ASK), Plan(Action.PRETEND), Plan(Action.TICKET)
NOT_PERMITTED = ended(Verdict.UNAVAILABLE, Cause.NOT_PERMITTED)
NOT_ENROLLED = ended(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED)
UNREACHABLE = ended(Verdict.UNAVAILABLE, Cause.RELAY_UNREACHABLE)
UNREACHABLE_ALLOWED = ended(Verdict.APPROVED, Cause.UNREACHABLE_ALLOWED)
UNENROLLED_ALLOWED = ended(Verdict.APPROVED, Cause.UNENROLLED_ALLOWED)
REFUSED_BEFORE = End(Verdict.WRONG_NUMBER, Cause.WRONG_NUMBER)

Row = tuple[str, PolicySettings, dict[str, Any], Plan]
TABLE: list[Row] = [
    ("an account with a device is asked", CLOSED, {}, ASK),
    (
        "without a proved first factor the device is asked too",
        CLOSED,
        {"has_publickey": False},
        ASK,
    ),
    ("a decoy asks nobody", CLOSED, {"role": "decoy"}, PRETEND),
    (
        "a decoy of a refused client is refused as the client was",
        CLOSED,
        {"role": "decoy", "earlier_refusal": REFUSED_BEFORE},
        Plan(Action.END, REFUSED_BEFORE),
    ),
    (
        "a decoy shows no number where nobody could be asked",
        OPEN,
        {"role": "decoy", "is_relay_ready": False},
        UNREACHABLE,
    ),
    ("an unknown role asks nobody", CLOSED, {"role": "else"}, PRETEND),
    ("the account phase is refused", OPEN, {"phase": "account"}, NOT_PERMITTED),
    ("a command that was cut is refused", OPEN, {"is_cut": True}, NOT_PERMITTED),
    (
        "an approver who is not certain is refused",
        OPEN,
        {"is_approver_certain": False},
        NOT_PERMITTED,
    ),
    (
        "the retry of a refused client is refused as before",
        OPEN,
        {"earlier_refusal": REFUSED_BEFORE},
        Plan(Action.END, REFUSED_BEFORE),
    ),
    (
        "no device, proved: the reason at once",
        CLOSED,
        {"active_devices": 0},
        NOT_ENROLLED,
    ),
    (
        "no device, not proved: as if there were one",
        CLOSED,
        {"active_devices": 0, "has_publickey": False},
        PRETEND,
    ),
    (
        "an unknown user, not proved: as if there were one",
        CLOSED,
        {"user": None, "approver": None, "has_publickey": False, "active_devices": 0},
        PRETEND,
    ),
    (
        "an unknown user, proved: not enrolled",
        OPEN,
        {"user": None, "approver": None} | NEW,
        NOT_ENROLLED,
    ),
    (
        "a sudo to an unknown account asks nobody",
        CLOSED,
        {"user": None, "service": "sudo"},
        NOT_ENROLLED,
    ),
    ("a new account before the date passes", OPEN, NEW, UNENROLLED_ALLOWED),
    (
        "a new account at the date is refused",
        OPEN,
        NEW | {"wall": WALL + 1},
        NOT_ENROLLED,
    ),
    ("a new account without a date is refused", CLOSED, NEW, NOT_ENROLLED),
    (
        "a new account that proved nothing is shown a made-up number",
        OPEN,
        NEW | {"has_publickey": False},
        PRETEND,
    ),
    (
        "an account whose device was reported lost is not new",
        OPEN,
        {"active_devices": 0, "had_device": True},
        NOT_ENROLLED,
    ),
    (
        "an account with a ticket is asked for it",
        CLOSED,
        {"active_devices": 0, "has_ticket": True},
        TICKET,
    ),
    (
        "a ticket without a proved first factor is not asked for",
        CLOSED,
        {"active_devices": 0, "has_ticket": True, "has_publickey": False},
        PRETEND,
    ),
    (
        "an account with a device is not asked for a ticket",
        CLOSED,
        {"has_ticket": True},
        ASK,
    ),
    (
        "an account without an approver has no ticket",
        OPEN,
        {"approver": None, "has_ticket": True},
        NOT_ENROLLED,
    ),
    ("no relay: refused", CLOSED, {"is_relay_ready": False}, UNREACHABLE),
    (
        "no relay, listed user and network: let in",
        OPEN,
        {"is_relay_ready": False},
        UNREACHABLE_ALLOWED,
    ),
    (
        "no relay, proved by the stack: let in",
        OPEN,
        {"is_relay_ready": False, "service": "sudo", "has_publickey": False},
        UNREACHABLE_ALLOWED,
    ),
    (
        "no relay, listed in IPv6: let in",
        OPEN,
        {"is_relay_ready": False, "remote_address": "2001:db8::7"},
        UNREACHABLE_ALLOWED,
    ),
    (
        "no relay, proved nothing: refused",
        OPEN,
        {"is_relay_ready": False, "has_publickey": False},
        UNREACHABLE,
    ),
    (
        "no relay, another network: refused",
        OPEN,
        {"is_relay_ready": False, "remote_address": "198.51.100.7"},
        UNREACHABLE,
    ),
    (
        "no relay, another user: refused",
        OPEN,
        {"is_relay_ready": False, "user": BOB, "approver": BOB},
        UNREACHABLE,
    ),
    (
        "no relay, no address: refused",
        OPEN,
        {"is_relay_ready": False, "remote_address": None},
        UNREACHABLE,
    ),
    (
        "no relay, a name for an address: refused",
        OPEN,
        {"is_relay_ready": False, "remote_address": "trusted.example"},
        UNREACHABLE,
    ),
    (
        "no relay, no device, proved: not enrolled",
        OPEN,
        {"is_relay_ready": False, "active_devices": 0},
        NOT_ENROLLED,
    ),
    (
        "no relay, unknown user, not proved: as an enrolled one",
        OPEN,
        {"is_relay_ready": False, "user": None, "approver": None, "active_devices": 0}
        | {"has_publickey": False},
        UNREACHABLE,
    ),
]


@pytest.mark.parametrize(
    ("settings", "changes", "expected"),
    [r[1:] for r in TABLE],
    ids=[r[0] for r in TABLE],
)
def test_policy(
    settings: PolicySettings, changes: dict[str, Any], expected: Plan
) -> None:
    assert plan(settings, replace(FACTS, **changes)) == expected


@pytest.mark.parametrize("missing", ["unreachable_users", "unreachable_networks"])
def test_attack_a_blocked_relay_opens_nothing_with_one_list_empty(missing: str) -> None:
    empty: Any = frozenset() if missing == "unreachable_users" else ()
    settings = replace(OPEN, **{missing: empty})
    assert plan(settings, replace(FACTS, is_relay_ready=False)) == UNREACHABLE


def test_attack_an_approval_is_not_remembered_as_a_refusal() -> None:
    with pytest.raises(ValueError, match="no refusal"):
        replace(FACTS, earlier_refusal=End(Verdict.APPROVED, Cause.DEVICE))


def test_attack_without_relay_nobody_learns_who_is_enrolled() -> None:
    unproved = replace(FACTS, is_relay_ready=False, has_publickey=False)
    plans = [
        plan(OPEN, replace(unproved, **changes))
        for changes in (
            {},
            {"active_devices": 0},
            NEW,
            {"user": None, "approver": None, "active_devices": 0},
        )
    ]
    assert plans == [UNREACHABLE] * 4


def test_attack_a_lost_device_is_reported_to_become_unenrolled() -> None:
    lost = replace(FACTS, active_devices=0)
    assert plan(OPEN, lost) == NOT_ENROLLED


def test_whoever_has_no_approver_is_not_let_in_without_relay() -> None:
    facts = replace(FACTS, approver=None)
    assert Plan(Action.END, relay_unreachable(OPEN, facts)) == UNREACHABLE


# --- whose device is asked --------------------------------------------

SUDO = Accounts(user=ROOT, caller=ALICE, login=BOB, requesting="alice")


@pytest.mark.parametrize("service", ["sudo", "sudo-i", "su", "su-l"])
def test_in_sudo_and_su_the_person_at_the_keyboard_is_asked(service: str) -> None:
    assert choose_approver(CLOSED, service, SUDO) == (ALICE, True)


@pytest.mark.parametrize("service", ["sudo", "sudo-i", "su", "su-l"])
@pytest.mark.parametrize("su_ask", ["requesting", "target", "login"])
@pytest.mark.parametrize("requesting", [None, "", "bob", "Alice", "root"])
def test_attack_who_pam_names_is_not_who_called_and_nobody_is_certain(
    service: str, su_ask: str, requesting: str | None
) -> None:
    accounts = replace(SUDO, requesting=requesting)
    _, certain = choose_approver(replace(CLOSED, su_ask=su_ask), service, accounts)
    assert not certain


def test_a_caller_without_an_account_is_not_certain() -> None:
    accounts = replace(SUDO, caller=None)
    assert choose_approver(CLOSED, "sudo", accounts) == (None, False)


@pytest.mark.parametrize(("su_ask", "expected"), [("target", ROOT), ("login", BOB)])
def test_su_asks_whom_the_administrator_says_and_sudo_does_not(
    su_ask: str, expected: Account
) -> None:
    settings = replace(CLOSED, su_ask=su_ask)
    assert choose_approver(settings, "su", SUDO) == (expected, True)
    assert choose_approver(settings, "sudo", SUDO) == (ALICE, True)


@pytest.mark.parametrize("service", ["sshd", "login", "cockpit", "SUDO", "sudo2"])
@pytest.mark.parametrize("requesting", [None, "bob", "root"])
def test_elsewhere_the_user_is_asked_whatever_the_text_says(
    service: str, requesting: str | None
) -> None:
    accounts = Accounts(user=ALICE, caller=ROOT, login=None, requesting=requesting)
    assert choose_approver(CLOSED, service, accounts) == (ALICE, True)


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("sshd", Kind.LOGIN),
        ("login", Kind.LOGIN),
        ("sudo", Kind.SUDO),
        ("sudo-i", Kind.SUDO),
        ("su", Kind.SU),
        ("su-l", Kind.SU),
    ],
)
def test_a_service_has_its_kind(service: str, kind: Kind) -> None:
    assert kind_of(service) is kind


# --- what was proved before --------------------------------------------

ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
# ssh-keygen -l -f, of that key.
FINGERPRINT = "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, None),
        ("", None),
        ("\n", None),
        ("password\n", ("password", None)),
        ("keyboard-interactive\n", ("keyboard-interactive", None)),
        (f"publickey ssh-ed25519 {ED25519}\n", ("publickey", FINGERPRINT)),
        (f"password\npublickey ssh-ed25519 {ED25519}", ("publickey", FINGERPRINT)),
        (f"publickey ssh-ed25519 {ED25519}\npassword\n", ("password", None)),
        (f"publickey ssh-ed25519 {ED25519} a comment\n", ("publickey", FINGERPRINT)),
        ("publickey ssh-ed25519 AAA\n", ("publickey", None)),
        ("publickey ssh-ed25519 \u0660\n", ("publickey", None)),
        ("publickey ssh-ed25519\n", ("publickey", None)),
        ("publickey\n", ("publickey", None)),
        ("GSSAPI-With-MIC x\n", ("gssapi-with-mic", None)),
        ("2fa\n", None),
        (" password\n", None),
        ("-\n", None),
        ("keyboard-interactive/pam\n", None),
        ("p\u00e4ssword\n", None),
        ("a" * 33, None),
    ],
)
def test_the_first_factor_is_the_last_line(
    methods: str | None, expected: tuple[str, str | None] | None
) -> None:
    factor = first_factor_of(methods)
    if expected is None:
        assert factor is None
        return
    assert factor == FirstFactor(method=expected[0], fingerprint=expected[1])


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, False),
        ("", False),
        ("password", False),
        ("publickey", False),
        (" publickey ssh-ed25519 x", False),
        ("x publickey ssh-ed25519 x", False),
        ("publickeys ssh-ed25519 x", False),
        ("publickey ssh-ed25519 x", True),
        ("password\npublickey ssh-ed25519 x\n", True),
        ("publickey ssh-ed25519 x\npassword\n", True),
    ],
)
def test_a_public_key_is_a_line_of_its_own(methods: str | None, expected: bool) -> None:
    assert has_publickey(methods) is expected


@pytest.mark.parametrize("is_ready", [True, False])
@pytest.mark.parametrize("settings", [CLOSED, OPEN])
def test_attack_a_mute_as_a_way_around_the_device(
    settings: PolicySettings, is_ready: bool
) -> None:
    """Muted is refused, also where an unreachable relay would be allowed."""
    facts = replace(FACTS, is_muted=True, is_relay_ready=is_ready)
    assert plan(settings, facts) == ended(Verdict.LOCKED, Cause.LOCKED)


def test_attack_who_is_muted() -> None:
    facts = replace(FACTS, is_muted=True, has_publickey=False)
    assert plan(CLOSED, facts) == PRETEND
    stranger = replace(facts, is_muted=False, active_devices=0, had_device=False)
    assert plan(CLOSED, stranger) == PRETEND
