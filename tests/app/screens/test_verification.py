"""Holders verified by a browser's own WebAuthn, and what a host makes of that."""

import functools
import http.server
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, expect

from pushmfa.config.model import LoginSettings
from pushmfa.crypto.webauthn import challenge_of, check_credential, verify_assertion
from pushmfa.errors import VerificationError
from pushmfa.terms import CredentialAlgorithm
from pushmfa.wire.webauthn import (
    Assertion,
    AssertionSignature,
    AuthenticatorData,
    ClientData,
    Credential,
    CredentialId,
    CredentialKey,
)
from tests.app.screens.phone import PATIENCE, Phone, browser, phone
from tests.integration.daemon_world import scene, until, within

APP = Path(__file__).parents[3] / "pushmfa/app"
REQUIRED = LoginSettings(verification="required")
STATEMENT = b'{"type":"answer"}'

REGISTER = """async () => {
  const made = await (await import("/webauthn.js")).register("Pixel");
  return {...made, id: [...made.id], public_key: [...made.public_key]};
}"""
ASSERT = """async ([id, challenge]) => {
  const { assertWith } = await import("/webauthn.js");
  const given = await assertWith(new Uint8Array(id))(new Uint8Array(challenge));
  return Object.fromEntries(Object.entries(given).map(([k, v]) => [k, [...v]]));
}"""
FRAME = """async (url) => {
  const frame = document.createElement("iframe");
  frame.allow = "publickey-credentials-get";
  frame.src = url;
  document.documentElement.append(frame);
  await new Promise((done) => frame.addEventListener("load", done));
}"""


class Key:
    """An authenticator of Chromium's own: of the device, or one that is plugged in."""

    def __init__(self, session: CDPSession, identifier: str) -> None:
        self._session = session
        self._id = {"authenticatorId": identifier}

    @classmethod
    async def of(cls, page: Page, transport: str = "internal") -> "Key":
        """Return one that says yes, and verifies its holder."""
        session = await page.context.new_cdp_session(page)
        await session.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": transport,
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = await session.send(
            "WebAuthn.addVirtualAuthenticator", {"options": options}
        )
        return cls(session, made["authenticatorId"])

    async def verify(self, *, succeeds: bool) -> None:
        """Decide whether it knows its holder from now on."""
        await self._session.send(
            "WebAuthn.setUserVerified", self._id | {"isUserVerified": succeeds}
        )

    async def credentials(self) -> list[dict[str, Any]]:
        """Return what is in it, private keys too."""
        found = await self._session.send("WebAuthn.getCredentials", self._id)
        return list(found["credentials"])

    async def put(self, credential: dict[str, Any]) -> None:
        """Put a copied credential into it, over what has its id."""
        which = {"credentialId": credential["credentialId"]}
        if credential["credentialId"] in [
            each["credentialId"] for each in await self.credentials()
        ]:
            await self._session.send("WebAuthn.removeCredential", self._id | which)
        await self._session.send(
            "WebAuthn.addCredential", self._id | {"credential": credential}
        )


@contextmanager
def site() -> Iterator[str]:
    """Give an origin that serves the app's files, and forbids no frame."""
    handler = functools.partial(_Quiet, directory=str(APP))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


def credential_in(fields: dict[str, Any]) -> Credential:
    return Credential(
        id=CredentialId(bytes(fields["id"])),
        public_key=CredentialKey(bytes(fields["public_key"])),
        algorithm=CredentialAlgorithm(fields["algorithm"]),
        counter=fields["counter"],
    )


async def asserted(frame: Any, credential: Credential) -> Assertion:
    given = await frame.evaluate(
        ASSERT, [list(credential.id), list(challenge_of(STATEMENT))]
    )
    return Assertion(
        credential_id=CredentialId(bytes(given["credential_id"])),
        authenticator_data=AuthenticatorData(bytes(given["authenticator_data"])),
        client_data=ClientData(bytes(given["client_data"])),
        signature=AssertionSignature(bytes(given["signature"])),
    )


async def approve(it: Phone) -> None:
    module, number = await it.log_in()
    await it.sees("Login")
    await it.type_number(number)
    await it.sees("Approved")
    module.type()
    assert (await within(module.verdict()))[0] == "approved"
    await it.press("Done")


@scene
async def test_a_login_that_needs_a_verified_holder(tmp_path: Path) -> None:
    async with browser() as chromium, phone(tmp_path, chromium, login=REQUIRED) as it:
        key = await Key.of(it.page)
        await it.enroll()
        await it.press("Done")
        before = it.w.host.store.load_credentials()[0].counter
        await approve(it)
        after = it.w.host.store.load_credentials()[0].counter
        assert after > before

        # Attack: somebody else holds the unlocked phone.
        await key.verify(succeeds=False)
        module, number = await it.log_in()
        await it.sees("Login")
        await it.type_number(number)
        await expect(it.page.get_by_text("You were not verified")).to_be_visible(
            timeout=PATIENCE
        )
        assert it.w.host.approvals() == 1
        await it.check("not-verified")
        await key.verify(succeeds=True)
        await it.press("Approve")
        await it.sees("Approved")
        module.type()
        assert (await within(module.verdict()))[0] == "approved"


@scene
async def test_attack_a_browsers_authenticator_is_copied(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with browser() as chromium, phone(tmp_path, chromium, login=REQUIRED) as it:
        key = await Key.of(it.page)
        await it.enroll()
        await it.press("Done")
        copy = (await key.credentials())[0]
        await approve(it)
        await key.put(copy)
        _, number = await it.log_in()
        await it.sees("Login")
        await it.type_number(number)
        await until(lambda: "may have been copied" in caplog.text)
        alarms = [r for r in caplog.records if r.levelno == logging.CRITICAL]
        assert len(alarms) == 1
        assert it.w.host.approvals() == 1


@pytest.mark.parametrize("transport", ["internal", "usb"])
@scene
async def test_attack_real_assertions_of_another_place(transport: str) -> None:
    with site() as origin, site() as evil:
        async with browser() as chromium:
            page = await chromium.new_page()
            key = await Key.of(page, transport)
            await page.goto(f"{origin}/texts.js")
            credential = credential_in(await page.evaluate(REGISTER))
            check_credential(credential)
            right = await asserted(page, credential)
            verify_assertion(right, credential, STATEMENT, origin)
            with pytest.raises(VerificationError, match="over another answer"):
                verify_assertion(right, credential, STATEMENT + b" ", origin)

            # The same RP id on another port: the browser lets it ask.
            await page.goto(f"{evil}/texts.js")
            wrong = await asserted(page, credential)
            with pytest.raises(VerificationError, match="another origin"):
                verify_assertion(wrong, credential, STATEMENT, origin)

            # Our origin in a frame of that one.
            await page.evaluate(FRAME, f"{origin}/texts.js")
            framed = await asserted(page.frames[1], credential)
            assert framed.client_data.count(b'"crossOrigin":true') == 1
            with pytest.raises(VerificationError, match="across origins"):
                verify_assertion(framed, credential, STATEMENT, origin)
            assert len(await key.credentials()) == 1
