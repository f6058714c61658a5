"""The samples of docs/operating-a-relay.md: alone, behind Caddy, behind nginx.

The proxies are Debian's, unpacked by `make build/proxies/.unpacked`.
"""

import asyncio
import http.client
import os
import random
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from pushmfa.cli.services import relay_settings
from pushmfa.config.relay import parse_relay_config
from pushmfa.relay import app_files
from pushmfa.relay.limits import Rate, RelayLimits
from pushmfa.relay.main import Relay, running
from pushmfa.relay.settings import RelaySettings
from tests.integration.test_relay import ROOMY, run
from tests.integration.test_relay_service import client_context, make_certificate

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operating-a-relay.md").read_text()
PROXIES = ROOT / "build/proxies"

CADDY = """\
{{
    admin off
    auto_https disable_redirects
    https_port {port}
    local_certs
    skip_install_trust
    storage file_system {folder}/caddy
}}
"""
NGINX = """\
daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{sample}
}}
"""
OF_THE_PROXY = {"server", "date", "alt-svc", "connection"}


def of_the_relay(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are not the proxy's own; names have no case."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: lower[name] for name in lower if name not in OF_THE_PROXY}


def sample(heading: str, language: str) -> str:
    """Return the one block of language below heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert isinstance(block, str)
    return block


class Caddy:
    """Caddy with the sample, certificates of its own authority, and our ports."""

    def __init__(self, folder: Path, port: int, ports: dict[str, int]) -> None:
        text = sample("Behind a proxy", "caddyfile")
        for old, new in ports.items():
            text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
        config = folder / "Caddyfile"
        config.write_text(CADDY.format(port=port, folder=folder) + text)
        self.words = [f"{PROXIES}/usr/bin/caddy", "run", "--config", str(config)]
        self._root = folder / "caddy/pki/authorities/local/root.crt"

    def trust(self) -> ssl.SSLContext:
        return client_context(self._root)


class Nginx:
    """nginx with the sample, a certificate for each name, and our ports."""

    def __init__(self, folder: Path, port: int, ports: dict[str, int]) -> None:
        text = sample("Behind a proxy", "nginx").replace("443", str(port))
        for old, new in ports.items():
            text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
        self._certificates = []
        for name in ("app.example.com", "relay.example.com"):
            cert, _ = make_certificate(folder, name)
            self._certificates.append(cert)
            assert text.count(f"/etc/ssl/{name}.") == 2
        text = text.replace("/etc/ssl/", f"{folder}/")
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, sample=text))
        nginx = f"{PROXIES}/usr/sbin/nginx"
        self.words = [nginx, "-e", "stderr", "-p", str(folder), "-c", str(config)]

    def trust(self) -> ssl.SSLContext:
        context = client_context(self._certificates[0])
        context.load_verify_locations(self._certificates[1])
        return context


Proxy = Caddy | Nginx


class Names:
    """Two names on one port, as a client on this machine reaches them."""

    def __init__(self, relay: Relay, port: int, trust: ssl.SSLContext) -> None:
        self.relay = relay
        self._port = port
        self._trust = trust

    async def get(
        self, path: str, *, client: str, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        def ask() -> tuple[int, dict[str, str], bytes]:
            with socket.create_connection(
                ("127.0.0.1", self._port), 20, source_address=(client, 0)
            ) as plain:
                connection = http.client.HTTPConnection("app.example.com")
                connection.sock = self._trust.wrap_socket(
                    plain, server_hostname="app.example.com"
                )
                connection.request("GET", path, headers=headers or {})
                answer = connection.getresponse()
                told = dict(answer.getheaders())
                body = answer.read()
                connection.close()
                return answer.status, told, body

        return await asyncio.to_thread(ask)

    async def dial(
        self,
        *,
        client: str,
        origin: str | None = "https://app.example.com",
        headers: dict[str, str] | None = None,
    ) -> None:
        named = dict(headers or {})
        if origin is not None:
            named["Origin"] = origin
        async with connect(
            "wss://relay.example.com/v1/link",
            host="127.0.0.1",
            port=self._port,
            local_addr=(client, 0),
            ssl=self._trust,
            additional_headers=named,
        ) as link:
            assert "greeting" in str(await link.recv())


def settings_of(heading: str, folder: Path, limits: RelayLimits) -> RelaySettings:
    """Return the sample of heading on free ports, with certificates of folder."""
    text = sample(heading, "toml").replace(
        "/etc/pushmfa/relay.", f"{folder}/localhost."
    )
    settings = relay_settings(parse_relay_config(text))
    assert settings.web is not None
    return replace(
        settings,
        state_path=folder / "relay/relay.db",
        port=0,
        web=replace(settings.web, port=0),
        limits=limits,
    )


async def until_it_answers(
    port: int, proxy: Proxy, process: subprocess.Popen[bytes]
) -> ssl.SSLContext:
    """Wait until both names have their certificates, and return whom to trust."""
    for _ in range(600):
        assert process.poll() is None, "the proxy ended"
        try:
            trust = proxy.trust()
            for name in ("app.example.com", "relay.example.com"):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=trust, server_hostname=name
                )
                writer.close()
        except OSError:
            await asyncio.sleep(0.05)
        else:
            return trust
    raise AssertionError("the proxy does not listen")


def quiet_port() -> int:
    """Return a free port that the kernel gives to no outgoing connection."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@asynccontextmanager
async def behind(
    make: type[Proxy], folder: Path, limits: RelayLimits = ROOMY
) -> AsyncIterator[Names]:
    """Run the relay of the sample behind a proxy with its sample."""
    port = quiet_port()
    async with running(settings_of("Behind a proxy", folder, limits)) as relay:
        ports = {"8300": relay.port, "8301": relay.web_port}
        proxy = make(folder, port, ports)
        with _running(proxy.words, folder) as process:
            trust = await until_it_answers(port, proxy, process)
            yield Names(relay, port, trust)


@contextmanager
def _running(words: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "proxy.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


both = pytest.mark.parametrize("make", [Caddy, Nginx])


@both
def test_the_app_comes_through_the_proxy_as_the_relay_sends_it(
    tmp_path: Path, make: type[Proxy]
) -> None:
    folder = app_files.app_folder()
    app = app_files.load_app(folder, ["wss://relay.example.com"], with_tls=False)

    async def main() -> None:
        async with behind(make, tmp_path) as names:
            for path in app.paths:
                for coding in ("gzip", "identity"):
                    asked = {"Accept-Encoding": coding}
                    wanted = app.answer("GET", path, coding, None)
                    status, told, body = await names.get(
                        path, client="127.0.0.2", headers=asked
                    )
                    assert (status, body) == (200, wanted.body)
                    assert told.pop("Content-Length") == str(len(body))
                    assert told.pop("Strict-Transport-Security") == "max-age=63072000"
                    assert of_the_relay(told) == of_the_relay(wanted.headers)
                    asked["If-None-Match"] = wanted.headers["ETag"]
                    status, _, body = await names.get(
                        path, client="127.0.0.2", headers=asked
                    )
                    assert (status, body) == (304, b"")
            assert (await names.get("/v1/link", client="127.0.0.2"))[0] == 404

    run(main())


@both
def test_the_link_comes_through_the_proxy(tmp_path: Path, make: type[Proxy]) -> None:
    async def main() -> None:
        async with behind(make, tmp_path) as names:
            await names.dial(client="127.0.0.2")
            await names.dial(client="127.0.0.2", origin=None)
            with pytest.raises(InvalidStatus, match="403"):
                await names.dial(client="127.0.0.2", origin="https://evil.example")

    run(main())


@both
def test_attack_a_client_behind_the_proxy_says_that_it_is_another(
    tmp_path: Path, make: type[Proxy]
) -> None:
    """One client's limits are used up; neither its own word nor another's changes."""
    limits = replace(ROOMY, web_requests=Rate(3, 0), connections=Rate(2, 0))
    lie = {"X-Forwarded-For": "127.0.0.3"}

    async def main() -> None:
        async with behind(make, tmp_path, limits) as names:
            seen = [
                (await names.get("/wire.js", client="127.0.0.2", headers=lie))[0]
                for _ in range(4)
            ]
            assert seen == [200, 200, 200, 429]
            assert (await names.get("/wire.js", client="127.0.0.3"))[0] == 200
            for _ in range(2):
                await names.dial(client="127.0.0.2", headers=lie)
            with pytest.raises(InvalidStatus, match="429"):
                await names.dial(client="127.0.0.2", headers=lie)
            await names.dial(client="127.0.0.3")

    run(main())


def test_alone_with_two_ports(tmp_path: Path) -> None:
    cert, _ = make_certificate(tmp_path)
    trust = client_context(cert)

    async def main() -> None:
        settings = settings_of("The phone app", tmp_path, ROOMY)
        async with running(settings) as relay:
            assert await asyncio.to_thread(_status, relay.web_port, trust) == 200
            async with connect(
                f"wss://localhost:{relay.port}/v1/link",
                ssl=trust,
                additional_headers={"Origin": "https://mfa.example.com"},
            ) as link:
                assert "greeting" in str(await link.recv())

    run(main())


def _status(port: int, trust: ssl.SSLContext) -> int:
    client = http.client.HTTPSConnection("localhost", port, timeout=20, context=trust)
    client.request("GET", "/wire.js")
    status = client.getresponse().status
    client.close()
    return status
