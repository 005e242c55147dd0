"""What an engine counts. Kept in plain numbers, so that counting costs next to nothing."""

from bisect import bisect_left
from collections.abc import Sequence

from semsched.core.drain import DrainRate
from semsched.engine.generation import Generation, Outcome

TTFT_BOUNDS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
ITL_BOUNDS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0),
    *(2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
LATENCY_BOUNDS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
"""Upper bounds of the buckets (seconds): vLLM's, so that its dashboards fit."""


class Histogram:
    """Seconds, counted in buckets."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """How many fell into each bucket; the last one has no bound."""
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds


class Stats:
    """The books of one engine whose clock runs `speed` times as fast as its clients'.

    submitted = refused + finished + cancelled + failed + those there. Histograms hold seconds as
    clients feel them.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self.submitted = self.refused = 0
        self.ended: dict[Outcome, int] = {"finished": 0, "cancelled": 0, "failed": 0}
        self.at_limit = 0
        """Finished because they reached max_output_tokens."""
        self.prompt_tokens = self.output_tokens = self.num_preemptions = 0
        self.time_to_first_token = Histogram(TTFT_BOUNDS)
        self.inter_token_latency = Histogram(ITL_BOUNDS)
        self.e2e_latency = Histogram(LATENCY_BOUNDS)
        self.queue_time = Histogram(LATENCY_BOUNDS)
        self.drain = DrainRate()

    def check(self, num_there: int) -> None:
        """Raise RuntimeError if a request was lost or counted twice."""
        accounted = self.refused + sum(self.ended.values()) + num_there
        if self.submitted != accounted:
            raise RuntimeError(
                f"{self.submitted} requests came, but {self.refused} refused, {self.ended} and "
                f"{num_there} there make {accounted}"
            )

    def wait(self, now: float) -> None:
        """One waits, the only one."""
        self.drain.begin(now / self._speed)

    def retry_after(self, num_waiting: int, now: float, luck: float) -> float:
        """See DrainRate."""
        return self.drain.retry_after(num_waiting, now / self._speed, luck)

    def start(self, generation: Generation, now: float) -> None:
        """It got a seat for the first time."""
        generation.started_at = now
        self.queue_time.observe((now - generation.request.arrived_at) / self._speed)

    def token(self, generation: Generation, now: float) -> None:
        """A token of it came out."""
        since = (now - generation.last_token_at) / self._speed
        if generation.first_token_at is None:
            generation.first_token_at = now
            self.prompt_tokens += generation.request.prompt_tokens
            self.time_to_first_token.observe(since)
        else:
            self.inter_token_latency.observe(since)
        generation.last_token_at = now
        self.output_tokens += 1

    def end(self, generation: Generation, outcome: Outcome, now: float) -> None:
        """It ended."""
        generation.outcome, generation.ended_at = outcome, now
        self.ended[outcome] += 1
        self.drain.ended(now / self._speed)
        if outcome == "finished":
            self.at_limit += generation.emitted == generation.request.max_output_tokens
            self.e2e_latency.observe((now - generation.request.arrived_at) / self._speed)
