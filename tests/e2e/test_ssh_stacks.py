"""The stacks of sshd: which factor comes first, and what strangers can tell."""

import re
from contextlib import ExitStack, closing

import pytest

from pushmfa.demo.terminal import Terminal
from tests.e2e.programs import LIFETIME, NUMBER, PROMPT, Host

pytestmark = pytest.mark.e2e

ONE_PASSWORD = ("-o", "PubkeyAuthentication=no")
ONE_TRY = ("-o", "NumberOfPasswordPrompts=1")


def prompts_of(terminal: Terminal) -> list[str]:
    """Return what was shown, without what must differ: user, number, time."""
    text = re.sub(
        r"\([\w-]+@demo\) |^[\w-]+@127.0.0.1: ", "", terminal.text, flags=re.M
    )
    return [line for line in re.sub(r"\d\d", "NN", text).split("\n") if line.strip()]


def with_password(host: Host, user: str, at: str, password: str) -> Terminal:
    ssh = host.ssh(*ONE_PASSWORD, *ONE_TRY, "-l", user, at, "id -un")
    ssh.expect("Password: ", 10)
    ssh.send_line(password)
    return ssh


def test_key_then_push(host: Host) -> None:
    asked = host.ask_ssh("demo", "id -un")
    challenge = asked.card.challenge
    assert challenge.first_factor is not None
    assert challenge.first_factor.method == "publickey"
    assert (challenge.first_factor.fingerprint or "").startswith("SHA256:")
    assert challenge.remote_address == "127.0.0.1"
    host.phone.approve(asked.card, asked.number)
    asked.terminal.expect("^alice$", 10)
    assert asked.terminal.wait(10) == 0


def test_without_the_key_nobody_is_asked(host: Host) -> None:
    known = len(host.phone.cards)
    with closing(host.ssh(*ONE_PASSWORD, "demo")) as ssh:
        assert ssh.wait(10) == 255
        assert "Permission denied (publickey)" in ssh.text
    assert len(host.phone.cards) == known


def test_password_then_push(host: Host) -> None:
    asked = host.asked(
        lambda: with_password(host, "alice", "demo-password", host.password("alice")),
        PROMPT,
    )
    with closing(asked.terminal) as ssh:
        ssh.send_line()
        host.phone.approve(asked.card, asked.number)
        ssh.expect("^alice$", 10)
        assert ssh.wait(10) == 0


def test_first_factor_selects_key_or_password_and_then_the_push_is_the_same(
    host: Host,
) -> None:
    by_key = host.ask_ssh("either", "id -un")
    host.phone.approve(by_key.card, by_key.number)
    by_key.terminal.expect("^alice$", 10)
    assert "assword" not in by_key.terminal.text
    by_password = host.asked(
        lambda: with_password(host, "alice", "either", host.password("alice")), PROMPT
    )
    by_password.terminal.send_line()
    host.phone.approve(by_password.card, by_password.number)
    by_password.terminal.expect("^alice$", 10)

    known = len(host.phone.cards)
    wrong = with_password(host, "alice", "either", "not the password")
    assert wrong.wait(15) == 255
    assert "pushmfa" not in wrong.text
    assert len(host.phone.cards) == known


def lasted(ssh: Terminal) -> float:
    """Return the seconds from the first prompt to the end, as they were written."""
    lines = ssh.transcript
    began = next(line.at for line in lines if re.search(NUMBER, line.text))
    ended = next(line.at for line in lines if "nobody answered" in line.text)
    return ended - began


def test_attack_strangers_and_wrong_passwords_look_alike_and_last_alike(
    host: Host,
) -> None:
    """With a decoy, and with no first factor at all: same lines, same time.

    Who exists, who is enrolled, whether a password was right: none of it shows.
    Nobody's phone rings for it, but where the real line asks without a proof.
    """
    known = len(host.phone.cards)
    with ExitStack() as stack:
        decoys = {
            user: stack.enter_context(
                closing(with_password(host, user, "decoy", "not the password"))
            )
            for user in ("alice", "bob", "nobody-of-that-name", "root")
        }
        bare = {
            user: stack.enter_context(
                closing(host.ssh(*ONE_PASSWORD, *ONE_TRY, "-l", user, "bare", "id"))
            )
            for user in ("carol", "bob", "nobody-of-that-name", "root")
        }
        for ssh in (*decoys.values(), *bare.values()):
            ssh.expect(NUMBER, 10)
        # sshd turns what strangers type into junk of the same length.
        for ssh in (*decoys.values(), *bare.values()):
            ssh.send_line(" ")
        for ssh in (*decoys.values(), *bare.values()):
            ssh.expect("no code is needed", 5)
            ssh.send_line()
        for ssh in (*decoys.values(), *bare.values()):
            ssh.expect("nobody answered", LIFETIME + 5)
        for group in (decoys, bare):
            assert {ssh.wait(10) for ssh in group.values()} == {255}
            assert len({tuple(prompts_of(ssh)) for ssh in group.values()}) == 1
            # Nobody ends at once and nobody much later; what milliseconds could tell
            # is evened out by the daemon, and measured there.
            for ssh in group.values():
                assert LIFETIME - 1 < lasted(ssh) < LIFETIME + 3
    # carol alone: she has a device, and "bare" asks it with nothing proved.
    assert [card.challenge.user for card in host.phone.cards[known:]] == ["carol"]


def test_attack_the_shown_number_typed_at_the_prompt_tells_nobody_who_exists(
    host: Host,
) -> None:
    with ExitStack() as stack:
        said = set()
        for user in ("alice", "nobody-of-that-name", "root"):
            ssh = with_password(host, user, "decoy", "not the password")
            stack.enter_context(closing(ssh))
            number = ssh.expect(PROMPT, 10)[1]
            ssh.send_line(number)
            said.add(ssh.expect(r"pushmfa: ((?!enter \d\d).*), then press", 5)[1])
            said = {text.replace(number, "NN") for text in said}
        assert len(said) == 1, said


def test_with_a_decoy_the_right_password_leads_to_a_real_card(host: Host) -> None:
    asked = host.asked(
        lambda: with_password(host, "alice", "decoy", host.password("alice")), PROMPT
    )
    with closing(asked.terminal) as ssh:
        ssh.send_line()
        host.phone.approve(asked.card, asked.number)
        ssh.expect("^alice$", 10)
        assert ssh.wait(10) == 0


def test_attack_root_forbidden_by_sshd_with_its_key_reaches_nobody(host: Host) -> None:
    home = host.sandbox.path("/root/.ssh")
    home.mkdir(mode=0o700, exist_ok=True)
    keys = home / "authorized_keys"
    keys.write_text(host.sandbox.key.with_suffix(".pub").read_text())
    known = len(host.phone.cards)
    try:
        with closing(host.ssh("-l", "root", "either", "id")) as ssh:
            assert ssh.wait(20) == 255
            assert "uid=" not in ssh.text
    finally:
        keys.unlink()
    assert len(host.phone.cards) == known


def test_an_expired_account_is_refused_after_an_approval(host: Host) -> None:
    expire = host.sandbox.run(["chage", "-E", "1", "zoe"])
    assert expire.returncode == 0, expire.stderr
    try:
        asked = host.ask_ssh("-l", "zoe", "demo", "id -un")
        with closing(asked.terminal) as ssh:
            host.phone.approve(asked.card, asked.number)
            assert ssh.wait(10) == 255
            assert "zoe" not in ssh.text.split("\n")
            assert "account has expired" in ssh.text
    finally:
        host.sandbox.run(["chage", "-E", "-1", "zoe"])


def test_denied_once_is_one_card_whatever_the_client_tries(host: Host) -> None:
    known = len(host.phone.cards)
    asked = host.ask_ssh("demo", "id -un")
    with closing(asked.terminal) as ssh:
        host.phone.deny(asked.card)
        assert ssh.wait(10) == 255
        assert ssh.text.count("press Enter") == 1
        assert ssh.text.count("denied on demo phone.") == 1
        assert ssh.text.count("Permission denied") == 1
        assert "assword" not in ssh.text  # no made-up password prompt at the end
        print(f"\n{ssh.text}")  # noqa: T201 - the transcript
    assert len(host.phone.cards) == known + 1
