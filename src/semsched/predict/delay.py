"""The time predictors take: two servers in front of the queue, each working in batches."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from semsched.workload.synthetic import check_range
from semsched.workload.workload import Floats, Workload, WorkloadError

Mode = Literal["immediate_processing", "fully_delayed_processing"]


def paper_batch_time(latency: float = 0.003, batch_size: int = 5) -> float:
    """Seconds a batch takes for a `latency` given on the paper's command line."""
    return latency * batch_size * 0.1


def _immediate(arrived_at: list[float], first: int, full: int, free_at: float) -> tuple[float, int]:
    start = max(free_at, arrived_at[first])
    return start, bisect_right(arrived_at, start, first, full)


def _fully_delayed(
    arrived_at: list[float], _first: int, full: int, free_at: float
) -> tuple[float, int]:
    return max(free_at, arrived_at[full - 1]), full


_MODES: Mapping[str, Callable[[list[float], int, int, float], tuple[float, int]]] = {
    "immediate_processing": _immediate,
    "fully_delayed_processing": _fully_delayed,
}
"""When the batch that begins with request `first` starts, and where it ends, if it may reach
up to `full` and the server is free at `free_at`."""


@dataclass(frozen=True)
class PredictorServer:
    """One predictor: first come first served, in batches of at most `batch_size` requests.

    A batch takes `batch_time` seconds whatever it holds. With "immediate_processing" a free
    server starts with whoever waits, those arriving at that very instant included. With
    "fully_delayed_processing" it waits for a full batch; only the last batch may be partial,
    and starts with the last arrival. Raises WorkloadError for a setting out of range.
    """

    batch_size: int = 5
    batch_time: float = paper_batch_time()
    mode: Mode = "immediate_processing"

    def __post_init__(self) -> None:
        check_range("batch_size", self.batch_size, 1)
        check_range("batch_time", self.batch_time, 0)
        if self.mode not in _MODES:
            raise WorkloadError(f"mode is {self.mode!r}, must be one of {', '.join(_MODES)}")

    def ready_at(self, arrived_at: Floats) -> Floats:
        """The instants (s) at which requests, in order of arrival, have their prediction."""
        next_batch = _MODES[self.mode]
        arrivals = arrived_at.tolist()
        ready_at = np.empty_like(arrived_at)
        first, free_at = 0, -np.inf
        while first < len(arrivals):
            full = min(first + self.batch_size, len(arrivals))
            start, end = next_batch(arrivals, first, full, free_at)
            free_at = start + self.batch_time
            ready_at[first:end] = free_at
            first = end
        return ready_at


def delayed(
    workload: Workload, *, urgency_server: PredictorServer, length_server: PredictorServer
) -> Workload:
    """The workload whose requests enter the queue once both predictors are done with them.

    Source: arXiv 2506.12204, its simulator; the two servers work independently, each sees
    every request on its arrival.
    """
    ready_at = np.maximum(
        urgency_server.ready_at(workload.arrived_at), length_server.ready_at(workload.arrived_at)
    )
    return replace(workload, ready_at=ready_at)
