"""A network that is far away: every byte is so many milliseconds late, each way.

    python -m tests.bench.delay MILLISECONDS PORT...    prints a port for each PORT

The handshake of TCP, which the kernel does here without any delay, is paid for by
holding the first bytes of a connection for one round trip more.
"""

import asyncio
import sys
from contextlib import suppress

PIECE = 65_536


async def carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, late: float, first: float
) -> None:
    """Copy until the end, everything late; what comes first yet later."""
    loop = asyncio.get_running_loop()
    opened = loop.time() + first
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(due - loop.time(), 0))
            if not piece:
                break
            sink.write(piece)
            await sink.drain()
        sink.close()

    delivering = asyncio.create_task(deliver())
    with suppress(OSError):
        while piece := await source.read(PIECE):
            pieces.put_nowait((max(loop.time(), opened) + late, piece))
    pieces.put_nowait((loop.time() + late, b""))
    with suppress(OSError):
        await delivering


async def main(late: float, ports: list[int]) -> None:
    servers = []
    for port in ports:

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port
        ) -> None:
            far, out = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(
                carry(reader, out, late, 2 * late), carry(far, writer, late, 0)
            )

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
    for server in servers:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000, [int(port) for port in sys.argv[2:]]))
