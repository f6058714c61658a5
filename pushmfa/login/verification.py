"""Of whom a host asks that the device verifies its holder. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from pushmfa.login.devices import Device
from pushmfa.login.policy import Account
from pushmfa.terms import Verification, VerificationRequired


@dataclass(frozen=True, slots=True)
class VerificationRule:
    """`[login] verification` and `verification_users` of pushmfa.toml."""

    is_required: bool = False
    users: frozenset[str] = frozenset()

    def of(self, *accounts: Account | None) -> VerificationRequired:
        """Return what is asked when one of accounts is logged in to, or is asked.

        Both, as in su: whoever becomes root is to be verified, and so is root.
        """
        names = {account.name for account in accounts if account is not None}
        if self.is_required or names & self.users:
            return VerificationRequired.REQUIRED
        return VerificationRequired.NONE


def is_enough(verified: Verification, asked: VerificationRequired) -> bool:
    """Whether a device that verifies its holder so may approve; each may deny."""
    return asked is VerificationRequired.NONE or verified is not Verification.NONE


def can_approve(device: Device, asked: VerificationRequired) -> bool:
    """Whether device may approve where that is asked."""
    return is_enough(device.verification(), asked)


def locked_out(rule: VerificationRule, devices: Iterable[Device]) -> list[str]:
    """Return the names of accounts that have devices, and none that may approve."""
    able: dict[tuple[str, int], bool] = {}
    for device in devices:
        account = Account(device.user, device.uid)
        if device.is_active():
            key = (account.name, account.uid)
            is_able = can_approve(device, rule.of(account))
            able[key] = able.get(key, False) or is_able
    return sorted(name for (name, _), is_able in able.items() if not is_able)
