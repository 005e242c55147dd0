"""Metrics: every one of them after a day that is known by heart; dashboards stand on the names."""

import math
from dataclasses import dataclass
from itertools import product

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from semsched.request import CLASS_NAMES, NUM_CLASSES
from semsched.serve.board import Backend, Lane
from semsched.serve.books import OUTCOMES
from semsched.serve.metrics import MAX_VALUES, Metrics
from tests.serve.visits import failed, finished, refused, visit


@dataclass
class Moment:
    """A present that stands still."""

    retries_left: float = 9.5
    is_draining: bool = False
    loop_lag: float = 0.003

    def lanes(self) -> list[Lane]:
        return [Lane(urgency, urgency, urgency / 2, 100) for urgency in range(NUM_CLASSES)]

    def backends(self) -> list[Backend]:
        return [
            Backend("gpu-0", "vllm", True, "", 16, 2, 3, 0.25, 1.0, ()),
            Backend("gpu-1", "vllm", False, "connection refused", 8, 0, 0, None, 0.0, ()),
        ]


def families(metrics: Metrics) -> dict[str, Metric]:
    text = metrics.exposition().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(metrics: Metrics, name: str, *labels: str) -> float:
    """The sample of this name with these values of labels, in the order of their names."""
    found = [
        sample.value
        for family in families(metrics).values()
        for sample in family.samples
        if sample.name == f"semsched_{name}"
        and [sample.labels[label] for label in sorted(sample.labels)] == list(labels)
    ]
    assert len(found) == 1, f"{name} {labels}: {found}"
    return found[0]


def total(metrics: Metrics, name: str) -> float:
    text = metrics.exposition().decode()
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"semsched_{name}"
    ]
    assert found, name
    return sum(found)


@pytest.fixture
def day() -> Metrics:
    """Two urgent requests finish, one is refused; one of class 4 fails after a retry."""
    metrics = Metrics()
    metrics.read_from(Moment())
    for each in (finished(1), finished(1, source="claim", is_clamped=True)):
        metrics.accept(each)
        metrics.first_token(each, 0.8)
        metrics.end(each)
        metrics.length(each.output_tokens, 42.0, 60.0)
    metrics.length(100, 50.0, 99.0)
    away, broken = refused(1, tenant="newsletter"), failed(4, source="judge")
    metrics.accept(away)
    metrics.end(away)
    metrics.accept(broken)
    metrics.retry(broken)
    metrics.end(broken)
    metrics.refuse("invalid_api_key")
    return metrics


# --- names ---------------------------------------------------------------------------------------

NAMES = {
    "classification": ("counter", {"class", "source"}),
    "priority_clamped": ("counter", set()),
    "retries": ("counter", set()),
    "requests": ("counter", {"class", "outcome"}),
    "refusals": ("counter", {"code"}),
    "failures": ("counter", {"code"}),
    "tenant_requests": ("counter", {"tenant", "outcome"}),
    "output_tokens": ("counter", {"class"}),
    "length_predictions": ("counter", {"within_p90"}),
    "queue_duration_seconds": ("histogram", {"class", "outcome"}),
    "time_to_first_token_seconds": ("histogram", {"class"}),
    "e2e_latency_seconds": ("histogram", {"class"}),
    "time_per_output_token_seconds": ("histogram", set()),
    "predicted_to_actual_tokens": ("histogram", set()),
    "queue_size": ("gauge", {"class"}),
    "oldest_wait_seconds": ("gauge", {"class"}),
    "queue_bytes": ("gauge", set()),
    "backend_up": ("gauge", {"backend"}),
    "backend_seats": ("gauge", {"backend"}),
    "backend_in_flight": ("gauge", {"backend"}),
    "backend_kv_usage": ("gauge", {"backend"}),
    "retry_budget": ("gauge", set()),
    "draining": ("gauge", set()),
    "event_loop_lag_seconds": ("gauge", set()),
}
"""Whoever changes one breaks somebody's dashboard."""


def test_names_kinds_and_labels_stay_as_they_are(day: Metrics) -> None:
    found = {
        name.removeprefix("semsched_"): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for name, family in families(day).items()
        if name.startswith("semsched_")
    }
    assert found == NAMES


def test_what_promtool_would_say(day: Metrics) -> None:
    lines = day.exposition().decode().splitlines()
    for name, family in families(day).items():
        assert family.documentation, name
        suffix = "_total" if family.type == "counter" else ""
        assert lines.count(f"# TYPE {name}{suffix} {family.type}") == 1
        assert [line.startswith(f"# HELP {name}{suffix} ") for line in lines].count(True) == 1
        assert not name.endswith("_total")
        assert not any(sample.name.endswith("_created") for sample in family.samples)
    assert len(lines) == len(set(lines))


def test_the_process_is_told_of_as_well(day: Metrics) -> None:
    assert families(day)["process_open_fds"].samples[0].value > 2


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("classification_total", ("urgent", "model"), 2),
        ("classification_total", ("urgent", "claim"), 1),
        ("classification_total", ("background", "judge"), 1),
        ("classification_total", ("critical", "rule"), 0),
        ("priority_clamped_total", (), 1),
        ("retries_total", (), 1),
        ("requests_total", ("urgent", "finished"), 2),
        ("requests_total", ("urgent", "refused"), 1),
        ("requests_total", ("background", "failed"), 1),
        ("requests_total", ("critical", "cancelled"), 0),
        ("refusals_total", ("queue_full",), 1),
        ("refusals_total", ("invalid_api_key",), 1),
        ("failures_total", ("backend_timeout",), 1),
        ("tenant_requests_total", ("finished", "clinic"), 2),
        ("tenant_requests_total", ("refused", "newsletter"), 1),
        ("tenant_requests_total", ("finished", "newsletter"), 0),
        ("output_tokens_total", ("urgent",), 42),
        ("length_predictions_total", ("true",), 2),
        ("length_predictions_total", ("false",), 1),
        ("queue_duration_seconds_count", ("urgent", "finished"), 2),
        ("queue_duration_seconds_sum", ("urgent", "finished"), 1.0),
        ("queue_duration_seconds_sum", ("urgent", "refused"), 0.02),
        ("queue_duration_seconds_sum", ("background", "failed"), 2.0),
        ("time_to_first_token_seconds_sum", ("urgent",), 1.6),
        ("time_to_first_token_seconds_bucket", ("urgent", "0.5"), 0),
        ("time_to_first_token_seconds_bucket", ("urgent", "1.0"), 2),
        ("e2e_latency_seconds_count", ("urgent",), 2),
        ("e2e_latency_seconds_sum", ("urgent",), 3.6),
        ("e2e_latency_seconds_count", ("background",), 0),
        ("time_per_output_token_seconds_count", (), 2),
        ("time_per_output_token_seconds_sum", (), 0.1),
        ("predicted_to_actual_tokens_sum", (), 2 + 2 + 0.5),
        ("predicted_to_actual_tokens_bucket", ("0.5",), 1),
        ("predicted_to_actual_tokens_bucket", ("2.0",), 3),
        ("queue_size", ("background",), 4),
        ("oldest_wait_seconds", ("background",), 2.0),
        ("queue_bytes", (), 500),
        ("backend_up", ("gpu-0",), 1),
        ("backend_up", ("gpu-1",), 0),
        ("backend_seats", ("gpu-0",), 16),
        ("backend_in_flight", ("gpu-0",), 3),
        ("backend_kv_usage", ("gpu-0",), 0.25),
        ("retry_budget", (), 9.5),
        ("draining", (), 0),
        ("event_loop_lag_seconds", (), 0.003),
    ],
)
def test_the_day_is_told_as_it_was(
    day: Metrics, name: str, labels: tuple[str, ...], expected: float
) -> None:
    assert value(day, name, *labels) == pytest.approx(expected)


def test_every_end_has_its_series_before_it_happens() -> None:
    metrics = Metrics()
    for name, outcome in product(CLASS_NAMES, OUTCOMES):
        assert value(metrics, "requests_total", name, outcome) == 0


def test_what_a_backend_does_not_say_is_not_made_up(day: Metrics) -> None:
    samples = families(day)["semsched_backend_kv_usage"].samples
    assert [sample.labels["backend"] for sample in samples] == ["gpu-0"]


def test_an_answer_that_came_as_a_whole_has_no_time_per_token() -> None:
    metrics = Metrics()
    metrics.end(finished(first_token_at=None))
    metrics.end(finished(output_tokens=1))
    assert value(metrics, "time_per_output_token_seconds_count") == 0
    assert total(metrics, "e2e_latency_seconds_count") == 2


def test_who_has_not_ended_is_not_counted() -> None:
    metrics = Metrics()
    with pytest.raises(ValueError, match="request 7 has not ended"):
        metrics.end(visit())
    assert total(metrics, "requests_total") == 0


def test_gauges_show_the_moment_of_the_scrape() -> None:
    metrics, moment = Metrics(), Moment()
    assert "semsched_draining" not in families(metrics)
    metrics.read_from(moment)
    assert value(metrics, "draining") == 0
    moment.is_draining = True
    assert value(metrics, "draining") == 1


def test_two_gateways_in_one_process_count_for_themselves(day: Metrics) -> None:
    assert total(Metrics(), "requests_total") == 0
    assert total(day, "requests_total") == 4


# --- bounds --------------------------------------------------------------------------------------


def test_a_crowd_of_tenants_makes_no_crowd_of_series() -> None:
    metrics = Metrics()
    for i in range(3 * MAX_VALUES):
        metrics.end(finished(tenant=f"tenant-{i}"))
        metrics.end(failed(code=f"backend_{i}"))
    samples = families(metrics)["semsched_tenant_requests"].samples
    tenants = {sample.labels["tenant"] for sample in samples}
    assert len(tenants) == MAX_VALUES + 1
    assert value(metrics, "tenant_requests_total", "finished", "other") == 2 * MAX_VALUES + 1
    assert value(metrics, "failures_total", "other") == 2 * MAX_VALUES
    assert total(metrics, "tenant_requests_total") == 6 * MAX_VALUES


def test_names_that_need_quoting_come_back_whole() -> None:
    metrics = Metrics()
    metrics.end(finished(tenant='a"b\\c{}'))
    assert value(metrics, "tenant_requests_total", "finished", 'a"b\\c{}') == 1


def test_buckets_reach_as_far_as_requests_may_wait(day: Metrics) -> None:
    for name in ("queue_duration_seconds", "time_to_first_token_seconds", "e2e_latency_seconds"):
        bounds = {
            float(sample.labels["le"])
            for sample in families(day)[f"semsched_{name}"].samples
            if "le" in sample.labels
        }
        assert min(bounds) <= 0.005
        assert max(bounds - {math.inf}) >= 3600
