"""`pushmfa relay`, but for whom its pushes reach: a push service on this machine.

python -m tests.e2e.push_relay CONFIG PORT CERTIFICATE

PORT of 127.0.0.1 is where the hosts of Chromium's end points are then, and CERTIFICATE
what they are trusted by. No configuration can say that; see `Reach`.
"""

import ssl
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from pushmfa.cli.services import relay_settings
from pushmfa.config.relay import load_relay_config
from pushmfa.relay.main import run
from pushmfa.relay.push_client import Reach
from tests.fakes.browser_push import HOSTS

HERE = IPv4Address("127.0.0.1")


def main(config: str, port: str, certificate: str) -> int:
    async def lookup(host: str) -> list[tuple[Any, int]]:
        if host not in HOSTS:
            raise OSError(f"{host} is no push service of Chromium")
        return [(HERE, int(port))]

    reach = Reach(
        lookup=lookup,
        is_permitted=lambda address: address == HERE,
        tls=ssl.create_default_context(cafile=certificate),
    )
    return run(relay_settings(load_relay_config(Path(config))), reach)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
