"""What devices and push services may do, and what comes of it."""

import asyncio
import logging
import socket
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pushmfa.errors import StoreError
from pushmfa.relay import push_client
from pushmfa.relay.limits import Rate
from pushmfa.relay.push_client import Reach
from pushmfa.terms import MailboxId, Role, WakeUp
from pushmfa.wire.link import (
    Accepted,
    PeerFrame,
    Received,
    Subscription,
    TryWakeUp,
    WakeUpResult,
    encode_frame,
)
from tests.fakes.push_service import Answer, FakePushService
from tests.integration.push_names import Names, replace_end_point
from tests.integration.push_world import (
    WAKES,
    push_world,
    said,
    tried,
    until_pushes,
)
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    OTHER,
    ROOMY,
    Peer,
    allow_of,
    envelope_of,
    key_of,
    mailbox_of,
    run,
)

pytestmark = pytest.mark.integration


MAILBOX = mailbox_of(DEVICE)
MALFORMED = (4400, "malformed")


def test_attack_push_service_that_hangs_holds_up_nobody(
    tmp_path: Path, service: FakePushService
) -> None:
    """Nor the end of the relay."""
    service.always["slow.example"] = Answer(hangs=True)
    sleepers = [key_of(100 + number) for number in range(40)]

    async def main() -> float:
        async with push_world(tmp_path, service) as world:
            await world.subscribe(DEVICE)
            tester, _ = await world.open()
            assert await tried(tester, MAILBOX) is WakeUpResult.SENT
            await tester.close()
            for key in sleepers:
                await world.subscribe(key, "slow.example")
            awake = await Peer.open(world.relay, Role.DEVICE, OTHER)
            await awake.say(allow_of(OTHER, HOST))
            assert await awake.hears_nothing()
            host = await world.host()
            for number, key in enumerate(sleepers, 1):
                await host.say(envelope_of(number, HOST, key))
                assert isinstance(await host.hear(), Accepted)
            await service.asked(10)
            # Who is awake hears at once, who sleeps elsewhere is woken up at once.
            await host.say(envelope_of(100, HOST, OTHER))
            assert await awake.hear() == envelope_of(100, HOST, OTHER)
            before = len(service.pushes)
            await host.say(envelope_of(101, HOST, DEVICE))
            async with asyncio.timeout(push_client.TOTAL_TIMEOUT / 2):
                while not any(one.status == 201 for one in service.pushes[before:]):  # noqa: ASYNC110  in other threads
                    await asyncio.sleep(0.01)
            begun = time.monotonic()
        return time.monotonic() - begun

    assert run(main()) < push_client.TOTAL_TIMEOUT / 2


def test_attack_push_service_that_hangs_is_given_up(
    tmp_path: Path, service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push_client, "TOTAL_TIMEOUT", 0.3)
    service.answers["push.example"].append(Answer(hangs=True))

    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            # The second try is taken.
            assert [push.status for push in await service.taken(2)] == [201, 201]
            await until_pushes(world.relay, sent=1)

    run(main())


def test_attack_push_service_that_takes_a_connection_and_says_nothing(
    tmp_path: Path, service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the beginning of TLS."""
    monkeypatch.setattr(push_client, "CONNECT_TIMEOUT", 0.3)
    silent = socket.create_server(("127.0.0.1", 0))
    names = Names(silent.getsockname()[1], "127.0.0.1")
    reach = replace(service.reach, lookup=names)

    async def main() -> None:
        async with push_world(tmp_path, service, reach) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED

    with silent:
        run(main())


def test_attack_name_server_that_hangs_holds_up_nobody(
    tmp_path: Path, service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the end of the relay, which waits for no lookup."""
    answer = threading.Event()
    asked = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        asked.set()
        answer.wait(60)
        return []

    async def main() -> float:
        async with push_world(tmp_path, service, Reach()) as world:
            await world.subscribe()
            monkeypatch.setattr(socket, "getaddrinfo", hang)
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.SENT)
            async with asyncio.timeout(20):
                while not asked.is_set():  # noqa: ASYNC110  of another thread
                    await asyncio.sleep(0.01)
            assert await host.hears_nothing()
            begun = time.monotonic()
        return time.monotonic() - begun

    try:
        assert run(main()) < push_client.CONNECT_TIMEOUT
    finally:
        answer.set()


def accepted(number: int, wakeup: WakeUp) -> Accepted:
    return Accepted(id=envelope_of(number, HOST, DEVICE).id, wakeup=wakeup)


def test_attack_end_points_are_in_no_log_and_told_to_no_host(
    tmp_path: Path,
    service: FakePushService,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(push_client, "TOTAL_TIMEOUT", 0.3)
    answers = [Answer(201), Answer(403), Answer(500), Answer(hangs=True), Answer(302)]
    answers.append(Answer(410))
    service.answers["push.example"].extend(answers)
    heard: list[str] = []

    async def main() -> str:
        async with push_world(tmp_path, service) as world:
            push = await world.subscribe()
            host = await world.host()
            for number in range(1, 5):
                await host.say(envelope_of(number, HOST, DEVICE))
                heard.append(encode_frame(await host.hear()))
            await service.asked(5)
            device, _ = await world.open()
            bad = replace_end_point(push, "http" + push.endpoint[5:])
            with suppress(AssertionError):  # Envelopes come in between.
                await said(device, MAILBOX, bad)
            await device.close()
            await host.say(envelope_of(9, HOST, DEVICE))
            heard.append(encode_frame(await host.hear()))
            return push.endpoint

    endpoint = run(main())
    told = caplog.text + "".join(capfd.readouterr()) + "".join(heard)
    assert "HTTP status 403" in told
    for secret in (endpoint, endpoint.rpartition("/")[2], "push.example"):
        assert secret not in told


@pytest.mark.parametrize(
    ("role", "features"),
    [(Role.DEVICE, WAKES), (Role.DEVICE, ("accepted",)), (Role.HOST, WAKES)],
)
def test_attack_subscription_of_anothers_mailbox(
    tmp_path: Path,
    service: FakePushService,
    role: Role,
    features: tuple[str, ...],
) -> None:
    push = service.subscribe(bytes(65))
    # Its own mailbox would do, for a device that named the feature.
    own = () if (role, features) == (Role.DEVICE, WAKES) else (mailbox_of(OTHER),)

    def frames(mailbox: MailboxId) -> list[PeerFrame]:
        return [
            Subscription(mailbox=mailbox, push=push),
            Subscription(mailbox=mailbox, push=None),
            TryWakeUp(mailbox=mailbox),
        ]

    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            for mailbox in (MAILBOX, *own):
                for frame in frames(mailbox):
                    peer = await Peer.open(world.relay, role, OTHER, features=features)
                    await peer.say(frame)
                    assert await peer.hear_end() == MALFORMED
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


def test_attack_a_device_acknowledges_for_another(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            thief, _ = await world.open(OTHER)
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            await service.taken(1)
            id_ = envelope_of(1, HOST, DEVICE).id
            await thief.say(Received(mailbox=MAILBOX, id=id_))
            assert await thief.hear_end() == MALFORMED

    run(main())


def test_attack_flood_of_subscriptions(
    tmp_path: Path, service: FakePushService
) -> None:
    limits = replace(ROOMY, changed_subscriptions=Rate(3, 0.001))

    async def main() -> None:
        async with push_world(tmp_path, service, limits=limits) as world:
            push = await world.subscribe()
            device, key = await world.open()
            # What is the same changes nothing, and counts for nothing.
            for _ in range(10):
                assert await said(device, MAILBOX, push) is WakeUpResult.KEPT
            for _ in range(2):
                assert await said(device, MAILBOX, service.subscribe(key)) == "kept"
            await device.say(Subscription(mailbox=MAILBOX, push=service.subscribe(key)))
            assert await device.hear_end() == (4429, "too many changed subscriptions")

    run(main())


def test_attack_subscriptions_of_mailboxes_that_nobody_uses(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            keys = [key_of(500 + number) for number in range(20)]
            device, server_key = await world.open(*keys)
            for key in keys:
                push = service.subscribe(server_key)
                assert await said(device, mailbox_of(key), push) == "refused"

    run(main())


def test_attack_flood_of_test_pushes(tmp_path: Path, service: FakePushService) -> None:
    limits = replace(ROOMY, test_pushes=Rate(3, 0.001))

    async def main() -> None:
        async with push_world(tmp_path, service, limits=limits) as world:
            await world.subscribe()
            device, _ = await world.open()
            results = [await tried(device, MAILBOX) for _ in range(6)]
            assert results == ["sent"] * 3 + ["failed"] * 3
            assert len(service.requests) == 3

    run(main())


@pytest.mark.parametrize("how", ["readable", "link", "damaged", "another kind"])
def test_attack_the_relays_key_for_push_services_is_not_its_own(
    tmp_path: Path, service: FakePushService, how: str
) -> None:
    path = tmp_path / "relay" / "push.key"

    async def main() -> None:
        async with push_world(tmp_path, service):
            pass

    run(main())
    assert path.stat().st_mode & 0o777 == 0o600
    good = path.read_bytes()
    if how == "readable":
        path.chmod(0o644)
    elif how == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif how == "damaged":
        path.write_bytes(good[:-30])
    else:
        path.write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    # It is refused, and never replaced: every subscription hangs on it.
    before = path.read_bytes()
    with pytest.raises(StoreError):
        run(main())
    assert path.read_bytes() == before
