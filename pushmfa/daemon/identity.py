"""The keys of this host: made once, kept in one private file, loaded at start."""

from pathlib import Path
from typing import Final

from pushmfa.crypto.keys import epoch_key, new_sealing_scalar, new_seed
from pushmfa.crypto.sealing import Opener
from pushmfa.crypto.signing import Signer, host_id_of, mailbox_id_of
from pushmfa.daemon.post import Host
from pushmfa.errors import DamagedError, MalformedError
from pushmfa.login.epoch import EpochKey
from pushmfa.store.files import load_private, save_private
from pushmfa.terms import Bytes32, HostId, SealingKey, VerifyKey
from pushmfa.wire.codec import Message, encode, make_decoder

FILE_NAME: Final = "identity.json"
MAX_FILE: Final = 4_096


class Identity(Message, frozen=True, tag="pushmfa-host-identity"):
    """What the file holds; host_id stays when the keys are rotated."""

    schema: int
    host_id: HostId
    identity_seed: Bytes32
    sealing_scalar: Bytes32
    relay_seed: Bytes32


_decode = make_decoder(Identity, MAX_FILE)


def load_host(state: Path, name: str) -> Host:
    """Return this host with its keys, made if there are none; StoreError."""
    path = state / FILE_NAME
    if not path.exists():
        save_private(path, encode(_new_identity()))
    return host_of(load_private(path, MAX_FILE), name, path)


def host_of(raw: bytes, name: str, path: Path) -> Host:
    """Return the host whose keys are in raw, the content of path; DamagedError."""
    try:
        identity = _decode(raw)
    except MalformedError as error:
        raise DamagedError(
            f"{path} does not hold the keys of a host",
            hint="Put back a copy of it; without it every device must enroll again.",
        ) from error
    signer = Signer.from_seed(identity.identity_seed)
    opener = Opener.from_private(identity.sealing_scalar)
    relay_signer = Signer.from_seed(identity.relay_seed)
    return Host(
        name=name,
        host_id=identity.host_id,
        mailbox=mailbox_id_of(relay_signer.verify_key),
        verify_key=VerifyKey(signer.verify_key),
        sealing_key=SealingKey(opener.public_key),
        signer=signer,
        opener=opener,
        relay_signer=relay_signer,
        epoch_key=EpochKey(epoch_key(identity.identity_seed)),
    )


def _new_identity() -> Identity:
    seed = new_seed()
    return Identity(
        schema=1,
        host_id=host_id_of(Signer.from_seed(seed).verify_key),
        identity_seed=Bytes32(seed),
        sealing_scalar=Bytes32(new_sealing_scalar()),
        relay_seed=Bytes32(new_seed()),
    )
