"""Waking devices up: a real relay, a strict push service, real TLS between them."""

from dataclasses import replace
from pathlib import Path

import pytest

from pushmfa.link.hello import OpenMailbox
from pushmfa.link.link import Link
from pushmfa.relay.limits import Rate
from pushmfa.relay.main import running
from pushmfa.relay.settings import PushSettings
from pushmfa.terms import EnvelopeId, Role, WakeUp
from pushmfa.wire.codec import encode_base64url
from pushmfa.wire.link import (
    Accepted,
    Envelope,
    Quiet,
    Received,
    Stored,
    TryWakeUp,
    WakeUpResult,
)
from tests.fakes.push_service import Answer, FakePushService
from tests.integration.device_world import free_port
from tests.integration.link_world import running as running_link
from tests.integration.link_world import until
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
    NAME,
    OTHER,
    ROOMY,
    Peer,
    allow_of,
    envelope_of,
    mailbox_of,
    run,
    settings_in,
)

pytestmark = pytest.mark.integration

MAILBOX = mailbox_of(DEVICE)


def content_of(number: int) -> str:
    return encode_base64url(EnvelopeId(number.to_bytes(16)))


def accepted(number: int, wakeup: WakeUp) -> Accepted:
    return Accepted(id=EnvelopeId(number.to_bytes(16)), wakeup=wakeup)


def test_a_sleeping_device_is_woken_up_and_finds_its_envelope(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.SENT)
            [push] = await service.taken(1)
            assert push.content == content_of(1)
            assert 58 <= push.ttl <= 60
            device = await Peer.open(world.relay, Role.DEVICE, DEVICE)
            stored = await device.hear()
            assert isinstance(stored, Stored)
            assert encode_base64url(stored.id) == push.content
            await until_pushes(world.relay, sent=1)

    run(main())


def test_a_quiet_envelope_waits_and_rings_nowhere(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            host = await world.host()
            await host.say(Quiet.of(envelope_of(1, HOST, DEVICE)))
            assert await host.hear() == accepted(1, WakeUp.NONE)
            # The next one does, and is the first push.
            await host.say(envelope_of(2, HOST, DEVICE))
            assert await host.hear() == accepted(2, WakeUp.SENT)
            assert [push.content for push in await service.taken(1)] == [content_of(2)]
            device = await Peer.open(world.relay, Role.DEVICE, DEVICE)
            frames = [await device.hear(), await device.hear()]
            assert [type(frame) for frame in frames] == [Stored, Stored]

    run(main())


def test_a_subscription_survives_a_restart_and_the_key_too(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            push = await world.subscribe()
        async with push_world(tmp_path, service) as world:
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.SENT)
            await service.taken(1)
            device, _ = await world.open()
            assert isinstance(await device.hear(), Stored)
            assert await said(device, MAILBOX, push) is WakeUpResult.KEPT

    run(main())


def test_another_key_makes_old_subscriptions_void(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            _, before = await world.open()
        (tmp_path / "relay" / "push.key").unlink()
        async with push_world(tmp_path, service) as world:
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.NONE)
            device, now = await world.open()
            assert now != before
            assert isinstance(await device.hear(), Stored)
            assert await said(device, MAILBOX, service.subscribe(now)) == "kept"
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


def test_what_a_device_acknowledges_wakes_nobody_up(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            host = await world.host()
            quick, slow = (envelope_of(number, HOST, DEVICE) for number in (1, 2))
            await host.say(quick, slow)
            assert await device.hear() == quick
            await device.say(Received(mailbox=MAILBOX, id=quick.id))
            assert await device.hear() == slow
            # The second is not acknowledged: its link may be dead.
            [push] = await service.taken(1)
            assert push.content == content_of(2)
            # What was acknowledged does not come again, the other does.
            again, _ = await world.open()
            stored = await again.hear()
            assert isinstance(stored, Stored)
            assert stored.id == slow.id
            assert await again.hears_nothing()
            assert len(service.pushes) == 1

    run(main())


def test_one_push_for_an_envelope_however_often_it_comes(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            host = await world.host()
            for number in (1, 1, 2, 1):
                await host.say(envelope_of(number, HOST, DEVICE))
            await service.taken(2)
            assert await host.hear() == accepted(1, WakeUp.SENT)
            assert await host.hear() == accepted(2, WakeUp.SENT)
            assert await host.hears_nothing()
            assert sorted(push.content for push in service.pushes) == [
                content_of(1),
                content_of(2),
            ]

    run(main())


def test_a_test_push_belongs_to_no_envelope(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.SENT
            assert await tried(device, MAILBOX) is WakeUpResult.SENT
            first, second = service.pushes
            assert first.content != second.content

    run(main())


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone_is_removed(
    tmp_path: Path, service: FakePushService, status: int
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.always["push.example"] = Answer(status)
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.SENT)
            await until_pushes(world.relay, failed=1)
            await host.say(envelope_of(2, HOST, DEVICE))
            assert await host.hear() == accepted(2, WakeUp.GONE)
            assert len(service.requests) == 1
            device, key = await world.open()
            for _ in range(2):
                assert isinstance(await device.hear(), Stored)
            assert await tried(device, MAILBOX) is WakeUpResult.GONE
            # A new one is as good as the first.
            del service.always["push.example"]
            assert await said(device, MAILBOX, service.subscribe(key)) == "kept"
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


def test_a_test_that_finds_it_gone_removes_it(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.answers["push.example"].append(Answer(410))
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.GONE
            assert await tried(device, MAILBOX) is WakeUpResult.GONE
            assert len(service.requests) == 1

    run(main())


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_a_refusal_that_is_our_mistake_removes_nothing(
    tmp_path: Path, service: FakePushService, status: int
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.answers["push.example"].append(Answer(status))
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(429, {"Retry-After": "1"}), Answer(201)],
        [Answer(503), Answer(500), Answer(201)],
        [Answer(500, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), Answer(201)],
    ],
)
def test_a_service_that_says_not_now_is_asked_again(
    tmp_path: Path, service: FakePushService, answers: list[Answer]
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.answers["push.example"].extend(answers)
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            pushes = await service.taken(len(answers))
            assert [push.status for push in pushes] == [one.status for one in answers]
            assert {push.content for push in pushes} == {content_of(1)}
            if "Retry-After" in answers[0].headers and answers[0].status == 429:
                assert pushes[1].at - pushes[0].at >= 1

    run(main())


def test_retry_after_beyond_the_lifetime_ends_it(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.answers["push.example"].append(Answer(429, {"Retry-After": "61"}))
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            await until_pushes(world.relay, failed=1)
            # Nor is another begun that would be over before.
            await host.say(envelope_of(2, HOST, DEVICE))
            heard = [await host.hear() for _ in range(2)]
            assert heard == [accepted(1, WakeUp.SENT), accepted(2, WakeUp.NONE)]
            assert len(service.requests) == 1

    run(main())


def test_what_is_removed_or_was_never_there(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await said(device, MAILBOX, None) is WakeUpResult.REMOVED
            assert await tried(device, MAILBOX) is WakeUpResult.NONE
            assert await said(device, MAILBOX, None) is WakeUpResult.REMOVED
            await device.close()
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await host.hear() == accepted(1, WakeUp.NONE)
            assert service.requests == []

    run(main())


def test_an_empty_allow_list_removes_the_subscription(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            push = await world.subscribe()
            device, _ = await world.open()
            await device.say(allow_of(DEVICE))
            assert await tried(device, MAILBOX) is WakeUpResult.NONE
            assert await said(device, MAILBOX, push) is WakeUpResult.REFUSED
            await device.say(allow_of(DEVICE, HOST))
            assert await said(device, MAILBOX, push) is WakeUpResult.KEPT

    run(main())


def test_a_relay_that_pushes_not_says_so(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        settings = settings_in(tmp_path, push=PushSettings(enabled=False))
        async with running(settings) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE, features=WAKES)
            assert device.greeting.features == ("accepted", "quiet")
            await device.say(allow_of(DEVICE, HOST))
            push = service.subscribe(bytes(65))
            assert await said(device, MAILBOX, push) is WakeUpResult.NONE
            assert await tried(device, MAILBOX) is WakeUpResult.NONE
        assert not (tmp_path / "relay" / "push.key").exists()

    run(main())


def test_a_device_that_names_nothing_hears_nothing_new(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            device = await Peer.open(world.relay, Role.DEVICE, DEVICE)
            assert device.greeting.features == ("accepted", "quiet", "wakeup")
            assert await device.hears_nothing()
            host = await Peer.open(world.relay, Role.HOST, HOST, features=WAKES)
            assert await host.hears_nothing()

    run(main())


def test_two_tests_at_once_are_one_too_many(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.answers["push.example"].append(Answer(hangs=True))
            device, _ = await world.open()
            await device.say(TryWakeUp(mailbox=MAILBOX))
            await service.asked(1)
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            # A device that goes away meanwhile breaks nothing.
            await device.close()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


def test_many_mailboxes_of_one_browser_share_an_end_point(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            device, key = await world.open(DEVICE, OTHER)
            push = service.subscribe(key)
            for one in (DEVICE, OTHER):
                await device.say(allow_of(one, HOST))
                assert await said(device, mailbox_of(one), push) == "kept"
            await device.close()
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE), envelope_of(2, HOST, OTHER))
            pushes = await service.taken(2)
            assert len({push.token for push in pushes}) == 1

    run(main())


def test_a_host_cannot_keep_a_device_awake(
    tmp_path: Path, service: FakePushService
) -> None:
    limits = replace(ROOMY, wakeups=Rate(2, 0.001))

    async def main() -> None:
        async with push_world(tmp_path, service, limits=limits) as world:
            await world.subscribe()
            host = await world.host()
            for number in range(1, 5):
                await host.say(envelope_of(number, HOST, DEVICE))
            heard = [await host.hear() for _ in range(4)]
            assert heard == [
                accepted(1, WakeUp.SENT),
                accepted(2, WakeUp.SENT),
                accepted(3, WakeUp.NONE),
                accepted(4, WakeUp.NONE),
            ]
            await service.taken(2)

    run(main())


def test_the_links_of_host_and_device_as_they_are(
    tmp_path: Path, service: FakePushService
) -> None:
    """The real links of pushmfa: one sends and hears of it, one wakes up and reads."""
    heard: list[Accepted] = []
    got: list[Envelope | Stored] = []

    async def main() -> None:
        port = free_port()
        name = f"ws://127.0.0.1:{port}"
        names = frozenset({NAME, name})
        async with push_world(tmp_path, service, port=port, public_urls=names) as world:
            await world.subscribe()
            host = Link(
                urls=[name],
                role=Role.HOST,
                mailboxes=[OpenMailbox(HOST)],
                on_envelope=lambda _: None,
                on_accepted=lambda _, frame: heard.append(frame),
            )
            device = Link(
                urls=[name],
                role=Role.DEVICE,
                mailboxes=[OpenMailbox(DEVICE, (mailbox_of(HOST),))],
                on_envelope=got.append,
            )
            async with running_link(host):
                assert host.send(envelope_of(1, HOST, DEVICE))
                [push] = await service.taken(1)
                async with running_link(device):
                    await until(lambda: bool(got))
                    # Once it is read, it is neither kept nor pushed again.
                    await until(lambda: world.relay.health().envelopes == 0)
            assert encode_base64url(got[0].id) == push.content
            assert heard == [accepted(1, WakeUp.SENT)]
            assert len(service.pushes) == 1

    run(main())
