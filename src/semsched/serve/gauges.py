"""Gauges: what is true of the gateway at the moment, looked up when Prometheus comes."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from semsched.request import CLASS_NAMES
from semsched.serve.board import Backend, Lane

PREFIX = "semsched"

LAG_EVERY = 0.5
"""Seconds between two looks at the event loop."""
NUM_LAGS = 60
"""Looks that are remembered: half a minute, so that every scrape sees the worst."""


class Present(Protocol):
    """What is true at the moment; asked for in the event loop's thread."""

    def lanes(self) -> Iterable[Lane]:
        """Every class."""

    def backends(self) -> Iterable[Backend]:
        """Those in the configuration."""

    @property
    def retries_left(self) -> float:
        """Retries that may be made now."""

    @property
    def is_draining(self) -> bool:
        """Whether new requests are turned away because the gateway stops."""

    @property
    def loop_lag(self) -> float:
        """Seconds by which the event loop was late, at worst, lately."""


class Gauges(Collector):
    """What is true at the moment."""

    def __init__(self) -> None:
        self.present: Present | None = None

    def collect(self) -> Iterable[Metric]:
        """All gauges."""
        if self.present is not None:
            yield from self._of_the_queue(list(self.present.lanes()))
            yield from self._of_backends(list(self.present.backends()))
            yield from self._of_the_gateway(self.present)

    def _of_the_queue(self, lanes: list[Lane]) -> Iterator[Metric]:
        waiting = [(CLASS_NAMES[lane.urgency], float(lane.num_waiting)) for lane in lanes]
        yield _labelled("queue_size", "Requests that wait.", "class", waiting)
        oldest = [(CLASS_NAMES[lane.urgency], lane.oldest_wait) for lane in lanes]
        yield _labelled("oldest_wait_seconds", "Time that the oldest waits.", "class", oldest)
        yield _plain("queue_bytes", "Bodies of those who wait.", sum(lane.bytes for lane in lanes))

    def _of_backends(self, backends: list[Backend]) -> Iterator[Metric]:
        for name, what, values in (
            ("up", "Whether it takes requests.", [float(each.is_up) for each in backends]),
            ("seats", "Requests that it may run.", [float(each.seats) for each in backends]),
            ("in_flight", "Requests it was given.", [float(each.in_flight) for each in backends]),
            ("kv_usage", "KV memory in use; 1 is all.", [each.kv_usage for each in backends]),
        ):
            known = [
                (backend.name, value)
                for backend, value in zip(backends, values, strict=True)
                if value is not None
            ]
            yield _labelled(f"backend_{name}", what, "backend", known)

    def _of_the_gateway(self, present: Present) -> Iterator[Metric]:
        yield _plain("retry_budget", "Retries that may be made now.", present.retries_left)
        yield _plain("draining", "1 while the gateway stops.", float(present.is_draining))
        yield _plain("event_loop_lag_seconds", "Worst of late; all wait.", present.loop_lag)


def _labelled(name: str, what: str, label: str, values: list[tuple[str, float]]) -> Metric:
    gauge = GaugeMetricFamily(f"{PREFIX}_{name}", what, labels=[label])
    for of, value in values:
        gauge.add_metric([of], value)
    return gauge


def _plain(name: str, what: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", what, value)


class LoopLag:
    """How late the event loop wakes who sleeps: what one slow step costs everybody."""

    def __init__(self) -> None:
        self._lags: deque[float] = deque([0.0], maxlen=NUM_LAGS)

    @property
    def worst(self) -> float:
        """Seconds, of the last half minute."""
        return max(self._lags)

    async def run(self) -> None:
        """Look, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self._lags.append(max(loop.time() - due, 0.0))
