"""After an outage: whoever needs the link now does not wait for the back-off."""

import asyncio
import socket
from pathlib import Path

import pytest

from pushmfa.link import backoff, connection
from pushmfa.link.link import Link
from pushmfa.relay.main import running as relay_running
from pushmfa.terms import EnvelopeId, Role
from pushmfa.wire.envelope import Sealed
from pushmfa.wire.link import Envelope
from tests.integration.daemon_world import free_port, relay_settings, scene, world
from tests.integration.link_world import (
    HOST,
    STRANGER,
    device_mailbox,
    fake_relay,
    running,
    until,
)

pytestmark = pytest.mark.integration

PIXEL = ("alice", "Pixel")


def patient_link(port: int) -> Link:
    """Return a link whose next try is a minute away as soon as one has failed."""
    return Link(
        urls=[f"ws://127.0.0.1:{port}"],
        role=Role.DEVICE,
        mailboxes=[device_mailbox()],
        on_envelope=lambda envelope: None,
        draw=lambda: 1.0,
    )


def envelope() -> Envelope:
    """Return an envelope that no relay here looks into."""
    return Envelope(
        id=EnvelopeId(b"i" * 16),
        to=STRANGER,
        sender=HOST,
        lifetime=60,
        sealed=Sealed(bytes(100)),
    )


async def rest_long(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until a first try has failed, and longer than tries must lie apart."""
    await until(lambda: link.states()[0].problem != "not connected yet")
    monkeypatch.setattr(connection, "HURRY_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def _long_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "BASE_SECONDS", 60.0)


@scene
async def test_who_hurries_is_connected_at_once_when_the_relay_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    async with running(patient_link(port), is_ready=False) as link:
        await rest_long(link, monkeypatch)
        async with fake_relay(port):
            assert await link.hurry(5)
            assert link.states()[0].is_ready
            assert await link.hurry(5)


@scene
async def test_who_hurries_hears_soon_that_the_relay_is_still_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    async with running(patient_link(free_port()), is_ready=False) as link:
        await rest_long(link, monkeypatch)
        begun = loop.time()
        assert not await link.hurry(30)
        assert loop.time() - begun < 15


@scene
async def test_who_hurries_waits_no_longer_than_said_for_a_silent_relay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port: int = silent.getsockname()[1]
        async with running(patient_link(port), is_ready=False) as link:
            assert not await link.hurry(0.2)


@scene
async def test_attack_hurrying_often_dials_not_more_than_once_a_second() -> None:
    dialed: list[object] = []

    def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialed.append(writer)
        writer.close()

    relay = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port: int = relay.sockets[0].getsockname()[1]
    async with relay, running(patient_link(port), is_ready=False) as link:
        await until(lambda: link.states()[0].problem != "not connected yet")
        begun = asyncio.get_running_loop().time()
        for _ in range(50):
            await link.hurry(0.1)
            link.dial_now()
        passed = asyncio.get_running_loop().time() - begun
        assert 1 <= len(dialed) <= 2 + passed / connection.HURRY_SECONDS


@scene
async def test_a_link_that_went_silent_is_dialed_again_as_soon_as_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half open: a firewall forgot the connection, and nobody was told."""
    monkeypatch.setattr(connection, "PROBE_SECONDS", 0.1)
    monkeypatch.setattr(backoff, "BASE_SECONDS", 0.01)
    async with fake_relay() as relay, running(patient_link(relay.port)) as link:
        relay.sockets[0].transport.pause_reading()
        await asyncio.sleep(0.2)
        assert link.send(envelope())
        await until(lambda: len(relay.hellos) == 2)
        assert await link.wait_ready(5)


@scene
async def test_a_link_that_is_well_stays_when_it_is_asked_for_a_sign_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "PROBE_SECONDS", 0.1)
    async with fake_relay() as relay, running(patient_link(relay.port)) as link:
        for _ in range(4):
            await asyncio.sleep(0.15)
            assert link.send(envelope())
        assert len(relay.hellos) == 1
        assert link.states()[0].is_ready


@scene
async def test_the_first_login_after_an_outage_finds_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon would dial again in a minute; somebody logs in now."""
    async with world(tmp_path, PIXEL, has_relay=False) as w:
        refused = await w.host.log_in()
        assert (await refused.verdict())[0] == "unavailable"
        monkeypatch.setattr(connection, "HURRY_SECONDS", 0.0)
        port = int(w.relay_url.rpartition(":")[2])
        async with relay_running(relay_settings(tmp_path, port)):
            module = await w.host.log_in()
            await module.number()
