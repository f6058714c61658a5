"""The report of `make bench`: its JSON, its ratios, and what misses a target."""

import pytest

from tests.bench.measure import Run
from tests.bench.report import make_report, make_table, percentile, ratio, summarize

IDLE = {
    "before": {"rss_mib": 40.0, "cpu_ms_per_min": 1.0},
    "after_1000": {"rss_mib": 41.5, "cpu_ms_per_min": 3.0},
    "after_all": {"rss_mib": 47.0, "cpu_ms_per_min": 90.0},
    "chain_wire": {"rss_mib": 38.25, "cpu_ms_per_min": 0.5},
}


def run(*wall_ms: float, refused: int = 0) -> Run:
    return Run(
        wall_ms=wall_ms,
        span_s=len(wall_ms) / 1_000,
        refused=refused,
        cpu_ms=0.5,
        elsewhere_cpu_ms=0.25,
    )


def rounds(pushmfa: float) -> dict[str, list[Run]]:
    found = {name: [run(1.0), run(1.0)] for name in ("floor", "chain", "chain_50")}
    found |= {name: [run(4.0), run(4.0)] for name in ("pam_duo", "pam_duo_far")}
    found |= {name: [run(1.25), run(1.25)] for name in ("chain_wire", "chain_wire_50")}
    for name in ("pushmfa", "pushmfa_50", "pushmfa_200", "pushmfa_far"):
        found[name] = [run(pushmfa), run(pushmfa)]
    return found


@pytest.mark.parametrize(
    ("part", "wanted"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)]
)
def test_a_percentile_is_a_value_that_was_measured(part: float, wanted: int) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], part) == wanted


def test_a_round_that_was_disturbed_does_not_count_more_than_another() -> None:
    summary = summarize([run(1.0, 1.0, 9.0), run(50.0), run(2.0, refused=1)])
    assert summary["p50_ms"] == 2.0
    assert summary["logins_per_s"] == 1_000
    assert summary["refused"] == 1
    assert summary["rounds_p50_ms"] == [1.0, 50.0, 2.0]


def test_a_ratio_compares_within_the_same_round() -> None:
    both_slow = {"ours": [run(1.0), run(10.0), run(1.0)]}
    both_slow["theirs"] = [run(2.0), run(20.0), run(2.0)]
    assert ratio(both_slow, "ours", "theirs") == 0.5


def test_the_json_has_what_others_read_of_it() -> None:
    report = make_report(rounds(1.4), IDLE)
    for name in ("pushmfa", "pam_duo", "floor", "chain"):
        assert {"p50_ms", "p99_ms", "cpu_ms"} <= report[name].keys()
    assert report["pushmfa_50"]["logins_per_s"] == 1_000
    assert report["daemon_idle"]["rss_mib"] == 41.5
    assert report["daemon_idle"]["cpu_ms_per_min"] == 3.0
    assert report["daemon_idle"]["before"] == IDLE["before"]


def test_the_table_tells_what_the_same_cryptography_costs_with_nothing_decided() -> (
    None
):
    table = make_table(make_report(rounds(1.5), IDLE))
    assert table.splitlines()[-5:] == [
        "| p50 of chain_wire / pam_duo | 0.31 |",
        "| p50 of chain_wire / chain | 1.25 |",
        "| p50 of pushmfa / chain_wire | 1.20 |",
        "| chain_wire, 50 at once, logins/s | 1000 |",
        "| daemon of chain_wire, MiB | 38.2 |",
    ]


def test_the_table_names_what_misses_its_target() -> None:
    assert "| NO |" not in make_table(make_report(rounds(1.4), IDLE))
    missed = make_table(make_report(rounds(2.1), IDLE)).splitlines()
    assert [line.split(" |")[0] for line in missed if line.endswith("| NO |")] == [
        "| p50 of pushmfa / pam_duo",
        "| p50 of pushmfa / chain",
        "| p50 of pushmfa / pam_duo, 40 ms hops",
    ]
