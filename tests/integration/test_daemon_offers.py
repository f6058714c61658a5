"""An enrollment that waits ends with what authorized it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.daemon import control_enrollment
from pushmfa.daemon.audit import ActRecord
from pushmfa.daemon.control_commands import Commands
from pushmfa.daemon.offers import Offers
from pushmfa.errors import RefusedError
from pushmfa.login.policy import Account
from pushmfa.terms import UserName
from tests.integration.daemon_caller import Caller, calling
from tests.integration.daemon_world import (
    World,
    accounts,
    caller_uid,
    scene,
    until,
    within,
    world,
)
from tests.integration.enrollment_person import Person

pytestmark = pytest.mark.integration

PIXEL, TABLET = ("alice", "Pixel"), ("alice", "Tablet")
ROOT, ALICE = 0, 1001


class Enrolling:
    """An enrollment that has come as far as the six digits."""

    def __init__(self, caller: Caller, person: Person) -> None:
        self.caller = caller
        self.person = person

    async def type_digits(self) -> dict[str, Any]:
        """Type what the device shows; return the reply."""
        await within(self.person._shown.wait())
        self.caller.send("enroll-code", code=self.person._code)
        return await self.caller.hear()


@asynccontextmanager
async def enrolling(
    w: World, *, uid: int = ALICE, ticket: str | None = None
) -> AsyncIterator[Enrolling]:
    """Give an enrollment for alice; the first device approves it if it is asked."""
    person = Person(w, "thief")
    caller_uid.append(uid)
    async with calling(w.host.run) as caller:
        caller.send("enroll", user="alice", label=None, ticket=ticket)
        heard = await caller.hear()
        if heard["type"] == "number-shown":
            w.devices[0].approve(await w.devices[0].challenge(), heard["number"])
            heard = await caller.hear()
        await person._start(heard["link"])
        assert (await caller.hear())["type"] == "enroll-claimed"
        await within(person._shown.wait())
        yield Enrolling(caller, person)


def acts(w: World) -> list[str]:
    return [each.act for each in w.host.records() if isinstance(each, ActRecord)]


async def refused(w: World, it: Enrolling, said: str) -> None:
    """Check that the enrollment is told its end at once, and enrolled nothing."""
    reply = await it.caller.hear()
    assert (reply["type"], reply["kind"]) == ("failure", "refused")
    assert said in reply["message"]
    assert "Nothing was enrolled" in reply["hint"]
    with pytest.raises(RefusedError, match="canceled"):
        await it.person.enrolled()
    assert it.person.keyring.load_all() == [], "the device forgot its keys"
    listed = await w.host.ask(lambda client: client.devices())
    assert "Nokia" not in [device.label for device in listed.devices]
    assert acts(w)[-1] == "enroll failed: authorized no more"


Ask = Callable[[Client], Any]

ENDS: list[tuple[Ask, int, str]] = [
    (lambda c: c.revoke_device("Pixel", "alice"), ROOT, "(Pixel) was revoked"),
    (lambda c: c.report_lost("Pixel"), ALICE, "(Pixel) was reported lost"),
    (lambda c: c.mute(600), ALICE, "is muted"),
    (lambda c: c.unlock("alice"), ROOT, "`pushmfa unlock` ended"),
]


@pytest.mark.parametrize(("ask", "uid", "said"), ENDS)
@scene
async def test_attack_an_enrollment_outlives_the_device_that_approved_it(
    ask: Ask, uid: int, said: str, tmp_path: Path
) -> None:
    """A thief at an open shell, with the phone: approved, and then found out."""
    async with world(tmp_path, PIXEL, TABLET) as w, enrolling(w) as it:
        await w.host.ask(ask, uid=uid)
        await refused(w, it, said)


@pytest.mark.parametrize(("ask", "uid", "said"), ENDS)
@scene
async def test_attack_the_digits_come_with_the_end(
    ask: Ask,
    uid: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last look at the account takes a while, and the end comes just then."""
    is_looking, may_go_on = asyncio.Event(), asyncio.Event()

    async def look(name: str) -> Account:
        is_looking.set()
        await may_go_on.wait()
        return Account(UserName(name), ALICE)

    async with world(tmp_path, PIXEL, TABLET) as w, enrolling(w) as it:
        monkeypatch.setattr(control_enrollment, "account_named", look)
        reply = asyncio.create_task(it.type_digits())
        await within(is_looking.wait())
        await w.host.ask(ask, uid=uid)
        may_go_on.set()
        assert said in (await reply)["message"]
        assert len(w.host.store.load_devices()) == 2


@scene
async def test_attack_a_revocation_in_the_last_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing ends the wait: the look just before the device is added does it."""
    async with world(tmp_path, PIXEL, TABLET) as w, enrolling(w) as it:
        monkeypatch.setattr(w.host.daemon._registry, "on_change", lambda: None)
        await w.host.ask(lambda c: c.revoke_device("Pixel", "alice"), uid=ROOT)
        reply = await it.type_digits()
        assert "was revoked" in reply["message"]
        assert len(w.host.store.load_devices()) == 2
        assert acts(w)[-1] == "enroll failed: authorized no more"


@scene
async def test_attack_a_mute_that_is_over_when_the_digits_come(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w, enrolling(w) as it:
        await w.host.ask(lambda c: c.mute(60))
        w.host.clock.advance(61)
        await refused(w, it, "is muted")


@scene
async def test_attack_a_ticket_beside_a_device_that_root_enrolled_meanwhile(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        ticket = (await w.host.ask(lambda c: c.make_ticket("alice"), uid=ROOT)).ticket
        async with enrolling(w, ticket=ticket) as it:
            owner = Person(w, "owner")
            await w.host.ask(owner.call("alice", label="Hers"), uid=ROOT)
            await refused_ticket(w, it)


async def refused_ticket(w: World, it: Enrolling) -> None:
    reply = await it.caller.hear()
    assert "has a device by now (Hers)" in reply["message"]
    assert "tell your administrator" in reply["hint"]
    listed = await w.host.ask(lambda client: client.devices())
    assert [device.label for device in listed.devices] == ["Hers"]


@scene
async def test_attack_a_ticket_for_a_muted_account(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ticket = (await w.host.ask(lambda c: c.make_ticket("alice"), uid=ROOT)).ticket
        await w.host.ask(lambda c: c.mute(600))
        with pytest.raises(RefusedError, match="is muted"):
            await w.host.ask(Person(w).call(ticket=ticket))
        # Without a row for each: whoever has a ticket could fill the disk.
        assert acts(w) == ["ticket", "mute"]
        await w.host.ask(lambda c: c.unlock("alice"), uid=ROOT)
        await w.host.ask(Person(w, "again").call(ticket=ticket))


@pytest.mark.parametrize("now", [None, 4_711])
@scene
async def test_attack_the_account_is_another_when_the_digits_come(
    now: int | None, tmp_path: Path
) -> None:
    """Removed, or its name given to somebody else; that root asked changes nothing."""
    async with world(tmp_path, TABLET) as w, enrolling(w, uid=ROOT) as it:
        if now is None:
            del accounts["alice"]
        else:
            accounts["alice"] = now
        reply = await it.type_digits()
        assert "the account alice is not the same" in reply["message"]
        assert len(w.host.store.load_devices()) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: c.revoke_device("Pixel", "alice"),
        lambda c: c.mute(600, "alice"),
        lambda c: c.unlock("alice"),
    ],
)
@scene
async def test_what_root_began_goes_on(ask: Ask, tmp_path: Path) -> None:
    """A new phone for a stolen one: root revokes the old one meanwhile."""
    async with world(tmp_path, PIXEL) as w, enrolling(w, uid=ROOT) as it:
        await w.host.ask(ask, uid=ROOT)
        assert (await it.type_digits())["type"] == "done"
        assert (await it.person.enrolled()).user == "alice"


@scene
async def test_another_device_or_account_ends_nothing(tmp_path: Path) -> None:
    async with (
        world(tmp_path, PIXEL, TABLET, ("bob", "Phone")) as w,
        enrolling(w) as it,
    ):
        await w.host.ask(lambda c: c.revoke_device("Tablet", "alice"), uid=ROOT)
        await w.host.ask(lambda c: c.mute(600, "bob"), uid=ROOT)
        await w.host.ask(lambda c: c.unlock("bob"), uid=ROOT)
        await w.host.ask(lambda c: c.rename_device("Pixel", "Mine", "alice"), uid=ROOT)
        assert (await it.type_digits())["type"] == "done"
        assert (await it.person.enrolled()).user == "alice"


@scene
async def test_an_enrollment_that_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        offers = _offers(w)
        async with enrolling(w) as it:
            assert len(offers.waiting) == 1
            assert (await it.type_digits())["type"] == "done"
        assert not offers.waiting
        async with enrolling(w):
            assert len(offers.waiting) == 1
        await until(lambda: not offers.waiting)
        await w.host.ask(lambda c: c.mute(600))


def _offers(w: World) -> Offers:
    commands = w.host.daemon._control._commands
    assert isinstance(commands, Commands)
    return commands._parts.offers
