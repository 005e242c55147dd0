"""Lines along the x axis of a study: a panel per class, a line and a band per policy."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, NamedTuple

from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.looks import Look, faint, line_of, looks, trace_of
from semsched.report.html.picture import NOTHING, Json, Panel, Picture, Variant, rounded
from semsched.report.html.words import axis_title, value_text

CROWDED = 12
"""Neighbours nearer than the range over this would touch: then the axis is logarithmic."""


class Shown(NamedTuple):
    """What a panel shows."""

    metric: str
    group: str
    title: str


def along(
    findings: Findings,
    scenarios: Sequence[Scenario],
    shown: Sequence[Shown],
    *,
    name: str,
    title: str,
    y_title: str,
    caption: str,
) -> Picture:
    """Means over seeds against the x axis. Scenarios that differ in x alone share a variant."""
    x = findings.axes.index(findings.metadata["x"])
    others = [_rest(scenario, x) for scenario in scenarios]
    rests = list(dict.fromkeys(others))
    families = [[each for each in findings.scenarios if _rest(each, x) == rest] for rest in rests]
    axis, x_title = _axis(findings.values(x)), escape(axis_title(findings.axes[x]))
    band = ", with 95 % confidence bands over seeds" if findings.num_seeds > 1 else ""
    scales = " Each panel has a scale of its own." if len(shown) > 1 else ""
    return Picture(
        name=name,
        title=title,
        caption=f"{caption}, along {x_title}{band}.{scales}",
        panels=[Panel(each.title, x_title, y_title, axis, {}) for each in shown],
        styles=_styles(findings.policies, len(shown)),
        variants=[_variant(findings, family, shown, x) for family in families],
        of_scenario=[rests.index(other) for other in others],
        name_of_scenario="families",
        panel_height=290 if len(shown) > 1 else 360,
        layout={"hovermode": "x"},
    )


def _rest(scenario: Scenario, x: int) -> Scenario:
    return (*scenario[:x], *scenario[x + 1 :])


def _axis(values: Sequence[Any]) -> Json:
    """Numbers where they belong, logarithmic if they crowd; anything else side by side."""
    numeric = all(isinstance(value, int | float) and value is not True for value in values)
    if not numeric or any(isinstance(value, bool) for value in values):
        return {"type": "category", "categoryarray": [_category(value) for value in values]}
    ticks = {"tickvals": values, "ticktext": [value_text(value) for value in values]}
    gaps = [after - before for before, after in pairwise(values)]
    if not gaps or min(gaps) * CROWDED >= values[-1] - values[0]:
        return {"type": "linear", **ticks}
    if values[0] > 0:
        return {"type": "log", **ticks}
    return {"type": "category", "categoryarray": [_category(value) for value in values]}


def _category(value: Any) -> str:
    return escape(value_text(value))


def _styles(policies: Sequence[str], num_panels: int) -> list[Json]:
    """For each panel the bands of all policies, then their lines on top."""
    seen = looks(policies)
    return [
        style(policy, seen[policy], panel)
        for panel in range(num_panels)
        for style in (_band_style, _line_style)
        for policy in policies
    ]


def _line_style(policy: str, look: Look, panel: int) -> Json:
    return trace_of(
        policy,
        panel,
        type="scatter",
        mode="lines+markers",
        line=line_of(look),
        marker={"color": look.colour, "symbol": look.marker, "size": 7},
        hovertemplate="%{y:.3g}",
    )


def _band_style(policy: str, look: Look, panel: int) -> Json:
    style = trace_of(policy, panel, type="scatter", mode="lines", line={"width": 0})
    band = {"fill": "toself", "fillcolor": faint(look.colour), "hoverinfo": "skip"}
    return {**style, **band, "showlegend": False}


def _variant(
    findings: Findings, family: Sequence[Scenario], shown: Sequence[Shown], x: int
) -> Variant:
    data = []
    for each in shown:
        lines = [_line(findings, family, each, policy, x) for policy in findings.policies]
        data += [band for band, _ in lines] + [line for _, line in lines]
    return data


def _line(
    findings: Findings, family: Sequence[Scenario], shown: Shown, policy: str, x: int
) -> tuple[Json, Json]:
    """The band and the line of a policy."""
    found = [
        (_place(scenario[x]), findings.estimate(shown.metric, policy, shown.group, scenario))
        for scenario in family
    ]
    known = [(at, estimate) for at, estimate in found if estimate is not None]
    places, means = [at for at, _ in known], [estimate.mean for _, estimate in known]
    line = {"x": places, "y": rounded(means)}
    halves = [estimate.half for _, estimate in known]
    if all(half is None for half in halves):
        return NOTHING, line
    edges = [half or 0.0 for half in halves]
    above = [mean + edge for mean, edge in zip(means, edges, strict=True)]
    below = [max(mean - edge, 0.0) for mean, edge in zip(means, edges, strict=True)]
    return {"x": places + places[::-1], "y": rounded(above + below[::-1])}, line


def _place(value: Any) -> Any:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return value if numeric else _category(value)
