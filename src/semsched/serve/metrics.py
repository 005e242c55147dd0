"""The gateway's metrics under llm-d's names, where it has one, with the prefix `semsched_`.

What happens to requests is counted as it happens, on the hot path: every series is made at the
start. What is true at the moment is asked for when Prometheus comes. Labels are bounded: classes,
outcomes and codes are ours, the names of backends and tenants come from the configuration.
"""

from collections.abc import Callable
from itertools import product
from typing import TypeVar, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from semsched.predict.urgency.verdict import Source
from semsched.request import CLASS_NAMES
from semsched.serve.books import OUTCOMES
from semsched.serve.gauges import PREFIX, Gauges, Present
from semsched.serve.visit import Visit

SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
    *(10, 30, 60, 120, 300, 600, 1800, 3600),
)
TOKEN_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5)
RATIOS = (0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1.1, 1.25, 1.5, 2, 4, 10)
"""Upper bounds of the histograms' buckets."""

MAX_VALUES = 100
"""Values of a label that is not ours to choose; all the rest are counted as OTHER."""
OTHER = "other"

T = TypeVar("T")


class Metrics:
    """Told of each request as it goes; all methods are for the event loop's thread."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        # The instant at which a series was made is a line more for each, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry(auto_describe=False)
        self._gauges = Gauges()
        self._registry.register(self._gauges)
        ProcessCollector(registry=self._registry)
        self._count_arrivals()
        self._count_ends()
        self._measure_times()
        self._measure_lengths()

    def read_from(self, present: Present) -> None:
        """From now on the gauges tell of this; before, there are none."""
        self._gauges.present = present

    def exposition(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)

    # --- what happens --------------------------------------------------------------------

    def accept(self, visit: Visit) -> None:
        """A request was read and classified."""
        self._classified[visit.entry.request.urgency, visit.verdict.source].inc()
        if visit.is_clamped:
            self._clamped.inc()

    def refuse(self, code: str) -> None:
        """A request was turned away before it was read: no key, too large, too often."""
        self._refused[code].inc()

    def retry(self, _: Visit) -> None:
        """A backend failed it, and it waits again."""
        self._retries.inc()

    def first_token(self, visit: Visit, ttft: float) -> None:
        """Its answer begins, `ttft` seconds after its arrival."""
        self._ttft[visit.entry.request.urgency].observe(ttft)

    def end(self, visit: Visit) -> None:
        """It is over; raises ValueError if it is not.

        E2E latency and TPOT are those of requests that finished. `first_token_at` must be None
        where the answer came as a whole: nobody saw its tokens come.
        """
        request, outcome, ended_at = visit.entry.request, visit.outcome, visit.ended_at
        if outcome is None or ended_at is None:
            raise ValueError(f"request {request.id} has not ended")
        self._requests[request.urgency, outcome].inc()
        self._tenants[request.tenant][outcome].inc()
        self._queue[request.urgency, outcome].observe(visit.queue_time)
        self._tokens[request.urgency].inc(visit.output_tokens)
        if outcome == "finished":
            self._e2e[request.urgency].observe(ended_at - request.arrived_at)
            self._observe_tpot(visit, ended_at)
        elif outcome == "refused":
            self._refused[visit.code].inc()
        elif outcome == "failed":
            self._failed[visit.code].inc()

    def _observe_tpot(self, visit: Visit, ended_at: float) -> None:
        if visit.first_token_at is not None and visit.output_tokens > 1:
            self._tpot.observe((ended_at - visit.first_token_at) / (visit.output_tokens - 1))

    def length(self, output_tokens: int, p50: float, p90: float) -> None:
        """An answer that no limit cut off had so many tokens; before it ran, half of such answers
        were believed to be shorter than `p50` and 9 of 10 to be no longer than `p90`."""
        self._ratio.observe(p50 / output_tokens)
        self._within[output_tokens <= p90].inc()

    # --- the series ----------------------------------------------------------------------

    def _count_arrivals(self) -> None:
        classified = self._counter(
            "classification", "Requests that were read, by who said their class.", "class", "source"
        )
        self._classified = {
            (urgency, source): classified.labels(name, source)
            for (urgency, name), source in product(enumerate(CLASS_NAMES), get_args(Source))
        }
        self._clamped = self._counter(
            "priority_clamped", "Claims that were lowered to the ceiling of their key."
        )
        self._retries = self._counter("retries", "Requests sent again after a backend failed them.")

    def _count_ends(self) -> None:
        requests = self._counter("requests", "Requests that were read, by their end.", *_ENDS)
        self._requests = _by_end(requests.labels)
        refused = self._counter("refusals", "Requests that were turned away, by code.", "code")
        failed = self._counter("failures", "Requests that failed, by code.", "code")
        self._refused, self._failed = _Capped(refused.labels), _Capped(failed.labels)
        tenants = self._counter(
            "tenant_requests", "Requests that were read, by tenant and end.", "tenant", "outcome"
        )
        self._tenants = _Capped(
            lambda tenant: {outcome: tenants.labels(tenant, outcome) for outcome in OUTCOMES}
        )

    def _measure_times(self) -> None:
        queue = self._histogram(
            "queue_duration_seconds", "From arrival to the last seat, or the end.", SECONDS, *_ENDS
        )
        self._queue = _by_end(queue.labels)
        ttft = self._histogram(
            "time_to_first_token_seconds", "From arrival to the first token.", SECONDS, "class"
        )
        self._ttft = _by_class(ttft.labels)
        e2e = self._histogram(
            "e2e_latency_seconds", "From arrival to finish, of those that did.", SECONDS, "class"
        )
        self._e2e = _by_class(e2e.labels)
        self._tpot = self._histogram(
            "time_per_output_token_seconds",
            "From token to token, the mean of each streamed answer.",
            TOKEN_SECONDS,
        )

    def _measure_lengths(self) -> None:
        tokens = self._counter("output_tokens", "Tokens of answers.", "class")
        self._tokens = _by_class(tokens.labels)
        self._ratio = self._histogram(
            "predicted_to_actual_tokens", "Predicted output tokens by those that came.", RATIOS
        )
        within = self._counter(
            "length_predictions",
            "Answers, by whether their P90 held; 9 of 10 should.",
            "within_p90",
        )
        self._within = {True: within.labels("true"), False: within.labels("false")}

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, namespace=PREFIX, registry=self._registry)

    def _histogram(
        self, name: str, what: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(
            name, what, labels, namespace=PREFIX, registry=self._registry, buckets=buckets
        )


_ENDS = ("class", "outcome")


def _by_class(bind: Callable[[str], T]) -> list[T]:
    return [bind(name) for name in CLASS_NAMES]


def _by_end(bind: Callable[[str, str], T]) -> dict[tuple[int, str], T]:
    ends = product(enumerate(CLASS_NAMES), OUTCOMES)
    return {(urgency, outcome): bind(name, outcome) for (urgency, name), outcome in ends}


class _Capped(dict[str, T]):
    """Series by the value of a label, each made when it is first asked for, up to MAX_VALUES."""

    def __init__(self, bind: Callable[[str], T]) -> None:
        self._bind = bind

    def __missing__(self, value: str) -> T:
        if len(self) >= MAX_VALUES and value != OTHER:
            return self[OTHER]
        self[value] = series = self._bind(value)
        return series
