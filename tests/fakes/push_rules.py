"""What a push service demands of a push before it looks for the browser.

Verified by py-vapid, which is not ours (RFC 8030, 8291, 8292).
"""

import base64
import json
import re
import time
from email.message import Message

import py_vapid  # type: ignore[import-untyped]  # has no types

VAPID = re.compile(r"vapid t=([\w-]+\.[\w-]+\.[\w-]+),k=([\w-]+)", re.ASCII)
TOPIC = re.compile(r"[\w-]{1,32}", re.ASCII)
DAY = 86_400
MAX_TTL = 2_419_200
MAX_BODY = 4_096


def verify_push(headers: Message, body: bytes, *, host: str, server_key: bytes) -> None:
    """Raise AssertionError for a push that no service takes.

    host: whom it is addressed to; server_key: which the subscription is made with.
    """
    authorization = headers["Authorization"]
    match = VAPID.fullmatch(authorization)
    assert match, "no VAPID"
    assert py_vapid.Vapid02.verify(authorization), "a wrong signature"
    assert unb64(match[2]) == server_key, "another key"
    header, claims, _ = (part for part in match[1].split("."))
    assert json.loads(unb64(header)) == {"typ": "JWT", "alg": "ES256"}
    said = json.loads(unb64(claims))
    assert said["aud"] == f"https://{host}", "another audience"
    assert time.time() < said["exp"] <= time.time() + DAY, "a wrong expiry"
    assert said["sub"].startswith(("mailto:", "https:")), "no contact"
    assert 0 < int(headers["TTL"]) <= MAX_TTL
    assert headers["Urgency"] == "high"
    assert headers["Content-Encoding"] == "aes128gcm"
    assert len(body) <= MAX_BODY
    assert TOPIC.fullmatch(headers["Topic"])
    assert "Cookie" not in headers


def unb64(text: str) -> bytes:
    """Return the bytes of unpadded base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
