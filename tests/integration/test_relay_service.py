"""A relay as a service: TLS, proxies, restart, signals, and what it says of itself."""

import asyncio
import http.client
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from pushmfa.errors import ConfigError, NotReachableError, PushmfaError, StoreError
from pushmfa.relay import addresses
from pushmfa.relay.limits import Rate
from pushmfa.relay.main import Relay, running
from pushmfa.relay.main import run as run_relay
from pushmfa.terms import Role, WakeUp
from pushmfa.wire.link import Accepted, Received, Stored
from tests.integration.test_relay import (
    DEVICE,
    HOST,
    ROOMY,
    Peer,
    allow_of,
    envelope_of,
    key_of,
    run,
    settings_in,
    until_links_are,
)

pytestmark = pytest.mark.integration


def make_certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return cert, key


def client_context(cert: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(cert))


async def get(
    relay: Relay,
    path: str,
    *,
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    def ask() -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", relay.port, timeout=10)
        try:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


def test_healthz_counts_and_names_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            host = await Peer.open(relay, Role.HOST, HOST)
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            await host.say(envelope_of(1, HOST, DEVICE))
            await device.hear()
            status, headers, body = await get(relay, "/healthz")
            assert status == 200
            assert json.loads(body) == {
                "ok": True,
                "links": 2,
                "mailboxes": 2,
                "envelopes": 1,
                "pushes_sent": 0,
                "pushes_failed": 0,
            }
            assert headers["Content-Type"] == "application/json"
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "Server" not in headers

    run(main())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/link", 426),
        ("POST", "/healthz", 405),
        ("DELETE", "/v1/link", 405),
    ],
)
def test_other_requests_are_refused(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            assert (await get(relay, path, method=method))[0] == status

    run(main())


def test_healthz_is_503_while_the_state_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            rows: Any = relay._mailboxes._shelf
            rows._database.query("PRAGMA query_only=ON")
            relay.purge()
            assert (await get(relay, "/healthz"))[0] == 503
            rows._database.query("PRAGMA query_only=OFF")
            relay.purge()
            assert (await get(relay, "/healthz"))[0] == 200

    run(main())
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


def test_restart_keeps_allow_lists_and_long_lived_envelopes(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    async def before() -> None:
        async with running(settings) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            await device.close()
            host = await Peer.open(relay, Role.HOST, HOST)
            for number, lifetime in ((1, 60), (2, 600)):
                envelope = envelope_of(number, HOST, DEVICE, lifetime=lifetime)
                await host.say(envelope)
                accepted = Accepted(id=envelope.id, wakeup=WakeUp.NONE)
                assert await host.hear() == accepted

    async def after() -> None:
        async with running(settings) as relay:
            device = await Peer.open(relay, Role.DEVICE, DEVICE)
            stored = await device.hear()
            assert isinstance(stored, Stored)
            assert stored.id == envelope_of(2, HOST, DEVICE).id
            assert 590 <= stored.lifetime <= 600
            await device.say(Received(mailbox=stored.to, id=stored.id))
            assert await device.hears_nothing()
            # The device does not say its list again, and the host was not yet here.
            answer = envelope_of(3, DEVICE, HOST)
            await device.say(answer)
            assert await device.hear() == Accepted(id=answer.id, wakeup=WakeUp.NONE)
            host = await Peer.open(relay, Role.HOST, HOST)
            assert isinstance(await host.hear(), Stored)
            await host.say(envelope_of(4, HOST, DEVICE))
            assert await device.hear() == envelope_of(4, HOST, DEVICE)

    run(before())
    run(after())


def test_attack_stolen_state_shows_no_names_and_no_addresses(tmp_path: Path) -> None:
    test_restart_keeps_allow_lists_and_long_lived_envelopes(tmp_path)
    files = list((tmp_path / "relay").iterdir())
    assert files
    for file in files:
        content = file.read_bytes()
        assert b"127.0.0.1" not in content
        assert HOST.verify_key not in content
        assert file.stat().st_mode & 0o777 == 0o600


def test_thousand_envelopes_that_waited_are_all_acknowledged(tmp_path: Path) -> None:
    """More `received` than a link may send frames, while the rest is on its way."""

    async def main() -> None:
        plenty = Rate(10**6, 10**6)
        limits = replace(ROOMY, host_envelopes=plenty, host_frames=plenty)
        keys = [key_of(number) for number in range(50, 68)]
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            device = await Peer.open(relay, Role.DEVICE, *keys)
            for key in keys:
                await device.say(allow_of(key, HOST))
            assert await device.hears_nothing()
            await device.close()
            host = await Peer.open(relay, Role.HOST, HOST, features=())
            for number, key in enumerate(keys * 60):
                await host.say(envelope_of(number, HOST, key, sealed=bytes(4000)))
            assert await host.hears_nothing()
            assert relay.health().envelopes == 60 * len(keys)
            device = await Peer.open(relay, Role.DEVICE, *keys)
            for _ in range(60 * len(keys)):
                stored = await device.hear()
                assert isinstance(stored, Stored)
                await device.say(Received(mailbox=stored.to, id=stored.id))
            assert await device.hears_nothing()
            assert relay.health().envelopes == 0

    run(main())


def test_tls_from_files_and_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    settings = settings_in(tmp_path, tls_cert=cert, tls_key=key)

    async def main() -> None:
        async with running(settings) as relay:
            old = client_context(cert)
            host = await Peer.open(relay, Role.HOST, HOST, ssl=old)
            new_cert, new_key = make_certificate(tmp_path, "new.example")
            cert.write_bytes(new_cert.read_bytes())
            # Not yet its key: the old pair stays in use.
            relay.reload()
            await (await Peer.dial(relay, ssl=old)).close()
            key.write_bytes(new_key.read_bytes())
            relay.reload()
            with pytest.raises(ssl.SSLCertVerificationError):
                await Peer.dial(relay, ssl=old)
            device = await Peer.open(
                relay, Role.DEVICE, DEVICE, ssl=client_context(cert)
            )
            await device.say(allow_of(DEVICE, HOST))
            assert await device.hears_nothing()
            await host.say(envelope_of(1, HOST, DEVICE))
            assert await device.hear() == envelope_of(1, HOST, DEVICE)

    run(main())


def test_attack_tls_of_yesterday(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)

    async def main() -> None:
        async with running(settings_in(tmp_path, tls_cert=cert, tls_key=key)) as relay:
            context = client_context(cert)
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            await (await Peer.dial(relay, ssl=context)).close()
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                context.minimum_version = ssl.TLSVersion.TLSv1_1
            with pytest.warns(DeprecationWarning, match="TLSv1_1"):
                context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await Peer.dial(relay, ssl=context)

    run(main())


def test_attack_slow_reader_behind_tls_is_cut_off(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    plenty = Rate(10**6, 10**6)
    limits = replace(
        ROOMY, host_envelopes=plenty, host_frames=plenty, unsent_bytes=200_000
    )
    settings = settings_in(tmp_path, tls_cert=cert, tls_key=key, limits=limits)

    async def main() -> None:
        async with running(settings) as relay:
            context = client_context(cert)
            host = await Peer.open(relay, Role.HOST, HOST, ssl=context)
            slow = await Peer.open(relay, Role.DEVICE, DEVICE, ssl=context)
            await slow.say(allow_of(DEVICE, HOST))
            assert await slow.hears_nothing()
            slow.socket.transport.pause_reading()
            for number in range(1200):
                await host.say(envelope_of(number, HOST, DEVICE, sealed=bytes(11_000)))
            await until_links_are(relay, 1)
            slow.abort()
            host.abort()

    run(main())


def bad_tls_files(folder: Path) -> Iterator[tuple[Path, Path, str]]:
    cert, key = make_certificate(folder)
    other_cert, _ = make_certificate(folder, "other")
    nonsense = folder / "nonsense"
    nonsense.write_text("nonsense")
    locked = folder / "locked.key"
    subprocess.run(
        ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", key, "-out", locked],
        check=True,
        capture_output=True,
    )
    yield folder / "missing", key, "No such file"
    yield cert, folder / "missing", "No such file"
    yield other_cert, key, "mismatch"
    yield nonsense, key, "nonsense"
    yield cert, locked, "encrypted"


def test_bad_certificate_is_told_without_a_traceback(tmp_path: Path) -> None:
    async def start(cert: Path, key: Path) -> None:
        async with running(settings_in(tmp_path, tls_cert=cert, tls_key=key)):
            pass

    for cert, key, problem in bad_tls_files(tmp_path):
        with pytest.raises(ConfigError, match=problem) as caught:
            run(start(cert, key))
        assert caught.value.hint


def test_port_in_use_is_told_without_a_traceback(tmp_path: Path) -> None:
    async def start(port: int, address: str = "127.0.0.1") -> None:
        async with running(settings_in(tmp_path, port=port, address=address)):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(NotReachableError, match=f"port {port}") as caught:
            run(start(port))
        assert caught.value.hint
    with pytest.raises(NotReachableError, match=r"listen on 203\.0\.113\.7 port 0"):
        run(start(0, "203.0.113.7"))
    with pytest.raises(NotReachableError, match=r"no\.such\.host\.invalid"):
        run(start(0, "no.such.host.invalid"))


def test_state_that_cannot_be_used_is_told_without_a_traceback(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.state_path.parent.mkdir()
    settings.state_path.write_text("garbage" * 1000)

    async def start() -> None:
        async with running(settings):
            pass

    with pytest.raises(StoreError):
        run(start())


async def dial_as(relay: Relay, forwarded: str) -> Peer:
    return await Peer.dial(relay, additional_headers={"X-Forwarded-For": forwarded})


def test_clients_of_a_trusted_proxy_are_counted_apart(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_in(
            tmp_path,
            limits=replace(ROOMY, connections=Rate(2, 0)),
            trusted_proxies=(ip_network("127.0.0.0/8"),),
        )
        async with running(settings) as relay:
            for number in range(5):
                await dial_as(relay, f"203.0.113.{number}")
            # Attack: to write other clients' addresses before one's own.
            await dial_as(relay, "198.51.100.1, 203.0.113.9")
            await dial_as(relay, "198.51.100.2, 203.0.113.9")
            headers = {"X-Forwarded-For": "198.51.100.3, 203.0.113.9"}
            assert (await get(relay, "/healthz", headers=headers))[0] == 429

    run(main())


def test_clients_of_a_trusted_proxy_wait_apart(tmp_path: Path) -> None:
    async def main() -> None:
        settings = settings_in(
            tmp_path,
            limits=replace(ROOMY, max_waiting=1),
            trusted_proxies=(ip_network("127.0.0.1"),),
        )
        async with running(settings) as relay:
            first = await dial_as(relay, "203.0.113.1")
            await dial_as(relay, "203.0.113.2")
            headers = {"X-Forwarded-For": "203.0.113.1"}
            assert (await get(relay, "/healthz", headers=headers))[0] == 200
            with pytest.raises(Exception, match="429"):
                await dial_as(relay, "203.0.113.1")
            await first.close()
            await asyncio.sleep(0.1)
            await dial_as(relay, "203.0.113.1")

    run(main())


def test_attack_header_of_a_proxy_that_is_not_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    addresses.warn_of_proxy.cache_clear()

    async def main() -> None:
        limits = replace(ROOMY, connections=Rate(2, 0))
        async with running(settings_in(tmp_path, limits=limits)) as relay:
            await dial_as(relay, "203.0.113.1")
            await dial_as(relay, "203.0.113.2")
            with pytest.raises(Exception, match="429"):
                await dial_as(relay, "203.0.113.3")

    run(main())
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "trusted_proxies" in warnings[0]


def test_log_shows_neither_addresses_nor_mailboxes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with running(settings_in(tmp_path)) as relay:
            peer = await Peer.open(relay, Role.DEVICE, DEVICE)
            await peer.socket.send("nonsense")
            assert (await peer.hear_end())[0] == 4400

    run(main())
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("pushmfa")]
    # The address that it listens on is its own.
    assert [m.split(" on ")[0] for m in ours] == ["the relay listens"]


SCRIPT = """
import sys
from pathlib import Path
from pushmfa.relay.main import run
from pushmfa.relay.settings import RelaySettings
sys.exit(run(RelaySettings(
    public_urls=frozenset({"ws://localhost"}), port=int(sys.argv[2]),
    state_path=Path(sys.argv[1]),
)))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_process_tells_systemd_and_ends_cleanly(
    tmp_path: Path, signal_number: signal.Signals
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(20)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path / "state" / "relay.db", str(port)],
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert told.recv(100) == b"READY=1"
            process.send_signal(signal.SIGHUP)
            code = run(code_at_the_end(port, process, signal_number))
            assert code == 1001
            assert told.recv(100) == b"STOPPING=1"
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert "the relay stops, 0 links" in errors


async def code_at_the_end(
    port: int, process: subprocess.Popen[str], signal_number: signal.Signals
) -> int | None:
    class Elsewhere:
        def __init__(self) -> None:
            self.port = port

    peer = await Peer.dial(Elsewhere())  # type: ignore[arg-type]  # only the port is used
    process.send_signal(signal_number)
    code, reason = await peer.hear_end()
    assert reason == "the relay stops"
    return code


def test_start_that_fails_raises_what_the_command_line_shows(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, address="203.0.113.7")
    with pytest.raises(PushmfaError, match="cannot listen"):
        run_relay(settings)
