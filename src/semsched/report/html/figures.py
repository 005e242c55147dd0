"""The pictures of a report, from the findings of a study."""

from collections.abc import Sequence
from html import escape
from typing import Any

from semsched.report.html.along import along
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.gantt import gantt
from semsched.report.html.looks import BOUND, looks
from semsched.report.html.picture import NOTHING, Json, Panel, Picture, Variant, rounded
from semsched.report.html.words import ALL, group_name

ENGINE = {
    "throughput_tokens_per_s": "throughput (tokens/s)",
    "goodput_requests_per_s": "answered in time (requests/s)",
    "num_preemptions": "preemptions",
    "num_evictions": "evictions",
    "recomputed_tokens": "recomputed tokens",
    "swapped_tokens": "swapped tokens",
}

MAX_POINTS = 100
"""Of a line over time."""

LONGEST_TICK = 14
"""Letters of a policy's name beside an axis."""


def pictures(findings: Findings, scenarios: Sequence[Scenario]) -> list[Picture]:
    """All pictures there is something to show in, in the order of the page.

    Each can be had for every one of `scenarios`.
    """
    drawn = [
        _latency(findings, scenarios, "e2e", "E2E latency", "from arrival to the last token"),
        _latency(findings, scenarios, "ttft", "Time to first token", "from arrival on"),
        _distribution(findings, scenarios, "e2e", "Distribution of E2E latency"),
        _distribution(findings, scenarios, "ttft", "Distribution of time to first token"),
        _engine(findings, scenarios),
        _memory(findings, scenarios),
        gantt(findings.metadata.get("timelines") or {}, len(scenarios)),
        _bound(findings, scenarios),
        _distance(findings, scenarios),
    ]
    return [picture for picture in drawn if picture is not None]


def _latency(
    findings: Findings, scenarios: Sequence[Scenario], name: str, title: str, meaning: str
) -> Picture | None:
    groups = [group for group in findings.groups if findings.has(f"{name}_mean", group)]
    if not groups:
        return None
    about = f"Mean {title} per class, {meaning}"
    if findings.metadata.get("x"):
        panels = [(f"{name}_mean", group, group_name(group)) for group in groups]
        picture = along(findings, scenarios, panels, f"{title} (s)")
        return picture(name, title, f"{about}. Each panel has a scale of its own.")
    return _grouped_bars(findings, scenarios, name, title, f"{about}.", groups)


def _grouped_bars(
    findings: Findings,
    scenarios: Sequence[Scenario],
    name: str,
    title: str,
    caption: str,
    groups: Sequence[str],
) -> Picture:
    def bars(policy: str, scenario: Scenario) -> Json:
        found = [findings.estimate(f"{name}_mean", policy, group, scenario) for group in groups]
        known = [(i, estimate) for i, estimate in enumerate(found) if estimate is not None]
        halves = [estimate.half or 0.0 for _, estimate in known]
        means = rounded([estimate.mean for _, estimate in known])
        return {"x": [_short(groups[i]) for i, _ in known], "y": means, "error_y": _error(halves)}

    seen = looks(findings.policies)
    return Picture(
        name=name,
        title=title,
        caption=f"{caption}{_sureness(findings)}",
        panels=[Panel("", "", f"{title} (s)", {"type": "category"}, {})],
        styles=[_bar_style(policy, seen[policy], 1) for policy in findings.policies],
        variants=[[bars(policy, each) for policy in findings.policies] for each in scenarios],
        of_scenario=range(len(scenarios)),
        panel_height=340,
        layout={"barmode": "group"},
    )


def _distribution(
    findings: Findings, scenarios: Sequence[Scenario], name: str, title: str
) -> Picture | None:
    metric = f"{name}_quantiles"
    groups = [group for group in findings.groups if findings.has(metric, group)]
    if not groups:
        return None
    seen = looks(findings.policies)
    pairs = [(number, policy) for number in range(len(groups)) for policy in findings.policies]
    x_title = title.removeprefix("Distribution of ").replace("time", "Time") + " (s)"

    def variant(scenario: Scenario) -> Variant:
        spreads = (findings.spread(metric, policy, groups[n], scenario) for n, policy in pairs)
        return [{"x": [], "y": []} if x is None else _steps(x) for x in spreads]

    return Picture(
        name=f"{name}-distribution",
        title=title,
        caption="The share of the requests that had to wait so long at most: the further left "
        "and the steeper, the better. Each panel has a scale of its own."
        + (" Quantiles, the mean over seeds." if findings.num_seeds > 1 else ""),
        panels=[
            Panel(group_name(group), x_title, "share of requests", _FROM_ZERO, _PERCENT)
            for group in groups
        ],
        styles=[
            _line_style(
                policy, seen[policy], n + 1, f"{escape(policy)}: %{{y:.0%}} in %{{x:.3g}} s"
            )
            for n, policy in pairs
        ],
        variants=[variant(scenario) for scenario in scenarios],
        of_scenario=range(len(scenarios)),
    )


def _steps(quantiles: Any) -> Json:
    return {"x": quantiles, "y0": 0, "dy": round(1 / max(len(quantiles) - 1, 1), 6)}


def _engine(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    metrics = [metric for metric in ENGINE if findings.has(metric)]
    if not metrics:
        return None
    return _policy_bars(
        findings,
        scenarios,
        metrics,
        name="engine",
        title="Throughput, preemptions and evictions",
        caption="Preemption: a running request gives up its seat. Eviction: its KV memory is "
        "taken too, to be swapped back or recomputed.",
        titles=[ENGINE[metric] for metric in metrics],
    )


def _bound(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    if not findings.has("weighted_latency_bound"):
        return None
    picture = _policy_bars(
        findings,
        scenarios,
        ["weighted_latency_mean"],
        name="bound",
        title="How well any policy could do",
        caption="Mean E2E latency, each class weighted by its urgency. No policy can come below "
        "the dashed line.",
        titles=["weighted latency (s)"],
    )
    line = {"type": "scatter", "mode": "lines", "name": "lower bound", "legendgroup": "bound"}
    look = {"line": {"color": BOUND, "dash": "dash", "width": 2}, "xaxis": "x1", "yaxis": "y1"}
    hover = {"hovertemplate": "lower bound: %{y:.3g} s<extra></extra>"}
    variants = [
        [*variant, _level(findings, scenario)]
        for variant, scenario in zip(picture.variants, scenarios, strict=True)
    ]
    styles = [*picture.styles, {**line, **look, **hover}]
    return _with(picture, styles, variants)


def _with(picture: Picture, styles: Sequence[Json], variants: Sequence[Variant]) -> Picture:
    from dataclasses import replace

    return replace(picture, styles=styles, variants=variants)


def _level(findings: Findings, scenario: Scenario) -> Json:
    """The bound, across the bars of all policies."""
    found = [
        (policy, findings.estimate("weighted_latency_bound", policy, ALL, scenario))
        for policy in findings.policies
    ]
    known = [(_tick(policy), estimate.mean) for policy, estimate in found if estimate]
    return {"x": [x for x, _ in known], "y": rounded([y for _, y in known])}


def _distance(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    if not findings.metadata.get("x") or not findings.has("distance"):
        return None
    picture = along(findings, scenarios, [("distance", ALL, "")], "times the lower bound")
    caption = "Mean weighted latency, as a multiple of the lower bound: 1 cannot be beaten."
    return picture("distance", "Distance to the lower bound", caption)


def _policy_bars(
    findings: Findings,
    scenarios: Sequence[Scenario],
    metrics: Sequence[str],
    *,
    name: str,
    title: str,
    caption: str,
    titles: Sequence[str],
) -> Picture:
    """A panel per metric, in it a bar per policy."""
    seen = looks(findings.policies)
    pairs = [(number, policy) for number in range(len(metrics)) for policy in findings.policies]
    ticks = {"type": "category", "tickangle": -40}
    return Picture(
        name=name,
        title=title,
        caption=f"{caption}{_sureness(findings)}",
        panels=[Panel(each, "", "", ticks, {}) for each in titles],
        styles=[_bar_style(policy, seen[policy], n + 1) for n, policy in pairs],
        variants=[
            [_bar(findings, metrics[n], policy, scenario) for n, policy in pairs]
            for scenario in scenarios
        ],
        of_scenario=range(len(scenarios)),
    )


def _bar(findings: Findings, metric: str, policy: str, scenario: Scenario) -> Json:
    estimate = findings.estimate(metric, policy, ALL, scenario)
    if estimate is None:
        return NOTHING
    error = _error([estimate.half or 0.0])
    return {"x": [_tick(policy)], "y": rounded([estimate.mean]), "error_y": error}
