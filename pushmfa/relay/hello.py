"""The check of a hello: that the peer owns the mailboxes that it wants to open."""

from collections.abc import Set
from dataclasses import dataclass
from hmac import compare_digest

from pushmfa.crypto.signing import Label, mailbox_id_of, verify_signature
from pushmfa.errors import VerificationError
from pushmfa.terms import PROTOCOL_VERSION, MailboxId, Nonce, Role
from pushmfa.wire.link import Hello, decode_relay_hello

VERSIONS = (PROTOCOL_VERSION,)
"""The versions of the protocol that this relay speaks."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Who opened a link: its role, the mailboxes it owns, what it understands."""

    role: Role
    mailboxes: frozenset[MailboxId]
    features: frozenset[str]


def verify_hello(hello: Hello, *, nonce: Nonce, names: Set[str]) -> Peer:
    """Return whom the hello shows; nonce is the one greeted, names are ours.

    MalformedError if the statement is no RelayHello, VerificationError if a check
    fails. The invitation is not looked at: a later release will.
    """
    # (1) The statement is a RelayHello and nothing else; its role is one of two.
    statement = decode_relay_hello(hello.statement)
    # (2) It was made for this link. Attack: a hello that was overheard, sent again.
    if not compare_digest(statement.nonce, nonce):
        raise VerificationError("the nonce is not the one of the greeting")
    # (3) We speak its version.
    if statement.version not in VERSIONS:
        raise VerificationError("version not spoken here")
    # (4) It was made for this relay. Attack: a relay that a peer dialed passes our
    #     nonce on to it, and its hello on to us.
    if statement.relay not in names:
        raise VerificationError("the hello names another relay")
    # (5) No key twice.
    if len({proof.key for proof in hello.mailboxes}) != len(hello.mailboxes):
        raise VerificationError("a key stands twice in the hello")
    # (6) The owner of each mailbox signed exactly these bytes.
    #     Attack: a mailbox claimed by whoever learned its id.
    for proof in hello.mailboxes:
        verify_signature(proof.key, Label.RELAY_HELLO, hello.statement, proof.signature)
    mailboxes = frozenset(mailbox_id_of(proof.key) for proof in hello.mailboxes)
    return Peer(statement.role, mailboxes, frozenset(hello.features))
