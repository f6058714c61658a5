"""The first frames of a link: how a peer proves that mailboxes are its own. Pure.

docs/protocol.md 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pushmfa.crypto.signing import Label, Signer, mailbox_id_of
from pushmfa.errors import MalformedError
from pushmfa.terms import PROTOCOL_VERSION, MailboxId, Role, Signature, VerifyKey
from pushmfa.wire.codec import encode
from pushmfa.wire.link import (
    Allow,
    Greeting,
    Hello,
    HelloStatement,
    MailboxProof,
    RelayHello,
)


@dataclass(frozen=True)
class OpenMailbox:
    """A mailbox that a link opens: its relay key, and from whom it takes envelopes.

    senders is None for a host (the relay lets devices write to it), and for a device
    the mailboxes of its hosts; what others send is dropped, here and by the relay. A
    meeting mailbox of an enrollment has none: it writes to itself.
    """

    signer: Signer
    senders: tuple[MailboxId, ...] | None = None

    @cached_property
    def mailbox(self) -> MailboxId:
        """The id of the mailbox, that of its relay key."""
        return mailbox_id_of(self.signer.verify_key)

    def takes_from(self, sender: MailboxId) -> bool:
        """Say whether envelopes of sender are welcome."""
        return self.senders is None or sender in (*self.senders, self.mailbox)


def make_hello(
    greeting: Greeting,
    *,
    name: str,
    role: Role,
    mailboxes: Sequence[OpenMailbox],
    features: tuple[str, ...] = (),
) -> Hello:
    """Return the hello that answers greeting, for the relay dialed as name.

    MalformedError if relay and peer have no version in common. The relay chooses the
    nonce, so relay keys sign nothing but this.
    """
    if PROTOCOL_VERSION not in greeting.versions:
        known = ", ".join(str(version) for version in greeting.versions)
        raise MalformedError(
            f"the relay speaks version {known} of the protocol, not {PROTOCOL_VERSION}"
        )
    statement = encode(
        RelayHello(
            version=PROTOCOL_VERSION, role=role, relay=name, nonce=greeting.nonce
        )
    )
    proofs = tuple(
        MailboxProof(
            key=VerifyKey(mailbox.signer.verify_key),
            signature=Signature(mailbox.signer.sign(Label.RELAY_HELLO, statement)),
        )
        for mailbox in mailboxes
    )
    return Hello(
        statement=HelloStatement(statement),
        mailboxes=proofs,
        features=features,
        invitation=None,
    )


def make_allows(mailboxes: Sequence[OpenMailbox]) -> list[Allow]:
    """Return the frames that tell the relay from whom a device takes envelopes."""
    return [
        Allow(mailbox=mailbox.mailbox, senders=mailbox.senders)
        for mailbox in mailboxes
        if mailbox.senders is not None
    ]
