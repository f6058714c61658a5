"""From the runs of a bench to its JSON and to the table that people read."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final

from tests.bench.measure import Run

Rounds = Mapping[str, Sequence[Run]]

TARGETS: Final = (
    ("p50 of pushmfa / pam_duo", "pushmfa", "pam_duo", 0.5),
    ("p50 of pushmfa / chain", "pushmfa", "chain", 1.5),
    ("p50 of pushmfa / pam_duo, 40 ms hops", "pushmfa_far", "pam_duo_far", 0.35),
)
BOUNDS: Final = (
    ("p50 of chain_wire / pam_duo", "chain_wire", "pam_duo"),
    ("p50 of chain_wire / chain", "chain_wire", "chain"),
    ("p50 of pushmfa / chain_wire", "pushmfa", "chain_wire"),
)
"""What the cryptography, the hops and the sync of a login cost with nothing decided."""

MAX_TAIL: Final = 4.0
LEAST_PER_S: Final = 500.0
MAX_RSS_MIB: Final = 45.0
MAX_IDLE_CPU_MS: Final = 60.0


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of values does not exceed."""
    ordered = sorted(values)
    return ordered[max(-int(-len(ordered) * part // 1) - 1, 0)]


def summarize(runs: Sequence[Run]) -> dict[str, Any]:
    """Return the medians of rounds; times in milliseconds."""
    return {
        "p50_ms": round(median(percentile(run.wall_ms, 0.5) for run in runs), 3),
        "p99_ms": round(median(percentile(run.wall_ms, 0.99) for run in runs), 3),
        "cpu_ms": round(median(run.cpu_ms for run in runs), 3),
        "elsewhere_cpu_ms": round(median(run.elsewhere_cpu_ms for run in runs), 3),
        "logins_per_s": round(median(len(run.wall_ms) / run.span_s for run in runs), 1),
        "refused": sum(run.refused for run in runs),
        "rounds_p50_ms": [round(percentile(run.wall_ms, 0.5), 3) for run in runs],
    }


def ratio(rounds: Rounds, ours: str, theirs: str) -> float:
    """Return the median over the rounds of how our p50 compares with theirs.

    Round by round: a machine that is busy in one of them is so for both.
    """
    pairs = zip(rounds[ours], rounds[theirs], strict=True)
    return median(
        percentile(mine.wall_ms, 0.5) / percentile(other.wall_ms, 0.5)
        for mine, other in pairs
    )


def make_report(
    rounds: Rounds, idle: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Return what build/bench-login.json holds.

    idle: resident MiB and CPU milliseconds a minute of the daemon before any login,
    after_1000 of them and after_all, and those of the daemon of chain_wire.
    """
    report: dict[str, Any] = {name: summarize(runs) for name, runs in rounds.items()}
    wanted = [idle[when] for when in ("before", "after_1000")]
    report["daemon_idle"] = {
        "rss_mib": round(max(each["rss_mib"] for each in wanted), 1),
        "cpu_ms_per_min": round(max(each["cpu_ms_per_min"] for each in wanted), 1),
        **idle,
    }
    report["ratios"] = {
        text: round(ratio(rounds, ours, theirs), 3)
        for text, ours, theirs, *_ in (*TARGETS, *BOUNDS)
    }
    return report


def make_table(report: Mapping[str, Any]) -> str:
    """Return the results as Markdown, each target with what was reached."""
    lines = [
        "| | p50 ms | p99 ms | CPU ms, host | CPU ms, elsewhere | logins/s | refused |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in report.items():
        if "p50_ms" not in each:
            continue
        numbers = (each["p50_ms"], each["p99_ms"], each["cpu_ms"])
        shown = " | ".join(f"{number:.2f}" for number in numbers)
        lines.append(
            f"| {name} | {shown} | {each['elsewhere_cpu_ms']:.2f} "
            f"| {each['logins_per_s']:.0f} | {each['refused']} |"
        )
    lines += ["", "| target | wanted | reached | |", "|---|---|---|---|"]
    for text, reached, sign, wanted in _targets(report):
        is_met = reached <= wanted if sign == "<=" else reached >= wanted
        word = "yes" if is_met else "NO"
        lines.append(f"| {text} | {sign} {wanted:g} | {reached:.2f} | {word} |")
    lines += ["", "| with nothing decided | |", "|---|---|"]
    lines += [f"| {text} | {report['ratios'][text]:.2f} |" for text, *_ in BOUNDS]
    rate = report["chain_wire_50"]["logins_per_s"]
    memory = report["daemon_idle"]["chain_wire"]["rss_mib"]
    lines += [f"| chain_wire, 50 at once, logins/s | {rate:.0f} |"]
    lines += [f"| daemon of chain_wire, MiB | {memory:.1f} |"]
    return "\n".join(lines)


def _targets(report: Mapping[str, Any]) -> list[tuple[str, float, str, float]]:
    ours, idle = report["pushmfa"], report["daemon_idle"]
    refused = sum(each["refused"] for each in report.values() if "refused" in each)
    targets = [(text, report["ratios"][text], "<=", most) for text, *_, most in TARGETS]
    return [
        *targets,
        ("p99 / p50 of pushmfa", ours["p99_ms"] / ours["p50_ms"], "<=", MAX_TAIL),
        (
            "logins/s, 50 at once",
            report["pushmfa_50"]["logins_per_s"],
            ">=",
            LEAST_PER_S,
        ),
        ("refused in all", refused, "<=", 0),
        (
            "idle daemon, before and after 1,000 logins, MiB",
            idle["rss_mib"],
            "<=",
            MAX_RSS_MIB,
        ),
        ("idle daemon, CPU ms/min", idle["cpu_ms_per_min"], "<=", MAX_IDLE_CPU_MS),
    ]
