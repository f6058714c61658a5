"""The glossary as types: every word that code, wire and people share."""

from enum import IntEnum, StrEnum
from typing import Final, NewType, Self

VERSION: Final = "0.1.0"
"""The release; here and nowhere else, so that no start-up reads package metadata."""

PROTOCOL_VERSION: Final = 1
"""The version that stands in every statement and frame of this release."""

MAX_EPOCH: Final = 2**27 - 1
"""The last state epoch of a host; two changes of its devices each second reach it in
two years, and then it stays."""

MAX_LABEL: Final = 64
"""The longest label of a device, in characters."""

UserName = NewType("UserName", str)
"""The canonical name of an account, as the user database gives it."""

AttemptId = NewType("AttemptId", str)
"""One login attempt as log, audit and `--json` name it: 16 hexadecimal digits."""


class Binary(bytes):
    """Bytes of a known length; on a wire unpadded base64url (RFC 4648, section 5).

    Subclasses say how long; the constructor raises ValueError for any other length.
    """

    MIN = 0
    MAX = 12_288

    def __new__(cls, value: bytes) -> Self:
        """Return value as this kind of bytes, or raise ValueError."""
        if not cls.MIN <= len(value) <= cls.MAX:
            expected = cls.MIN if cls.MIN == cls.MAX else f"{cls.MIN} to {cls.MAX}"
            raise ValueError(f"{cls.__name__}: {len(value)} bytes, not {expected}")
        return super().__new__(cls, value)


class Bytes16(Binary):
    """Exactly 16 bytes."""

    MIN = MAX = 16


class Bytes32(Binary):
    """Exactly 32 bytes."""

    MIN = MAX = 32


class ChallengeId(Bytes32):
    """32 random bytes, never reused; one attempt, all the devices it is sent to."""


class HostId(Bytes32):
    """SHA-256 of the first verify key of a host; survives a rotation of its keys."""


class DeviceId(Bytes32):
    """SHA-256 of the first verify key of an enrollment: one device, one account."""


class MailboxId(Bytes16):
    """The first 16 bytes of SHA-256 of a relay key, so that nobody claims another's."""


class EnvelopeId(Bytes16):
    """16 random bytes; an id seen before is dropped."""


class Nonce(Bytes32):
    """32 random bytes, used once."""


class Digest(Bytes32):
    """A SHA-256."""


class VerifyKey(Bytes32):
    """An Ed25519 public key (RFC 8032)."""


class SealingKey(Binary):
    """A P-256 public key as an uncompressed point (SEC 1): 0x04, x, y."""

    MIN = MAX = 65


class Signature(Binary):
    """An Ed25519 signature (RFC 8032)."""

    MIN = MAX = 64


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
    PASSPHRASE = "passphrase"  # noqa: S105  a word of the wire, not a secret
    WEBAUTHN = "webauthn"


class CredentialAlgorithm(IntEnum):
    """How a WebAuthn credential signs: its COSE number (RFC 9053, RFC 8812)."""

    ES256 = -7
    EDDSA = -8
    RS256 = -257


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
    NO_VERIFICATION = "no_verification"
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
