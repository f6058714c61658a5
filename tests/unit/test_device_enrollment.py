"""The device's side of an enrollment: every check, and what attackers would send."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushmfa.crypto.keys import (
    confirmation_code,
    enrollment_keys,
    new_sealing_scalar,
)
from pushmfa.crypto.sealing import (
    Direction,
    Opener,
    Sealer,
    disclose,
    enclose,
    sealing_info,
)
from pushmfa.crypto.signing import Label, Signer, verify_signature
from pushmfa.device.enrollment import (
    Claim,
    Meeting,
    code_of,
    make_claim,
    open_commit,
    open_done,
    open_host,
)
from pushmfa.device.keyring import DeviceKeys, load_keys, new_keys
from pushmfa.errors import (
    KeyRejectedError,
    MalformedError,
    PushmfaError,
    SealError,
    VerificationError,
)
from pushmfa.terms import DeviceId, DeviceKind, Digest, HostId, Nonce, SealingKey
from pushmfa.wire.codec import encode
from pushmfa.wire.payload import (
    EnrollCommit,
    EnrollDevice,
    EnrollResult,
    decode_enroll_claim,
)
from tests.unit.enrollment_peer import HostPeer

SECRET = b"s" * 16
OTHER_SECRET = b"o" * 16
REFUSALS = (MalformedError, SealError, VerificationError, KeyRejectedError)


class Enrollment:
    """A host and a device that have come as far as the claim."""

    def __init__(self) -> None:
        self.host = HostPeer()
        self.meeting = Meeting.of(SECRET)
        self.keys: DeviceKeys = load_keys(new_keys())
        committed = open_commit(self.meeting, self.host.commit(SECRET))
        self.claim: Claim = make_claim(
            self.meeting, committed, self.keys, label="laptop", has_passphrase=False
        )
        self.device: EnrollDevice
        self.device, self.statement = self.host.open_claim(SECRET, self.claim.sealed)

    def reveal(self, **changes: Any) -> bytes:
        """Return the host's reply, with changes that it signs."""
        statement = self.host.reveal(self.device, self.statement, **changes)
        return self.enclosed(statement)

    def enclosed(self, statement: Any, **how: Any) -> bytes:
        """Return a statement of the host, sealed and enclosed."""
        how.setdefault("step", b"enroll-host")
        return self.host.enclose_statement(SECRET, self.device, statement, **how)

    def open(self, sealed: bytes) -> Any:
        """Let the device open a reply."""
        return open_host(self.meeting, self.claim, self.keys, sealed)


@pytest.fixture
def enrollment() -> Enrollment:
    return Enrollment()


def test_a_whole_enrollment(enrollment: Enrollment) -> None:
    host = enrollment.open(enrollment.reveal())
    assert host.host_id == enrollment.host.host_id
    assert host.user == "alice"
    # The host computes the same six digits from what it knows.
    expected = confirmation_code(
        enrollment.host.identity.verify_key,
        enrollment.host.opener.public_key,
        enrollment.host.nonce,
        enrollment.statement,
    )
    assert code_of(enrollment.claim, host) == expected
    assert len(expected) == 6
    done = enrollment.enclosed(
        enrollment.host.done(enrollment.device, enrollment.statement),
        step=b"enroll-done",
    )
    ended = open_done(enrollment.meeting, enrollment.claim, enrollment.keys, host, done)
    assert ended.result is EnrollResult.ACTIVE


def test_the_claim_says_what_the_host_needs(enrollment: Enrollment) -> None:
    device = enrollment.device
    assert device.verify_key == enrollment.keys.identity.verify_key
    assert device.sealing_key == enrollment.keys.opener.public_key
    assert device.mailbox == enrollment.keys.mailbox
    assert device.kind is DeviceKind.TERMINAL
    assert device.label == "laptop"
    assert device.capabilities == ()
    assert device.commitment == enrollment.claim.commitment


def test_a_passphrase_is_a_capability() -> None:
    meeting, keys = Meeting.of(SECRET), load_keys(new_keys())
    claim = make_claim(meeting, Digest(b"c" * 32), keys, label="x", has_passphrase=True)
    device, raw = HostPeer().open_claim(SECRET, claim.sealed)
    assert device.capabilities == ("passphrase",)
    assert raw == claim.statement


def test_two_claims_have_nothing_in_common() -> None:
    first, second = Enrollment(), Enrollment()
    assert first.device.verify_key != second.device.verify_key
    assert first.device.mailbox != second.device.mailbox
    assert first.device.nonce != second.device.nonce


# --- the commitment (4.2) -----------------------------------------------------


def test_attack_commitment_of_who_does_not_know_the_secret() -> None:
    with pytest.raises(SealError):
        open_commit(Meeting.of(SECRET), HostPeer().commit(OTHER_SECRET))


@pytest.mark.parametrize("changes", [{"version": 2}, {"versions": (2, 3)}])
def test_attack_downgrade_or_other_version_in_the_commitment(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(VerificationError, match="version"):
        open_commit(Meeting.of(SECRET), HostPeer().commit(SECRET, **changes))


def test_attack_another_step_stands_for_the_commitment() -> None:
    keys = enrollment_keys(SECRET)
    statement = encode(
        EnrollCommit(version=1, versions=(1,), commitment=Digest(b"c" * 32))
    )
    for key, step in (
        (keys.host_key, b"enroll-host"),
        (keys.device_key, b"enroll-commit"),
    ):
        with pytest.raises(SealError):
            open_commit(Meeting.of(SECRET), enclose(key, step, statement))


# --- the host's reply, checks 1 to 8 (4.4) ------------------------------------


def test_attack_check_1_reflected_claim(enrollment: Enrollment) -> None:
    with pytest.raises(SealError):
        enrollment.open(enrollment.claim.sealed)


def test_attack_check_1_commitment_again(enrollment: Enrollment) -> None:
    with pytest.raises(SealError):
        enrollment.open(enrollment.host.commit(SECRET))


def test_attack_check_2_sealed_to_another_device(enrollment: Enrollment) -> None:
    other = Enrollment()
    statement = enrollment.host.reveal(enrollment.device, enrollment.statement)
    sealed = enrollment.host.enclose_statement(
        SECRET, other.device, statement, step=b"enroll-host"
    )
    with pytest.raises(SealError):
        enrollment.open(sealed)


def test_attack_check_2_another_host_id_in_front(enrollment: Enrollment) -> None:
    statement = enrollment.host.reveal(enrollment.device, enrollment.statement)
    with pytest.raises(SealError):
        enrollment.open(enrollment.enclosed(statement, front=b"x" * 32))


def test_check_2_nothing_behind_the_host_id(enrollment: Enrollment) -> None:
    for front in (b"", b"x" * 31, enrollment.host.host_id):
        key = enrollment_keys(SECRET).host_key
        with pytest.raises(MalformedError):
            enrollment.open(enclose(key, b"enroll-host", front))


def test_check_3_another_statement(enrollment: Enrollment) -> None:
    done = enrollment.host.done(enrollment.device, enrollment.statement)
    with pytest.raises(MalformedError):
        enrollment.open(enrollment.enclosed(done, label=Label.ENROLL_HOST))


def test_attack_check_4_signed_by_another_key(enrollment: Enrollment) -> None:
    statement = enrollment.host.reveal(enrollment.device, enrollment.statement)
    with pytest.raises(VerificationError, match="signature"):
        enrollment.open(
            enrollment.enclosed(statement, signer=Signer.from_seed(b"z" * 32))
        )


@pytest.mark.parametrize("label", [Label.ENROLL_DONE, Label.CHALLENGE])
def test_attack_check_4_signed_for_another_purpose(
    enrollment: Enrollment, label: Label
) -> None:
    statement = enrollment.host.reveal(enrollment.device, enrollment.statement)
    with pytest.raises(VerificationError, match="signature"):
        enrollment.open(enrollment.enclosed(statement, label=label))


@pytest.mark.parametrize(
    "changes",
    [{"host_id": HostId(b"x" * 32)}, {"device_id": DeviceId(b"x" * 32)}],
)
def test_attack_check_5_other_names(
    enrollment: Enrollment, changes: dict[str, Any]
) -> None:
    with pytest.raises(VerificationError, match="check 5"):
        enrollment.open(enrollment.reveal(**changes))


def test_attack_check_6_answer_to_another_claim(enrollment: Enrollment) -> None:
    with pytest.raises(VerificationError, match="check 6"):
        enrollment.open(enrollment.reveal(claim_sha256=Digest(b"x" * 32)))


def test_attack_relay_swaps_the_host_key(enrollment: Enrollment) -> None:
    # The relay knows the secret (the link was photographed) and answers in the
    # host's place, consistently, with keys of its own.
    enrollment.host = HostPeer(letter=b"e")
    with pytest.raises(VerificationError, match="check 7"):
        enrollment.open(enrollment.reveal())


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": Nonce(b"x" * 32)},
        {
            "sealing_key": SealingKey(
                Opener.from_private(new_sealing_scalar()).public_key
            )
        },
    ],
)
def test_attack_commitment_opened_otherwise(
    enrollment: Enrollment, changes: dict[str, Any]
) -> None:
    with pytest.raises(VerificationError, match="check 7"):
        enrollment.open(enrollment.reveal(**changes))


def test_attack_both_sides_in_the_middle_get_different_digits() -> None:
    """Who has the secret can run one enrollment with each side, and gains nothing."""
    device = Enrollment()
    device.host = HostPeer(letter=b"e")
    committed = open_commit(device.meeting, device.host.commit(SECRET))
    device.claim = make_claim(
        device.meeting, committed, device.keys, label="laptop", has_passphrase=False
    )
    device.device, device.statement = device.host.open_claim(
        SECRET, device.claim.sealed
    )
    shown = code_of(device.claim, device.open(device.reveal()))
    victim = Enrollment()
    asked = code_of(victim.claim, victim.open(victim.reveal()))
    assert shown != asked


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"versions": (2,)}, {"version": 3, "versions": (3,)}]
)
def test_attack_check_8_no_version_in_common(
    enrollment: Enrollment, changes: dict[str, Any]
) -> None:
    with pytest.raises(VerificationError, match="version"):
        enrollment.open(enrollment.reveal(**changes))


def test_attack_check_8_a_sealing_key_off_the_curve(enrollment: Enrollment) -> None:
    # Committed to as well, so that check 7 lets it through.
    bad = b"\x04" + b"\x01" * 64
    enrollment.host.opener.public_key = bad
    committed = open_commit(enrollment.meeting, enrollment.host.commit(SECRET))
    enrollment.claim = make_claim(
        enrollment.meeting, committed, enrollment.keys, label="x", has_passphrase=False
    )
    enrollment.device, enrollment.statement = enrollment.host.open_claim(
        SECRET, enrollment.claim.sealed
    )
    with pytest.raises(KeyRejectedError):
        enrollment.open(enrollment.reveal())


# --- the end (4.6) ------------------------------------------------------------


def done_of(enrollment: Enrollment, **changes: Any) -> bytes:
    done = enrollment.host.done(enrollment.device, enrollment.statement, **changes)
    return enrollment.enclosed(done, step=b"enroll-done")


@pytest.mark.parametrize(
    "changes",
    [
        {"host_id": HostId(b"x" * 32)},
        {"device_id": DeviceId(b"x" * 32)},
        {"claim_sha256": Digest(b"x" * 32)},
        {"version": 2},
    ],
)
def test_attack_the_end_of_another_enrollment(
    enrollment: Enrollment, changes: dict[str, Any]
) -> None:
    host = enrollment.open(enrollment.reveal())
    with pytest.raises(VerificationError):
        open_done(
            enrollment.meeting,
            enrollment.claim,
            enrollment.keys,
            host,
            done_of(enrollment, **changes),
        )


def test_attack_the_end_is_said_by_another_host(enrollment: Enrollment) -> None:
    host = enrollment.open(enrollment.reveal())
    enrollment.host = HostPeer(letter=b"e")
    with pytest.raises(VerificationError):
        open_done(
            enrollment.meeting,
            enrollment.claim,
            enrollment.keys,
            host,
            done_of(enrollment),
        )


def test_attack_the_hosts_reply_stands_for_the_end(enrollment: Enrollment) -> None:
    sealed = enrollment.reveal()
    host = enrollment.open(sealed)
    with pytest.raises(SealError):
        open_done(enrollment.meeting, enrollment.claim, enrollment.keys, host, sealed)


# --- anything at all ----------------------------------------------------------

SHARED = Enrollment()
SHARED_HOST = SHARED.open(SHARED.reveal())


def outcome_of(work: Callable[[], object]) -> type[PushmfaError] | None:
    try:
        work()
    except REFUSALS as error:
        return type(error)
    return None


@given(st.binary(max_size=400), st.sampled_from([b"enroll-commit", b"enroll-host"]))
def test_garbage_is_refused_and_nothing_else_is_raised(
    garbage: bytes, step: bytes
) -> None:
    enclosed = enclose(enrollment_keys(SECRET).host_key, step, garbage)
    for sealed in (garbage, enclosed):
        assert outcome_of(lambda: open_commit(SHARED.meeting, sealed))  # noqa: B023  called at once
        assert outcome_of(lambda: SHARED.open(sealed))  # noqa: B023  called at once


@given(st.binary(min_size=1, max_size=300))
def test_garbage_in_the_host_place_is_refused(garbage: bytes) -> None:
    info = sealing_info(
        Direction.TO_DEVICE,
        SHARED.host.host_id,
        SHARED.keys.device_id,
        SHARED.meeting.mailbox,
        SHARED.meeting.mailbox,
    )
    sealed = Sealer(SHARED.device.sealing_key).seal(info, garbage)
    key = enrollment_keys(SECRET).host_key
    for step, work in (
        (b"enroll-host", SHARED.open),
        (
            b"enroll-done",
            lambda raw: open_done(
                SHARED.meeting, SHARED.claim, SHARED.keys, SHARED_HOST, raw
            ),
        ),
    ):
        enclosed = enclose(key, step, SHARED.host.host_id + sealed)
        assert outcome_of(lambda: work(enclosed)) is MalformedError  # noqa: B023  called at once


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_one_changed_byte_is_refused(position: int, change: int) -> None:
    raw = bytearray(SHARED.reveal())
    raw[position % len(raw)] ^= change
    assert outcome_of(lambda: SHARED.open(bytes(raw))) is SealError


def test_the_claim_is_signed_by_the_key_inside(enrollment: Enrollment) -> None:
    raw = disclose(
        enrollment_keys(SECRET).device_key, b"enroll-claim", enrollment.claim.sealed
    )
    claim = decode_enroll_claim(raw)
    verify_signature(
        enrollment.device.verify_key,
        Label.ENROLL_DEVICE,
        claim.statement,
        claim.signature,
    )
