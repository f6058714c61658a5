"""pam_env reads a file of the user's: that proves no public key."""

import time

import pytest

from pushmfa.demo.parts import DEVICE_STATE
from tests.e2e.phone import Phone
from tests.e2e.support import System

pytestmark = pytest.mark.e2e

GROUPS = ("auth", "account")
FORGED = """\
SSH_AUTH_INFO_0 DEFAULT="publickey ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"
FILE_WAS_READ DEFAULT=yes
"""


def test_attack_the_owners_environment_file_forges_a_public_key(
    system: System,
) -> None:
    """With user_readenv=1 in front of the module, in its groups."""
    stack = system.sandbox.path("/etc/pam.d/sshd-password")
    home = system.sandbox.path("/home/alice")
    honest = stack.read_text()
    forged = home / ".pam_environment"
    lines = [f"{group} optional pam_env.so user_readenv=1" for group in GROUPS]
    forged.write_text(FORGED)
    phone = Phone(system.sandbox.path(DEVICE_STATE))
    try:
        stack.write_text("\n".join([*lines, honest]))
        began = time.time()
        ssh = system.ssh("demo-password", "echo read=$FILE_WAS_READ")
        ssh.expect("assword", 15)
        ssh.send_line(system.sandbox.people["alice"].password)
        number = ssh.expect(r"pushmfa: enter (\d\d) on", 20)[1]
        card = phone.card_since(began, 10)
        factor = card.challenge.first_factor
        phone.approve(card, number)
        ssh.send_line()
        # The file is no dead one: the session, after the verdict, has it.
        ssh.expect("^read=yes", 15)
        assert factor is not None
        assert factor.method == "stack", factor
    finally:
        stack.write_text(honest)
        forged.unlink()
        phone.close()
