"""Every case of the vectors, through the code that runs in daemon, device and relay."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pushmfa import errors, text
from pushmfa.config import names
from pushmfa.crypto.keys import commitment, confirmation_code, enrollment_keys
from pushmfa.crypto.sealing import (
    Direction,
    Opener,
    check_sealing_key,
    disclose,
    sealing_info,
)
from pushmfa.crypto.signing import (
    Label,
    Signer,
    check_verify_key,
    device_id_of,
    host_id_of,
    mailbox_id_of,
    signed_message,
    verify_signature,
)
from pushmfa.device.command_text import command_text
from pushmfa.device.enrollment import (
    Claim,
    Meeting,
    code_of,
    open_commit,
    open_done,
    open_host,
)
from pushmfa.device.keyring import DeviceKeys, load_keys
from pushmfa.device.link_text import parse_link
from pushmfa.link import endpoints
from pushmfa.login.attempt import Attempt, End, close
from pushmfa.login.devices import Device
from pushmfa.login.enrollment import Enrollment, accept_claim, confirm, end
from pushmfa.login.moment import Moment
from pushmfa.login.verdict import (
    HostKeys,
    judge,
    open_answer,
    verify_answer,
    verify_fields,
)
from pushmfa.terms import (
    AttemptId,
    Cause,
    DeviceId,
    DeviceKind,
    Digest,
    HostId,
    MailboxId,
    SealingKey,
    UserName,
    Verdict,
    VerificationRequired,
    VerifyKey,
)
from pushmfa.wire import link, local, payload
from pushmfa.wire.codec import Message, decode_base64url, encode, encode_base64url
from pushmfa.wire.envelope import Sealed
from tests.unit import hpke_reference
from tests.vectors import messages
from tests.vectors.make import FILES, FOLDER, difference, main, render

Case = dict[str, Any]
Run = Callable[[Case, Case], Any]
"""Takes a case and its file; returns what the case expects, or raises."""

DECODERS: dict[str, Callable[[bytes], Message]] = {
    "challenge": payload.decode_challenge,
    "answer": payload.decode_answer,
    "outcome": payload.decode_outcome,
    "notice": payload.decode_notice,
    "revoked": payload.decode_revoked,
    "enroll-device": payload.decode_enroll_device,
    "enroll-host": payload.decode_enroll_host,
    "enroll-done": payload.decode_enroll_done,
    "relay-hello": link.decode_relay_hello,
    "to-device": payload.decode_to_device,
    "to-host": payload.decode_to_host,
    "enroll-commit": payload.decode_enroll_commit,
    "enroll-claim": payload.decode_enroll_claim,
}


def load(name: str) -> Case:
    content: Case = json.loads((FOLDER / name).read_text("ascii"))
    return content


CONTENTS = {name: load(name) for name in FILES}
CASES = [
    pytest.param(name, case, id=f"{name}: {case['name']}")
    for name, content in CONTENTS.items()
    for case in content["cases"]
]


# --- base64url, signing, names, sealing, enclosing ---------------------------------


def base64url(case: Case, _: Case) -> str:
    raw = decode_base64url(case["text"])
    assert encode_base64url(raw) == case["text"]
    return raw.hex()


def signed(case: Case, _: Case) -> str:
    label, body = Label(case["label"]), bytes.fromhex(case["body"])
    signer = Signer.from_seed(bytes.fromhex(case["seed"]))
    assert signer.verify_key.hex() == case["verify_key"]
    assert signed_message(label, body).hex() == case["message"]
    verify_signature(signer.verify_key, label, body, bytes.fromhex(case["expected"]))
    return signer.sign(label, body).hex()


def verified(case: Case, _: Case) -> None:
    key, body = bytes.fromhex(case["verify_key"]), bytes.fromhex(case["body"])
    signature = bytes.fromhex(case["signature"])
    verify_signature(key, Label(case["label"]), body, signature)


def verify_key_checked(case: Case, _: Case) -> None:
    check_verify_key(bytes.fromhex(case["verify_key"]))


def derived_name(make: Callable[[bytes], bytes]) -> Run:
    return lambda case, _: make(bytes.fromhex(case["key"])).hex()


def named_relay(case: Case, _: Case) -> str:
    name = endpoints.relay_name(case["url"])
    assert endpoints.relay_name(name) == name
    assert names.relay_name(name) == name
    return name


def info_made(case: Case, _: Case) -> str:
    return sealing_info(
        Direction(f"pushmfa/v1 seal-{case['direction']}"),
        HostId(bytes.fromhex(case["host_id"])),
        DeviceId(bytes.fromhex(case["device_id"])),
        MailboxId(bytes.fromhex(case["from"])),
        MailboxId(bytes.fromhex(case["to"])),
    ).hex()


def sealed(case: Case, _: Case) -> str:
    info, plaintext = bytes.fromhex(case["info"]), bytes.fromhex(case["plaintext"])
    opener = Opener.from_private(bytes.fromhex(case["recipient_scalar"]))
    assert opener.public_key.hex() == case["recipient_key"]
    assert opener.open(info, bytes.fromhex(case["expected"])) == plaintext
    ephemeral = bytes.fromhex(case["ephemeral_scalar"])
    return hpke_reference.seal(ephemeral, opener.public_key, info, plaintext).hex()


def opened(case: Case, _: Case) -> str:
    opener = Opener.from_private(bytes.fromhex(case["recipient_scalar"]))
    info, given = bytes.fromhex(case["info"]), bytes.fromhex(case["sealed"])
    return opener.open(info, given).hex()


def sealing_key_checked(case: Case, _: Case) -> None:
    check_sealing_key(bytes.fromhex(case["sealing_key"]))


def derived_keys(case: Case, _: Case) -> Case:
    keys = enrollment_keys(bytes.fromhex(case["secret"]))
    meeting = mailbox_id_of(Signer.from_seed(keys.relay_seed).verify_key)
    return {
        "relay_seed": keys.relay_seed.hex(),
        "from_host": keys.host_key.hex(),
        "from_device": keys.device_key.hex(),
        "meeting_mailbox": meeting.hex(),
    }


def disclosed(case: Case, _: Case) -> str:
    key, enclosed = bytes.fromhex(case["key"]), bytes.fromhex(case["enclosed"])
    plaintext = disclose(key, case["step"].encode("ascii"), enclosed)
    again = AESGCM(key).encrypt(enclosed[:12], plaintext, case["step"].encode("ascii"))
    assert enclosed[12:] == again
    return plaintext.hex()


# --- statements and frames ---------------------------------------------------------


def given_bytes(case: Case) -> bytes:
    if "hex" in case:
        return bytes.fromhex(case["hex"])
    given: str = case["text"]
    return given.encode()


def decoder_of(case: Case) -> Callable[[bytes], Message]:
    if case.get("by") == "peer":
        return link.decode_peer_frame
    if case.get("by") == "relay":
        return link.decode_relay_frame
    return DECODERS[case["type"]]


def decoded(case: Case, _: Case) -> str:
    message = decoder_of(case)(given_bytes(case))
    assert message.__struct_config__.tag == case["type"]
    written = encode(message)
    assert decoder_of(case)(written) == message
    return written.hex()


def answer_fields(case: Case, _: Case) -> None:
    verify_fields(payload.decode_answer(given_bytes(case)))


def each_refused(change: Callable[[Case, str], None]) -> Run:
    def run(case: Case, _: Case) -> None:
        decode = decoder_of(case)
        decode(given_bytes(case))
        assert case["fields"]
        for field in case["fields"]:
            fields = json.loads(case["text"])
            change(fields, field)
            with pytest.raises(errors.MalformedError):
                decode(json.dumps(fields).encode())
        raise errors.MalformedError("every one of them")

    return run


def leave_out(fields: Case, field: str) -> None:
    del fields[field]


def make_null(fields: Case, field: str) -> None:
    fields[field] = None


# --- enrollment --------------------------------------------------------------------


def device_keys(keys: Case) -> DeviceKeys:
    parts = (keys["identity_seed"], keys["sealing_scalar"], keys["relay_seed"])
    return load_keys(b"".join(bytes.fromhex(part) for part in parts))


def offered(case: Case, content: Case) -> tuple[Enrollment, Moment]:
    context = content["context"]
    start = Moment(**context["offered_at"])
    enrollment = Enrollment(
        user=UserName(context["user"]),
        uid=context["uid"],
        commitment=Digest(bytes.fromhex(context["commitment"])),
        expires=start.after(300),
    )
    if case.get("state") == "canceled":
        enrollment = end(enrollment, payload.EnrollResult.CANCELED)
    after = case.get("after", {})
    boot, wall = after.get("boot", 1.0), after.get("wall", 1.0)
    return enrollment, Moment(start.boot + boot, start.wall + wall)


def first_claim(content: Case) -> payload.EnrollClaim:
    transcript = next(c for c in content["cases"] if c["operation"] == "transcript")
    key = bytes.fromhex(content["context"]["from_device"])
    enclosed = bytes.fromhex(transcript["claim"])
    return payload.decode_enroll_claim(disclose(key, b"enroll-claim", enclosed))


def claimed(case: Case, content: Case) -> Case:
    enrollment, now = offered(case, content)
    known = {bytes.fromhex(key) for key in case.get("known", [])}
    if case.get("state") == "claimed":
        enrollment = accept_claim(enrollment, first_claim(content), set(), now)
    key = bytes.fromhex(content["context"]["from_device"])
    raw = disclose(key, b"enroll-claim", bytes.fromhex(case["enclosed"]))
    message = payload.decode_enroll_claim(raw)
    claim = accept_claim(enrollment, message, known, now).claim
    assert claim is not None
    assert claim.statement == message.statement
    return {"device_id": claim.device_id.hex(), "claim_sha256": claim.digest().hex()}


def own_claim(case: Case, content: Case) -> Claim:
    context = content["context"]
    committed = bytes.fromhex(case.get("commitment", context["commitment"]))
    statement = context["claim_statement"].encode()
    return Claim(Digest(committed), statement, Sealed(bytes(28)))


def revealed(case: Case, content: Case) -> str:
    meeting = Meeting.of(bytes.fromhex(content["context"]["secret"]))
    claim, keys = own_claim(case, content), device_keys(content["keys"]["device"])
    host = open_host(meeting, claim, keys, bytes.fromhex(case["enclosed"]))
    return code_of(claim, host)


def done(case: Case, content: Case) -> str:
    meeting = Meeting.of(bytes.fromhex(content["context"]["secret"]))
    claim, keys = own_claim(case, content), device_keys(content["keys"]["device"])
    transcript = next(c for c in content["cases"] if c["operation"] == "transcript")
    host = open_host(meeting, claim, keys, bytes.fromhex(transcript["host"]))
    enclosed = bytes.fromhex(case["enclosed"])
    return open_done(meeting, claim, keys, host, enclosed).result


def transcript(case: Case, content: Case) -> Case:
    context, keys = content["context"], device_keys(content["keys"]["device"])
    parsed = parse_link(case["link"])
    assert parsed.secret.hex() == context["secret"]
    assert parsed.relay == "wss://relay.example"
    meeting = Meeting.of(parsed.secret)
    assert meeting.mailbox.hex() == context["meeting_mailbox"]
    enclosed = bytes.fromhex(case["commit"])
    commit = disclose(meeting.keys.host_key, b"enroll-commit", enclosed)
    committed = open_commit(meeting, enclosed)
    assert committed.hex() == context["commitment"]
    enrollment, now = offered({}, content)
    enrollment = accept_claim(enrollment, first_claim(content), set(), now)
    assert enrollment.claim is not None
    claim = Claim(committed, enrollment.claim.statement, Sealed(bytes(28)))
    host = open_host(meeting, claim, keys, bytes.fromhex(case["host"]))
    end_of_it = open_done(meeting, claim, keys, host, bytes.fromhex(case["done"]))
    return {
        "commit": commit.decode(),
        "claim_statement": claim.statement.decode(),
        "claim_sha256": claim.sha256.hex(),
        "device_id": enrollment.claim.device_id.hex(),
        "host_statement": encode(host).decode(),
        "code": code_of(claim, host),
        "done_statement": encode(end_of_it).decode(),
    }


def committed(case: Case, _: Case) -> str:
    parts = (case["verify_key"], case["sealing_key"], case["nonce"])
    return commitment(*(bytes.fromhex(part) for part in parts)).hex()


def coded(case: Case, content: Case) -> str:
    host, nonce = content["keys"]["host"], content["context"]["host_nonce"]
    return confirmation_code(
        bytes.fromhex(host["verify_key"]),
        bytes.fromhex(host["sealing_key"]),
        bytes.fromhex(nonce),
        case["statement"].encode(),
    )


def confirmed(case: Case, content: Case) -> str:
    state = case.get("state", "claimed")
    enrollment, now = offered(case, content)
    if state == "claimed":
        start = Moment(**content["context"]["offered_at"])
        enrollment = accept_claim(enrollment, first_claim(content), set(), start)
    code = content["context"]["code"]
    result = confirm(enrollment, case["typed"], code, now).result
    assert result is not None
    return result


# --- answer ------------------------------------------------------------------------


def the_device(case: Case, content: Case) -> Device:
    keys, record = content["keys"]["device"], content["context"]["device"]
    changed = case["changed"]
    return Device(
        device_id=DeviceId(bytes.fromhex(keys["id"])),
        user=UserName(changed.get("user", record["user"])),
        uid=changed.get("uid", record["uid"]),
        label=record["label"],
        kind=DeviceKind.APP,
        capabilities=tuple(changed.get("capabilities", record["capabilities"])),
        verify_key=VerifyKey(bytes.fromhex(keys["verify_key"])),
        sealing_key=SealingKey(bytes.fromhex(keys["sealing_key"])),
        mailbox=MailboxId(bytes.fromhex(keys["mailbox"])),
        version=changed.get("version", record["version"]),
        enrolled_at=0,
        lost_at=changed.get("lost_at"),
        revoked_at=changed.get("revoked_at"),
        credential=the_credential(changed.get("credential", record["credential"])),
    )


def the_credential(fields: Case | None) -> payload.Credential | None:
    claim = messages.enroll_device(credential=fields)
    return payload.decode_enroll_device(json.dumps(claim).encode()).credential


def the_attempt(case: Case, content: Case, device_id: DeviceId) -> Attempt:
    context, changed = content["context"], case["changed"]
    raw = context["challenge"].encode()
    challenge = payload.decode_challenge(raw)
    start = Moment(**context["sent_at"])
    digests = {} if changed.get("not_asked") else {device_id: Digest(digest(raw))}
    attempt = Attempt(
        attempt_id=AttemptId("0" * 16),
        challenge_id=challenge.challenge_id,
        kind=challenge.kind,
        approver=UserName(challenge.approver),
        approver_uid=challenge.uid,
        number=context["number"],
        digests=digests,
        verification=VerificationRequired(changed.get("asked", challenge.verification)),
        grant_offered=challenge.grant_offered,
        started=start,
        expires=start.after(challenge.lifetime),
    )
    if "ended" in changed:
        verdict, cause = changed["ended"]
        attempt = close(attempt, End(Verdict(verdict), Cause(cause)))
    return attempt


def digest(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()


def answered(case: Case, content: Case) -> Case:
    host, device = content["keys"]["host"], the_device(case, content)
    host_keys = HostKeys(
        HostId(bytes.fromhex(host["id"])),
        MailboxId(bytes.fromhex(host["mailbox"])),
        Opener.from_private(bytes.fromhex(host["sealing_scalar"])),
        content["context"]["origin"],
    )
    frame = link.decode_relay_frame(case["frame"].encode())
    assert isinstance(frame, link.Envelope)
    assert frame.sender == device.mailbox
    opened = open_answer(frame.sealed, frame.to, device, host_keys)
    answer = opened.answer
    attempt = the_attempt(case, content, device.device_id)
    found = attempt if answer.challenge_id == attempt.challenge_id else None
    now = Moment(
        **content["context"]["received_at"] | case["changed"].get("received_at", {})
    )
    pending = verify_answer(opened, found, device, host_keys, now)
    ended = close(pending, judge(answer, pending, device))
    # (14) Once: whatever comes now finds an attempt that has ended.
    with pytest.raises(errors.VerificationError, match="has ended"):
        verify_answer(opened, ended, device, host_keys, now)
    with pytest.raises(errors.VerificationError, match="has ended"):
        close(ended, judge(answer, pending, device))
    assert ended.end is not None
    assert ended.end.device_id == device.device_id
    return {"verdict": ended.end.verdict.value, "cause": ended.end.cause.value}


# --- module and text ---------------------------------------------------------------


def first_datagram(case: Case, _: Case) -> Case:
    request = local.decode_request(bytes.fromhex(case["datagram"]))
    values: Case = {}
    for key, value in msgspec.structs.asdict(request).items():
        if key == "command" or value is not None:
            values[key] = value.hex() if isinstance(value, bytes) else value
    # Left out by the module, these have a value all the same.
    if request.flags == 0 and "flags" not in case["expected"]:
        del values["flags"]
    values["cut"] = int(request.cut)
    return values


def said(case: Case, _: Case) -> str:
    if case["letter"] == "V":
        return local.encode_verdict(Verdict(case["verdict"]), case["text"]).hex()
    say = {"I": local.encode_info, "E": local.encode_error, "P": local.encode_prompt}
    return say[case["letter"]](case["text"]).hex()


def typed(case: Case, _: Case) -> str:
    return local.decode_typed(bytes.fromhex(case["datagram"])).hex()


def harmless(case: Case, _: Case) -> str:
    return text.make_harmless(case["text"], case.get("limit", text.MAX_SHOWN))


def ascii_text(case: Case, _: Case) -> str:
    return text.make_ascii(case["text"], case["limit"])


def text_of(case: Case, _: Case) -> str:
    return text.decode_text(bytes.fromhex(case["bytes"]))


def command_shown(case: Case, _: Case) -> str:
    raw = bytes.fromhex(case["command"])
    command = payload.Command(
        head=payload.CommandPiece(raw),
        tail=payload.CommandPiece(b""),
        length=len(raw),
        sha256=Digest(bytes(32)),
    )
    return command_text(command).head


MESSAGES: dict[str, Run] = {
    "message": decoded,
    "decode": decoded,
    "leave_out": each_refused(leave_out),
    "null": each_refused(make_null),
}
RUNS: dict[str, dict[str, Run]] = {
    "base64url.json": {"": base64url},
    "signing.json": {
        "sign": signed,
        "verify": verified,
        "check_verify_key": verify_key_checked,
    },
    "names.json": {
        "host_id": derived_name(host_id_of),
        "device_id": derived_name(device_id_of),
        "mailbox_id": derived_name(mailbox_id_of),
        "relay_name": named_relay,
    },
    "sealing.json": {
        "info": info_made,
        "seal": sealed,
        "open": opened,
        "check_sealing_key": sealing_key_checked,
    },
    "enclosing.json": {"derive": derived_keys, "disclose": disclosed},
    "statements.json": MESSAGES | {"fields": answer_fields},
    "frames.json": MESSAGES,
    "enrollment.json": {
        "transcript": transcript,
        "commitment": committed,
        "code": coded,
        "claim": claimed,
        "reveal": revealed,
        "done": done,
        "confirm": confirmed,
    },
    "answer.json": {"": answered},
    "assertion.json": {"": answered},
    "module.json": {"first": first_datagram, "say": said, "typed": typed},
    "text.json": {
        "make_harmless": harmless,
        "make_ascii": ascii_text,
        "decode_text": text_of,
        "command": command_shown,
    },
}


@pytest.mark.parametrize(("name", "case"), CASES)
def test_vector(name: str, case: Case) -> None:
    run = RUNS[name][case.get("operation", "")]
    if "expected" in case:
        assert run(case, CONTENTS[name]) == case["expected"]
        return
    refused = case["refusal"]
    kind = getattr(errors, refused["error"], ValueError)
    with pytest.raises(kind) as caught:
        run(case, CONTENTS[name])
    assert type(caught.value).__name__ == refused["error"]
    assert str(caught.value) == refused.get("message", str(caught.value))


def operations(content: Case) -> Iterator[str]:
    return (case.get("operation", "") for case in content["cases"])


def test_every_file_is_made_and_every_operation_is_used() -> None:
    on_disk = {path.name for path in FOLDER.glob("*.json")}
    assert {name for name in on_disk if not name.startswith("rfc")} == set(FILES)
    assert set(RUNS) == set(FILES)
    for name, content in CONTENTS.items():
        assert set(operations(content)) == set(RUNS[name])


def test_every_case_says_what_is_expected_or_how_it_is_refused() -> None:
    for content in CONTENTS.values():
        assert content["description"]
        assert content["source"].startswith("docs/protocol.md, section")
        assert len(content["cases"]) > 0
        for case in content["cases"]:
            assert ("expected" in case) != ("refusal" in case)
            assert "refusal" not in case or set(case["refusal"]) >= {"error", "step"}


def test_every_step_of_the_verification_has_a_case() -> None:
    cases = CONTENTS["answer.json"]["cases"]
    steps = {c["refusal"]["step"] for c in cases if "refusal" in c}
    assert steps == {f"5.3 ({step})" for step in range(1, 12)}
    assert {c["expected"]["verdict"] for c in cases if "expected" in c} == {
        "approved",
        "denied",
        "wrong_number",
    }


def test_a_changed_file_is_shown_and_fails_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.vectors.make.FOLDER", tmp_path)
    only = {"names.json": FILES["names.json"]}
    monkeypatch.setattr("tests.vectors.make.FILES", only)
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0
    file = tmp_path / "names.json"
    file.write_text(
        file.read_text().replace("mailbox id of host", "mailbox of host", 1)
    )
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert "mailbox of host" in capsys.readouterr().out
    assert main(["--chekc"]) == 2


def test_a_long_difference_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.vectors.make.FOLDER", tmp_path)
    lines = difference("text.json", render(CONTENTS["text.json"]))
    assert len(lines) == 21
    assert lines[-1].endswith("lines more")
