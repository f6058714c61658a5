"""People who are enrolled already: rows and files as an enrollment leaves them.

Written by the product's own code for both sides, registry and keyring; the dialog of
an enrollment takes a second, and two hundred of them are no part of what is measured.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from pushmfa.daemon.health import Health
from pushmfa.daemon.machine import read_machine
from pushmfa.daemon.post import Host
from pushmfa.daemon.registry import Registry
from pushmfa.daemon.state import Place, open_state
from pushmfa.demo.accounts import Account
from pushmfa.device.keyring import (
    FILE_VERSION,
    Enrollment,
    EnrollmentStatus,
    Keyring,
    load_keys,
    new_keys,
)
from pushmfa.login.devices import Device
from pushmfa.store.files import make_private_folder
from pushmfa.terms import (
    PROTOCOL_VERSION,
    DeviceKind,
    MailboxId,
    SealingKey,
    UserName,
    VerifyKey,
)

LABEL = "bench phone"


def enroll_all(
    people: Sequence[Account], state: Path, phones: Sequence[tuple[Path, str]]
) -> None:
    """Make the state of a daemon, and of devices that know it.

    phones: a folder and the relay's URL for each; all hold the same enrollments, and
    only one of them may run at a time.
    """
    make_private_folder(state)
    host, store = open_state(Place(state, "bench", read_machine()), Health())
    try:
        registry = Registry(store)
        keyrings = [(Keyring(folder), relay) for folder, relay in phones]
        for person in people:
            _enroll(person, host, registry, keyrings)
    finally:
        store.close()


def _enroll(
    person: Account,
    host: Host,
    registry: Registry,
    keyrings: Sequence[tuple[Keyring, str]],
) -> None:
    raw = new_keys()
    keys = load_keys(raw)
    now = int(time.time())
    registry.add(
        Device(
            device_id=keys.device_id,
            user=UserName(person.name),
            uid=person.uid,
            label=LABEL,
            kind=DeviceKind.TERMINAL,
            capabilities=(),
            verify_key=VerifyKey(keys.identity.verify_key),
            sealing_key=SealingKey(keys.opener.public_key),
            mailbox=MailboxId(keys.mailbox),
            version=PROTOCOL_VERSION,
            enrolled_at=now,
        ),
        0,
    )
    for keyring, relay in keyrings:
        keyring.save(
            Enrollment(
                file_version=FILE_VERSION,
                status=EnrollmentStatus.ACTIVE,
                device_id=keys.device_id,
                mailbox=keys.mailbox,
                label=LABEL,
                host_id=host.host_id,
                host_name=host.name,
                host_verify_key=host.verify_key,
                host_sealing_key=host.sealing_key,
                host_mailbox=host.mailbox,
                user=person.name,
                uid=person.uid,
                relays=(relay,),
                version=PROTOCOL_VERSION,
                enrolled_at=now,
                counter=0,
                has_passphrase=False,
                keys=raw,
            )
        )
