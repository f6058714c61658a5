r"""A local stand-in for the part of Duo's service that Duo Unix 1.11 calls.

    python -m tests.bench.duomock CERT KEY          prints its port

What pam_duo 1.11.3 was seen to ask for (HTTP/1.1 keep-alive, BSON answers, each
request signed with HMAC-SHA1 over "METHOD\nhost\npath\nsorted params"):

    POST /rest/v1/preauth.bson   may this user log in, and with which factors
    POST /rest/v1/auth.bson      send the push; a transaction id comes back
    GET  /rest/v1/status.bson    asked again until an answer holds a result

The push is allowed at once, after one "Pushed a login request" as of the real
service. Every segment is acknowledged at once: pam_duo writes a request as six small
records with Nagle's algorithm on, and would otherwise wait 40 ms for each delayed
acknowledgment of this very machine.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
import sys
import urllib.parse
from collections.abc import Mapping

SKEY = "0123456789abcdef0123456789abcdef01234567"
IKEY = "DIBENCHBENCHBENCH000"

Document = Mapping[str, "str | Document"]


def bson(document: Document) -> bytes:
    out = b""
    for key, value in document.items():
        if isinstance(value, str):
            raw = value.encode() + b"\0"
            out += b"\x02" + key.encode() + b"\0" + struct.pack("<i", len(raw)) + raw
        else:
            out += b"\x03" + key.encode() + b"\0" + bson(value)
    return struct.pack("<i", len(out) + 5) + out + b"\0"


class Mock(asyncio.Protocol):
    pushed: set[str]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""
        self.pushed = set()
        self._acknowledge()

    def _acknowledge(self) -> None:
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def data_received(self, data: bytes) -> None:
        self._acknowledge()  # once for each segment, says tcp(7)
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            request, *lines = head.decode().split("\r\n")
            pairs = (line.partition(": ") for line in lines)
            headers = {name.lower(): value for name, _, value in pairs}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._received = rest[length:]
            method, target, _ = request.split(" ", 2)
            self._answer_request(method, target, headers, rest[:length].decode())

    def _answer_request(
        self, method: str, target: str, headers: dict[str, str], body: str
    ) -> None:
        path, _, query = target.partition("?")
        query = query or body
        host = headers["host"].partition(":")[0]
        signed = "\n".join((method, host, path, query)).encode()
        mac = hmac.new(SKEY.encode(), signed, hashlib.sha1).hexdigest()
        wanted = base64.b64encode(f"{IKEY}:{mac}".encode()).decode()
        if headers["authorization"] != f"Basic {wanted}":
            self._answer({"stat": "FAIL"}, "401 Unauthorized")
            return
        name = path.rpartition("/")[2].partition(".")[0]
        asked = dict(urllib.parse.parse_qsl(query))
        self._answer({"stat": "OK", "response": self._response(name, asked)})

    def _response(self, name: str, asked: dict[str, str]) -> Document:
        if name == "preauth":
            factors = {"default": "push1", "1": "push1"}
            return {"result": "auth", "prompt": "1. Push\n", "factors": factors}
        if name == "auth":
            transaction = os.urandom(8).hex()
            self.pushed.add(transaction)
            return {"txid": transaction}
        if asked["txid"] in self.pushed:
            self.pushed.remove(asked["txid"])
            return {"status": "Pushed a login request to your device..."}
        return {"result": "allow", "status": "Success. Logging you in..."}

    def _answer(self, document: Document, status: str = "200 OK") -> None:
        raw = bson(document)
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/bson\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n"
        )
        self._transport.write(head.encode() + raw)


async def main(cert: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Mock, "127.0.0.1", 0, ssl=context, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
