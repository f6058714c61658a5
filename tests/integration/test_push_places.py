"""Where a relay sends pushes, and where it never does, whoever asks for it."""

import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from pushmfa.relay.push_places import is_public
from pushmfa.wire.link import (
    PushPoint,
    WakeUpResult,
)
from tests.fakes.push_service import Answer, FakePushService
from tests.integration.push_names import Names, replace_end_point
from tests.integration.push_world import (
    push_world,
    said,
    tried,
    until_pushes,
)
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    envelope_of,
    mailbox_of,
    run,
)

pytestmark = pytest.mark.integration


MAILBOX = mailbox_of(DEVICE)
MALFORMED = (4400, "malformed")


END_POINTS = [
    "http://push.example/send/1",
    "HTTPS://push.example/send/1",
    "wss://push.example/send/1",
    "file:///etc/passwd",
    "https:push.example/send/1",
    "https:///send/1",
    "https://push.example",
    "https://push.example:8443/send/1",
    "https://push.example:22/send/1",
    "https://push.example:0443/send/1",
    "https://push.example:/send/1",
    "https://user@push.example/send/1",
    "https://user:word@push.example/send/1",
    "https://push.example@127.0.0.1/send/1",
    "https://push.example/send/1#there",
    "https://push.example/send/1 HTTP/1.1",
    "https://push.example/send/\r\nX: y",
    "https://push.example/send/\n",
    "https://push.example\\@127.0.0.1/send/1",
    "https://push.example/\\1",
    "https://127.0.0.1/send/1",
    "https://10.0.0.1/send/1",
    "https://8.8.8.8/send/1",
    "https://2130706433/send/1",
    "https://0x7f000001/send/1",
    "https://0x7f.1/send/1",
    "https://127.1/send/1",
    "https://0177.0.0.1/send/1",
    "https://[::1]/send/1",
    "https://[::ffff:127.0.0.1]/send/1",
    "https://[2606:4700::1111]/send/1",
    "https://localhost/send/1",
    "https://relay/send/1",
    "https://push.example./send/1",
    "https://push..example/send/1",
    "https://-push.example/send/1",
    "https://push_.example/send/1",
    "https://pu%73h.example/send/1",
    "https://p\u00fcsh.example/send/1",
    "https://push\u3002example/send/1",
    "https://push.example/s\u00e9nd/1",
    "https://" + "a." * 126 + "example/send/1",
    "https://" + "a" * 64 + ".example/send/1",
]


def test_attack_end_points_that_are_no_push_services(
    tmp_path: Path, service: FakePushService
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            good = await world.subscribe()
            device, key = await world.open()
            for endpoint in END_POINTS:
                push = replace_end_point(service.subscribe(key), endpoint)
                assert await said(device, MAILBOX, push) is WakeUpResult.REFUSED
            bad_point = PushPoint(b"\x04" + bytes(64))
            push = replace_end_point(good, good.endpoint, p256dh=bad_point)
            assert await said(device, MAILBOX, push) is WakeUpResult.REFUSED
            # What was kept before still is.
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


@pytest.mark.parametrize(
    "addresses",
    [
        "127.0.0.1",
        "10.1.2.3",
        "100.64.0.1",
        "169.254.169.254",
        "::1",
        "::ffff:127.0.0.1",
        "fd00:ec2::254",
        # One bad address spoils the good ones.
        "1.1.1.1 127.0.0.1",
        "2606:4700:4700::1111 fe80::1",
        "",
    ],
)
def test_attack_end_point_whose_name_leads_into_the_network(
    tmp_path: Path, service: FakePushService, addresses: str
) -> None:
    names = Names(service.port, addresses)
    reach = replace(service.reach, lookup=names, is_permitted=is_public)

    async def main() -> None:
        async with push_world(tmp_path, service, reach) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            await device.close()
            host = await world.host()
            await host.say(envelope_of(1, HOST, DEVICE))
            await until_pushes(world.relay, failed=2)
            assert names.asked == ["push.example"] * 2
            assert service.requests == []

    run(main())


def test_attack_dns_rebinding(tmp_path: Path, service: FakePushService) -> None:
    """The name is public when it is checked, and private when it is connected to."""
    inside = socket.create_server(("127.0.0.2", service.port))
    names = Names(service.port, "127.0.0.1", "127.0.0.2")
    reach = replace(service.reach, lookup=names)

    async def main() -> None:
        async with push_world(tmp_path, service, reach) as world:
            await world.subscribe()
            close = Answer(201, {"Connection": "close"})
            service.answers["push.example"].append(close)
            device, _ = await world.open()
            # One lookup, one connection, and to that address.
            assert await tried(device, MAILBOX) is WakeUpResult.SENT
            assert len(names.asked) == 1
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            assert len(names.asked) == 2
        inside.settimeout(0)
        with pytest.raises(BlockingIOError):
            inside.accept()

    with inside:
        run(main())
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_redirect(tmp_path: Path, service: FakePushService, status: int) -> None:
    there = {"Location": "https://other.example/send/elsewhere"}

    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            service.always["push.example"] = Answer(status, there)
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            assert len(service.requests) == 1

    run(main())


def test_attack_answer_without_end(tmp_path: Path, service: FakePushService) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            for status, result in ((201, "sent"), (403, "failed"), (201, "sent")):
                service.answers["push.example"].append(Answer(status, is_endless=True))
                assert await tried(device, MAILBOX) == result

    run(main())


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 201 " + b"a" * 10_000,
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 5_000,
        b"\x00" * 10_000,
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\r\n" * 10_000,
    ],
    ids=["100", "103", "101", "line", "headers", "zeros", "ssh", "empty"],
)
def test_attack_answer_whose_head_has_no_end(
    tmp_path: Path, service: FakePushService, raw: bytes
) -> None:
    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            service.answers["push.example"].append(Answer(raw=raw))
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())


def test_attack_another_has_the_name_of_the_push_service(
    tmp_path: Path, service: FakePushService
) -> None:
    reach = replace(service.reach, tls=ssl.create_default_context())

    async def main() -> None:
        async with push_world(tmp_path, service, reach) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.FAILED
            assert service.requests == []

    run(main())


def test_attack_a_proxy_in_the_environment_is_not_ours(
    tmp_path: Path, service: FakePushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def main() -> None:
        async with push_world(tmp_path, service) as world:
            await world.subscribe()
            device, _ = await world.open()
            assert await tried(device, MAILBOX) is WakeUpResult.SENT

    run(main())
