"""The verification with one step taken away: what gets through then.

Each mutation replaces named functions by ones that check nothing, in this process and
for one block; production code has no switch. Where a step has another behind it, both
are taken away, and `why` says why both are kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

from pushmfa.crypto.signing import Label
from pushmfa.daemon import audit, endings, front, logins, standing, terminal
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.witness import Witness
from pushmfa.device import authenticator, cards
from pushmfa.link import link, seen
from pushmfa.login import attempt, verdict
from pushmfa.wire import codec, payload
from tests.fakes import stand_ins

Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Mutation:
    """One row of the table: what is taken away, and how."""

    step: str
    """The number in docs/protocol.md 5.3, or `device`."""
    what: str
    patches: Sequence[Patch]
    why: str = ""
    """Of a step that others stand behind, and of these together: why all are kept."""
    by: str = ""
    """The plot that must find it: the attack that the steps stop only together."""
    is_alone: bool = False
    """Taken away alone it lets nothing through, since others stand behind it."""

    @property
    def name(self) -> str:
        """How the table and the tests call it."""
        return f"{self.step}: {self.what}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Take the step away while the block runs."""
        with ExitStack() as stack:
            for target, name, stand_in in self.patches:
                stack.enter_context(mock.patch.object(target, name, stand_in))
            yield


V: Final = verdict
_STEP_8: Final = (
    (V, "verify_addressed", stand_ins.nothing),
    (V, "verify_account", stand_ins.nothing),
)
_SEEN: Final = (seen.SeenEnvelopes, "is_new", stand_ins.always_new)
_CHALLENGE_UNSIGNED: Final = (
    authenticator,
    "verify_signature",
    stand_ins.unverified(Label.CHALLENGE),
)

MUTATIONS: Final = (
    Mutation(
        "1",
        "size",
        (
            (V, "decode_to_host", codec.make_decoder(payload.ToHost, 1 << 20)),
            (V, "decode_answer", codec.make_decoder(payload.Answer, 1 << 20)),
        ),
    ),
    Mutation(
        "2", "the device's mailbox", ((Registry, "by_mailbox", stand_ins.some_device),)
    ),
    Mutation("2", "device is active now", ((V, "verify_active", stand_ins.nothing),)),
    Mutation(
        "2",
        "the host's mailbox",
        (
            (V, "verify_recipient", stand_ins.nothing),
            (link.Link, "_find", lambda self, _mailbox: self._mailboxes[0]),
        ),
        why="the link drops it too; both are taken away here",
    ),
    Mutation("3", "it opens", ((V, "open_sealed", stand_ins.open_or_not),)),
    Mutation("4", "signature", ((V, "verify_signed", stand_ins.nothing),)),
    Mutation(
        "5", "strict parse", ((V, "decode_answer", stand_ins.lenient(payload.Answer)),)
    ),
    Mutation("5", "version", ((V, "verify_version", stand_ins.nothing),)),
    Mutation(
        "5",
        "an assertion where one is spoken of",
        ((V, "verify_assertion", stand_ins.nothing),),
        why="11 wants a proof of both",
        is_alone=True,
    ),
    Mutation("5", "fields of an approval", ((V, "verify_fields", stand_ins.nothing),)),
    Mutation("6", "epoch", ((Witness, "verify_seen", stand_ins.nothing),)),
    Mutation("6", "this host", ((V, "verify_host", stand_ins.nothing),)),
    Mutation(
        "6, 9",
        "this host, and its text",
        (
            (V, "verify_host", stand_ins.nothing),
            (V, "verify_digest", stand_ins.nothing),
        ),
        why="of an honest device 9 says it too: the text names the host",
        by="evil host",
    ),
    Mutation("7", "challenge is known", ((V, "verify_known", lambda found: found),)),
    Mutation(
        "7",
        "challenge is the one that waits",
        (
            (logins.Logins, "__init__", stand_ins.init_with_any),
            (V, "verify_pending", stand_ins.nothing),
        ),
        why="the text that 9 asks for is that of one challenge",
        is_alone=True,
    ),
    Mutation(
        "7, 9",
        "challenge is the one that waits, and its text",
        (
            (logins.Logins, "__init__", stand_ins.init_with_any),
            (V, "verify_pending", stand_ins.nothing),
            (V, "verify_digest", stand_ins.nothing),
        ),
        why="7 finds the attempt whose lock is held; 9 what was on the screen",
        by="replay",
    ),
    Mutation(
        "14",
        "compare and set",
        ((endings, "close", stand_ins.close_again),),
        why="7 has looked under the same lock, and an ended attempt is forgotten",
        is_alone=True,
    ),
    Mutation(
        "7, 14",
        "challenge is pending; compare and set",
        (
            (V, "verify_pending", stand_ins.nothing),
            (endings, "close", stand_ins.close_again),
            (logins.Logins, "_forget", stand_ins.forget_and_keep),
            (logins.Logins, "count_pending", stand_ins.count_pending),
        ),
        why="14 holds even if somebody waits between 7 and the end one day",
    ),
    Mutation("8", "device is itself", ((V, "verify_addressed", stand_ins.nothing),)),
    Mutation("8", "account", ((V, "verify_account", stand_ins.nothing),)),
    Mutation(
        "8, 9",
        "device was asked, for this account; its own text",
        (*_STEP_8, (V, "verify_digest", stand_ins.any_text)),
        why="a device that was not asked has no text, so 9 stands behind 8",
        by="other user's device",
    ),
    Mutation("9", "digest", ((V, "verify_digest", stand_ins.nothing),)),
    Mutation("10", "in time, both clocks", ((V, "verify_in_time", stand_ins.nothing),)),
    Mutation(
        "10",
        "in time, wall clock",
        ((attempt.Attempt, "is_expired", stand_ins.boot_only),),
    ),
    Mutation(
        "10",
        "in time, boot clock",
        ((attempt.Attempt, "is_expired", stand_ins.wall_only),),
    ),
    Mutation("11", "holder verified", ((V, "verify_holder", stand_ins.nothing),)),
    Mutation("11", "proof of that", ((V, "verify_proof", stand_ins.nothing),)),
    Mutation("11", "grant", ((V, "verify_grant", stand_ins.nothing),)),
    Mutation("12", "decision", ((logins, "judge", stand_ins.number_alone),)),
    Mutation("13", "number", ((V, "is_right_number", lambda *_: True),)),
    Mutation(
        "13", "form of the number", ((V, "is_right_number", stand_ins.as_integers),)
    ),
    Mutation(
        "13",
        "no number twice on screens",
        ((standing, "choose_number", stand_ins.any_number),),
    ),
    Mutation(
        "15", "audit first", ((audit.Audit, "append_quietly", stand_ins.append_or_not),)
    ),
    Mutation("16", "still stands", ((front, "revisit", stand_ins.as_it_was),)),
    Mutation(
        "16",
        "module hears",
        ((terminal.Terminal, "say_approved", stand_ins.say_nothing),),
    ),
    Mutation("device", "signature of a challenge", (_CHALLENGE_UNSIGNED,)),
    Mutation(
        "device",
        "names in a challenge",
        ((authenticator, "_check_names", stand_ins.nothing),),
        why="only this host can sign with the recorded key",
        is_alone=True,
    ),
    Mutation(
        "device",
        "names in a challenge; its signature",
        (
            (authenticator, "_check_names", stand_ins.nothing),
            _CHALLENGE_UNSIGNED,
        ),
        why="names hold where a key would be recorded twice one day",
        by="card of another host",
    ),
    Mutation(
        "device",
        "signature of an outcome",
        ((authenticator, "verify_signature", stand_ins.unverified(Label.OUTCOME)),),
    ),
    Mutation(
        "device",
        "signature of a revocation",
        ((authenticator, "verify_signature", stand_ins.unverified(Label.REVOKED)),),
    ),
    Mutation(
        "device",
        "ids that were seen",
        (_SEEN,),
        why="a challenge that is known makes no second card",
        is_alone=True,
    ),
    Mutation(
        "device",
        "ids that were seen; one card a challenge",
        (_SEEN, (cards.Cards, "add", stand_ins.add_again)),
        why="seen ids are the link's, and hold for every kind of statement",
    ),
)
"""Constant time (13) shows in no verdict; the unit tests name the function."""
