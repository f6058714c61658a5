"""A program that speaks to control.sock, also as `pushmfa.client` never would.

Written from docs/protocol.md's rules of JSON: one object a line.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

PATIENCE = 5.0


class Caller:
    """One connection to control.sock."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, kind: str, **fields: Any) -> None:
        """Send one request."""
        self.send_raw(json.dumps({"type": kind, **fields}).encode() + b"\n")

    def send_raw(self, raw: bytes) -> None:
        """Send any bytes."""
        self._writer.write(raw)

    async def hear(self) -> dict[str, Any]:
        """Return the next event or reply, {} at the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                line = await self._reader.readline()
            except ConnectionError:
                line = b""
        return json.loads(line) if line else {}

    async def close(self) -> None:
        """Leave."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


@asynccontextmanager
async def calling(run: Path) -> AsyncIterator[Caller]:
    """Give a connection to control.sock while the block runs."""
    reader, writer = await asyncio.open_unix_connection(run / "control.sock")
    caller = Caller(reader, writer)
    try:
        yield caller
    finally:
        await caller.close()
