"""Devices of another make that break one rule of the protocol each.

Their holders are honest; what such a device sends must count for nothing all the same.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from pushmfa.crypto.sealing import Direction
from pushmfa.crypto.signing import Label
from pushmfa.device.authenticator import Verified
from pushmfa.terms import (
    DenialReason,
    DeviceId,
    Digest,
    HostId,
    MailboxId,
    Signature,
    Verification,
)
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import Answer, Assertion, Statement, ToHost
from pushmfa.wire.webauthn import (
    AssertionSignature,
    AuthenticatorData,
    ClientData,
    CredentialId,
)
from tests.fakes.attacker import payload_of
from tests.integration.daemon_device import TestDevice

Dialect = Callable[[TestDevice, Answer], bytes]


def _sealed(device: TestDevice, answer: Answer) -> bytes:
    return device.seal(payload_of(encode(answer), device.keys.identity))


def _changed(**fields: object) -> Dialect:
    return lambda device, answer: _sealed(
        device, msgspec.structs.replace(answer, **fields)
    )


def _too_long(device: TestDevice, answer: Answer) -> bytes:
    payload = payload_of(encode(answer), device.keys.identity)
    return device.seal(payload + b" " * (11_100 - len(payload)))


def _unsealed(device: TestDevice, answer: Answer) -> bytes:
    return payload_of(encode(answer), device.keys.identity)


def _sealed_under_other_names(device: TestDevice, answer: Answer) -> bytes:
    payload = payload_of(encode(answer), device.keys.identity)
    return device.seal(payload, direction=Direction.TO_DEVICE)


def _doubled(device: TestDevice, answer: Answer) -> bytes:
    raw = encode(answer)
    raw = raw.replace(b'"decision":', b'"decision":"denial","decision":', 1)
    return device.seal(payload_of(raw, device.keys.identity))


def _unknown_field(device: TestDevice, answer: Answer) -> bytes:
    raw = encode(answer)[:-1] + b',"push_token":"x"}'
    return device.seal(payload_of(raw, device.keys.identity))


def _signed_by_relay_key(device: TestDevice, answer: Answer) -> bytes:
    return device.seal(payload_of(encode(answer), device.keys.relay))


def _assertion(device: TestDevice, answer: Answer) -> bytes:
    verified = Verification.WEBAUTHN
    statement = encode(msgspec.structs.replace(answer, verification=verified))
    signature = device.keys.identity.sign(Label.ANSWER, statement)
    payload = ToHost(
        statement=Statement(statement),
        signature=Signature(signature),
        assertion=Assertion(
            credential_id=CredentialId(b"x"),
            authenticator_data=AuthenticatorData(bytes(37)),
            client_data=ClientData(b"{}"),
            signature=AssertionSignature(b"x"),
        ),
    )
    return device.seal(encode(payload))


ELSEWHERE: Final = MailboxId(b"e" * 16)
WRITES_ELSEWHERE: Final = "writes to another mailbox"


def _to_elsewhere(device: TestDevice, answer: Answer) -> bytes:
    payload = payload_of(encode(answer), device.keys.identity)
    return device.seal(payload, recipient=ELSEWHERE)


BROKEN: Final[dict[str, Dialect]] = {
    "sends more bytes than allowed": _too_long,
    "does not seal": _unsealed,
    "seals under other names": _sealed_under_other_names,
    WRITES_ELSEWHERE: _to_elsewhere,
    "signs with its relay key": _signed_by_relay_key,
    "says a field twice": _doubled,
    "says an unknown field": _unknown_field,
    "speaks version 2": _changed(version=2),
    "adds an assertion": _assertion,
    "approves with a reason": _changed(reason=DenialReason.CANCEL),
    "names another host": _changed(host_id=HostId(b"h" * 32)),
    "names another device": _changed(device_id=DeviceId(b"d" * 32)),
    "names another approver": _changed(approver="mallory"),
    "answers another text": _changed(challenge_sha256=Digest(b"t" * 32)),
    "tells an epoch that never was": _changed(epoch=2**53 - 1),
    "takes a grant": _changed(grant=3_600),
}
"""Each breaks one rule; its answers must count for nothing, whoever holds it."""


def zero_before(device: TestDevice, challenge: Verified, number: str) -> bytes:
    """Return an answer with a zero in front of the number: a wrong number."""
    return _sealed(device, device.answer_to(challenge, "0" + number))


def unverified(device: TestDevice, challenge: Verified, number: str) -> bytes:
    """Return an approval by a device that verified nobody, though it was asked to."""
    answer = device.answer_to(challenge, number)
    return _sealed(
        device, msgspec.structs.replace(answer, verification=Verification.NONE)
    )


def in_dialect(
    name: str, device: TestDevice, challenge: Verified, number: str
) -> bytes:
    """Return an approval as a device of another make would send it."""
    return BROKEN[name](device, device.answer_to(challenge, number))
