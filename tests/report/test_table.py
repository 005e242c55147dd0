import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from semsched.report.table import class_table, comparison_table, totals_line

HERE = Path(__file__).parent


def summary(policy: str, seconds: float) -> dict[str, Any]:
    """A run in which everything that takes time took `seconds`, and class 4 had no requests."""
    names = [f"e2e_{statistic}" for statistic in ("mean", "p50", "p90", "p99", "max")]
    names += ["ttft_mean", "ttft_p99", "queue_mean"]
    measured: dict[str, Any] = dict.fromkeys(names, seconds)
    measured |= {"num_requests": 2, "tpot_mean": 0.0123, "slowdown_mean": 1.5, "slo_attainment": 1}
    nothing = {**dict.fromkeys(measured), "num_requests": 0}
    return {
        **measured,
        "policy": policy,
        "num_refused": 1,
        "by_urgency": {**{str(urgency): measured for urgency in range(4)}, "4": nothing},
        "throughput_tokens_per_s": 1234.5,
        "goodput_requests_per_s": 3.25,
        "kv_utilisation_mean": 0.256,
        "batch_size_mean": 7.5,
        "num_preemptions": 12,
        "num_evictions": 0,
        "makespan_s": 100.04,
    }


def shown(table: Table) -> str:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(table)
    return "".join(line.rstrip() + "\n" for line in console.export_text().splitlines())


def test_comparison() -> None:
    table = comparison_table([summary("fcfs", 12.345), summary("mine.policies:fair", 9.0)], "burst")
    assert shown(table) == (HERE / "comparison.out").read_text("utf-8")


def test_one_run() -> None:
    table = class_table(summary("fcfs", 1234.5), "burst")
    assert shown(table) == (HERE / "one_run.out").read_text("utf-8")


def test_the_run_as_a_whole_in_one_line() -> None:
    assert totals_line(summary("fcfs", 1.0)) == (
        "1 refused · 1234 tokens/s · 3.25 requests/s in time · KV 25.6 % · batch 7.50 · "
        "12 preemptions · 0 evictions · makespan 100.0 s"
    )


@pytest.mark.parametrize(
    ("seconds", "styles"),
    [((2.0, 1.0), ["", "bold green"]), ((1.0, 1.0), ["", ""]), ((1.0,), [""])],
)
def test_the_best_latency_stands_out_where_there_is_a_contest(
    seconds: tuple[float, ...], styles: list[str]
) -> None:
    table = comparison_table([summary("fcfs", value) for value in seconds], "burst")
    assert [cell.style for cell in table.columns[1].cells if isinstance(cell, Text)] == styles
