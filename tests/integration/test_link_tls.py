"""The link to a relay with TLS: only with the right certificate, for the right name."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pushmfa.crypto.signing import Signer
from pushmfa.link.link import Link, OpenMailbox
from pushmfa.relay.main import running
from pushmfa.terms import Role
from tests.integration.test_relay import run, settings_in
from tests.integration.test_relay_service import make_certificate

pytestmark = pytest.mark.integration


@asynccontextmanager
async def link_to(port: int, host: str, ca: Path | None) -> AsyncIterator[Link]:
    link = Link(
        urls=[f"wss://{host}:{port}"],
        role=Role.HOST,
        mailboxes=[OpenMailbox(Signer.from_seed(bytes(32)))],
        on_envelope=lambda envelope: None,
        ca=ca,
    )
    task = asyncio.ensure_future(link.run())
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def problem_of(link: Link) -> str:
    for _ in range(100):
        state = link.states()[0]
        if state.is_ready or state.problem != "not connected yet":
            return state.problem
        await asyncio.sleep(0.05)
    return "nothing happened"


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def serve_and_dial(tmp_path: Path, *, host: str, ca: bool, name: str) -> str:
    """Return the problem of a link to a relay with a certificate for name."""
    cert, key = make_certificate(tmp_path, name)

    async def main() -> str:
        port = find_port()
        settings = settings_in(
            tmp_path,
            tls_cert=cert,
            tls_key=key,
            port=port,
            public_urls=frozenset({f"wss://{host}:{port}"}),
        )
        async with (
            running(settings) as relay,
            link_to(relay.port, host, cert if ca else None) as link,
        ):
            return await problem_of(link)

    return run(main())


def test_a_relay_with_our_own_ca_is_reached(tmp_path: Path) -> None:
    assert serve_and_dial(tmp_path, host="localhost", ca=True, name="localhost") == ""


def test_attack_a_relay_that_no_ca_vouches_for(tmp_path: Path) -> None:
    problem = serve_and_dial(tmp_path, host="localhost", ca=False, name="localhost")
    assert "certificate" in problem


def test_attack_the_certificate_of_another_name(tmp_path: Path) -> None:
    problem = serve_and_dial(tmp_path, host="localhost", ca=True, name="other.example")
    assert "certificate" in problem
