"""From the module's first datagram to facts and context: who, where, from where."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from pushmfa.daemon.challenges import Context
from pushmfa.daemon.names import accounts_of_login
from pushmfa.login import policy
from pushmfa.login.policy import Account, Accounts
from pushmfa.text import decode_text, make_harmless
from pushmfa.wire.local import UNSET_LOGINUID, Request
from pushmfa.wire.payload import FirstFactor


@dataclass(frozen=True, slots=True)
class Situation:
    """A request, understood: for the policy, for the challenge, for the terminal."""

    request: Request
    service: str
    accounts: Accounts
    approver: Account | None
    is_approver_certain: bool
    context: Context

    def is_prompted(self) -> bool:
        """Whether the number goes into a prompt."""
        return self.context.is_prompted


async def understand(
    request: Request, settings: policy.PolicySettings, display: str | None
) -> Situation:
    """Return what request means; NotReachableError if the user database hangs.

    display is what the configuration says for the service; the module's own argument
    wins over it.
    """
    service = decode_text(request.service or b"")
    methods = _text(request.methods)
    accounts = await _look_up(request, service)
    approver, certain = policy.choose_approver(settings, service, accounts)
    address = remote_address(request.conn)
    # Without an address all connections look alike, and one refusal would be all's.
    connection = (request.conn, request.ppid) if request.conn and address else None
    context = Context(
        kind=policy.kind_of(service),
        service=make_harmless(service, 64),
        user=accounts.user,
        approver=approver,
        requesting_user=_requesting_user(request, service, accounts),
        first_factor=_first_factor(settings, service, methods),
        # sshd's own arguments are a title, and no command of the person.
        command=None if request.conn else request.command,
        tty=_tty(request.tty),
        remote_address=address,
        connection=connection,
        is_prompted=_is_prompted(request.display or display, service),
    )
    return Situation(request, service, accounts, approver, certain, context)


async def _look_up(request: Request, service: str) -> Accounts:
    uid = loginuid = None
    if service in policy.SUDO_SERVICES | policy.SU_SERVICES:
        uid = request.uid
        loginuid = None if request.loginuid == UNSET_LOGINUID else request.loginuid
    user, caller, login = await accounts_of_login(_name(request.user), uid, loginuid)
    return Accounts(
        user=user, caller=caller, login=login, requesting=_text(request.ruser)
    )


def _first_factor(
    settings: policy.PolicySettings, service: str, methods: str | None
) -> FirstFactor | None:
    found = policy.first_factor_of(methods)
    if found is None and service in settings.stack_services:
        # sudo and su: the stack asked for something, a password as a rule, and PAM
        # does not tell what.
        return FirstFactor(method="stack", fingerprint=None)
    return found


def _name(raw: bytes | None) -> str | None:
    # Only what is UTF-8 can be the name of an account that is enrolled.
    try:
        return raw.decode("utf-8") if raw else None
    except UnicodeDecodeError:
        return None


def _is_prompted(display: str | None, service: str) -> bool:
    if display is not None:
        return display == "prompt"
    return service not in policy.LOCAL_SERVICES


def _requesting_user(request: Request, service: str, accounts: Accounts) -> str | None:
    if service not in policy.SUDO_SERVICES | policy.SU_SERVICES:
        return None
    if accounts.caller is not None:
        return accounts.caller.name
    return f"uid {request.uid}"


def remote_address(conn: bytes | None) -> str | None:
    """Return the client's address in SSH_CONNECTION, None if there is none.

    PAM_RHOST is never asked: it may be a name. An IPv4 address that came in on an
    IPv6 socket is an IPv4 address, for the card and for rules about networks.
    """
    try:
        address = ip_address(decode_text(conn or b"").split(" ")[0])
    except ValueError:
        # sshd says UNKNOWN where its socket is none of the network's.
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else decode_text(raw)


def _tty(raw: bytes | None) -> str | None:
    # sshd asks before there is a terminal, and says "ssh" in place of one.
    if not raw or raw == b"ssh":
        return None
    return make_harmless(decode_text(raw), 100)
