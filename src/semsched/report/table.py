"""Tables for the terminal, made from the summaries of `simulate.metrics`. Seconds, unless said.

With everyday numbers they fit 80 columns, with large ones 100.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

Summary = Mapping[str, Any]
Format = Callable[[Any], str]

BEST = "bold green"
UNKNOWN = "-"


def comparison_table(summaries: Sequence[Summary], title: str) -> Table:
    """One row per policy; the lowest latency of each column stands out."""
    table = _table(title, "\n\npolicy", [header for header, _, _ in _COMPARED], gap=2, least=8)
    columns = [_column(summaries, read, form) for _, read, form in _COMPARED]
    for position, summary in enumerate(summaries):
        table.add_row(Text(summary["policy"]), *(column[position] for column in columns))
    return table


def class_table(summary: Summary, title: str) -> Table:
    """One run: a row per urgency class, and one for all requests."""
    table = _table(title, "\nclass", [header for header, _, _ in _PER_CLASS], gap=1, least=6)
    table.caption, table.caption_justify = "E2E, TTFT and queue time in seconds", "left"
    for label, group in [*summary["by_urgency"].items(), ("all", summary)]:
        if label == "all":
            table.add_section()
        table.add_row(label, *(form(group[key]) for _, key, form in _PER_CLASS))
    return table


def totals_line(summary: Summary) -> str:
    """What concerns a run as a whole, in one line."""
    refused = f"{_count(summary['num_refused'])} refused · " if summary["num_refused"] else ""
    return (
        f"{refused}{_rate(summary['throughput_tokens_per_s'])} tokens/s · "
        f"{_rate(summary['goodput_requests_per_s'])} requests/s in time · "
        f"KV {_percent(summary['kv_utilisation_mean'])} % · "
        f"batch {_rate(summary['batch_size_mean'])} · "
        f"{_count(summary['num_preemptions'])} preemptions · "
        f"{_count(summary['num_evictions'])} evictions · "
        f"makespan {_seconds(summary['makespan_s'])} s"
    )


def _table(title: str, first: str, headers: Sequence[str], gap: int, least: int) -> Table:
    table = Table(
        title=Text(title),  # brackets in a name are not markup
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, gap - 1, 0, 0),  # the box adds one
    )
    table.add_column(first, overflow="fold", min_width=least, max_width=12)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    return table


def _column(
    summaries: Sequence[Summary], read: Callable[[Summary], Any], form: Format
) -> list[Text]:
    values = [read(summary) for summary in summaries]
    known = [value for value in values if value is not None]
    # no contest: counts and rates, a lone row, a draw
    contest = form is _seconds and len(set(known)) > 1
    best = [min(known)] if contest else []
    return [Text(form(value), BEST if value in best else "") for value in values]


def _class_mean(urgency: int) -> Callable[[Summary], Any]:
    return lambda summary: summary["by_urgency"][str(urgency)]["e2e_mean"]


def _overall(key: str) -> Callable[[Summary], Any]:
    return lambda summary: summary[key]


def _seconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    decimals = 2 if value < 100 else 1 if value < 1000 else 0
    return f"{value:.{decimals}f}"


def _rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _milliseconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{1000 * value:.1f}"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.1f}"


def _count(value: int) -> str:
    return str(value)


_COMPARED: list[tuple[str, Callable[[Summary], Any], Format]] = [
    *((f"E2E s\nclass\n{urgency}", _class_mean(urgency), _seconds) for urgency in range(5)),
    ("\n\nall", _overall("e2e_mean"), _seconds),
    ("p99 s\nclass\n0", lambda summary: summary["by_urgency"]["0"]["e2e_p99"], _seconds),
    ("\ntokens\n/s", _overall("throughput_tokens_per_s"), _rate),
    ("\nKV\n%", _overall("kv_utilisation_mean"), _percent),
    ("\npreemp\ntions", _overall("num_preemptions"), _count),
    ("\ntimes\nbound", lambda summary: summary.get("distance_to_bound"), _rate),
]

_PER_CLASS: list[tuple[str, str, Format]] = [
    ("num\n", "num_requests", _count),
    ("E2E\nmean", "e2e_mean", _seconds),
    ("\np50", "e2e_p50", _seconds),
    ("\np90", "e2e_p90", _seconds),
    ("\np99", "e2e_p99", _seconds),
    ("\nmax", "e2e_max", _seconds),
    ("TTFT\nmean", "ttft_mean", _seconds),
    ("\np99", "ttft_p99", _seconds),
    ("TPOT\nms", "tpot_mean", _milliseconds),
    ("queue\nmean", "queue_mean", _seconds),
    ("slow-\ndown", "slowdown_mean", _rate),
    ("SLO\n%", "slo_attainment", _percent),
]
