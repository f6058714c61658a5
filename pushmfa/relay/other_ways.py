"""Wake-ups that are the operator's own: an HTTP hook, and a command.

Both learn which mailbox and which envelope, in hexadecimal, and nothing else. Off
unless relay.toml names them; what they reach is the operator's choice.
"""

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol
from urllib.parse import urlsplit

import h11

from pushmfa.errors import LimitError
from pushmfa.relay.errands import Errands
from pushmfa.relay.push_client import connect, post_on
from pushmfa.relay.push_places import SystemLookup
from pushmfa.terms import EnvelopeId, MailboxId

TIMEOUT: Final = 10.0
"""Seconds for one request or one run of the command."""

MAX_REQUESTS: Final = 32
MAX_COMMANDS: Final = 8
"""At once; beyond it a wake-up is dropped."""

MAILBOX: Final = "{mailbox}"
ENVELOPE: Final = "{envelope}"
HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8"}
BODY: Final = b"Something waits for your answer: open pushmfa."

logger = logging.getLogger(__name__)


class Way(Protocol):
    """One more way to wake somebody up."""

    def start(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> bool:
        """Begin, and do not wait; False if too many are on their way."""
        ...

    async def stop(self) -> None:
        """End what is on its way."""
        ...


def fill_in(template: str, mailbox: MailboxId, envelope_id: EnvelopeId) -> str:
    """Return template with both ids in their places.

    Hexadecimal: nothing that a URL, a command's options or a shell would obey.
    """
    filled = template.replace(MAILBOX, mailbox.hex())
    return filled.replace(ENVELOPE, envelope_id.hex())


class Hook:
    """POSTs to a URL, such as a topic of ntfy."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._lookup = SystemLookup()
        self._tls = (
            ssl.create_default_context() if self._url.scheme == "https" else None
        )
        self._errands = Errands(MAX_REQUESTS)

    def start(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> bool:
        """Begin with the request."""
        target = self._url.path or "/"
        if self._url.query:
            target += f"?{self._url.query}"
        return self._errands.start(self._post(fill_in(target, mailbox, envelope_id)))

    async def stop(self) -> None:
        """End the requests."""
        await self._errands.stop()

    async def _post(self, target: str) -> None:
        host = self._url.hostname or ""
        try:
            async with asyncio.timeout(TIMEOUT):
                places = await self._lookup(host)
                port = self._url.port or (443 if self._tls else 80)
                to = [(address, port) for address, _ in places]
                reader, writer = await connect(to, self._tls, host)
                try:
                    head = await post_on(
                        reader, writer, self._url.netloc, target, HEADERS, BODY
                    )
                finally:
                    writer.transport.abort()
            if head.status_code >= 300:
                logger.warning("[push.hook] answered %d", head.status_code)
        except (OSError, TimeoutError, LimitError, h11.RemoteProtocolError) as error:
            # Not the URL: what stands in it may be a secret.
            logger.warning("[push.hook]: %s", type(error).__name__)


class Command:
    """Runs a program, without a shell."""

    def __init__(self, argv: Sequence[str], timeout: float = TIMEOUT) -> None:
        self._argv = tuple(argv)
        self._timeout = timeout
        self._errands = Errands(MAX_COMMANDS)

    def start(self, mailbox: MailboxId, envelope_id: EnvelopeId) -> bool:
        """Begin to run it."""
        argv = [fill_in(word, mailbox, envelope_id) for word in self._argv]
        return self._errands.start(self._run(argv))

    async def stop(self) -> None:
        """End what runs."""
        await self._errands.stop()

    async def _run(self, argv: list[str]) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                # Nothing of the service's own, such as NOTIFY_SOCKET.
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        except OSError as error:
            logger.warning("[push.command]: %s", error.strerror or type(error).__name__)
            return
        try:
            async with asyncio.timeout(self._timeout):
                status = await process.wait()
            if status != 0:
                logger.warning("[push.command] ended with %d", status)
        except TimeoutError:
            logger.warning("[push.command] took more than %.0f s", self._timeout)
        finally:
            # With all that it started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Not left to a loop that may be closed by then.
            await process.wait()
