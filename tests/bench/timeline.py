"""`make bench-timeline`: where the time of one login goes, leg by leg.

Logins one after the other; daemon and phone note when their steps begin and end. Each
leg is the median of all logins, so that the legs add up to about one login.
"""

import sys
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.measure import CASES, drive
from tests.bench.world import USERS, World

LOGINS: Final = 300

Step = tuple[int, str]
"""When (nanoseconds), and "PROCESS STEP+" at its beginning, "-" at its end."""

LEGS: Final = (
    ("daemon: takes the request", "daemon accepted+", "daemon look_up+"),
    ("daemon: looks the account up, in a thread", "daemon look_up+", "daemon begin+"),
    ("daemon: builds and signs the challenge", "daemon begin+", "daemon seal+"),
    ("daemon: seals it", "daemon seal+", "daemon seal-"),
    ("daemon: frames it, TLS, sends", "daemon seal-", "daemon write-"),
    ("relay: one envelope, two hops", "daemon write-", "phone data+"),
    ("phone: opens the frame", "phone data+", "phone open+"),
    ("phone: opens the challenge", "phone open+", "phone open-"),
    ("phone: parses and verifies it", "phone open-", "phone card+"),
    ("phone: signs the answer", "phone card+", "phone seal+"),
    ("phone: seals it", "phone seal+", "phone seal-"),
    ("phone, relay: one envelope, two hops", "phone seal-", "daemon data+"),
    ("daemon: opens the frame", "daemon data+", "daemon open+"),
    ("daemon: opens the answer", "daemon open+", "daemon open-"),
    ("daemon: parses, verifies, judges", "daemon open-", "daemon audit+"),
    ("daemon: writes the row, one sync", "daemon audit+", "daemon audit-"),
    ("daemon: tells the terminal", "daemon audit-", "daemon said-"),
)
"""Each from the first step of that name after the leg before to the next such one."""


class StampedWorld(World):
    """The bench, its daemon and its phone noting their steps."""

    @property
    def stamps(self) -> Mapping[str, Path]:
        """Where each of them writes its steps when it ends."""
        # The daemon has no right to write elsewhere.
        return {
            "daemon": self.folder / "daemon" / "stamps",
            "phone": self.folder / "phone-stamps",
        }

    def daemon_command(self, *words: str) -> list[str]:
        return self._stamped("daemon", *words)

    def phone_command(self, *words: str) -> list[str]:
        return self._stamped("phone", *words)

    def _stamped(self, role: str, *words: str) -> list[str]:
        target = str(self.stamps[role])
        return self.python_command("tests.bench.stamps", role, target, *words)

    def read_stamps(self) -> list[Step]:
        """Return the steps of both in the order of time; they have ended."""
        steps: list[Step] = []
        for role, path in self.stamps.items():
            for line in path.read_text().splitlines():
                at, step = line.split()
                steps.append((int(at), f"{role} {step}"))
        return sorted(steps)


def legs_of(steps: Sequence[Step]) -> list[int] | None:
    """Return the nanoseconds of each leg of one login, None if one is missing."""
    found, position = [], 0
    for _, begin, end in LEGS:
        moments = []
        for name in (begin, end):
            while position < len(steps) and steps[position][1] != name:
                position += 1
            if position == len(steps):
                return None
            moments.append(steps[position][0])
        found.append(moments[1] - moments[0])
    return found


def split_logins(steps: Sequence[Step]) -> list[Sequence[Step]]:
    """Return the steps of each login: from one connection of the module to the next."""
    starts = [at for at, step in steps if step == "daemon accepted+"]
    places = [bisect_left(steps, (at, "")) for at in starts]
    return [
        steps[begin:end] for begin, end in zip(places, [*places[1:], None], strict=True)
    ]


def make_table(logins: Sequence[Sequence[int]], whole_ms: float) -> str:
    """Return the legs as Markdown, in microseconds."""
    lines = ["| leg | µs |", "|---|---|"]
    halves = [median(each) / 1000 for each in zip(*logins, strict=True)]
    lines += [
        f"| {text} | {half:.0f} |"
        for (text, *_), half in zip(LEGS, halves, strict=True)
    ]
    lines += [f"| all legs | {sum(halves):.0f} |"]
    lines += [f"| the whole PAM transaction | {whole_ms * 1000:.0f} |"]
    return "\n".join(lines)


def main() -> int:
    with StampedWorld() as world:
        world.start_product("near")
        drive(world, CASES["pushmfa"], count=1, processes=USERS, warmup=0)
        time.sleep(2)
        run = drive(world, CASES["pushmfa"], count=LOGINS, warmup=0)
        world.stop_product()
        steps = world.read_stamps()
    # The last one lacks nothing, but an outcome of the run before may be in the first.
    logins = [legs_of(each) for each in split_logins(steps)[-LOGINS + 1 :]]
    whole = [each for each in logins if each is not None]
    sys.stdout.write(
        f"{make_table(whole, median(run.wall_ms))}\n\n"
        f"{len(whole)} of {LOGINS} logins; refused: {run.refused}\n"
    )
    return 0 if len(whole) >= LOGINS // 2 and not run.refused else 1


if __name__ == "__main__":
    sys.exit(main())
