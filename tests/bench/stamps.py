"""Runs a part of the product and notes when its steps begin and end.

    python -m tests.bench.stamps daemon|phone FILE WORDS...

FILE gets a line a step, "NANOSECONDS STEP+" or "STEP-", of CLOCK_MONOTONIC, which all
processes of a machine share. For `tests.bench.timeline`; a stamp costs 1 µs.
"""

import asyncio
import functools
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import uvloop

_stamps: list[tuple[int, str]] = []


def note(owner: Any, name: str, step: str) -> None:
    """Have every call of owner's function noted as step."""
    inner: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(inner)
    def noted(*args: Any, **kw: Any) -> Any:
        _stamps.append((time.monotonic_ns(), f"{step}+"))
        try:
            return inner(*args, **kw)
        finally:
            _stamps.append((time.monotonic_ns(), f"{step}-"))

    setattr(owner, name, noted)


def note_link() -> None:
    """Note what host and device do alike: frames, seals, signatures."""
    from websockets.asyncio.connection import Connection

    from pushmfa.crypto.sealing import Opener, Sealer
    from pushmfa.crypto.signing import Signer

    note(Connection, "send_data", "write")
    note(Connection, "data_received", "data")
    note(Sealer, "seal", "seal")
    note(Opener, "open", "open")
    note(Signer, "sign", "sign")


def run_daemon(words: list[str]) -> None:
    from pushmfa.daemon.audit import Audit
    from pushmfa.daemon.endings import Endings
    from pushmfa.daemon.logins import Logins
    from pushmfa.daemon.module import ModuleConnection
    from pushmfa.daemon.threads import Threads

    note_link()
    note(ModuleConnection, "__init__", "accepted")
    note(ModuleConnection, "send", "said")
    note(Threads, "submit", "look_up")
    note(Logins, "begin", "begin")
    note(Endings, "finish", "finish")
    note(Audit, "append_quietly", "audit")
    run_program(words)


def run_program(words: list[str]) -> None:
    from pushmfa.cli.main import main

    sys.argv = ["pushmfa", *words]
    main()


def run_phone(words: list[str]) -> None:
    from tests.bench import phone

    note_link()
    note(phone.Phone, "on_card", "card")
    state, ca, numbers = words
    # SIGTERM ends it as a signal does; the stamps are written on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(phone.main(Path(state), Path(ca), numbers))


ROLES: Final = {"daemon": run_daemon, "phone": run_phone}


def main() -> None:
    role, target, *words = sys.argv[1:]
    try:
        ROLES[role](words)
    finally:
        with Path(target).open("w") as file:
            file.writelines(f"{at} {step}\n" for at, step in _stamps)


if __name__ == "__main__":
    main()
