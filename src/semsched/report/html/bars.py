"""Bars: a bar per policy, in a panel per metric or side by side for every class."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from semsched.report.html.estimate import Estimate
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.looks import looks, trace_of
from semsched.report.html.picture import NOTHING, Json, Panel, Picture, rounded
from semsched.report.html.words import ALL

LONGEST = 14
"""Letters of a policy's name beside an axis."""

POSITIVE = {"rangemode": "nonnegative"}
"""Whiskers may reach below what is possible; the axis does not."""

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
        panels=[Panel("", "", y_title, {"type": "category"}, POSITIVE)],
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
        panels=[Panel(each, "", "", ticks, POSITIVE) for each in metrics.values()],
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
    halo = _level_style("#ffffff", "solid", 5, seen=False)  # shows on bars and pages of any colour
    line = _level_style("#000000", "dash", 2, seen=True)
    levels = [_level(findings, scenario) for scenario in scenarios]
    variants = [[*own, level, level] for own, level in zip(picture.variants, levels, strict=True)]
    return replace(picture, styles=[*picture.styles, halo, line], variants=variants)


def _level_style(colour: str, dash: str, width: int, *, seen: bool) -> Json:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "lower bound",
        "legendgroup": "bound",
        "showlegend": seen,
        "line": {"color": colour, "dash": dash, "width": width},
        "marker": {"symbol": "line-ew", "size": 30, "line": {"color": colour, "width": width}},
        "xaxis": "x1",
        "yaxis": "y1",
        "hovertemplate": "lower bound: %{y:.3g} s<extra></extra>",
    }


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
        bars["error_y"] = {"array": halves}
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
    return ". Whiskers: 95 % confidence intervals over seeds" if several else ""


def _tick(policy: str) -> str:
    short = policy if len(policy) <= LONGEST else f"…{policy[1 - LONGEST :]}"
    return escape(short)
