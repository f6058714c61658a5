"""A device of pushmfa, written from docs/protocol.md alone; imports nothing of it.

    python tests/integration/independent_device.py LINK

It enrolls, prints the six digits, waits for one challenge, asks for its number and
prints the outcome. It keeps nothing on disk, uses the first relay of its host only,
and does not reconnect. The numbers in comments are sections of the protocol.
"""

import asyncio
import base64
import json
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey
from websockets.asyncio.client import ClientConnection, connect

Fields = dict[str, Any]
SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
REFUSALS = (ValueError, CryptoError, InvalidTag)
LOG = logging.getLogger("device")

# What a reader takes (2.1), as field:kind. A kind is b(ytes), t(ext), w(ord), i(nteger)
# or o (true or false) with its limits; a choice a|b; a shape. * is a list, ? or null.
KINDS = {
    "version": "i1-65535", "versions": "i1-65535*1-16", "b32": "b32-32",
    "b16": "b16-16", "name": "t1-255", "uid": "i0-4294967294", "need": "none|required",
    "int": "i0-9007199254740991", "bool": "o0-1", "bytes": "b0-2048",
}  # fmt: skip
IDS = "version:version host_id:b32 device_id:b32 "
ENVELOPE = "id:b16 to:b16 from:b16 lifetime:i1-604800 sealed:b28-11264"
SHAPES = {
    "greeting": "versions:versions nonce:b32 features:w1-32*0-32",
    "ready": "",
    "envelope": ENVELOPE,
    "stored": ENVELOPE,
    "refused": "id:b16 reason:not_open|not_allowed|mailbox_full|too_many",
    "to-device": "statement:b2-8192 signature:b64-64",
    "enroll-commit": "version:version versions:versions commitment:b32",
    "enroll-host": IDS + "versions:versions claim_sha256:b32 verify_key:b32 "
    "sealing_key:b65-65 mailbox:b16 nonce:b32 host_name:name user:name uid:uid "
    "relays:t6-255*1-3 verification:need epoch:int issuer:b32?",
    "enroll-done": IDS + "claim_sha256:b32 at:int "
    "result:active|wrong_code|expired|canceled",
    "challenge": IDS + "versions:versions challenge_id:b32 "
    "kind:login|sudo|su|test|confirm|enroll|revoke|grant|unlock host_name:name "
    "user:name uid:uid approver:name requesting_user:name? service:name "
    "first_factor:factor? command:command? text:t1-2000? tty:t0-500? "
    "remote_address:t2-64? remote_notes:t0-500*0-8 issued_at:int lifetime:i1-600 "
    "digits:i2-8 verification:need grant_offered:i0-43200 others_pending:i0-100 "
    "risk:w1-32*0-16 epoch:int",
    "factor": "method:w1-32 fingerprint:name?",
    "command": "head:bytes tail:bytes length:i0-32768 sha256:b32",
    "outcome": IDS + "challenge_id:b32 by_this_device:bool press_enter:bool at:int "
    "verdict:approved|denied|wrong_number|expired|canceled|throttled|locked|"
    "not_enrolled|unavailable cause:device|totp|recovery_code|bypass_code|ticket|"
    "offline|grant|exempt|unreachable_allowed|unenrolled_allowed|cancel|not_me|"
    "wrong_number|no_answer|hangup|limit|locked|not_enrolled|wrong_code|"
    "relay_unreachable|no_first_factor|not_permitted|misconfigured|internal",
    "notice": IDS + "notice_id:b32 subject_id:b32 subject_label:t1-64 by:name at:int "
    "kind:device_enrolled|device_revoked|device_renamed|device_lost",
    "revoked": IDS + "at:int",
}
WORD = re.compile("[a-z][a-z0-9_-]*")
SIZES: dict[str, tuple[type, Callable[[Any], int]]] = {
    "b": (str, lambda value: len(unb64(value))),
    "t": (str, len),
    "w": (str, lambda value: len(value) * bool(WORD.fullmatch(value))),
    "i": (int, int),
    "o": (bool, int),
    "*": (list, len),
}


def require(condition: bool, why: str) -> None:
    if not condition:
        raise ValueError(why)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(b64(data) == text, "not base64url in its one form")
    return data


def fits(kind: str, value: object) -> bool:
    kind = KINDS.get(kind, kind)
    if kind.endswith("?"):
        return value is None or fits(kind[:-1], value)
    if kind in SHAPES:
        shape = dict(pair.split(":") for pair in SHAPES[kind].split())
        return isinstance(value, dict) and value.keys() == shape.keys() and all(
            fits(shape[name], value[name]) for name in shape
        )  # fmt: skip
    if "|" in kind:
        return isinstance(value, str) and value in kind.split("|")
    item, low, high = re.findall(r"(.+?)(\d+)-(\d+)$", kind)[0]
    of_type, size = SIZES[item[-1]]
    if type(value) is not of_type or not int(low) <= size(value) <= int(high):
        return False
    return not isinstance(value, list) or all(fits(item[:-1], one) for one in value)


def parse(body: bytes, limit: int) -> Fields:
    def once(pairs: list[tuple[str, Any]]) -> Fields:
        require(len(dict(pairs)) == len(pairs), "a doubled key")
        return dict(pairs)

    require(len(body) <= limit, "too many bytes")
    try:  # NaN and infinities are floats to json, which no kind takes
        found = json.loads(body.decode(), object_pairs_hook=once)
    except RecursionError:
        raise ValueError("too deep") from None
    json.dumps(found, ensure_ascii=False).encode()  # no half of a surrogate pair
    require(isinstance(found, dict), "not an object")
    return dict(found)


def read(body: bytes, limit: int, *kinds: str) -> Fields:
    found = parse(body, limit)
    kind = found.pop("type", None)
    require(kind in kinds and fits(kind, found), f"no valid {' or '.join(kinds)}")
    return {"type": kind, **found}


def write(of_type: str, /, **values: object) -> bytes:
    return json.dumps({"type": of_type, **values}).encode()


# 2.2 to 2.5: signing, names, sealing, enclosing


def labeled(kind: str, body: bytes) -> bytes:
    return b"pushmfa/v1 %s\0%s%s" % (kind.encode(), len(body).to_bytes(4, "big"), body)


def sign(key: SigningKey, kind: str, body: bytes) -> str:
    return b64(key.sign(labeled(kind, body)).signature)


def mailbox_of(key: SigningKey) -> bytes:
    return sha256(bytes(key.verify_key)).digest()[:16]


def verified(payload: bytes, key: bytes | None, *kinds: str) -> tuple[Fields, bytes]:
    """Verify, then parse; without a key by the one that the statement reveals."""
    outer = read(payload, 11000, "to-device")
    body = unb64(outer["statement"])
    claimed = parse(body, 8192)
    require(claimed.get("type") in kinds, f"no {' or '.join(kinds)}")
    verifier = VerifyKey(unb64(str(claimed.get("verify_key"))) if key is None else key)
    # libsodium also refuses keys that are not canonical or of small order
    verifier.verify(labeled(claimed["type"], body), unb64(outer["signature"]))
    statement = read(body, 8192, *kinds)
    require(statement["version"] == 1, "a version that is not known here")
    require(1 in statement.get("versions", [1]), "no version in common")
    return statement, body


def sealing_key(point: bytes) -> ec.EllipticCurvePublicKey:
    require(len(point) == 65 and point[0] == 4, "not an uncompressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def derive(secret: bytes, name: str) -> bytes:
    return HKDF(SHA256(), 32, None, f"pushmfa/v1 enroll {name}".encode()).derive(secret)


def disclose(secret: bytes, step: str, data: bytes) -> bytes:
    key = AESGCM(derive(secret, "from-host"))
    return key.decrypt(data[:12], data[12:], step.encode())


def enclose(secret: bytes, step: str, data: bytes) -> bytes:
    key, nonce = AESGCM(derive(secret, "from-device")), os.urandom(12)
    return nonce + key.encrypt(nonce, data, step.encode())


# 3: the link to the relay


@dataclass
class Link:
    """One mailbox, open at one relay."""

    socket: ClientConnection
    mailbox: str
    seen: set[str]
    lifetime: int = 0  # what is left of the envelope that was received last

    async def read(self, *kinds: str) -> Fields:
        frame = await self.socket.recv()
        require(isinstance(frame, str), "a binary message")
        return read(str(frame).encode(), 16384, *kinds)

    async def write(self, of_type: str, /, **values: object) -> None:
        await self.socket.send(write(of_type, **values), text=True)

    async def hello(self, relay: str, key: SigningKey) -> None:
        greeting = await self.read("greeting")
        require(1 in greeting["versions"], "the relay does not speak version 1")
        statement = write("relay-hello", version=1, role="device", relay=relay,
                          nonce=greeting["nonce"])  # fmt: skip
        proof = {"key": b64(bytes(key.verify_key))}
        proof["signature"] = sign(key, "relay-hello", statement)
        await self.write("hello", statement=b64(statement), mailboxes=[proof],
                         features=[], invitation=None)  # fmt: skip
        await self.read("ready")

    async def receive(self, sender: str) -> bytes:
        while True:
            frame = await self.read("envelope", "stored", "refused")
            require(frame["type"] != "refused", f"refused: {frame.get('reason')}")
            if frame["type"] == "stored":
                await self.write("received", mailbox=self.mailbox, id=frame["id"])
            ours = (frame["to"], frame["from"]) == (self.mailbox, sender)
            if ours and frame["id"] not in self.seen:
                self.seen.add(frame["id"])
                self.lifetime = frame["lifetime"]
                return unb64(frame["sealed"])

    async def send(self, to: str, lifetime: int, sealed: bytes) -> None:
        values = {"to": to, "from": self.mailbox, "sealed": b64(sealed)}
        values["id"] = b64(os.urandom(16))
        await self.write("envelope", lifetime=lifetime, **values)


@asynccontextmanager
async def dial(relay: str, key: SigningKey, seen: set[str]) -> AsyncIterator[Link]:
    url = f"{relay}/v1/link"
    async with connect(url, compression=None, max_size=16384, proxy=None) as socket:
        link = Link(socket, b64(mailbox_of(key)), seen)
        await link.hello(relay, key)
        yield link


# 4: enrollment


@dataclass
class Enrollment:
    """The keys of one enrollment, and the enroll-host statement of its host."""

    identity: SigningKey = field(default_factory=SigningKey.generate)
    relay: SigningKey = field(default_factory=SigningKey.generate)
    sealing: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    host: Fields = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    counter: int = 0

    @property
    def device_id(self) -> bytes:
        return sha256(bytes(self.identity.verify_key)).digest()

    def info(self, direction: str, host_id: bytes, sender: bytes, to: bytes) -> bytes:
        label = f"pushmfa/v1 seal-{direction}\0".encode()
        return label + host_id + self.device_id + sender + to

    def opened(
        self, sealed: bytes, host_id: bytes, sender: bytes, to: bytes, *kinds: str
    ) -> tuple[Fields, bytes]:
        info = self.info("to-device", host_id, sender, to)
        payload = SUITE.decrypt(sealed, self.sealing, info)
        key = unb64(self.host["verify_key"]) if self.host else None
        statement, body = verified(payload, key, *kinds)
        require(statement["host_id"] == b64(host_id), "another host")
        require(statement["device_id"] == b64(self.device_id), "another device")
        return statement, body


def read_link(link: str) -> tuple[bytes, str]:
    """Return the secret and the name of the relay (4.1)."""
    require(len(link.encode()) <= 106, "the link is too long")
    place = r"(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]+)?"
    form = f"(https?)://({place})/#1([A-Za-z0-9_-]{{22}})({place})?"
    found = re.fullmatch(form, link)
    if found is None:
        raise ValueError("not an enrollment link of version 1")
    scheme, origin, secret, relay = found.groups()
    local = r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
    plain = scheme == "http"
    require(not plain or bool(re.fullmatch(local, origin)), "the link needs https")
    if relay:
        plain = bool(re.fullmatch(local, relay))
    return unb64(secret), ("ws://" if plain else "wss://") + (relay or origin)


def make_claim(new: Enrollment, commitment: str, label: str) -> bytes:
    form = Encoding.X962, PublicFormat.UncompressedPoint
    return write(
        "enroll-device", version=1, versions=[1], commitment=commitment, label=label,
        verify_key=b64(bytes(new.identity.verify_key)), nonce=b64(os.urandom(32)),
        sealing_key=b64(new.sealing.public_key().public_bytes(*form)),
        mailbox=b64(mailbox_of(new.relay)), kind="terminal", capabilities=[],
        credential=None,
    )  # fmt: skip


def open_step(
    new: Enrollment, secret: bytes, step: str, enclosed: bytes, claim: bytes
) -> Fields:
    data = disclose(secret, step, enclosed)
    meeting = mailbox_of(SigningKey(derive(secret, "relay")))
    statement, _ = new.opened(data[32:], data[:32], meeting, meeting, step)
    same = statement["claim_sha256"] == b64(sha256(claim).digest())
    require(same, "about another claim")
    return statement


def check_host(
    new: Enrollment, secret: bytes, enclosed: bytes, commitment: str, claim: bytes
) -> str:
    """Record what the host reveals, if all is right (4.4); return the digits (4.5)."""
    host = open_step(new, secret, "enroll-host", enclosed, claim)
    key, point = unb64(host["verify_key"]), unb64(host["sealing_key"])
    require(host["host_id"] == b64(sha256(key).digest()), "the id of another key")
    bound = key + point + unb64(host["nonce"])
    shown = sha256(b"pushmfa/v1 enroll-commit\0" + bound).digest()
    require(b64(shown) == commitment, "not what the host committed to")
    sealing_key(point)
    new.host = host
    code = sha256(b"pushmfa/v1 enroll-code\0" + bound + sha256(claim).digest()).digest()
    return f"{int.from_bytes(code[:8], 'big') % 1000000:06}"


async def enroll(
    link: str, label: str, show_digits: Callable[[str], None]
) -> Enrollment:
    secret, relay = read_link(link)
    meeting = SigningKey(derive(secret, "relay"))
    new = Enrollment()
    async with asyncio.timeout(300), dial(relay, meeting, set()) as mail:
        data = disclose(secret, "enroll-commit", await mail.receive(mail.mailbox))
        commit = read(data, 11000, "enroll-commit")
        require(1 in commit["versions"], "no version in common")
        claim = make_claim(new, commit["commitment"], label)
        signature = sign(new.identity, "enroll-device", claim)
        payload = write("enroll-claim", statement=b64(claim), signature=signature)
        await mail.send(mail.mailbox, 300, enclose(secret, "enroll-claim", payload))
        data = await mail.receive(mail.mailbox)
        digits = check_host(new, secret, data, commit["commitment"], claim)
        async with open_mailbox(new):
            show_digits(digits)
        data = await mail.receive(mail.mailbox)
        result = open_step(new, secret, "enroll-done", data, claim)["result"]
        require(result == "active", f"the enrollment ended: {result}")
    return new


# 5: an attempt


@asynccontextmanager
async def open_mailbox(of: Enrollment) -> AsyncIterator[Link]:
    async with dial(of.host["relays"][0], of.relay, of.seen) as mail:
        await mail.write("allow", mailbox=mail.mailbox, senders=[of.host["mailbox"]])
        yield mail


async def expect(of: Enrollment, mail: Link, wanted: str) -> tuple[Fields, bytes]:
    host_id, sender = unb64(of.host["host_id"]), unb64(of.host["mailbox"])
    kinds = "challenge", "outcome", "notice", "revoked"
    while True:
        sealed = await mail.receive(of.host["mailbox"])
        try:
            to = mailbox_of(of.relay)
            statement, body = of.opened(sealed, host_id, sender, to, *kinds)
        except REFUSALS as error:
            LOG.warning("an envelope was dropped: %r", error)
            continue
        if statement["type"] == "revoked":
            vars(of).clear()  # 6.2: it forgets the private keys
            raise ValueError("this device was revoked")
        if statement["type"] == wanted:
            return statement, body
        LOG.warning("%s", ascii(statement))


def make_answer(
    of: Enrollment, challenge: Fields, body: bytes, number: str | None
) -> bytes:
    of.counter += 1
    same = "challenge_id", "host_id", "device_id", "approver", "epoch"
    statement = write(
        "answer", version=1, **{name: challenge[name] for name in same},
        challenge_sha256=b64(sha256(body).digest()), number=number,
        decision="denial" if number is None else "approval",
        reason="cancel" if number is None else None, verification="none", grant=0,
        counter=of.counter, device_time=int(time.time()),
    )  # fmt: skip
    payload = write("to-host", statement=b64(statement), assertion=None,
                    signature=sign(of.identity, "answer", statement))  # fmt: skip
    host_id, to = unb64(of.host["host_id"]), unb64(of.host["mailbox"])
    info = of.info("to-host", host_id, mailbox_of(of.relay), to)
    return SUITE.encrypt(payload, sealing_key(unb64(of.host["sealing_key"])), info)


async def answer(enrollment: Enrollment, ask: Callable[[Fields], str | None]) -> Fields:
    async with open_mailbox(enrollment) as mail:
        challenge, body = await expect(enrollment, mail, "challenge")
        lifetime = min(challenge["lifetime"], mail.lifetime)
        async with asyncio.timeout(lifetime):
            number = await asyncio.to_thread(ask, challenge)
            digits = f"[0-9]{{{challenge['digits']}}}"
            require(number is None or bool(re.fullmatch(digits, number)), "no number")
            sealed = make_answer(enrollment, challenge, body, number)
            await mail.send(enrollment.host["mailbox"], lifetime, sealed)
            outcome: Fields = {}
            while outcome.get("challenge_id") != challenge["challenge_id"]:
                outcome, _ = await expect(enrollment, mail, "outcome")
    return outcome


def show(name: str, value: object) -> None:
    sys.stdout.write(f"{name}: {value!a}\n")  # escapes whatever is not plain ASCII
    sys.stdout.flush()


async def main(link: str) -> None:
    enrollment = await enroll(link, "independent", lambda code: show("digits", code))

    def ask(challenge: Fields) -> str | None:
        shown = challenge | {"host_name": enrollment.host["host_name"]}
        if command := challenge["command"]:
            head, tail = unb64(command["head"]), unb64(command["tail"])
            cut = command["length"] - len(head) - len(tail)
            shown["command"] = (head, f"{cut} bytes are cut", tail) if cut else head
        for name, value in shown.items():
            show(name, value)
        show("type the number", "nothing to deny")
        return sys.stdin.readline().strip() or None

    show("outcome", await answer(enrollment, ask))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
