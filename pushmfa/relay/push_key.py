"""The relay's key for push services: made once, kept beside the state."""

from pathlib import Path
from typing import Final

from pushmfa.crypto.webpush import PushKey
from pushmfa.errors import KeyRejectedError, StoreError
from pushmfa.store.files import load_private, save_private

NAME: Final = "push.key"
_MAX_BYTES: Final = 4_096


def load_push_key(folder: Path) -> PushKey:
    """Return the key in folder, made if it is not there; StoreError.

    A file that is there and wrong is not replaced: every subscription hangs on it.
    """
    path = folder / NAME
    if not path.exists() and not path.is_symlink():
        key = PushKey.generate()
        save_private(path, key.to_pem())
        return key
    try:
        return PushKey.from_pem(load_private(path, _MAX_BYTES))
    except KeyRejectedError as error:
        raise StoreError(
            f"{path}: {error}",
            hint="Put back the copy from your backup. Without one remove the file:"
            " then every device has to subscribe anew, which its app does by itself.",
        ) from error
