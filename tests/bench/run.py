"""`make bench`: what a login costs, beside what a peer and the least would cost.

    python -m tests.bench.run [--rounds 5] [--logins 300] [--idle 60]

Rounds are interleaved: in each of them every case runs once, so that a ratio of two
cases is one of the same minute. Root; see docs/performance.md.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping

from tests.bench.measure import CASES, Run, drive, process_cpu_ns, rss_mib
from tests.bench.report import make_report, make_table, percentile
from tests.bench.world import USERS, World
from tests.e2e.support import ROOT

RESULT = ROOT / "build/bench-login.json"
FAR_LOGINS = 12


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def run_near(world: World, rounds: int, logins: int) -> dict[str, list[Run]]:
    """Run all cases without a delay, round by round."""
    found: dict[str, list[Run]] = {}
    each = max(logins // 15, 1)
    for number in range(rounds):
        for name in ("permit", "floor", "pam_duo", "chain", "chain_wire", "pushmfa"):
            note(found, number, name, drive(world, CASES[name], count=logins))
        for name, processes, count in (
            ("pam_duo", 50, max(each // 4, 1)),
            ("chain", 50, each),
            ("chain_wire", 50, each),
            ("pushmfa", 50, each),
            ("pushmfa", 200, max(each // 4, 1)),
        ):
            run = drive(world, CASES[name], count=count, processes=processes, warmup=1)
            note(found, number, f"{name}_{processes}", run)
    return found


def run_far(world: World, rounds: int) -> dict[str, list[Run]]:
    """Run the two that go over the delayed hops."""
    found: dict[str, list[Run]] = {}
    world.start_product("far")
    for number in range(rounds):
        for name, case in (
            ("pam_duo_far", CASES["pam_duo_far"]),
            ("pushmfa_far", CASES["pushmfa"]),
        ):
            note(found, number, name, drive(world, case, count=FAR_LOGINS, warmup=1))
    return found


def note(found: dict[str, list[Run]], number: int, name: str, run: Run) -> None:
    found.setdefault(name, []).append(run)
    half, most = (percentile(run.wall_ms, part) for part in (0.5, 0.99))
    rate = len(run.wall_ms) / run.span_s
    say(
        f"round {number + 1}  {name:12} p50 {half:8.2f} ms  p99 {most:8.2f} ms  "
        f"CPU {run.cpu_ms:.2f} + {run.elsewhere_cpu_ms:.2f} ms  {rate:6.0f}/s"
        + (f"  REFUSED {run.refused}" if run.refused else "")
    )


def watch_idle(world: World, name: str, seconds: float) -> Mapping[str, float]:
    """Return what a process needs while nobody logs in."""
    time.sleep(min(seconds, 2))  # what the last login left to do
    pid, began = world.pids[name], time.monotonic()
    used = process_cpu_ns(pid)
    time.sleep(seconds)
    used = process_cpu_ns(pid) - used
    a_minute = 60 / (time.monotonic() - began)
    found = {
        "rss_mib": round(rss_mib(pid), 1),
        "cpu_ms_per_min": round(used / 1e6 * a_minute, 1),
    }
    say(f"idle {name}: {found}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--logins", type=int, default=300)
    parser.add_argument("--idle", type=float, default=60.0)
    asked = parser.parse_args()
    with World() as world:
        try:
            world.start_product("near")
            idle = {"before": watch_idle(world, "daemon", asked.idle)}
            # A person's first login of a day differs: their device writes a counter
            # ahead.
            drive(world, CASES["pushmfa"], count=1, processes=USERS, warmup=0)
            for name in ("chain_wire", "pushmfa"):
                drive(world, CASES[name], count=1000 - USERS, warmup=0)
            idle["after_1000"] = watch_idle(world, "daemon", asked.idle)
            idle["chain_wire"] = watch_idle(world, "chain_wire-daemon", 5)
            rounds = run_near(world, asked.rounds, asked.logins)
            idle["after_all"] = watch_idle(world, "daemon", asked.idle)
            rounds |= run_far(world, asked.rounds)
        finally:
            world.keep_logs()
    report = make_report(rounds, idle)
    report["load"] = {"one_minute": os.getloadavg()[0]}
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    sys.stdout.write(f"{make_table(report)}\n\n{RESULT}\n")
    # Slow is told; a login refused that should be approved is wrong.
    return 1 if any(run.refused for runs in rounds.values() for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
