"""The relay's certificate: read from files, and read again while it runs."""

import ssl
from pathlib import Path

from pushmfa.errors import ConfigError


def make_context(cert: Path, key: Path) -> ssl.SSLContext:
    """Return a server context (TLS 1.2 or newer), or raise ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, cert, key)
    return context


def reload(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    """Use the files as they are now for new connections, or raise ConfigError.

    If they are wrong, context stays as it was.
    """
    make_context(cert, key)
    _load(context, cert, key)


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    for path in (cert, key):
        try:
            path.open("rb").close()
        except OSError as error:
            raise ConfigError(
                f"[listen] {path}: {error.strerror}",
                hint="The user that runs the relay must be able to read the file.",
            ) from error
    try:
        context.load_cert_chain(cert, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"[listen] {cert} and {key}: {error}",
            hint="They must be PEM files, a certificate with its chain and its own key "
            "without a passphrase.",
        ) from error


def _no_passphrase() -> str:
    # OpenSSL would ask the terminal, and a service would wait for ever.
    raise ValueError("the key is encrypted")
