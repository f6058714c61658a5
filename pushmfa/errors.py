"""Every exception that pushmfa raises on purpose.

    PushmfaError
    +-- MalformedError          bytes from outside that are not what they should be
    +-- ConfigError             a configuration that says something wrong
    +-- VerificationError       a check of an answer or a statement failed
        +-- RolledBackError     it proves that this host's state is an old one
        +-- ClonedError         an authenticator may have been copied
    +-- SealError               an envelope that does not open
    +-- KeyRejectedError        a public key that must not be used
    +-- StoreError              state that cannot be read or written
        +-- DiskFullError       there is no room, not even in the reserve
        +-- UnwritableError     the disk takes nothing
        +-- DamagedError        what is on the disk is not what was written
        +-- LostError           it is not on the disk any more
    +-- NotReachableError       daemon or relay does not answer
    +-- NotPermittedError       the caller may not do this
    +-- NotEnrolledError        no active device
    +-- LimitError              throttled or locked
    +-- ExpiredError            nobody answered in time
    +-- RefusedError            denied, wrong number, wrong code
    +-- UsageError              something that cannot be done as asked

Each carries what happened (the message) and what to do (the hint); the command
line prints both and ends with `exit_code`.
"""


class PushmfaError(Exception):
    """The base of them all: what happened, and a hint: what to do."""

    exit_code = 1
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class MalformedError(PushmfaError):
    """Bytes from outside are not a message of the protocol."""


class ConfigError(PushmfaError):
    """A configuration file is missing or says something wrong."""

    exit_code = 8
    hint = "Correct the file and try again; the documentation lists every key."


class VerificationError(PushmfaError):
    """A check of a signed statement failed; it changes nothing."""


class RolledBackError(VerificationError):
    """A device has seen a later state of this host than the host itself knows."""

    def __init__(self, message: str, *, hint: str | None = None, seen: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.seen = seen
        """The counter of the epoch that the device saw."""


class ClonedError(VerificationError):
    """An authenticator counted no further: its credential may have been copied."""


class SealError(PushmfaError):
    """A sealed payload does not open with these keys and names."""


class KeyRejectedError(PushmfaError):
    """A public key is malformed, non-canonical or of small order."""


class StoreError(PushmfaError):
    """State on disk cannot be read or written."""


class DiskFullError(StoreError):
    """There is no room for the state, not even in the reserve."""


class UnwritableError(StoreError):
    """The disk takes nothing: it is read-only, or it fails."""


class DamagedError(StoreError):
    """What is on the disk is not what was written there."""


class LostError(StoreError):
    """The file is not at its place any more: what is written goes nowhere."""


class NotReachableError(PushmfaError):
    """The daemon or the relay does not answer."""

    exit_code = 3


class ExpiredError(PushmfaError):
    """Nobody answered in time."""

    exit_code = 4


class LimitError(PushmfaError):
    """Throttled or locked."""

    exit_code = 5


class NotEnrolledError(PushmfaError):
    """The account has no active device."""

    exit_code = 6
    hint = "Run `pushmfa enroll` first."


class NotPermittedError(PushmfaError):
    """The caller may not do this."""

    exit_code = 7


class RefusedError(PushmfaError):
    """Denied, or a wrong number or code was typed."""

    exit_code = 1


class UsageError(PushmfaError):
    """It cannot be done as asked."""

    exit_code = 2
