"""Bars: a bar per policy, in a panel per metric or side by side for every class."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from semsched.report.html.estimate import Estimate
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.looks import BOUND, looks, trace_of
from semsched.report.html.picture import NOTHING, Json, Panel, Picture, rounded
from semsched.report.html.words import ALL

LONGEST = 14
"""Letters of a policy's name beside an axis."""

Known = Sequence[tuple[str, Estimate | None]]


def class_bars(
    findings: Findings, scenarios: Sequence[Scenario], metric: str, groups: Sequence[str],
    *, name: str, title: str, y_title: str, caption: str,
) -> Picture:  # fmt: skip
    """A bar per class and policy, policies side by side."""

    def bars(policy: str, scenario: Scenario) -> Json:
        labels = ["all" if group == ALL else f"class {group}" for group in groups]
        found = [findings.estimate(metric, policy, group, scenario) for group in groups]
        return _bars(list(zip(labels, found, strict=True)))

    return Picture(
        name=name,
        title=title,
        caption=f"{caption}{_sureness(findings)}.",
        panels=[Panel("", "", y_title, {"type": "category"}, {})],
        styles=_styles(findings.policies, 1),
        variants=[[bars(policy, each) for policy in findings.policies] for each in scenarios],
        of_scenario=range(len(scenarios)),
        panel_height=360,
        layout={"barmode": "group"},
    )


def policy_bars(
    findings: Findings, scenarios: Sequence[Scenario], metrics: Mapping[str, str],
    *, name: str, title: str, caption: str,
) -> Picture:  # fmt: skip
    """A panel per metric (the values are titles), in it a bar per policy."""

    def bar(metric: str, policy: str, scenario: Scenario) -> Json:
        return _bars([(_tick(policy), findings.estimate(metric, policy, ALL, scenario))])

    ticks = {"type": "category", "tickangle": -40}
    return Picture(
        name=name,
        title=title,
        caption=f"{caption}{_sureness(findings)}.",
        panels=[Panel(each, "", "", ticks, {}) for each in metrics.values()],
        styles=_styles(findings.policies, len(metrics)),
        variants=[
            [bar(metric, policy, each) for metric in metrics for policy in findings.policies]
            for each in scenarios
        ],
        of_scenario=range(len(scenarios)),
        layout={"barmode": "overlay"},
    )


def with_bound(picture: Picture, findings: Findings, scenarios: Sequence[Scenario]) -> Picture:
    """The same with a dashed line, across the bars of all policies, at the lower bound."""
    style = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "lower bound",
        "legendgroup": "bound",
        "line": {"color": BOUND, "dash": "dash", "width": 2},
        "marker": {"symbol": "line-ew-open", "size": 26, "color": BOUND},
        "xaxis": "x1",
        "yaxis": "y1",
        "hovertemplate": "lower bound: %{y:.3g} s<extra></extra>",
    }
    lines = [_level(findings, scenario) for scenario in scenarios]
    variants = [[*own, line] for own, line in zip(picture.variants, lines, strict=True)]
    return replace(picture, styles=[*picture.styles, style], variants=variants)


def _level(findings: Findings, scenario: Scenario) -> Json:
    found = [
        (_tick(policy), findings.estimate("weighted_latency_bound", policy, ALL, scenario))
        for policy in findings.policies
    ]
    known = [(at, estimate.mean) for at, estimate in found if estimate is not None]
    return {"x": [at for at, _ in known], "y": rounded([mean for _, mean in known])}


def _bars(found: Known) -> Json:
    known = [(at, estimate) for at, estimate in found if estimate is not None]
    if not known:
        return NOTHING
    bars: Json = {
        "x": [at for at, _ in known],
        "y": rounded([estimate.mean for _, estimate in known]),
    }
    halves = rounded([estimate.half or 0.0 for _, estimate in known])
    if any(halves):
        bars["error_y"] = {"array": halves, "thickness": 1.2, "width": 3, "color": "#888"}
    return bars


def _styles(policies: Sequence[str], num_panels: int) -> list[Json]:
    seen: Any = looks(policies)
    return [
        trace_of(
            policy,
            panel,
            type="bar",
            marker={"color": seen[policy].colour},
            hovertemplate=f"{escape(policy)}: %{{y:.4g}}<extra></extra>",
        )
        for panel in range(num_panels)
        for policy in policies
    ]


def _sureness(findings: Findings) -> str:
    several = findings.num_seeds > 1
    return "; whiskers: 95 % confidence intervals over seeds" if several else ""


def _tick(policy: str) -> str:
    short = policy if len(policy) <= LONGEST else f"…{policy[1 - LONGEST :]}"
    return escape(short)
