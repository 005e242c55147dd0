"""Scheduling: the settings of the batcher, each default written once."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MANY = 2**31 - 1


class Scheduling(BaseModel):
    """How requests share an engine. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_num_seqs: Annotated[int, Field(gt=0, le=4096, description="Seats in the batch.")] = 16
    batching: Annotated[
        Literal["alternate", "chunked"],
        Field(description="alternate: a step is all prefill or all decode; chunked: mixed steps."),
    ] = "alternate"
    max_num_batched_tokens: Annotated[
        int, Field(gt=0, le=MANY, description="Tokens in a step (chunked only).")
    ] = 2048
    backfill: Annotated[
        bool,
        Field(description="Fill free seats while the leader decodes (alternate; the paper: no)."),
    ] = True
    preemption: Annotated[
        Literal["rank", "class", "off"],
        Field(
            description="Who may take a running request's seat: whoever ranks better, only a "
            "more urgent class that ranks better, or nobody."
        ),
    ] = "rank"
    max_preemptions: Annotated[
        int,
        Field(
            ge=0,
            le=MANY,
            description="Times a request may lose its seat to a better one; a shortage of KV "
            "memory may still pause it.",
        ),
    ] = 100
    restore: Annotated[
        Literal["cheaper", "swap", "recompute"],
        Field(description="How lost KV comes back: whichever is cheaper, or always the same way."),
    ] = "cheaper"
    finish_guard: Annotated[
        int,
        Field(
            ge=0,
            le=MANY,
            description="A request with at most this many predicted tokens left keeps its seat, "
            "until it outlives the prediction.",
        ),
    ] = 0

    @model_validator(mode="after")
    def _decodes_fit_in_a_step(self) -> Self:
        if self.batching == "chunked" and self.max_num_batched_tokens < self.max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({self.max_num_batched_tokens}) must be at least "
                f"max_num_seqs ({self.max_num_seqs}), a token for each seat"
            )
        return self
