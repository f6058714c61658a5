"""Who may ask the daemon what: host, status, and in whose name."""

from pathlib import Path
from typing import Any

import pytest

from pushmfa.client import Client
from pushmfa.daemon import names
from pushmfa.errors import (
    NotPermittedError,
    UsageError,
)
from tests.integration.control_asking import Ask
from tests.integration.daemon_world import (
    accounts,
    scene,
    world,
)

PIXEL = ("alice", "Pixel")
PHONE = ("bob", "Phone")

pytestmark = pytest.mark.integration


ROOT, ALICE, BOB = 0, 1001, 1002


# --- looking --------------------------------------------------------------------------


@scene
async def test_everybody_may_ask_which_host_this_is(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for uid in (ROOT, ALICE, 4711):
            host = await w.host.ask(lambda client: client.host(), uid=uid)
            assert host.host_id == w.host.keys.host_id
            assert host.host_name == "web1"


@scene
async def test_status_shows_health_devices_and_last_attempts(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, PHONE) as w:
        module = await w.host.log_in()
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge())
        await module.verdict()
        bobs = await w.host.log_in(user="bob")
        await bobs.number()
        status = await w.host.ask(lambda client: client.status())
        assert status.healthy
        assert status.problems == ()
        assert [relay.connected for relay in status.relays] == [True]
        assert (status.pending_attempts, status.enrolled_accounts) == (1, 2)
        assert status.user == "alice"
        assert status.devices is not None
        assert [device.label for device in status.devices] == ["Pixel"]
        assert status.attempts is not None
        assert [(a.verdict, a.service) for a in status.attempts] == [("denied", "sshd")]
        by_root = await w.host.ask(lambda client: client.status("bob"), uid=ROOT)
        assert by_root.user == "bob"
        assert by_root.attempts == ()


@scene
async def test_status_without_a_relay_is_not_healthy(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, has_relay=False) as w:
        status = await w.host.ask(lambda client: client.status())
        assert not status.healthy
        assert "no relay" in status.problems[0]
        assert not status.relays[0].connected
        assert status.relays[0].problem


@scene
async def test_a_monitor_reads_health_without_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A uid without an account of its own, as a service has.
    monkeypatch.setattr(names, "_is_member", lambda uid, group: uid == 4711)
    async with world(tmp_path, PIXEL) as w:
        status = await w.host.ask(lambda client: client.status(), uid=4711)
        assert (status.user, status.devices, status.attempts) == (None, None, None)
        with pytest.raises(NotPermittedError):
            await w.host.ask(lambda client: client.status("alice"), uid=4711)
        with pytest.raises(NotPermittedError):
            await w.host.ask(lambda client: client.status(), uid=4712)


# --- who may do what ------------------------------------------------------------------

_COMMANDS: dict[str, Ask] = {
    "status": lambda client: client.status("alice"),
    "list": lambda client: client.devices("alice"),
    "revoke": lambda client: client.revoke_device("Pixel", "alice"),
    "rename": lambda client: client.rename_device("Pixel", "Mine", "alice"),
    "lost": lambda client: client.report_lost("Pixel", "alice"),
    "test": lambda client: client.test("alice"),
    "ticket": lambda client: client.make_ticket("alice"),
    "enroll": lambda client: client.enroll(
        on_link=lambda _: None, ask_code=lambda _: "", user="alice"
    ),
}


@pytest.mark.parametrize("command", _COMMANDS)
@scene
async def test_attack_naming_another_user(command: str, tmp_path: Path) -> None:
    """Refused, with the same words for accounts that exist and that do not."""
    async with world(tmp_path, PIXEL, PHONE) as w:
        told = []
        for name in ("alice", "nobody-at-all", "root", "x" * 255):
            accounts.pop("alice", None)
            if name == "alice":
                accounts["alice"] = ALICE
            call = _COMMANDS[command]

            def ask(client: Client, name: str = name, call: Ask = call) -> Any:
                return _Renamed(client, name).run(call)

            with pytest.raises(NotPermittedError) as error:
                await w.host.ask(ask, uid=BOB)
            told.append((str(error.value), error.value.hint))
        assert len(set(told)) == 1, told
        assert w.devices[0].inbox.empty()
        accounts["alice"] = ALICE
        devices = (await w.host.ask(lambda c: c.devices())).devices
        assert [(d.label, d.lost_at, d.revoked_at) for d in devices] == [
            ("Pixel", None, None)
        ]


class _Renamed:
    """A client that names another user in the requests about alice."""

    def __init__(self, client: Client, name: str) -> None:
        self._client, self._name = client, name

    def run(self, call: Ask) -> Any:
        ask = self._client._ask

        def with_name(request: Any, *args: Any, **kwargs: Any) -> Any:
            changed = type(request)(
                **{
                    field: self._name if field == "user" else getattr(request, field)
                    for field in request.__struct_fields__
                }
            )
            return ask(changed, *args, **kwargs)

        self._client._ask = with_name  # type: ignore[method-assign]  # the test stands in between
        return call(self._client)


@scene
async def test_root_is_told_that_there_is_no_such_account(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(UsageError, match="no account"):
            await w.host.ask(lambda client: client.devices("nobody"), uid=ROOT)


@scene
async def test_the_owner_may_name_itself(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        assert (await w.host.ask(lambda c: c.devices("alice"))).user == "alice"


@scene
async def test_a_ticket_is_for_root_to_make(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.make_ticket("alice"))
        assert caught.value.hint.startswith("Only root may do this")
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.verify_audit())
        assert caught.value.hint.startswith("Only root may do this")
        with pytest.raises(NotPermittedError) as caught:
            await w.host.ask(lambda client: client.devices("bob"))
        assert caught.value.hint.startswith("Your own account needs no --user")


@scene
async def test_attack_the_uid_of_all_other_namespaces(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        with pytest.raises(NotPermittedError, match="uid 65534"):
            await w.host.ask(lambda client: client.host(), uid=65_534)
