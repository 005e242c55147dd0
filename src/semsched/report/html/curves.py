"""Curves: how latencies are distributed, and how full the KV cache was over time."""

from collections.abc import Sequence
from html import escape
from typing import Any

from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.looks import line_of, looks, trace_of
from semsched.report.html.picture import NOTHING, Json, Panel, Picture
from semsched.report.html.words import group_name

MAX_POINTS = 100
"""Of a line over time."""

PERCENT = {"tickformat": ".0%", "range": [0, 1.02]}


def distribution(
    findings: Findings, scenarios: Sequence[Scenario], metric: str, groups: Sequence[str],
    *, name: str, title: str, x_title: str,
) -> Picture:  # fmt: skip
    """A panel per class: the share of requests done within so many seconds."""
    pairs = [(group, policy) for group in groups for policy in findings.policies]
    seeds = " Quantiles, each the mean over seeds." if findings.num_seeds > 1 else ""
    return Picture(
        name=name,
        title=title,
        caption="The share of requests that were served within so many seconds: the further left "
        f"and the steeper, the better. Each panel has a scale of its own.{seeds}",
        panels=[
            Panel(group_name(group), x_title, "share of requests", _FROM_ZERO, PERCENT)
            for group in groups
        ],
        styles=_styles(findings.policies, len(groups), "%{y:.0%} within %{x:.3g} s"),
        variants=[
            [_curve(findings.spread(metric, policy, group, each)) for group, policy in pairs]
            for each in scenarios
        ],
        of_scenario=range(len(scenarios)),
    )


def memory(findings: Findings, scenarios: Sequence[Scenario]) -> Picture:
    """KV utilisation over time, of the first seed."""
    return Picture(
        name="memory",
        title="KV utilisation over time",
        caption="How much of the KV cache is in use"
        f"{', in the run of the first seed' if findings.num_seeds > 1 else ''}. "
        "A policy whose line ends sooner was done sooner.",
        panels=[Panel("", "time (s)", "KV utilisation", _FROM_ZERO, {"tickformat": ".0%"})],
        styles=_styles(findings.policies, 1, "%{y:.1%} at %{x:.3g} s"),
        variants=[
            [_series(findings, policy, each) for policy in findings.policies] for each in scenarios
        ],
        of_scenario=range(len(scenarios)),
        panel_height=360,
    )


_FROM_ZERO = {"rangemode": "tozero"}


def _styles(policies: Sequence[str], num_panels: int, hover: str) -> list[Json]:
    seen = looks(policies)
    return [
        trace_of(
            policy,
            panel,
            type="scatter",
            mode="lines",
            y0=0,
            line=line_of(seen[policy]),
            hovertemplate=f"{escape(policy)}: {hover}<extra></extra>",
        )
        for panel in range(num_panels)
        for policy in policies
    ]


def _curve(quantiles: Any) -> Json:
    if quantiles is None:
        return NOTHING
    return {"x": quantiles, "dy": round(1 / max(len(quantiles) - 1, 1), 6)}


def _series(findings: Findings, policy: str, scenario: Scenario) -> Json:
    at = findings.first("series_at", policy, scenario)
    kv = findings.first("series_kv", policy, scenario)
    if at is None or kv is None or not len(at):
        return NOTHING
    step = -(-len(at) // MAX_POINTS)
    seconds = at.to_numpy()[::step]
    return {"x": seconds - seconds[0], "y": kv.to_numpy()[::step]}
