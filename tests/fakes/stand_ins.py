"""What stands in for a step of the verification that is taken away."""

import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from pushmfa.crypto.signing import Label, verify_signature
from pushmfa.daemon.audit import Audit
from pushmfa.daemon.logins import Logins
from pushmfa.daemon.registry import Registry
from pushmfa.device.cards import Cards
from pushmfa.errors import SealError, StoreError, VerificationError
from pushmfa.login import verdict
from pushmfa.login.attempt import End
from pushmfa.terms import Cause, Verdict
from pushmfa.wire import codec


def nothing(*_args: object, **_names: object) -> None:
    """Check nothing."""


def lenient(kind: type[Any]) -> Callable[[bytes], Any]:
    """Return a careless decoder: the last of doubled keys, unknown fields, any size."""
    fields = kind.__struct_fields__
    loose = msgspec.defstruct(
        "Loose",
        list(kind.__annotations__.items()),
        tag_field="type",
        tag=kind.__struct_config__.tag,
        kw_only=True,
    )
    decoder = msgspec.json.Decoder(loose, dec_hook=codec._decode_hook)

    def decode(raw: bytes) -> Any:
        found = decoder.decode(raw)
        return kind(**{name: getattr(found, name) for name in fields})

    return decode


def open_or_not(sealed: bytes, device: Any, host: Any) -> bytes:
    try:
        return _open_sealed(sealed, device, host)
    except SealError:
        return sealed


_open_sealed = verdict.open_sealed
_verify_signature = verify_signature
_append = Audit.append_quietly
_forget = Logins._forget
_by_mailbox = Registry.by_mailbox
_init = Logins.__init__
_add = Cards.add


def unverified(label: Label) -> Callable[..., None]:
    def verify(key: bytes, given: Label, body: bytes, signature: bytes) -> None:
        if given is not label:
            _verify_signature(key, given, body, signature)

    return verify


def any_text(answer: Any, attempt: Any, _device: Any) -> None:
    if answer.challenge_sha256 not in attempt.digests.values():
        raise VerificationError("the answer is to no text of this challenge")


def boot_only(self: Any, now: Any) -> bool:
    return bool(now.boot >= self.expires.boot)


def wall_only(self: Any, now: Any) -> bool:
    return bool(now.wall >= self.expires.wall)


def number_alone(answer: Any, attempt: Any, device: Any) -> Any:
    is_right = verdict.is_right_number(answer.number or "", attempt.number)
    if not is_right:
        return End(Verdict.WRONG_NUMBER, Cause.WRONG_NUMBER, device.device_id)
    return End(Verdict.APPROVED, Cause.DEVICE, device.device_id)


def as_integers(typed: str, number: str) -> bool:
    return hmac.compare_digest(str(int(typed)), str(int(number)))


def append_or_not(self: Audit, *records: Any, **more: Any) -> None:
    try:
        _append(self, *records, **more)
    except StoreError:
        return


def close_again(attempt: Any, end: Any) -> Any:
    return replace(attempt, end=end)


def forget_and_keep(self: Any, live: Any) -> None:
    """Leave an attempt that has ended among those that wait."""
    _forget(self, live)
    self._live[live.attempt.challenge_id] = live


def count_pending(self: Any) -> int:
    return sum(live.attempt.is_pending() for live in self._live.values())


def as_it_was(end: Any, **_facts: Any) -> Any:
    """Take an approval for good that was given a while ago."""
    return end


def say_nothing(*_args: object, **_names: object) -> None:
    """Tell the module nothing."""


class AnyAttempt(dict[Any, Any]):
    """Of attempts that wait: the one that is asked for, or else any."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the attempt with this id, else the newest."""
        return super().get(key) or next(reversed(self.values()), default)


def init_with_any(self: Any, **parts: Any) -> None:
    _init(self, **parts)
    self._live = AnyAttempt()


def some_device(self: Any, mailbox: Any) -> Any:
    phones = [device for device in self.all_devices() if device.label == "Pixel"]
    return _by_mailbox(self, mailbox) or next(iter(phones), None)


def add_again(self: Any, enrollment: Any, verified: Any, **names: Any) -> Any:
    key = (enrollment.device_id, verified.statement.challenge_id)
    self._cards.pop(key, None)
    self._early.pop(key, None)
    return _add(self, enrollment, verified, **names)


def any_number(digits: int, _taken: object, random: int) -> str:
    # Of few, so that two meet soon.
    return str(10 + random % 3).zfill(digits)


def always_new(*_args: object, **_names: object) -> bool:
    return True
