"""An engine's metrics under vLLM's names, made from its books when they are asked for."""

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from semsched.engine.embedded import EmbeddedEngine
from semsched.engine.stats import Histogram

LABELS = ("model_name", "engine")


class EngineCollector(Collector):
    """What Prometheus is told."""

    def __init__(self, engine: EmbeddedEngine, model: str) -> None:
        self._engine = engine
        self._labels = (model, "0")

    def collect(self) -> Iterable[Metric]:
        """All metric families."""
        yield from self._gauges()
        yield from self._counters()
        yield from self._histograms()

    def _gauges(self) -> Iterator[Metric]:
        engine, memory = self._engine, self._engine.memory
        used = 1 - memory.num_free / memory.num_blocks
        for name, what, value in (
            ("num_requests_running", "Requests with a seat.", engine.num_running),
            ("num_requests_waiting", "Requests without a seat.", engine.num_waiting),
            ("kv_cache_usage_perc", "KV blocks in use; 1 is all of them.", used),
        ):
            gauge = GaugeMetricFamily(f"vllm:{name}", what, labels=LABELS)
            gauge.add_metric(self._labels, value)
            yield gauge

    def _counters(self) -> Iterator[Metric]:
        engine, stats = self._engine, self._engine.stats
        for name, what, value in (
            ("num_preemptions", "Seats lost to a better request.", engine.num_preemptions),
            ("prompt_tokens", "Prompt tokens prefilled.", stats.prompt_tokens),
            ("generation_tokens", "Tokens generated.", stats.output_tokens),
        ):
            counter = CounterMetricFamily(f"vllm:{name}", what, labels=LABELS)
            counter.add_metric(self._labels, value)
            yield counter
        yield self._ends()

    def _ends(self) -> Metric:
        stats = self._engine.stats
        ends = CounterMetricFamily(
            "vllm:request_success", "Requests ended.", labels=(*LABELS, "finished_reason")
        )
        ends.add_metric((*self._labels, "stop"), stats.ended["finished"] - stats.at_limit)
        ends.add_metric((*self._labels, "length"), stats.at_limit)
        ends.add_metric((*self._labels, "abort"), stats.ended["cancelled"])
        return ends

    def _histograms(self) -> Iterator[Metric]:
        stats = self._engine.stats
        for name, what, histogram in (
            ("time_to_first_token", "Arrival to first token.", stats.time_to_first_token),
            ("inter_token_latency", "Token to token.", stats.inter_token_latency),
            ("e2e_request_latency", "Arrival to finish.", stats.e2e_latency),
            ("request_queue_time", "Arrival to the first seat.", stats.queue_time),
        ):
            yield self._histogram(f"vllm:{name}_seconds", what, histogram)

    def _histogram(self, name: str, what: str, histogram: Histogram) -> Metric:
        family = HistogramMetricFamily(name, what, labels=LABELS)
        bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
        family.add_metric(self._labels, buckets, histogram.sum)
        return family


def registry_of(collector: Collector) -> CollectorRegistry:
    """A registry that holds this collector only, not what the process counts elsewhere."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry
