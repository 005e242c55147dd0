"""Faults on purpose, so that what stands in front of an engine can be tested."""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from semsched.engine.dice import throw, uniform

Rate = Annotated[float, Field(ge=0, le=1)]

LATEST_CUT = 8
"""A stream is cut after at most that many tokens, if it has as many."""


class Faults(BaseModel):
    """How often what goes wrong, as shares of all requests. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    error_rate: Annotated[Rate, Field(description="Answered with HTTP 500.")] = 0.0
    hang_rate: Annotated[Rate, Field(description="Accepted and never answered.")] = 0.0
    reset_rate: Annotated[
        Rate, Field(description="The connection is reset, without an answer.")
    ] = 0.0
    cut_rate: Annotated[Rate, Field(description="The connection is closed after some tokens.")] = (
        0.0
    )
    slow_bytes: Annotated[
        float, Field(ge=0, le=3600, description="Seconds added before each token is sent.")
    ] = 0.0
    fault_seed: Annotated[int, Field(ge=0, description="Which requests it hits.")] = 0

    @model_validator(mode="after")
    def _at_most_one_each(self) -> Self:
        total = self.error_rate + self.hang_rate + self.reset_rate + self.cut_rate
        if total > 1 + 1e-9:
            raise ValueError(f"the rates of faults must not exceed 1 in all, got {total:g}")
        return self


class Fault(NamedTuple):
    """What one request meets."""

    kind: Literal["none", "error", "hang", "reset", "cut"]
    cut_after: int
    """Tokens (cut only), at least 1."""
    slow_bytes: float


class FaultBox:
    """Decides what the next request meets; the n-th after a setting always meets the same."""

    def __init__(self, faults: Faults) -> None:
        self.set(faults)

    def set(self, faults: Faults) -> None:
        """From now on these."""
        self.faults = faults
        self._num_requests = 0

    def next(self) -> Fault:
        """The fault of the next request."""
        faults, place = self.faults, (self.faults.fault_seed, self._num_requests)
        self._num_requests += 1
        return Fault(
            self._kind(uniform("fault", *place)),
            1 + throw("cut", *place) % LATEST_CUT,
            faults.slow_bytes,
        )

    def _kind(self, at: float) -> Literal["none", "error", "hang", "reset", "cut"]:
        for kind in ("error", "hang", "reset", "cut"):
            at -= getattr(self.faults, f"{kind}_rate")
            if at < 0:
                return kind
        return "none"
