"""Sequence: a request inside the engine, its rank and how far it has come."""

from dataclasses import dataclass

from semsched.core.cost import StepCost, remaining_time
from semsched.request import Rank, Request

Key = tuple[float, float, float, int]


@dataclass(slots=True, eq=False)
class Sequence:
    """A request between its arrival and its end.

    Tokens are known (prompt and emitted ones), computed (their KV was computed once) and
    resident (their KV is on the GPU): resident <= computed <= known.
    """

    request: Request
    rank: Rank
    swaps: bool
    """Whether lost KV is loaded back from host memory rather than computed again."""
    emitted: int = 0
    computed: int = 0
    resident: int = 0
    num_blocks: int = 0
    """KV blocks it holds."""
    num_preemptions: int = 0
    recomputed_tokens: int = 0
    swapped_tokens: int = 0
    seated_at: float = 0.0
    seated_time: float = 0.0
    """Seconds in a seat, up to the last time it left one."""

    @property
    def known(self) -> int:
        """Tokens that the next one depends on."""
        return self.request.prompt_tokens + self.emitted

    def key(self, cost: StepCost) -> Key:
        """Its place in the one total order: lower runs first."""
        request = self.request
        left = remaining_time(
            cost,
            request.prompt_tokens,
            self.computed,
            self.emitted,
            request.predicted_output_tokens,
            request.predicted_p90_tokens,
        )
        return (*self.rank.key(left), request.arrived_at, request.id)
