"""What a proved first factor, a ticket, a date and an unreachable relay allow."""

import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from pushmfa.config.model import (
    HostConfig,
    LoginSettings,
    ServiceSettings,
    SuSettings,
)
from pushmfa.terms import Kind
from pushmfa.wire.payload import Challenge
from tests.integration.daemon_module import Module, new_connection, sudo
from tests.integration.daemon_world import World, accounts, scene, until, world

pytestmark = pytest.mark.integration


PIXEL = ("alice", "Pixel")
SHORT = LoginSettings(lifetime=1)


# --- a proved first factor: the reason at once ----------------------------------------


@scene
async def test_a_proved_first_factor_hears_the_reason_at_once(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(user="bob")
        verdict, text = await module.verdict()
        assert verdict == "not_enrolled"
        assert "enrollment ticket" in text
        assert w.host.verdicts() == [("not_enrolled", "not_enrolled")]


@scene
async def test_the_stack_of_a_service_proves_a_first_factor(tmp_path: Path) -> None:
    def config(base: HostConfig) -> HostConfig:
        return replace(base, services={"vpn": ServiceSettings(first_factor="stack")})

    async with world(tmp_path, PIXEL, config=config) as w:
        module = await w.host.log_in(user="bob", service="vpn", methods=None)
        assert (await module.verdict())[0] == "not_enrolled"


@pytest.mark.parametrize(
    "methods", ["password", "keyboard-interactive\n", "publickeyx ", "\npublickey", ""]
)
@scene
async def test_attack_what_proves_no_first_factor(methods: str, tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(user="bob", methods=methods)
        await module.number()


@scene
async def test_an_account_with_anothers_uid_or_name_has_none_of_its_devices(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        accounts["alice"] = 1077
        accounts["mallory"] = 1001
        for user in ("alice", "mallory"):
            module = await w.host.log_in(user=user)
            assert (await module.verdict())[0] == "not_enrolled"
        assert await w.devices[0].hears_no(Challenge)


# --- unenrolled until -----------------------------------------------------------------


def _open_until(seconds: int) -> LoginSettings:
    return LoginSettings(unenrolled_until=int(time.time()) + seconds)


@scene
async def test_unenrolled_accounts_pass_until_the_date(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, login=_open_until(60)) as w:
        new = await w.host.log_in(user="bob")
        assert await new.verdict() == ("approved", "")
        unproved = await w.host.log_in(user="bob", methods=None)
        await unproved.number()
        unknown = await w.host.log_in(user="nobody-at-all")
        assert (await unknown.verdict())[0] == "not_enrolled"
        w.host.clock.advance(61)
        late = await w.host.log_in(user="bob")
        assert (await late.verdict())[0] == "not_enrolled"
        assert w.host.verdicts()[0] == ("approved", "unenrolled_allowed")


@scene
async def test_attack_a_device_reported_lost_makes_nobody_unenrolled(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL, login=_open_until(60)) as w:
        await w.host.ask(lambda client: client.report_lost("Pixel"))
        module = await w.host.log_in()
        assert (await module.verdict())[0] == "not_enrolled"


# --- tickets at the login prompt ------------------------------------------------------


async def _ticket(w: World, user: str = "bob") -> str:
    made = await w.host.ask(lambda client: client.make_ticket(user), uid=0)
    return made.ticket


@scene
async def test_a_ticket_admits_one_login(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = await _ticket(w)
        module = await w.host.log_in(user="bob")
        assert "enrollment ticket" in await module.text("P")
        module.type(ticket.lower().replace("0", "o").replace("-", " "))
        assert await module.verdict() == ("approved", "")
        assert w.host.verdicts() == [("approved", "ticket")]
        again = await w.host.log_in(user="bob")
        assert (await again.verdict())[0] == "not_enrolled"


@scene
async def test_attack_a_ticket_is_used_twice_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = await _ticket(w)
        modules = [await w.host.log_in(user="bob") for _ in range(3)]
        for module in modules:
            await module.text("P")
        for module in modules:
            module.type(ticket)
        verdicts = [(await module.verdict())[0] for module in modules]
        assert sorted(verdicts) == ["approved", "denied", "denied"]


@scene
async def test_attack_a_ticket_of_another_account(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        bobs, carols = await _ticket(w), await _ticket(w, "carol")
        module = await w.host.log_in(user="carol")
        await module.text("P")
        module.type(bobs)
        assert await module.verdict() == (
            "denied",
            "pushmfa: that code is not right; this login is refused.",
        )
        right = await w.host.log_in(user="carol")
        await right.text("P")
        right.type(carols)
        assert await right.verdict() == ("approved", "")


@pytest.mark.parametrize(
    "typed", ["", "B", "B-0000-0000-0000-0000", "x" * 512, b"\xff"]
)
@scene
async def test_what_is_no_ticket_is_refused(typed: str | bytes, tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await _ticket(w)
        module = await w.host.log_in(user="bob")
        await module.text("P")
        module.type(typed)
        assert (await module.verdict())[0] == "denied"
        assert w.host.verdicts() == [("denied", "wrong_code")]


@scene
async def test_a_ticket_is_good_for_a_day_and_the_newest_alone_counts(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        old, new = await _ticket(w), await _ticket(w)
        module = await w.host.log_in(user="bob")
        await module.text("P")
        module.type(old)
        assert (await module.verdict())[0] == "denied"
        w.host.clock.advance(86_401)
        late = await w.host.log_in(user="bob")
        assert (await late.verdict())[0] == "not_enrolled"
        assert new not in str(w.host.records())


@scene
async def test_a_ticket_without_a_first_factor_admits_nobody(tmp_path: Path) -> None:
    async with world(tmp_path, login=SHORT) as w:
        ticket = await _ticket(w)
        module = await w.host.log_in(user="bob", methods=None)
        await module.number()
        module.type(ticket)
        await module.text("P")
        module.type()
        assert (await module.verdict())[0] == "expired"


@scene
async def test_a_ticket_that_is_not_typed_ends_in_the_audit(tmp_path: Path) -> None:
    async with world(tmp_path, login=SHORT) as w:
        await _ticket(w)
        slow = await w.host.log_in(user="bob")
        await slow.text("P")
        assert (await slow.verdict())[0] == "expired"
        left = await w.host.log_in(user="bob")
        await left.text("P")
        left.close()
        await until(lambda: len(w.host.verdicts()) == 2)
        assert w.host.verdicts() == [("expired", "no_answer"), ("canceled", "hangup")]


# --- the relay is away ----------------------------------------------------------------

OPEN = LoginSettings(
    unreachable="allow",
    unreachable_users=("alice",),
    unreachable_networks=(ip_network("192.0.2.0/24"),),
)


@pytest.mark.parametrize(
    ("user", "address", "methods", "verdict"),
    [
        ("alice", "192.0.2.9", True, "approved"),
        ("alice", "198.51.100.9", True, "unavailable"),
        ("carol", "192.0.2.9", True, "unavailable"),
        ("alice", "192.0.2.9", False, "unavailable"),
        ("nobody-at-all", "192.0.2.9", False, "unavailable"),
        ("alice", "::ffff:192.0.2.9", True, "approved"),
        ("alice", "nonsense", True, "unavailable"),
    ],
)
@scene
async def test_unreachable_allow_needs_user_network_and_first_factor(
    user: str, address: str, methods: bool, verdict: str, tmp_path: Path
) -> None:
    async with world(
        tmp_path, PIXEL, ("carol", "Phone"), login=OPEN, has_relay=False
    ) as w:
        items: dict[str, str | None] = {} if methods else {"methods": None}
        module = await w.host.log_in(user=user, conn=new_connection(address), **items)
        assert (await module.verdict())[0] == verdict
        cause = "unreachable_allowed" if verdict == "approved" else "relay_unreachable"
        # Without a first factor it is counted, not written.
        assert w.host.verdicts() == ([(verdict, cause)] if methods else [])


@pytest.mark.parametrize("request_", [sudo(), sudo(role="attempt", phase="account")])
@scene
async def test_sudo_has_no_network_and_is_not_opened(
    request_: bytes, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL, login=OPEN, has_relay=False) as w:
        module = await Module.begin(w.host.run, request_)
        assert (await module.verdict())[0] == "unavailable"


@scene
async def test_without_a_relay_a_login_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL, has_relay=False) as w:
        module = await w.host.log_in()
        verdict, text = await module.verdict()
        assert verdict == "unavailable"
        assert "no relay is reachable" in text
        assert w.host.verdicts() == [("unavailable", "relay_unreachable")]


@scene
async def test_attack_the_relay_is_blocked_after_it_took_the_envelope(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL, login=replace(OPEN, lifetime=1)) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        assert w.relay is not None
        await w.relay.stop()
        assert (await module.verdict())[0] == "expired"
        assert w.host.approvals() == 0


# --- refused whatever else is true ----------------------------------------------------


@scene
async def test_the_account_phase_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(phase="account")
        assert (await module.verdict())[0] == "unavailable"
        assert w.host.verdicts() == [("unavailable", "not_permitted")]
        assert await w.devices[0].hears_no(Challenge)


@scene
async def test_attack_a_command_whose_end_nobody_sees(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await Module.begin(w.host.run, sudo(cut=1, command=b"rm\0" * 9))
        assert (await module.verdict())[0] == "unavailable"
        assert await w.devices[0].hears_no(Challenge)


@scene
async def test_a_long_command_shows_head_and_tail_and_all_its_length(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        command = b"sudo\0" + b"A" * 30_000 + b"\0rm\0-rf\0/\0"
        await Module.begin(w.host.run, sudo(command=command))
        asked = (await w.devices[0].challenge()).statement
        assert isinstance(asked, Challenge)
        assert asked.command is not None
        assert asked.command.length == len(command)
        assert bytes(asked.command.head) == command[:1024]
        assert bytes(asked.command.tail) == command[-1024:]


# --- whose device is asked: sudo and su -----------------------------------------------


@pytest.mark.parametrize("ruser", ["bob", "root", "", None, b"\xff", "alice "])
@scene
async def test_attack_sudo_by_somebody_else_than_it_says(
    ruser: str | bytes | None, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL, ("bob", "Phone")) as w:
        module = await Module.begin(w.host.run, sudo(ruser=ruser))
        assert (await module.verdict())[0] == "unavailable"
        assert w.host.verdicts() == [("unavailable", "not_permitted")]
        for device in w.devices:
            assert await device.hears_no(Challenge, 0.05)


@scene
async def test_sudo_with_a_uid_that_nobody_has_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await Module.begin(w.host.run, sudo(uid=4_000_000_000))
        assert (await module.verdict())[0] == "unavailable"


@pytest.mark.parametrize("user", ["alice", "root", "carol"])
@scene
async def test_sudo_asks_the_person_at_the_keyboard(user: str, tmp_path: Path) -> None:
    # Also with -u and under targetpw, where PAM_USER is the target.
    async with world(tmp_path, PIXEL, ("root", "Admin"), ("carol", "Phone")) as w:
        module = await Module.begin(w.host.run, sudo(user=user))
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert (card.statement.user, card.statement.approver) == (user, "alice")
        w.devices[0].approve(card, await module.number("I"))
        assert (await module.verdict())[0] == "approved"


def _su_asks(ask: str) -> Callable[[HostConfig], HostConfig]:
    return lambda base: replace(base, su=SuSettings(ask=ask))  # type: ignore[arg-type]  # one of three words


@pytest.mark.parametrize(
    ("ask", "asked"), [("requesting", "alice"), ("target", "bob"), ("login", "carol")]
)
@scene
async def test_su_asks_whom_the_configuration_says(
    ask: str, asked: str, tmp_path: Path
) -> None:
    devices = (PIXEL, ("bob", "Phone"), ("carol", "Tablet"))
    async with world(tmp_path, *devices, config=_su_asks(ask)) as w:
        datagram = sudo(service="su", user="bob", loginuid=1003, command=b"su\0bob\0")
        module = await Module.begin(w.host.run, datagram)
        number = await module.number("I")
        device = next(d for d in w.devices if d.enrollment.user == asked)
        card = await device.challenge()
        assert isinstance(card.statement, Challenge)
        assert (card.statement.kind, card.statement.user) == (Kind.SU, "bob")
        assert card.statement.requesting_user == "alice"
        device.approve(card, number)
        assert (await module.verdict())[0] == "approved"


@pytest.mark.parametrize("loginuid", [4_294_967_295, None])
@scene
async def test_su_without_a_login_uid_asks_nobody(
    loginuid: int | None, tmp_path: Path
) -> None:
    async with world(tmp_path, PIXEL, login=SHORT, config=_su_asks("login")) as w:
        module = await Module.begin(
            w.host.run, sudo(service="su", user="bob", loginuid=loginuid)
        )
        await module.number("I")
        assert (await module.verdict())[0] == "expired"
        assert await w.devices[0].hears_no(Challenge)
