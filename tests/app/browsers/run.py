"""Every vector through the app's own code, in the browsers that are installed.

    python -m tests.app.browsers.run

A page at localhost, without the app's screens, loads the core and posts what came out.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from shutil import which
from threading import Thread
from time import sleep
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[3]
PAGE = "/tests/app/browsers/index.html"
SECONDS = 120.0
FILES = sorted(
    path.name
    for path in (ROOT / "tests/vectors").glob("*.json")
    if not path.name.startswith("rfc")
)

Result = dict[str, Any]
Start = Callable[[str, ExitStack], None]


class Page(SimpleHTTPRequestHandler):
    """Serves the repository, and takes results."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript"
    }

    def __init__(self, results: Queue[Result], *args: Any) -> None:
        self._results = results
        super().__init__(*args, directory=str(ROOT))

    def do_GET(self) -> None:
        """Answer with a file, or with the names of the vectors."""
        if self.path != "/files":
            super().do_GET()
            return
        self._answer(json.dumps(FILES).encode())

    def do_POST(self) -> None:
        """Take one result."""
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        self._results.put(json.loads(raw))
        self._answer(b"{}")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def running(*words: str, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        words,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def chromium(url: str, stack: ExitStack) -> None:
    profile = stack.enter_context(tempfile.TemporaryDirectory())
    words = ("--headless", "--no-sandbox", f"--user-data-dir={profile}", url)
    stack.enter_context(running("chromium", *words))


def firefox(url: str, stack: ExitStack) -> None:
    profile = stack.enter_context(tempfile.TemporaryDirectory())
    words = ("--headless", "--no-remote", "--profile", profile, url)
    stack.enter_context(running("firefox-esr", *words))


def webkit(url: str, stack: ExitStack) -> None:
    """Drive WebKitGTK's MiniBrowser by its WebDriver, on a display of its own."""
    display, port = ":97", 8797
    browsers = Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")
    options = {"binary": str(next(browsers)), "args": ["--automation"]}
    stack.enter_context(running("Xvfb", display))
    stack.enter_context(
        running(
            "WebKitWebDriver",
            f"--port={port}",
            DISPLAY=display,
            # It runs as root in a container, and loads nothing but this page.
            WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS="1",
        )
    )
    sleep(2)

    def ask(method: str, path: str, body: Result) -> Result:
        data, url = json.dumps(body).encode(), f"http://127.0.0.1:{port}{path}"
        with urlopen(Request(url, data, method=method), timeout=60) as answer:
            found: Result = json.load(answer)
        return found

    wanted = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
    session = ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
    place = f"/session/{session['value']['sessionId']}"
    stack.callback(ask, "DELETE", place, {})
    ask("POST", f"{place}/url", {"url": url})


BROWSERS: dict[str, Start] = {
    "chromium": chromium,
    "firefox-esr": firefox,
    "WebKitWebDriver": webkit,
}


def main() -> int:
    """Run all, print what came out, and return the exit status."""
    status = 0
    for program, start in BROWSERS.items():
        if which(program) is None:
            say(f"{program}: not installed")
            status = 1
            continue
        for line, is_good in results_of(start):
            say(f"{program}: {line}")
            status = status if is_good else 1
    return status


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def results_of(start: Start) -> Iterator[tuple[str, bool]]:
    results: Queue[Result] = Queue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Page, results))
    Thread(target=server.serve_forever, daemon=True).start()
    with ExitStack() as stack:
        stack.callback(server.shutdown)
        start(f"http://localhost:{server.server_port}{PAGE}", stack)
        while True:
            try:
                result = results.get(timeout=SECONDS)
            except Empty:
                yield "nothing came from it", False
                return
            if "agent" in result:
                yield result["agent"], True
                return
            failures = result["failures"]
            yield (
                f"{result['file']}: {result['run']} run, {result['hostOnly']} of the "
                f"host only, {len(failures)} failed {failures[:3] or ''}",
                not failures,
            )


if __name__ == "__main__":
    sys.exit(main())
