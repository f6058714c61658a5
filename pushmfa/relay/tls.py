"""The relay's certificates: read from files, and read again while it runs."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from pushmfa.errors import ConfigError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one listener shows, and the files it is from."""

    context: ssl.SSLContext
    cert: Path
    key: Path
    table: str

    @classmethod
    def of(
        cls, cert: Path | None, key: Path | None, table: str
    ) -> "Certificate | None":
        """Read the files of a table of relay.toml; None: without TLS."""
        if cert is None or key is None:
            return None
        return cls(make_context(cert, key, table), cert, key, table)

    def read_again(self) -> None:
        """Use the files as they are now; if they are wrong the old ones stay."""
        try:
            reload(self.context, self.cert, self.key, self.table)
            logger.info("the certificate was read again")
        except ConfigError as error:
            logger.error("%s; the old certificate stays in use", error)


def make_context(cert: Path, key: Path, table: str = "listen") -> ssl.SSLContext:
    """Return a server context (TLS 1.2 or newer), or raise ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, cert, key, table)
    return context


def reload(
    context: ssl.SSLContext, cert: Path, key: Path, table: str = "listen"
) -> None:
    """Use the files as they are now for new connections, or raise ConfigError.

    If they are wrong, context stays as it was.
    """
    make_context(cert, key, table)
    _load(context, cert, key, table)


def _load(context: ssl.SSLContext, cert: Path, key: Path, table: str) -> None:
    for path in (cert, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"[{table}] {path}: {error.strerror}",
                hint="The user that runs the relay must be able to read the file.",
            ) from error
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"[{table}] {cert} and {key}: {error}",
            hint="They must be PEM files, a certificate with its chain and its own key "
            "without a passphrase.",
        ) from error


def _no_passphrase() -> str:
    # OpenSSL would ask the terminal, and a service would wait for ever.
    raise ValueError("the key is encrypted")
