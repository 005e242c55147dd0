"""The pictures of a report, in the order of the page."""

from collections.abc import Sequence

from semsched.report.html.along import Shown, along
from semsched.report.html.bars import class_bars, policy_bars, with_bound
from semsched.report.html.curves import distribution, memory
from semsched.report.html.findings import Findings, Scenario
from semsched.report.html.gantt import gantt
from semsched.report.html.picture import Picture
from semsched.report.html.words import ALL, group_name

MEANING = {
    "e2e": ("E2E latency", "Mean time from the arrival of a request to the last token"),
    "ttft": ("Time to first token", "Mean time from the arrival of a request to the first token"),
}

ENGINE = {
    "throughput_tokens_per_s": "throughput (tokens/s)",
    "goodput_requests_per_s": "goodput (requests/s in time)",
    "num_preemptions": "preemptions",
    "num_evictions": "evictions",
    "recomputed_tokens": "recomputed tokens",
    "swapped_tokens": "swapped tokens",
}


def pictures(findings: Findings, scenarios: Sequence[Scenario]) -> list[Picture]:
    """The pictures that are wanted and have something to show, for every one of `scenarios`."""
    wanted = findings.metadata.get("figures")
    drawn = [
        _latency(findings, scenarios, "e2e"),
        _latency(findings, scenarios, "ttft"),
        _distribution(findings, scenarios, "e2e"),
        _distribution(findings, scenarios, "ttft"),
        _engine(findings, scenarios),
        memory(findings, scenarios) if findings.has("series_kv") else None,
        gantt(findings.metadata.get("timelines") or {}, len(scenarios)),
        _bound(findings, scenarios),
        _distance(findings, scenarios),
    ]
    shown = [picture for picture in drawn if picture is not None]
    return [picture for picture in shown if wanted is None or picture.name in wanted]


def _latency(findings: Findings, scenarios: Sequence[Scenario], name: str) -> Picture | None:
    metric, (title, meaning) = f"{name}_mean", MEANING[name]
    groups = [group for group in findings.groups if findings.has(metric, group)]
    if not groups:
        return None
    words = {"name": name, "title": title, "y_title": f"{title} (s)", "caption": meaning}
    if not findings.metadata.get("x"):
        return class_bars(findings, scenarios, metric, groups, **words)
    shown = [Shown(metric, group, group_name(group)) for group in groups]
    return along(findings, scenarios, shown, **words)


def _distribution(findings: Findings, scenarios: Sequence[Scenario], name: str) -> Picture | None:
    metric, (title, _) = f"{name}_quantiles", MEANING[name]
    groups = [group for group in findings.groups if findings.has(metric, group)]
    if not groups:
        return None
    return distribution(
        findings,
        scenarios,
        metric,
        groups,
        name=f"{name}-distribution",
        title=f"How {title if name == 'e2e' else title.lower()} is distributed",
        x_title=f"{title} (s)",
    )


def _engine(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    measured = {metric: title for metric, title in ENGINE.items() if findings.has(metric)}
    metrics = {metric: title for metric, title in measured.items() if findings.any(metric)}
    if not metrics:
        return None
    zero = [title for metric, title in measured.items() if metric not in metrics]
    nothing = f". None at all: {', '.join(zero)}" if zero else ""
    return policy_bars(
        findings,
        scenarios,
        metrics,
        name="engine",
        title="Throughput, preemptions, evictions",
        caption="Goodput counts the requests answered within the target of their class. "
        "Preemption: a running request gives up its seat. Eviction: its KV memory is taken as "
        f"well, to be swapped back in or recomputed later{nothing}",
    )


def _bound(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    if not findings.has("weighted_latency_bound"):
        return None
    bars = policy_bars(
        findings,
        scenarios,
        {"weighted_latency_mean": "weighted latency (s)"},
        name="bound",
        title="How well any policy could do",
        caption="Mean E2E latency, the urgent classes weighing more. No policy can come below "
        "the dashed line, the lower bound",
    )
    return with_bound(bars, findings, scenarios)


def _distance(findings: Findings, scenarios: Sequence[Scenario]) -> Picture | None:
    if not findings.metadata.get("x") or not findings.has("distance"):
        return None
    return along(
        findings,
        scenarios,
        [Shown("distance", ALL, "")],
        name="distance",
        title="Distance to the lower bound",
        y_title="times the lower bound",
        caption="Mean weighted latency as a multiple of the lower bound, where 1 cannot be beaten",
    )
