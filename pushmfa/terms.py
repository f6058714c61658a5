"""The glossary as types: every word that code, wire and people share."""

from enum import StrEnum
from typing import Final, NewType

VERSION: Final = "0.1.0"
"""The release; here and nowhere else, so that no start-up reads package metadata."""

PROTOCOL_VERSION: Final = 1
"""The version that stands in every statement and frame of this release."""

UserName = NewType("UserName", str)
"""The canonical name of an account, as the user database gives it."""

AttemptId = NewType("AttemptId", str)
"""One login attempt as log, audit and `--json` name it: 16 hexadecimal digits."""

ChallengeId = NewType("ChallengeId", bytes)
"""32 random bytes, never reused; one challenge, all the devices it is sent to."""

HostId = NewType("HostId", bytes)
"""SHA-256 of the first verify key of a host: 32 bytes; survives key rotation."""

DeviceId = NewType("DeviceId", bytes)
"""SHA-256 of the first verify key of an enrollment: 32 bytes."""

MailboxId = NewType("MailboxId", bytes)
"""The first 16 bytes of SHA-256 of a relay key, so that nobody claims another's."""

EnvelopeId = NewType("EnvelopeId", bytes)
"""16 random bytes; an id seen before is dropped."""


class Role(StrEnum):
    """Who opens a link to the relay."""

    HOST = "host"
    DEVICE = "device"


class Kind(StrEnum):
    """What a challenge asks the approval of."""

    LOGIN = "login"
    SUDO = "sudo"
    SU = "su"
    TEST = "test"
    CONFIRM = "confirm"
    ENROLL = "enroll"
    REVOKE = "revoke"
    GRANT = "grant"
    UNLOCK = "unlock"


class Decision(StrEnum):
    """What a device answers."""

    APPROVAL = "approval"
    DENIAL = "denial"


class DenialReason(StrEnum):
    """Why a person denies."""

    CANCEL = "cancel"
    NOT_ME = "not_me"


class Verification(StrEnum):
    """What the device verified of its holder before it signed."""

    NONE = "none"
    PASSPHRASE = "passphrase"
    WEBAUTHN = "webauthn"


class VerificationRequired(StrEnum):
    """What a challenge asks of the device's verification of its holder."""

    NONE = "none"
    REQUIRED = "required"


class DeviceKind(StrEnum):
    """What a device is."""

    APP = "app"
    TERMINAL = "terminal"


class Verdict(StrEnum):
    """How an attempt ended; every attempt has exactly one."""

    APPROVED = "approved"
    DENIED = "denied"
    WRONG_NUMBER = "wrong_number"
    EXPIRED = "expired"
    CANCELED = "canceled"
    THROTTLED = "throttled"
    LOCKED = "locked"
    NOT_ENROLLED = "not_enrolled"
    UNAVAILABLE = "unavailable"


class Cause(StrEnum):
    """Why the verdict is what it is; part of audit, `--json` and outcome."""

    # What can cause an approval:
    DEVICE = "device"
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    BYPASS_CODE = "bypass_code"
    TICKET = "ticket"
    OFFLINE = "offline"
    GRANT = "grant"
    EXEMPT = "exempt"
    UNREACHABLE_ALLOWED = "unreachable_allowed"
    UNENROLLED_ALLOWED = "unenrolled_allowed"
    # What can cause a refusal:
    CANCEL = "cancel"
    NOT_ME = "not_me"
    WRONG_NUMBER = "wrong_number"
    NO_ANSWER = "no_answer"
    HANGUP = "hangup"
    LIMIT = "limit"
    LOCKED = "locked"
    NOT_ENROLLED = "not_enrolled"
    WRONG_CODE = "wrong_code"
    RELAY_UNREACHABLE = "relay_unreachable"
    NO_FIRST_FACTOR = "no_first_factor"
    NOT_PERMITTED = "not_permitted"
    MISCONFIGURED = "misconfigured"
    INTERNAL = "internal"


APPROVING_CAUSES: Final = frozenset(
    {
        Cause.DEVICE,
        Cause.TOTP,
        Cause.RECOVERY_CODE,
        Cause.BYPASS_CODE,
        Cause.TICKET,
        Cause.OFFLINE,
        Cause.GRANT,
        Cause.EXEMPT,
        Cause.UNREACHABLE_ALLOWED,
        Cause.UNENROLLED_ALLOWED,
    }
)
"""The only causes that may stand beside `approved`."""

ALWAYS_CLOSED_CAUSES: Final = frozenset(
    {Cause.MISCONFIGURED, Cause.INTERNAL, Cause.NO_FIRST_FACTOR, Cause.NOT_PERMITTED}
)
"""Refusals that `unreachable = "allow"` never opens; their verdict is unavailable."""


class WakeUp(StrEnum):
    """What the relay did to wake a device up; a hint, it decides nothing."""

    SENT = "sent"
    NONE = "none"
    GONE = "gone"
