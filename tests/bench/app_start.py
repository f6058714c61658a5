"""`make bench-app`: how long the phone app takes until somebody can use it.

    python -m tests.bench.app_start [--starts 10] [--slower 4]

A relay of its own process serves it over TLS on localhost; each start is one of a
browser without a cache, its page slowed down as many times as a slow phone is. From the
request to the first button on the screen; and what came before it.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from pushmfa.demo.sshd import find_port

GOAL_MS: Final = 300
_PATIENCE: Final = 30.0

CONFIG: Final = """\
[listen]
address = "127.0.0.1"
port = {link}
tls_cert = "{cert}"
tls_key = "{key}"

[public]
urls = ["wss://localhost:{link}"]

[web]
listen = "127.0.0.1:{web}"
origins = ["https://localhost:{web}"]

[paths]
state = "{state}"
"""

WATCH: Final = """
new MutationObserver(() => {
  if (!window.__usable && document.querySelector("#app button"))
    window.__usable = performance.now();
}).observe(document, { childList: true, subtree: true });
"""

TIMES: Final = """
() => {
  const [page] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource");
  const came = files.map((file) => file.responseEnd);
  return {
    "page came": page.responseEnd,
    "last file came": Math.max(...came.filter((at) => at < window.__usable)),
    "modules ran": page.domContentLoadedEventStart,
    "usable": window.__usable,
  };
}
"""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of localhost as phones get them: P-256."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    return cert, key


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[str]:
    """Start a relay; give the app's origin."""
    cert, key = make_certificate(folder)
    state, config, web = folder / "state", folder / "relay.toml", find_port()
    state.mkdir(mode=0o700)
    config.write_text(
        CONFIG.format(link=find_port(), web=web, cert=cert, key=key, state=state)
    )
    relay = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("pushmfa")), "--config", str(config)),
        "relay",
    )
    try:
        await wait_until_open(web)
        yield f"https://localhost:{web}"
    finally:
        relay.terminate()
        await relay.wait()


async def wait_until_open(port: int) -> None:
    """Return when something listens on port."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionError:
                await asyncio.sleep(0.1)  # it starts
            else:
                writer.close()
                return


async def start_once(chromium: Browser, origin: str, slower: float) -> dict[str, float]:
    """Open the app in a browser that has never seen it; return its times, in ms."""
    context = await chromium.new_context(ignore_https_errors=True)
    page = await context.new_page()
    session = await context.new_cdp_session(page)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    await page.add_init_script(WATCH)
    await page.goto(origin)
    await page.wait_for_selector("#app button")
    times: dict[str, float] = await page.evaluate(TIMES)
    await context.close()
    return times


async def measure(starts: int, slower: float) -> list[Mapping[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        async with serving(Path(name)) as origin, async_playwright() as playwright:
            chromium = await playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                # Root in CI; what the browser loads is this repository's.
                args=["--no-sandbox"],
            )
            await start_once(chromium, origin, 1)  # the browser's own first page
            return [await start_once(chromium, origin, slower) for _ in range(starts)]


def main() -> int:
    """Measure and print; return 1 if the median is above the goal."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--slower", type=float, default=4)
    asked = parser.parse_args()
    found = asyncio.run(measure(asked.starts, asked.slower))
    for name in found[0]:
        each = sorted(times[name] for times in found)
        sys.stdout.write(
            f"{name:16}{statistics.median(each):7.0f} ms"
            f"   ({each[0]:.0f} to {each[-1]:.0f})\n"
        )
    usable = statistics.median(times["usable"] for times in found)
    sys.stdout.write(f"{'goal':16}{GOAL_MS:7} ms\n")
    return 0 if usable <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
