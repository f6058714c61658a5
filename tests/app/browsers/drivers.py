"""Firefox and WebKitGTK from outside, by what each has itself: no driver of others.

Firefox speaks WebDriver BiDi on a port of its own, WebKitGTK's program WebDriver.
Both only go to an address and evaluate an expression here; the rest is the page's.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect

from tests.integration.daemon_world import free_port

PATIENCE = 60.0
"""Seconds that a browser may take to start, or to do one thing."""


class Driver(Protocol):
    """One window of a browser."""

    async def go(self, url: str) -> None:
        """Load url."""

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise, as JSON has it."""


@asynccontextmanager
async def program(*words: str, **environment: str) -> AsyncIterator[None]:
    """Run a program while it is needed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), PATIENCE)


# --- Firefox -------------------------------------------------------------------------


class Bidi:
    """A window of Firefox, by WebDriver BiDi."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self._context = ""

    async def begin(self) -> None:
        """Begin a session, in the window that is open."""
        await self.call("session.new", capabilities={})
        tree = await self.call("browsingContext.getTree")
        self._context = tree["contexts"][0]["context"]

    async def call(self, method: str, **params: Any) -> Any:
        """Return the result of one command."""
        self._count += 1
        await self._socket.send(
            json.dumps({"id": self._count, "method": method, "params": params})
        )
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == self._count:
                    break
        if answer["type"] != "success":
            raise RuntimeError(f"{method}: {answer.get('message')}")
        return answer["result"]

    async def go(self, url: str) -> None:
        """Load url."""
        await self.call(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise, as JSON has it."""
        found = await self.call(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then(JSON.stringify)",
            target={"context": self._context},
            awaitPromise=True,
        )
        if found["type"] != "success":
            raise RuntimeError(found["exceptionDetails"]["text"])
        value = found["result"].get("value")
        return None if value is None else json.loads(value)


@asynccontextmanager
async def firefox(profile: Path) -> AsyncIterator[Driver]:
    """Give Firefox without a window, with what profile keeps."""
    port = free_port()
    words = ("--headless", "--no-remote", "--profile", str(profile))
    async with program("firefox-esr", *words, "--remote-debugging-port", str(port)):
        async with await _dial(f"ws://127.0.0.1:{port}/session") as socket:
            window = Bidi(socket)
            await window.begin()
            yield window
            await window.call("browser.close")


async def _dial(url: str) -> ClientConnection:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await connect(url, max_size=None)
            except OSError:
                await asyncio.sleep(0.2)  # its port is not open yet


# --- WebKitGTK -----------------------------------------------------------------------


MINI_BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), Path())


class WebDriver:
    """A window of WebKitGTK's MiniBrowser, by WebDriver."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = ""

    async def begin(self, browser: Path) -> None:
        """Begin a session."""
        options = {"binary": str(browser), "args": ["--automation"]}
        wanted = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
        body = {"capabilities": {"alwaysMatch": wanted}}
        async with asyncio.timeout(PATIENCE):
            while (session := await self._begun(body)) is None:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.2)  # its driver starts
        self._session = f"/{session['sessionId']}"

    async def _begun(self, body: dict[str, Any]) -> Any:
        try:
            return await self.call("POST", "", body)
        except OSError:
            return None

    async def call(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Return the value that one command gives."""

        def send() -> Any:
            url = f"http://127.0.0.1:{self._port}/session{self._session}{path}"
            data = json.dumps(body).encode()
            with urlopen(Request(url, data, method=method), timeout=PATIENCE) as answer:
                return json.load(answer)["value"]

        return await asyncio.to_thread(send)

    async def go(self, url: str) -> None:
        """Load url."""
        await self.call("POST", "/url", {"url": url})

    async def ask(self, expression: str) -> Any:
        """Return the value of an expression, or of its promise, as JSON has it."""
        script = f"""const done = arguments[arguments.length - 1];
            Promise.resolve({expression}).then((value) => done(JSON.stringify(value)),
              (error) => done(JSON.stringify({{ failed: String(error) }})));"""
        value = await self.call(
            "POST", "/execute/async", {"script": script, "args": []}
        )
        found = None if value is None else json.loads(value)
        if isinstance(found, dict) and "failed" in found:
            raise RuntimeError(found["failed"])
        return found


@asynccontextmanager
async def webkit(_profile: Path) -> AsyncIterator[Driver]:
    """Give WebKitGTK on a display of its own; its sessions keep nothing."""
    display, port = f":{free_port() % 1000 + 100}", free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(program("Xvfb", display))
        driver = program(
            "WebKitWebDriver",
            f"--port={port}",
            DISPLAY=display,
            # It runs as root in a container, and loads nothing but our own pages.
            WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS="1",
        )
        await stack.enter_async_context(driver)
        await asyncio.sleep(1)  # the display has no other sign of being there
        window = WebDriver(port)
        await window.begin(MINI_BROWSER)
        try:
            yield window
        finally:
            await window.call("DELETE", "", {})


@asynccontextmanager
async def new_profile() -> AsyncIterator[Path]:
    """Give a folder that a browser may keep things in."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
