"""The PAM stacks and the sudoers of the sandbox.

They are what docs/pam-recipes.md recommends, without what depends on the machine.
"""

from pathlib import Path
from typing import Final

from pushmfa.demo.tools import SYSTEM_PATH

PRIVATE: Final = "/run/pushmfa-demo"
"""Inside: the module, and what belongs to nobody else."""

BIN: Final = f"{PRIVATE}/bin"
"""Inside: the folder of the command pushmfa, in everybody's PATH."""

_ASK: Final = "auth [success=ok default=die] {module}"
_PASSWORD: Final = "auth requisite pam_unix.so"  # noqa: S105 - a line of PAM
_ACCOUNT: Final = "account required pam_unix.so"
_SESSION: Final = "session optional pam_loginuid.so\nsession required pam_unix.so"

KEY_THEN_PUSH: Final = "\n".join((_ASK, _ACCOUNT, _SESSION))
"""For an sshd whose AuthenticationMethods demands publickey first."""

PASSWORD_THEN_PUSH: Final = "\n".join((_PASSWORD, _ASK, _ACCOUNT, _SESSION))

STACKS: Final = {
    "sshd": KEY_THEN_PUSH,
    "sshd-password": PASSWORD_THEN_PUSH,
    "sudo": "\n".join((_PASSWORD, _ASK, _ACCOUNT, "session required pam_permit.so")),
    "sudo-i": "\n".join((_PASSWORD, _ASK, _ACCOUNT, "session required pam_permit.so")),
    "su": "\n".join(
        ("auth sufficient pam_rootok.so", _PASSWORD, _ASK, _ACCOUNT, _SESSION)
    ),
    "su-l": "\n".join(
        ("auth sufficient pam_rootok.so", _PASSWORD, _ASK, _ACCOUNT, _SESSION)
    ),
}
"""Service name to stack; `{module}` is the module with its arguments."""

_SUDOERS: Final = f"""\
Defaults env_reset, !mail_badpass, !mail_no_user, !mail_no_host, !mail_no_perms
Defaults lecture=never, passwd_tries=3
Defaults secure_path="{BIN}:{SYSTEM_PATH}"
root ALL=(ALL:ALL) ALL
ALL ALL=(ALL:ALL) ALL
#includedir /etc/sudoers.d
"""

_NSSWITCH: Final = """\
passwd: files
group: files
shadow: files
gshadow: files
sudoers: files
hosts: files dns
services: files
protocols: files
"""


def write_stack(root: Path, service: str, stack: str, module: str) -> None:
    """Write the PAM file of service; module is what stands for `{module}`."""
    text = stack.replace("{module}", module)
    (root / "etc/pam.d" / service).write_text(f"{text}\n")


def write_stacks(root: Path, module: str) -> None:
    """Write all of STACKS."""
    for service, stack in STACKS.items():
        write_stack(root, service, stack, module)


def write_rules(root: Path, host_name: str) -> None:
    """Replace what else of the machine's rules would decide about a login."""
    etc = root / "etc"
    sudoers = etc / "sudoers"
    sudoers.unlink(missing_ok=True)
    sudoers.write_text(_SUDOERS)
    sudoers.chmod(0o440)
    folder = etc / "sudoers.d"
    folder.mkdir(exist_ok=True)
    for rule in folder.iterdir():
        rule.unlink()
    for name in ("sudo.conf", "nologin"):
        (etc / name).unlink(missing_ok=True)
    for name, text in (
        ("nsswitch.conf", _NSSWITCH),
        ("hosts", f"127.0.0.1 localhost {host_name}\n"),
        ("hostname", f"{host_name}\n"),
    ):
        path = etc / name
        path.unlink(missing_ok=True)
        path.write_text(text)
