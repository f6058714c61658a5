"""What happened, in words for the person who holds the device. Pure."""

from typing import Final

from pushmfa.crypto.keys import fingerprint
from pushmfa.device.keyring import Enrollment
from pushmfa.terms import Cause, Kind, Verdict
from pushmfa.text import make_harmless
from pushmfa.wire.payload import Challenge, Notice, NoticeKind, Outcome

KINDS: Final = {
    Kind.LOGIN: "login",
    Kind.SUDO: "sudo: a command as another user",
    Kind.SU: "su: become another user",
    Kind.TEST: "test",
    Kind.CONFIRM: "confirm",
    Kind.ENROLL: "enroll ANOTHER DEVICE",
    Kind.REVOKE: "revoke a device",
    Kind.GRANT: "let logins through without asking",
    Kind.UNLOCK: "unlock",
}

_NOTICES: Final = {
    NoticeKind.DEVICE_ENROLLED: "a device was enrolled",
    NoticeKind.DEVICE_REVOKED: "a device was revoked",
    NoticeKind.DEVICE_RENAMED: "a device was renamed",
    NoticeKind.DEVICE_LOST: "a device was reported lost",
}


def account(enrollment: Enrollment) -> str:
    """Return `alice on web1.example`, as recorded when this was enrolled."""
    user = make_harmless(enrollment.user, 64)
    return f"{user} on {make_harmless(enrollment.host_name, 64)}"


def summary(enrollment: Enrollment, challenge: Challenge) -> str:
    """Return the one line that says which login this is."""
    source = challenge.remote_address
    where = f", from {make_harmless(source, 64)}" if source else ""
    user = make_harmless(challenge.user, 64)
    host = make_harmless(enrollment.host_name, 64)
    return f"{challenge.kind.value} as {user} on {host}{where}"


def outcome_text(outcome: Outcome) -> str:
    """Return how an attempt ended, seen from this device."""
    match outcome.verdict:
        case Verdict.APPROVED:
            return _approved(outcome)
        case Verdict.DENIED:
            where = "" if outcome.by_this_device else " on another device"
            return f"denied{where}"
        case Verdict.WRONG_NUMBER:
            if outcome.by_this_device:
                return "wrong number: refused"
            return "a wrong number was typed on another device: refused"
        case Verdict.EXPIRED:
            return "expired: nobody answered in time"
        case Verdict.CANCELED:
            return "canceled at the terminal"
        case other:
            return f"refused by the host: {other.value}"


def _approved(outcome: Outcome) -> str:
    if outcome.by_this_device:
        enter = ": press Enter in the terminal" if outcome.press_enter else ""
        return f"approved{enter}"
    if outcome.cause is Cause.DEVICE:
        return "answered on another device: approved"
    how = outcome.cause.value.replace("_", " ")
    return f"approved at the terminal by {how}, not by this device"


def notice_text(enrollment: Enrollment, notice: Notice) -> str:
    """Return what happened to the account."""
    what = _NOTICES[notice.kind]
    label = make_harmless(notice.subject_label, 64)
    by = make_harmless(notice.by, 64)
    mark = fingerprint(notice.subject_id)
    return f"{account(enrollment)}: {what}: {label} ({mark}), by {by}"
