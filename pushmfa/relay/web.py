"""Starts the listener of the phone app, if relay.toml asks for one."""

import asyncio
import logging
from collections.abc import Callable

from pushmfa.errors import ConfigError
from pushmfa.relay.app_files import app_folder, load_app
from pushmfa.relay.connections import Listener
from pushmfa.relay.settings import RelaySettings, WebSettings
from pushmfa.relay.tls import Certificate
from pushmfa.relay.visitors import Visitors

logger = logging.getLogger(__name__)


async def start_web(
    settings: RelaySettings,
    web: WebSettings,
    certificate: Certificate | None,
    visitors: Visitors,
    clock: Callable[[], float],
) -> Listener:
    """Return the open port of the app; OSError, or ConfigError without the app."""
    # Only a relay that serves the app pays for the library.
    from pushmfa.relay.web_server import listen

    folder = app_folder()
    relays = {*settings.public_urls, *web.relays}
    try:
        app = await asyncio.to_thread(
            load_app, folder, relays, with_tls=certificate is not None
        )
    except OSError as error:
        raise ConfigError(
            f"[web] {folder}: {error.strerror}",
            hint="The phone app is a part of the installation: install pushmfa again.",
        ) from error
    listener = await listen(
        app,
        visitors,
        address=web.address,
        port=web.port,
        tls=certificate.context if certificate else None,
        trusted_proxies=settings.trusted_proxies,
        clock=clock,
    )
    logger.info(
        "the phone app is served on %s port %d %s, for %s",
        web.address,
        listener.port,
        "with TLS" if certificate else "without TLS",
        ", ".join(sorted(settings.origins)),
    )
    return listener
