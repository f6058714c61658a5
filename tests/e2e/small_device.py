"""A small device, from docs/protocol.md alone: python small_device.py LINK.

It has one relay; strict reading is left to tests/integration/independent_device.py.
"""

import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from hmac import digest
from json import dumps, loads
from os import urandom
from time import monotonic, time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from nacl.signing import SigningKey, VerifyKey
from websockets.sync.client import connect


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), "a doubled key"
    return dict(pairs)


def dump(kind: str, /, **fields: Any) -> bytes:
    return dumps({"type": kind, **fields}, default=b64).encode()


def labelled(kind: str, body: bytes) -> bytes:
    return b"pushmfa/v1 %b\0%b%b" % (kind.encode(), len(body).to_bytes(4), body)


def sign(key: SigningKey, kind: str, /, **fields: Any) -> dict[str, bytes]:
    body = dump(kind, version=1, **fields)
    return {"statement": body, "signature": key.sign(labelled(kind, body)).signature}


def receive(step: str = "") -> tuple[bytes, int]:
    frame = loads(link.recv(300 if step else None), object_pairs_hook=once)
    if frame["type"] == "stored":
        link.send(dump("received", mailbox=frame["to"], id=frame["id"]), text=True)
    sealed = unb64(frame["sealed"])
    if step:  # an enrollment's: enclosed
        sealed = from_host.decrypt(sealed[:12], sealed[12:], step.encode())
    return sealed, frame["lifetime"]


def opened(kind: str, sealed: bytes, ends: bytes, key: str = "") -> dict[str, Any]:
    info = b"pushmfa/v1 seal-to-device\0" + ids + ends
    payload = loads(suite.decrypt(sealed, sealing, info), object_pairs_hook=once)
    body = unb64(payload["statement"])
    said = loads(body, object_pairs_hook=once)
    signer = VerifyKey(unb64(key or said["verify_key"]))  # refuses what 2.2 says
    signer.verify(labelled(kind, body), unb64(payload["signature"]))
    assert (payload["type"], said["type"], said["version"]) == ("to-device", kind, 1)
    assert unb64(said["host_id"]) + unb64(said["device_id"]) == ids
    return {**said, "sha256": sha256(body).digest()}


origin, tail = sys.argv[1].split("/#1")  # 4.1: the enrollment link
place = tail[22:] or origin.split("//")[1]
is_local = place.startswith(("localhost:", "127.0.0.1:", "[::1]:"))
relay = ("ws://" if is_local else "wss://") + place
prk = digest(b"", unb64(tail[:22]), "sha256")  # HKDF; below, its only block
seed = digest(prk, b"pushmfa/v1 enroll relay\1", "sha256")
from_host = AESGCM(digest(prk, b"pushmfa/v1 enroll from-host\1", "sha256"))
from_device = AESGCM(digest(prk, b"pushmfa/v1 enroll from-device\1", "sha256"))
identity, relay_keys = SigningKey.generate(), [SigningKey(seed), SigningKey.generate()]
meeting, mailbox = (sha256(bytes(k.verify_key)).digest()[:16] for k in relay_keys)
link = connect(relay + "/v1/link", compression=None).__enter__()  # 3.2: hello
at = {"relay": relay, "nonce": loads(link.recv(), object_pairs_hook=once)["nonce"]}
hellos = [(k, sign(k, "relay-hello", role="device", **at)) for k in relay_keys]
boxes = [{"key": bytes(k.verify_key), "signature": h["signature"]} for k, h in hellos]
rest = {"statement": hellos[0][1]["statement"], "mailboxes": boxes, "features": []}
link.send(dump("hello", invitation=None, **rest), text=True)
assert loads(link.recv(), object_pairs_hook=once) == {"type": "ready"}
commit = loads(receive("enroll-commit")[0], object_pairs_hook=once)
assert (commit["type"], 1 in commit["versions"]) == ("enroll-commit", True)
suite = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
sealing = ec.generate_private_key(ec.SECP256R1())
n = sealing.public_key().public_numbers()  # 4.3: what is new
new: dict[str, Any] = {"verify_key": bytes(identity.verify_key), "nonce": urandom(32)}
new |= {"sealing_key": b"\4" + n.x.to_bytes(32) + n.y.to_bytes(32), "mailbox": mailbox}
new |= {"label": "small", "kind": "terminal", "capabilities": [], "versions": [1]}
new |= {"credential": None}
claim = sign(identity, "enroll-device", commitment=commit["commitment"], **new)
claimed, nonce = sha256(claim["statement"]).digest(), urandom(12)
enclosed = from_device.encrypt(nonce, dump("enroll-claim", **claim), b"enroll-claim")
ends = {"from": meeting, "to": meeting, "id": urandom(16), "lifetime": 300}
link.send(dump("envelope", sealed=nonce + enclosed, **ends), text=True)
revealed, _ = receive("enroll-host")  # 4.4
ids = revealed[:32] + sha256(bytes(identity.verify_key)).digest()
host = opened("enroll-host", revealed[32:], 2 * meeting)
key, host_mailbox = host["verify_key"], unb64(host["mailbox"])
keys = unb64(key) + unb64(host["sealing_key"]) + unb64(host["nonce"])
host_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), keys[32:97])
committed = sha256(b"pushmfa/v1 enroll-commit\0" + keys).digest()
assert (host["claim_sha256"], commit["commitment"]) == (b64(claimed), b64(committed))
assert (revealed[:32], 1 in host["versions"]) == (sha256(keys[:32]).digest(), True)
link.send(dump("allow", mailbox=mailbox, senders=[host["mailbox"]]), text=True)
code = sha256(b"pushmfa/v1 enroll-code\0" + keys + claimed).digest()[:8]
print(f"six digits: {int.from_bytes(code) % 1000000:06}")  # noqa: T201  a script
done = opened("enroll-done", receive("enroll-done")[0][32:], 2 * meeting, key)
assert (done["claim_sha256"], done["result"]) == (b64(claimed), "active")
sealed, left = receive()  # 5.1: a challenge
asked = opened("challenge", sealed, host_mailbox + mailbox, key)
until = monotonic() + min(left, asked["lifetime"])
card = f"{host['user']!a} on {host['host_name']!a} for {asked['service']!a}; number: "
number = input(card) * (asked["verification"] == "none")  # else only a denial
answer = {n: asked[n] for n in "challenge_id host_id device_id approver epoch".split()}
answer |= {"decision": "approval" if number else "denial", "number": number or None}
answer |= {"challenge_sha256": asked["sha256"], "reason": None if number else "cancel"}
answer |= {"verification": "none", "grant": 0, "counter": 1, "device_time": int(time())}
payload = dump("to-host", **sign(identity, "answer", **answer), assertion=None)
info = b"pushmfa/v1 seal-to-host\0" + ids + mailbox + host_mailbox
sealed, left = suite.encrypt(payload, host_key, info), int(until - monotonic())
ends = {"from": mailbox, "to": host_mailbox, "id": urandom(16), "lifetime": left}
link.send(dump("envelope", sealed=sealed, **ends), text=True)
outcome = opened("outcome", receive()[0], host_mailbox + mailbox, key)
assert outcome["challenge_id"] == asked["challenge_id"]
print("verdict:", outcome["verdict"])  # noqa: T201  a script
