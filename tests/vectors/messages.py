"""One valid message of every kind, as plain objects: the wire form of the protocol."""

from tests.vectors.authenticator import Authenticator
from tests.vectors.parties import (
    HOST,
    PHONE,
    Fields,
    b64,
    material,
    sha256,
)

ISSUED_AT = 1_790_000_000
CHALLENGE_ID = material("challenge id")
MEETING = material("a meeting mailbox", 16)


def challenge(**changes: object) -> Fields:
    """Return the challenge of a login by ssh, with changes."""
    return {
        "type": "challenge",
        "version": 1,
        "versions": [1],
        "challenge_id": b64(CHALLENGE_ID),
        "kind": "login",
        "host_id": b64(HOST.id),
        "device_id": b64(PHONE.id),
        "host_name": "web1.example",
        "user": "alice",
        "uid": 1000,
        "approver": "alice",
        "requesting_user": None,
        "service": "sshd",
        "first_factor": None,
        "command": None,
        "text": None,
        "tty": "ssh",
        "remote_address": "192.0.2.7",
        "remote_notes": [],
        "issued_at": ISSUED_AT,
        "lifetime": 60,
        "digits": 2,
        "verification": "none",
        "grant_offered": 0,
        "others_pending": 0,
        "risk": [],
        "epoch": 7,
    } | changes


def command(line: bytes) -> Fields:
    """Return the command field of a challenge for the bytes of a command."""
    whole = len(line) <= 2_048
    return {
        "head": b64(line if whole else line[:1_024]),
        "tail": b64(b"" if whole else line[-1_024:]),
        "length": len(line),
        "sha256": b64(sha256(line)),
    }


def answer(statement: bytes, **changes: object) -> Fields:
    """Return the approval of the challenge with these bytes, with changes."""
    return {
        "type": "answer",
        "version": 1,
        "challenge_id": b64(CHALLENGE_ID),
        "challenge_sha256": b64(sha256(statement)),
        "host_id": b64(HOST.id),
        "device_id": b64(PHONE.id),
        "approver": "alice",
        "decision": "approval",
        "reason": None,
        "number": "42",
        "verification": "none",
        "grant": 0,
        "counter": 1,
        "device_time": ISSUED_AT + 9,
        "epoch": 7,
    } | changes


DENIAL = {"decision": "denial", "reason": "not_me", "number": None}

OUTCOME: Fields = {
    "type": "outcome",
    "version": 1,
    "challenge_id": b64(CHALLENGE_ID),
    "host_id": b64(HOST.id),
    "device_id": b64(PHONE.id),
    "verdict": "approved",
    "cause": "device",
    "by_this_device": True,
    "press_enter": True,
    "at": ISSUED_AT + 10,
}

NOTICE: Fields = {
    "type": "notice",
    "version": 1,
    "host_id": b64(HOST.id),
    "device_id": b64(PHONE.id),
    "notice_id": b64(material("notice id")),
    "kind": "device_enrolled",
    "subject_id": b64(material("the device that the notice is about")),
    "subject_label": "Tablet",
    "by": "root",
    "at": ISSUED_AT,
}

REVOKED: Fields = {
    "type": "revoked",
    "version": 1,
    "host_id": b64(HOST.id),
    "device_id": b64(PHONE.id),
    "at": ISSUED_AT,
}


def enroll_device(**changes: object) -> Fields:
    """Return the claim of the phone, with changes."""
    return {
        "type": "enroll-device",
        "version": 1,
        "versions": [1],
        "commitment": b64(material("a commitment")),
        "verify_key": b64(PHONE.verify_key),
        "sealing_key": b64(PHONE.sealing_key),
        "mailbox": b64(PHONE.mailbox),
        "nonce": b64(material("nonce of the phone")),
        "label": "Pixel",
        "kind": "app",
        "capabilities": ["webauthn"],
        "credential": Authenticator("of the phone").credential(),
    } | changes


def enroll_host(**changes: object) -> Fields:
    """Return what the host reveals, with changes."""
    return {
        "type": "enroll-host",
        "version": 1,
        "versions": [1],
        "claim_sha256": b64(material("digest of a claim")),
        "host_id": b64(HOST.id),
        "device_id": b64(PHONE.id),
        "verify_key": b64(HOST.verify_key),
        "sealing_key": b64(HOST.sealing_key),
        "mailbox": b64(HOST.mailbox),
        "nonce": b64(material("nonce of the host")),
        "host_name": "web1.example",
        "user": "alice",
        "uid": 1000,
        "relays": ["wss://relay.example"],
        "verification": "none",
        "epoch": 7,
        "issuer": None,
    } | changes


def enroll_done(**changes: object) -> Fields:
    """Return the end of an enrollment, with changes."""
    return {
        "type": "enroll-done",
        "version": 1,
        "host_id": b64(HOST.id),
        "device_id": b64(PHONE.id),
        "claim_sha256": b64(material("digest of a claim")),
        "result": "active",
        "at": ISSUED_AT,
    } | changes


def relay_hello(**changes: object) -> Fields:
    """Return what a device signs to open its mailbox, with changes."""
    return {
        "type": "relay-hello",
        "version": 1,
        "role": "device",
        "relay": "wss://relay.example",
        "nonce": b64(material("nonce of the relay")),
    } | changes


TO_DEVICE: Fields = {
    "type": "to-device",
    "statement": b64(b"{}"),
    "signature": b64(material("a signature", 64)),
}
TO_HOST: Fields = {
    "type": "to-host",
    "statement": b64(b"{}"),
    "signature": b64(material("a signature", 64)),
    "assertion": None,
}
ASSERTION: Fields = Authenticator("of the phone").assertion(b"{}")
ENROLL_COMMIT: Fields = {
    "type": "enroll-commit",
    "version": 1,
    "versions": [1],
    "commitment": b64(material("a commitment")),
}
ENROLL_CLAIM: Fields = {
    "type": "enroll-claim",
    "statement": b64(b"{}"),
    "signature": b64(material("a signature", 64)),
}

_ENVELOPE: Fields = {
    "id": b64(material("envelope id", 16)),
    "to": b64(PHONE.mailbox),
    "from": b64(HOST.mailbox),
    "lifetime": 60,
    "sealed": b64(material("something sealed", 120)),
}
_ID = {"id": _ENVELOPE["id"]}
_WAY = {"to": _ENVELOPE["to"], "from": _ENVELOPE["from"]}

GREETING: Fields = {
    "type": "greeting",
    "versions": [1],
    "nonce": b64(material("nonce of the relay")),
    "features": ["accepted"],
}
HELLO: Fields = {
    "type": "hello",
    "statement": b64(b"{}"),
    "mailboxes": [
        {"key": b64(PHONE.relay_key), "signature": b64(material("a signature", 64))}
    ],
    "features": ["accepted"],
    "invitation": None,
}
READY: Fields = {"type": "ready"}
ENVELOPE: Fields = {"type": "envelope"} | _ENVELOPE
STORED: Fields = {"type": "stored"} | _ENVELOPE
ACCEPTED: Fields = {"type": "accepted"} | _ID | {"wakeup": "sent"}
RECEIVED: Fields = {"type": "received", "mailbox": b64(PHONE.mailbox)} | _ID
QUIET: Fields = ENVELOPE | {"type": "quiet"}
WITHDRAW: Fields = {"type": "withdraw"} | _ID | _WAY
REFUSED: Fields = {"type": "refused"} | _ID | {"reason": "not_allowed"}
ALLOW: Fields = {
    "type": "allow",
    "mailbox": b64(PHONE.mailbox),
    "senders": [b64(HOST.mailbox)],
}
WAKEUP_KEY: Fields = {
    "type": "wakeup-key",
    "key": b64(b"\x04" + material("the relay's key for pushes", 64)),
}
SUBSCRIPTION: Fields = {
    "type": "subscription",
    "mailbox": b64(PHONE.mailbox),
    "push": {
        "endpoint": "https://push.example/send/c2VjcmV0",
        "p256dh": b64(b"\x04" + material("key of a push subscription", 64)),
        "auth": b64(material("secret of a push subscription", 16)),
    },
}
TRY_WAKEUP: Fields = {"type": "try-wakeup", "mailbox": b64(PHONE.mailbox)}
WAKEUP_RESULT: Fields = {
    "type": "wakeup-result",
    "mailbox": b64(PHONE.mailbox),
    "result": "kept",
}
