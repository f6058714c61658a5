"""A server on a free port of this machine, with TLS and a certificate of its own."""

import datetime
import secrets
import socket
import socketserver
import ssl
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


class TlsServer(socketserver.ThreadingTCPServer):
    """Serves every connection in a thread, by a handler that begins as `TlsHandler`."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, handler: type[socketserver.BaseRequestHandler], certificate: Path
    ) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return int(self.server_address[1])

    def get_request(self) -> tuple[socket.socket, Any]:
        plain, address = super().get_request()
        # The handshake is in the thread of the request: here it would stop the others.
        wrapped = self._tls.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        )
        return wrapped, address

    def handle_error(self, *_: object) -> None:
        """Say nothing: some clients here go away in the middle."""


class TlsHandler(socketserver.StreamRequestHandler):
    """What a handler of a `TlsServer` begins with: the handshake."""

    def setup(self) -> None:
        self.request.do_handshake()
        super().setup()


def make_certificate(folder: Path, *hosts: str) -> Path:
    """Return a file with a key and its own certificate for hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a push service")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(host) for host in hosts]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = folder / f"push-service-{secrets.token_hex(4)}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
