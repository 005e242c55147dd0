"""The comparison tables: a row per policy, a mean over seeds and how sure it is in each cell."""

from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from semsched.report.html.estimate import Estimate
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.words import (
    ALL,
    UNKNOWN,
    count,
    margin,
    margin_percent,
    number,
    percent,
    ratio,
)

Read = Callable[[str, str, str], Estimate | None]
"""The estimate of a metric, for a policy and a group."""


class Column(NamedTuple):
    """What a column shows; `best` is the function that picks the winner, if it is a contest."""

    header: str
    unit: str
    metric: str
    group: str
    form: Callable[[float], str]
    best: Callable[[Sequence[float]], float] | None = None


COLUMNS = (
    *(Column(f"class {g}", "E2E, s", "e2e_mean", str(g), number, min) for g in range(5)),
    Column("all", "E2E, s", "e2e_mean", ALL, number, min),
    Column("class 0", "p99 E2E, s", "e2e_p99", "0", number, min),
    Column("in time", "of all", "slo_attainment", ALL, percent, max),
    Column("throughput", "tokens/s", "throughput_tokens_per_s", ALL, number, max),
    Column("KV", "in use", "kv_utilisation_mean", ALL, percent),
    Column("preemptions", "number", "num_preemptions", ALL, count),
    Column("distance", "× bound", "distance", ALL, ratio, min),  # noqa: RUF001 - times
)


def overall_table(findings: Findings) -> str:
    """All policies over all the scenarios that are common to them."""
    num = len(findings.common)
    caption = f"The mean over {'all ' if num == len(findings.scenarios) else ''}{num} scenarios"
    if num < len(findings.scenarios):
        caption += f" that every policy was tried on, of {len(findings.scenarios)}"
    return _table(findings, caption, findings.overall)


def scenario_table(findings: Findings, scenario: Scenario) -> str:
    """All policies in one scenario."""

    def read(metric: str, policy: str, group: str) -> Estimate | None:
        return findings.estimate(metric, policy, group, scenario)

    return _table(findings, findings.named(scenario) or "All policies", read)


def _table(findings: Findings, caption: str, read: Read) -> str:
    columns = [each for each in COLUMNS if findings.has(each.metric, each.group)]
    cells = [_cells(findings.policies, column, read) for column in columns]
    body = "".join(
        f'<tr><th scope="row">{escape(policy)}</th>{"".join(row)}</tr>'
        for policy, *row in zip(findings.policies, *cells, strict=True)
    )
    sure = " (± 95 % confidence interval)" if findings.num_seeds > 1 else ""
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}{sure}</caption>'
        f"<thead><tr>{_headers(columns)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _headers(columns: Sequence[Column]) -> str:
    heads = [
        f'<th scope="col">{column.header}<small>{column.unit}</small></th>' for column in columns
    ]
    return '<th scope="col">policy</th>' + "".join(heads)


def _cells(policies: Sequence[str], column: Column, read: Read) -> list[str]:
    """A column; the winner stands out unless all are equal."""
    found = [read(column.metric, policy, column.group) for policy in policies]
    texts = [UNKNOWN if each is None else column.form(each.mean) for each in found]
    means = [each.mean for each in found if each is not None]
    contest = column.best is not None and len({text for text in texts if text != UNKNOWN}) > 1
    winner = column.form(column.best(means)) if contest and column.best else ""
    return [
        f"<td{' class=best' if text == winner else ''}>{text}{_spread(each, column)}</td>"
        for text, each in zip(texts, found, strict=True)
    ]


def _spread(estimate: Estimate | None, column: Column) -> str:
    if estimate is None or estimate.half is None:
        return ""
    form = margin_percent if column.form is percent else margin
    return f"<small>± {form(estimate.half)}</small>"
