"""The phone app as the relay serves it: every file, every header, and caches."""

import asyncio
import gzip
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pushmfa.errors import ConfigError, NotReachableError
from pushmfa.relay import app_files, web
from pushmfa.relay.limits import CLOSE_TIMEOUT
from pushmfa.relay.main import running
from pushmfa.relay.settings import WebSettings
from tests.integration.test_relay import run, settings_in
from tests.integration.test_relay_service import client_context, make_certificate
from tests.integration.web_world import FILES, INDEX, ORIGIN, Reply, get, serving

pytestmark = pytest.mark.integration

LINKS = "wss://relay.example/v1/link wss://second.example/v1/link"
PERMISSIONS = (
    "camera=(self), clipboard-write=(self), publickey-credentials-create=(self), "
    "publickey-credentials-get=(self), accelerometer=(), autoplay=(), "
    "clipboard-read=(), display-capture=(), encrypted-media=(), fullscreen=(), "
    "gamepad=(), geolocation=(), gyroscope=(), hid=(), idle-detection=(), "
    "local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), "
    "picture-in-picture=(), screen-wake-lock=(), serial=(), storage-access=(), "
    "sync-xhr=(), usb=(), xr-spatial-tracking=()"
)
TYPES = {
    "/": "text/html; charset=utf-8",
    "/index.html": "text/html; charset=utf-8",
    "/app.js": "text/javascript; charset=utf-8",
    "/sw.js": "text/javascript; charset=utf-8",
    "/tiny.js": "text/javascript; charset=utf-8",
    "/style.css": "text/css; charset=utf-8",
    "/manifest.webmanifest": "application/manifest+json",
    "/icons/icon.svg": "image/svg+xml",
    "/icons/icon.png": "image/png",
}
UNZIPPED = {"/tiny.js", "/icons/icon.png"}


def headers_of(path: str, reply: Reply) -> dict[str, str]:
    """Return every header that a file must have, but for Date and the digest."""
    targets = f"'self' {LINKS}" if path == "/sw.js" else LINKS
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src {targets}; manifest-src 'self'; worker-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types sw"
        ),
        "Content-Length": str(len(reply.body)),
        "Content-Type": TYPES[path],
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Date": reply.headers["Date"],
        "ETag": reply.headers["ETag"],
        "Permissions-Policy": PERMISSIONS,
        "Referrer-Policy": "no-referrer",
        "Server": "pushmfa",
        "X-Content-Type-Options": "nosniff",
    }
    if path not in UNZIPPED:
        headers["Vary"] = "Accept-Encoding"
    return headers


def body_of(path: str) -> bytes:
    return FILES["index.html" if path == "/" else path.removeprefix("/")]


def test_every_file_with_exactly_these_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            for path in TYPES:
                reply = await get(relay.web_port, path)
                assert reply.status == 200
                assert reply.body == body_of(path)
                assert reply.headers == headers_of(path, reply)

    run(main())


def test_compressed_where_it_is_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            for path in TYPES:
                plain = await get(relay.web_port, path)
                reply = await get(
                    relay.web_port, path, headers={"Accept-Encoding": "br, gzip"}
                )
                wanted = headers_of(path, reply)
                if path in UNZIPPED:
                    assert reply.body == body_of(path)
                else:
                    wanted["Content-Encoding"] = "gzip"
                    assert gzip.decompress(reply.body) == body_of(path)
                    assert len(reply.body) < len(plain.body)
                    assert reply.headers["ETag"] != plain.headers["ETag"]
                assert reply.headers == wanted

    run(main())


def test_what_a_browser_has_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            for coding in ("gzip", "identity"):
                asked = {"Accept-Encoding": coding}
                first = await get(relay.web_port, "/app.js", headers=asked)
                tag = first.headers["ETag"]
                for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                    again = await get(
                        relay.web_port,
                        "/app.js",
                        headers=asked | {"If-None-Match": known},
                    )
                    assert (again.status, again.body) == (304, b"")
                    wanted = headers_of("/app.js", again)
                    del wanted["Content-Type"], wanted["Content-Length"]
                    assert again.headers == wanted
                    assert again.headers["ETag"] == tag
                for known in ('"x"', "", tag.strip('"')):
                    changed = await get(
                        relay.web_port, "/app.js", headers={"If-None-Match": known}
                    )
                    assert changed.status == 200

    run(main())


def test_head_is_get_without_the_body(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            for path in TYPES:
                asked = {"Accept-Encoding": "gzip"}
                whole = await get(relay.web_port, path, headers=asked)
                head = await get(relay.web_port, path, method="HEAD", headers=asked)
                assert (head.status, head.body) == (200, b"")
                assert head.headers | {"Date": ""} == whole.headers | {"Date": ""}

    run(main())


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/icons", 404),
        ("GET", "/icons/", 404),
        # Of the relay's own port, and of files that only the makers need.
        ("GET", "/v1/link", 404),
        ("GET", "/healthz", 404),
        ("GET", "/package.json", 404),
        ("GET", "/README.md", 404),
        ("POST", "/", 405),
        ("PUT", "/app.js", 405),
        ("DELETE", "/app.js", 405),
        ("OPTIONS", "/", 405),
        ("TRACE", "/", 405),
    ],
)
def test_nothing_else_is_there(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    status: int,
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            reply = await get(relay.web_port, path, method=method)
            assert reply.status == status
            wanted = {
                "Cache-Control": "no-store",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
                "Content-Length": str(len(reply.body)),
                "Content-Type": "text/plain; charset=utf-8",
                "Date": reply.headers["Date"],
                "Referrer-Policy": "no-referrer",
                "Server": "pushmfa",
                "X-Content-Type-Options": "nosniff",
            }
            if status == 405:
                wanted["Allow"] = "GET, HEAD"
            assert reply.headers == wanted

    run(main())


def test_with_tls_of_ours_browsers_never_come_without_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    tls = make_certificate(tmp_path)

    async def main() -> None:
        async with serving(tmp_path, monkeypatch, tls=tls) as relay:
            context = client_context(tls[0])
            reply = await get(relay.web_port, "/", tls=context)
            assert reply.body == INDEX
            wanted = headers_of("/", reply)
            wanted["Strict-Transport-Security"] = "max-age=63072000"
            assert reply.headers == wanted

            # A renewal: SIGHUP has the relay read the files again.
            other = make_certificate(tmp_path / "new")
            tls[0].write_bytes(other[0].read_bytes())
            tls[1].write_bytes(other[1].read_bytes())
            relay.reload()
            reply = await get(relay.web_port, "/", tls=client_context(other[0]))
            assert reply.status == 200
            tls[1].write_bytes(b"nonsense")
            relay.reload()
            reply = await get(relay.web_port, "/", tls=client_context(other[0]))
            assert reply.status == 200

    (tmp_path / "new").mkdir()
    run(main())
    assert "[web]" in caplog.text
    assert "the old certificate stays in use" in caplog.text


def test_a_query_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            assert (await get(relay.web_port, "/?from=home-screen")).body == INDEX

    run(main())


def test_connections_are_kept_and_the_relay_stops_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.web_port)
            for _ in range(3):
                writer.write(b"GET /tiny.js HTTP/1.1\r\nHost: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                assert await reader.readexactly(1) == b"0"
            before = time.monotonic()
        # Not the time that a client with a request under way would be given.
        assert time.monotonic() - before < CLOSE_TIMEOUT
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()

    run(main())


def test_another_policy_is_another_file_to_a_cache(tmp_path: Path) -> None:
    (tmp_path / "app.js").write_bytes(b"0")
    one, other = (
        app_files.load_app(tmp_path, [relay], with_tls=False)
        .answer("GET", "/app.js", None, None)
        .headers["ETag"]
        for relay in ("wss://one.example", "wss://other.example")
    )
    assert one != other


def test_the_app_of_the_package_is_served(tmp_path: Path) -> None:
    folder = app_files.app_folder()
    app = app_files.load_app(folder, ["wss://relay.example"], with_tls=True)
    scripts = {f"/{path.relative_to(folder)}" for path in folder.rglob("*.js")}
    assert "/wire.js" in scripts
    assert scripts <= set(app.paths)


def test_a_port_that_is_taken_is_told_and_the_other_one_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with serving(tmp_path, monkeypatch) as relay:
            settings = settings_in(
                tmp_path / "second",
                web=WebSettings(address="127.0.0.1", port=relay.web_port),
                origins=frozenset({ORIGIN}),
            )
            with pytest.raises(NotReachableError, match="Address already") as raised:
                async with running(settings):
                    pass
            assert "[web]" in str(raised.value.hint)

    (tmp_path / "second").mkdir()
    run(main())


def test_an_installation_without_the_app_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(web, "load_app", fail)

    async def main() -> None:
        settings = settings_in(tmp_path, web=WebSettings(address="127.0.0.1", port=0))
        with pytest.raises(ConfigError, match=r"\[web\] .*: Permission denied"):
            async with running(settings):
                pass

    run(main())


def test_without_the_app_nothing_loads_the_http_server() -> None:
    program = (
        "import sys, pushmfa.daemon.main, pushmfa.relay.web, pushmfa.cli.main; "
        "assert 'aiohttp.web' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
