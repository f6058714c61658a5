"""A device written from docs/protocol.md alone reads what the vectors say.

That it enrolls at a real host and approves: tests/e2e/test_independent_device.py.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from nacl.signing import SigningKey

from tests.integration import independent_device as device

VECTORS = Path(__file__).parents[1] / "vectors"

pytestmark = pytest.mark.integration


def read_vectors(name: str) -> dict[str, Any]:
    return dict(json.loads((VECTORS / f"{name}.json").read_text()))


def accepts(call: Callable[[], object]) -> bool:
    try:
        call()
    except device.REFUSALS:
        return False
    return True


def expand(case: dict[str, Any]) -> Iterator[bytes]:
    """Yield the messages of a case: of a few it is one for each of its fields."""
    message = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    if "fields" not in case:
        yield message
    for name in case.get("fields", []):
        fields = json.loads(message)
        del fields[name]
        more = {name: None} if case["operation"] == "null" else {}
        yield json.dumps(fields | more).encode()


@pytest.mark.parametrize(
    ("vectors", "limit"), [("statements", 8192), ("frames", 16384)]
)
def test_its_reader_takes_and_refuses_what_the_vectors_say(
    vectors: str, limit: int
) -> None:
    read = 0
    for case in read_vectors(vectors)["cases"]:
        kind = case.get("type", "envelope")
        if kind not in device.SHAPES or case.get("by") == "peer":
            continue  # what a device writes and never reads
        for message in expand(case):
            taken = accepts(partial(device.read, message, limit, kind))
            assert taken == (case["operation"] == "message"), case["name"]
            read += 1
    assert read >= 100


def test_it_enrolls_only_as_the_vectors_say() -> None:
    vectors = read_vectors("enrollment")
    keys, context = vectors["keys"]["device"], vectors["context"]
    secret = bytes.fromhex(context["secret"])
    claim = context["claim_statement"].encode()
    new = device.Enrollment(
        SigningKey(bytes.fromhex(keys["identity_seed"])),
        SigningKey(bytes.fromhex(keys["relay_seed"])),
        ec.derive_private_key(int(keys["sealing_scalar"], 16), ec.SECP256R1()),
    )

    def check(case: dict[str, Any]) -> str:
        enclosed = bytes.fromhex(case["enclosed"])
        if case["operation"] == "done":
            done = device.open_step(new, secret, "enroll-done", enclosed, claim)
            return str(done["result"])
        commitment = bytes.fromhex(case.get("commitment", context["commitment"]))
        fresh = replace(new, host={})
        digits = device.check_host(
            fresh, secret, enclosed, device.b64(commitment), claim
        )
        new.host = fresh.host
        return digits

    cases = [c for c in vectors["cases"] if c["operation"] in ("reveal", "done")]
    for case in cases:
        if "expected" in case:
            assert check(case) == case["expected"], case["name"]
        else:
            assert not accepts(partial(check, case)), case["name"]
    assert len(cases) > 30
