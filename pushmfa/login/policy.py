"""What is done with a login before any device is asked; one place decides.

plan(settings, facts) -> ask the devices | pretend to | end at once
"""

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from pushmfa.login.attempt import End
from pushmfa.terms import Cause, Kind, UserName, Verdict
from pushmfa.wire.payload import FirstFactor

SUDO_SERVICES: Final = frozenset({"sudo", "sudo-i"})
SU_SERVICES: Final = frozenset({"su", "su-l"})
LOCAL_SERVICES: Final = SUDO_SERVICES | SU_SERVICES | {"login"}
"""Services that show text at once and must not be prompted (measured)."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the user database: canonical name and uid, both."""

    name: UserName
    uid: int


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the administrator wrote; the defaults refuse."""

    stack_services: frozenset[str] = frozenset()
    """Services whose stack proves a first factor before it calls us."""
    su_ask: str = "requesting"
    unreachable_users: frozenset[str] = frozenset()
    unreachable_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Both non-empty, and both must match: else an unreachable relay refuses."""
    unenrolled_until: float | None = None
    """Unix time up to which an account without a device passes."""


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """What is known of a login when it begins."""

    phase: str
    role: str
    service: str
    is_cut: bool
    user: Account | None
    approver: Account | None
    is_approver_certain: bool
    """False if the person at the keyboard is not who PAM says (sudo, su)."""
    has_publickey: bool
    remote_address: str | None
    active_devices: int
    has_ticket: bool
    """An account without a device has a ticket that can still admit one login."""
    earlier_refusal: End | None
    """How this connection was refused before: its client tries again by itself."""
    is_relay_ready: bool
    wall: float
    had_device: bool = True
    """The account had a device at any time, also one that was revoked or lost; closed
    unless the registry says that it had none."""
    is_muted: bool = False
    """The approver's devices are not to be asked now."""

    def __post_init__(self) -> None:
        """Refuse to remember an approval: it would be good for a second login."""
        if self.earlier_refusal is not None and self.earlier_refusal.is_approved():
            raise ValueError("an approval is no refusal")


class Action(StrEnum):
    """What to do with a login."""

    ASK = "ask"
    PRETEND = "pretend"
    TICKET = "ticket"
    END = "end"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, and for END how it ended."""

    action: Action
    end: End | None = None


def plan(settings: PolicySettings, facts: LoginFacts) -> Plan:
    """Return what to do with a login; whatever is not foreseen is refused."""
    refusal = _refusal(facts)
    if refusal is not None:
        # A decoy ends here too. Attack: passwords tried on a connection that was
        # refused, or while no relay is reachable: only the wrong ones would get a
        # number, and no device would hear of it.
        return Plan(Action.END, refusal)
    if facts.role != "attempt":
        return _decoy(facts)
    proved = is_first_factor_proved(settings, facts)
    if not proved and not facts.is_relay_ready:
        # Nobody can be asked: the same for every account, or this would tell which
        # ones are enrolled.
        return Plan(Action.END, relay_unreachable(settings, facts))
    if facts.user is None or facts.approver is None or facts.active_devices == 0:
        return _without_device(settings, facts, proved=proved)
    if facts.is_muted:
        # Before a relay that is not reachable: a mute is no way around the device.
        # Attack: who is enrolled, who is muted? Without a proof nobody is told.
        locked = Plan(Action.END, End(Verdict.LOCKED, Cause.LOCKED))
        return locked if proved else Plan(Action.PRETEND)
    if not facts.is_relay_ready:
        return Plan(Action.END, relay_unreachable(settings, facts))
    return Plan(Action.ASK)


def _refusal(facts: LoginFacts) -> End | None:
    if facts.earlier_refusal is not None:
        # Invariant 7: one denial is enough; the retries of the client ask nobody.
        return facts.earlier_refusal
    if facts.phase != "auth":
        # No grant exists in this version; the account phase can only refuse.
        return End(Verdict.UNAVAILABLE, Cause.NOT_PERMITTED)
    if facts.is_cut:
        # Attack: a command whose end nobody sees (rm -rf /srv/x ... / ).
        return End(Verdict.UNAVAILABLE, Cause.NOT_PERMITTED)
    if not facts.is_approver_certain:
        return End(Verdict.UNAVAILABLE, Cause.NOT_PERMITTED)
    return None


def _decoy(facts: LoginFacts) -> Plan:
    if facts.is_relay_ready:
        return Plan(Action.PRETEND)
    return Plan(Action.END, End(Verdict.UNAVAILABLE, Cause.RELAY_UNREACHABLE))


def _without_device(
    settings: PolicySettings, facts: LoginFacts, *, proved: bool
) -> Plan:
    if not proved:
        # Attack: guessing which accounts exist and are enrolled. Same prompt, same
        # wait, no device.
        return Plan(Action.PRETEND)
    known = facts.user is not None and facts.approver is not None
    until = settings.unenrolled_until
    # Attack: report the device lost from an open shell, and be unenrolled.
    is_new = known and not facts.had_device
    if is_new and until is not None and facts.wall < until:
        return Plan(Action.END, End(Verdict.APPROVED, Cause.UNENROLLED_ALLOWED))
    if known and facts.has_ticket:
        return Plan(Action.TICKET)
    return Plan(Action.END, End(Verdict.NOT_ENROLLED, Cause.NOT_ENROLLED))


def is_first_factor_proved(settings: PolicySettings, facts: LoginFacts) -> bool:
    """Whether sshd or the service's own stack proved a factor before (invariant 2)."""
    return facts.has_publickey or facts.service in settings.stack_services


def relay_unreachable(settings: PolicySettings, facts: LoginFacts) -> End:
    """Return how a login ends when no relay took the envelope.

    Attack: block the relay to get in with the password alone. Only users and
    networks that are both listed pass, and only with a proved first factor.
    """
    refusal = End(Verdict.UNAVAILABLE, Cause.RELAY_UNREACHABLE)
    if not is_first_factor_proved(settings, facts) or facts.approver is None:
        return refusal
    if facts.approver.name not in settings.unreachable_users:
        return refusal
    try:
        address = ip_address(facts.remote_address or "")
    except ValueError:
        return refusal
    if any(address in network for network in settings.unreachable_networks):
        return End(Verdict.APPROVED, Cause.UNREACHABLE_ALLOWED)
    return refusal


def kind_of(service: str) -> Kind:
    """Return what a challenge for this PAM service asks."""
    if service in SUDO_SERVICES:
        return Kind.SUDO
    return Kind.SU if service in SU_SERVICES else Kind.LOGIN


def choose_approver(
    settings: PolicySettings,
    service: str,
    accounts: "Accounts",
) -> tuple[Account | None, bool]:
    """Return whose device is asked, and whether that is certain.

    In sudo and su it is the account of the person at the keyboard (getuid() of the
    module's process), and PAM_RUSER must say the same; elsewhere PAM_RUSER is mere
    text and the user is asked.
    """
    if service not in SUDO_SERVICES | SU_SERVICES:
        return accounts.user, True
    certain = (
        accounts.caller is not None and accounts.requesting == accounts.caller.name
    )
    if service in SU_SERVICES and settings.su_ask == "target":
        return accounts.user, certain
    if service in SU_SERVICES and settings.su_ask == "login":
        return accounts.login, certain
    return accounts.caller, certain


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts that a login names, as the user database has them."""

    user: Account | None
    """PAM_USER."""
    caller: Account | None
    """getuid() of the module's process."""
    login: Account | None
    """The login uid of the audit subsystem."""
    requesting: str | None
    """PAM_RUSER, as text."""


def first_factor_of(methods: str | None) -> FirstFactor | None:
    """Return what SSH_AUTH_INFO_0 says was proved: its last line.

    A public key gets the fingerprint that ssh-keygen -l shows.
    """
    lines = [line for line in (methods or "").splitlines() if line]
    if not lines:
        return None
    method, _, rest = lines[-1].partition(" ")
    name = method.lower()
    if not name.replace("-", "").isalnum() or not name.isascii() or len(name) > 32:
        return None
    if not name[0].isalpha():
        return None
    return FirstFactor(method=name, fingerprint=_fingerprint(rest))


def has_publickey(methods: str | None) -> bool:
    """Whether SSH_AUTH_INFO_0 has a line of a public key that was proved."""
    return any(line.startswith("publickey ") for line in (methods or "").splitlines())


def _fingerprint(key: str) -> str | None:
    _, _, blob = key.partition(" ")
    try:
        raw = a2b_base64(blob.split(" ")[0].encode("ascii"), strict_mode=True)
    except (Base64Error, UnicodeEncodeError):
        return None
    if not raw:
        return None
    digest = b2a_base64(hashlib.sha256(raw).digest(), newline=False)
    return "SHA256:" + digest.decode("ascii").rstrip("=")
