"""Who has no first factor proved learns nothing of who is enrolled."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from pushmfa.config.model import (
    LoginSettings,
)
from pushmfa.daemon import refusals, terminal
from pushmfa.daemon.audit import RefusalsRecord
from pushmfa.store.host_rows import AuditRow
from pushmfa.wire.payload import Challenge
from tests.integration.daemon_module import new_connection
from tests.integration.daemon_world import World, scene, world

pytestmark = pytest.mark.integration


PIXEL = ("alice", "Pixel")
SHORT = LoginSettings(lifetime=1)


# --- who is there, who is enrolled: not to be told ------------------------------------


@scene
async def test_attack_guessing_which_accounts_are_enrolled(tmp_path: Path) -> None:
    """Without a proved first factor all accounts look alike: text, wait and end."""
    async with world(tmp_path, PIXEL, login=SHORT) as w:
        users = ("alice", "bob", "nobody-at-all", "", "\udcff", "root")
        seen = await asyncio.gather(*(_what_is_seen(w, user) for user in users))
        assert len(set(seen)) == 1, seen
        assert seen[0][2:] == ("expired", EXPIRED, 1)
        assert "Pixel" not in seen[0][0]


EXPIRED = "pushmfa: nobody answered within 1 seconds. Try again to get a new number."


async def _what_is_seen(w: World, user: str) -> tuple[str, str, str, str, int]:
    """Return all that a stranger sees of a login, but for the digits, and seconds."""
    name = user.encode("utf-8", "surrogateescape")
    module = await w.host.log_in(user=name, methods=None)
    started = time.monotonic()
    text = await module.text("P")
    module.type("123456")
    told = await module.text("P")
    module.type()
    verdict, why = await module.verdict()
    seconds = round(time.monotonic() - started)
    return _without_digits(text), _without_digits(told), verdict, why, seconds


def _without_digits(text: str) -> str:
    return "".join("#" if c.isdigit() else c for c in text)


@scene
async def test_attack_a_denial_without_a_first_factor_names_no_device(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(methods=None)
        await module.number()
        module.type()
        w.devices[0].deny(await w.devices[0].challenge())
        assert await module.verdict() == ("denied", "pushmfa: denied.")


@scene
async def test_a_device_is_asked_also_without_a_first_factor(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(methods=None)
        number = await module.number()
        module.type()
        card = await w.devices[0].challenge()
        assert isinstance(card.statement, Challenge)
        assert card.statement.first_factor is None
        w.devices[0].approve(card, number)
        assert await module.verdict() == ("approved", "")


@scene
async def test_attack_enrolled_accounts_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work that only an enrolled account causes shows in no time at the terminal."""
    monkeypatch.setattr(terminal, "NUMBER_AFTER", 0.3)
    monkeypatch.setattr(terminal, "END_AFTER", 0.4)
    async with world(tmp_path, PIXEL, login=SHORT) as w:
        append = w.host.store.append_audit

        def append_slowly(row: AuditRow, **more: Any) -> None:
            time.sleep(0.2)
            append(row, **more)

        monkeypatch.setattr(w.host.store, "append_audit", append_slowly)
        for user in ("alice", "nobody-at-all"):
            began = time.monotonic()
            module = await w.host.log_in(user=user, methods=None)
            await module.number()
            assert time.monotonic() - began > 0.29
            module.type()
            assert (await module.verdict())[0] == "expired"
            assert time.monotonic() - began > 1.39


@scene
async def test_attack_passwords_tried_behind_a_decoy(tmp_path: Path) -> None:
    """After a refusal right and wrong passwords end alike; no device would tell."""
    async with world(tmp_path, PIXEL, login=SHORT) as w:
        connection = new_connection()
        first = await w.host.log_in(role="decoy", conn=connection, methods=None)
        await first.number()
        first.type()
        assert (await first.verdict())[0] == "expired"
        ends = []
        for role in ("decoy", "attempt"):
            module = await w.host.log_in(role=role, conn=connection, methods=None)
            ends.append(await module.hear())
        assert ends[0] == ends[1] == b"Vexpired\0"


@scene
async def test_attack_passwords_tried_while_the_relay_is_away(tmp_path: Path) -> None:
    async with world(tmp_path, has_relay=False) as w:
        ends = []
        for role in ("decoy", "attempt"):
            module = await w.host.log_in(role=role, methods=None)
            ends.append(await module.hear())
        assert ends[0] == ends[1]
        assert ends[0].startswith(b"Vunavailable\0")
        assert not w.host.records(), "a scanner's are counted, not written"


@scene
async def test_a_decoy_asks_nobody_and_always_refuses(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL, login=SHORT) as w:
        module = await w.host.log_in(role="decoy")
        await module.number()
        module.type()
        assert (await module.verdict())[0] == "expired"
        assert await w.devices[0].hears_no(Challenge)


@scene
async def test_attack_a_flood_of_pretenses_tells_nothing(tmp_path: Path) -> None:
    """However many made-up numbers wait, an unknown account looks like a real one."""
    async with world(tmp_path, PIXEL) as w:
        flood = [
            await w.host.log_in(user=f"guess{number}", methods=None)
            for number in range(150)
        ]
        await asyncio.gather(*(module.number() for module in flood))
        unknown = await w.host.log_in(user="one-more", methods=None)
        real = await w.host.log_in(methods=None)
        assert len(await unknown.number()) == len(await real.number())
        for module in flood:
            module.close()


@scene
async def test_attack_too_many_logins_wait_tells_who_is_enrolled(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        for _ in range(3):
            module = await w.host.log_in(methods=None)
            await module.number()
            await w.devices[0].challenge()
        fourth = await w.host.log_in(methods=None)
        await fourth.number()
        assert await w.devices[0].hears_no(Challenge), "no fourth push"


@scene
async def test_three_logins_wait_and_the_fourth_is_throttled(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        modules = [await w.host.log_in() for _ in range(3)]
        for module in modules:
            await module.number()
            await w.devices[0].challenge()
        fourth = await w.host.log_in()
        verdict, text = await fourth.verdict()
        assert verdict == "throttled"
        assert "too many logins" in text
        assert await w.devices[0].hears_no(Challenge)
        modules[0].close()
        await w.devices[0].outcome()
        fifth = await w.host.log_in()
        await fifth.number()


@scene
async def test_a_number_rests_while_it_may_be_on_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same dice every time: a number comes again only after 120 seconds."""
    monkeypatch.setattr("secrets.randbits", lambda bits: 5)
    async with world(tmp_path, PIXEL) as w:
        first = await w.host.log_in()
        numbers = [await first.number()]
        second = await w.host.log_in()
        numbers.append(await second.number())
        first.close()
        second.close()
        await w.devices[0].outcome()
        await w.devices[0].outcome()
        third = await w.host.log_in()
        numbers.append(await third.number())
        assert len(set(numbers)) == 3
        w.host.clock.wall += 121
        fourth = await w.host.log_in()
        numbers.append(await fourth.number())
        assert len(set(numbers)) == 4, "one clock alone gives none out early"
        w.host.clock.boot += 121
        fifth = await w.host.log_in()
        assert await fifth.number() == numbers[0]
        third.type()
        w.devices[0].approve(await w.devices[0].challenge(), numbers[2])


@scene
async def test_refusals_without_a_first_factor_are_counted(tmp_path: Path) -> None:
    async with world(tmp_path, PIXEL) as w:
        for address in ("192.0.2.7", "192.0.2.7", "2001:db8::1"):
            module = await w.host.log_in(
                user="nobody-at-all", methods=None, conn=new_connection(address)
            )
            await module.number()
            module.close()
        assert not w.host.records()
        w.host.daemon._front.write_counts()
        counts = {
            record.remote_address: record.count
            for record in w.host.records()
            if isinstance(record, RefusalsRecord)
        }
        assert counts == {"192.0.2.7": 2, "2001:db8::1": 1}


@scene
async def test_what_was_counted_is_written_before_the_daemon_stops(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, PIXEL) as w:
        module = await w.host.log_in(user="nobody-at-all", methods=None)
        await module.number()
        await w.host.stop()
        await w.host.start()
        assert [type(record) for record in w.host.records()] == [RefusalsRecord]


@scene
async def test_attack_a_scanner_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MAX_SOURCES", 2)
    async with world(tmp_path, PIXEL) as w:
        for number in range(5):
            module = await w.host.log_in(
                user="x", methods=None, conn=new_connection(f"192.0.2.{number}")
            )
            await module.number()
            module.close()
        w.host.daemon._front.write_counts()
        assert len(w.host.records()) == 3
