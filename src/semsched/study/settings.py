"""What can be asked for: each setting, its default and its help, once.

The command line makes a flag of each, an experiment file may name each as a key. Bounds are
checked here, whoever fills the models.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from semsched.core.profile import EngineProfile, load_profile
from semsched.request import NUM_CLASSES

LIMIT = 1_000_000_000
"""Ids, lengths and the sum of two lengths are 32-bit numbers; no instant may overflow either."""


def split_items(text: Any) -> Any:
    return tuple(item.strip() for item in text.split(",")) if isinstance(text, str) else text


NonNegative = Annotated[FiniteFloat, Field(ge=0, le=LIMIT)]
Positive = Annotated[FiniteFloat, Field(ge=1 / LIMIT, le=LIMIT)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Count = Annotated[int, Field(gt=0, le=LIMIT)]
MaxLength = Annotated[int, Field(ge=2, le=LIMIT)]


Profile = Annotated[
    str, Field(description="Engine profile: a shipped one by name, or the path of a .toml.")
]
DEFAULT_PROFILE = "A100_4B"


class Settings(BaseModel):
    """A group of settings. Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkloadSettings(Settings):
    """Where the requests come from and when."""

    trace: Annotated[
        str | None,
        Field(description="Replay this file, or the trace that comes along: clinic."),
    ] = None
    arrivals: Annotated[
        Literal["paper", "poisson", "bursty"],
        Field(description="Without a trace: the paper's bursts, or random streams."),
    ] = "paper"
    user_request_gap: Annotated[
        NonNegative, Field(description="paper: seconds between bursts.")
    ] = 1.0
    max_concurrent_user_requests: Annotated[
        Count, Field(description="paper: largest size of a burst.")
    ] = 5
    gap_num: Annotated[Count, Field(description="paper: number of bursts.")] = 20
    ranks: Annotated[
        int, Field(ge=1, le=NUM_CLASSES, description="paper: number of urgency classes.")
    ] = NUM_CLASSES
    texts: Annotated[
        str | None,
        Field(
            description="poisson, bursty: draw prompts from this JSONL of text, label and len, or "
            "from the one that comes along: triage."
        ),
    ] = None
    max_prompt_length: Annotated[
        MaxLength, Field(description="Longest prompt, in tokens (paper: one less).")
    ] = 500
    max_output_length: Annotated[
        MaxLength, Field(description="Longest output, in tokens (paper: one less).")
    ] = 500
    num_requests: Annotated[
        Count | None,
        Field(
            description="poisson, bursty: number of requests (1000 unless told); "
            "of a trace, at most so many."
        ),
    ] = None
    rate: Annotated[Positive | None, Field(description="Mean arrival rate, in requests/s.")] = None
    load: Annotated[
        Positive | None,
        Field(
            description="Mean arrival rate relative to what the engine can do "
            "(poisson, bursty: 0.9 unless told)."
        ),
    ] = None
    burstiness: Annotated[
        Positive,
        Field(description="bursty: squared coefficient of variation of the gaps (1: Poisson)."),
    ] = 4.0
    urgency_mix: Annotated[
        tuple[NonNegative, ...],
        BeforeValidator(split_items),
        Field(
            min_length=NUM_CLASSES,
            max_length=NUM_CLASSES,
            description="Shares of classes 0 to 4, where a trace has none (poisson, bursty too).",
        ),
    ] = (1.0,) * NUM_CLASSES
    seed: Annotated[int, Field(ge=0, description="The same seed gives the same bytes.")] = 0

    BELONGS: ClassVar = {
        "user_request_gap": {"paper"},
        "max_concurrent_user_requests": {"paper"},
        "gap_num": {"paper"},
        "ranks": {"paper"},
        "max_prompt_length": {"paper", "poisson", "bursty"},
        "max_output_length": {"paper", "poisson", "bursty"},
        "num_requests": {"poisson", "bursty", "trace"},
        "burstiness": {"bursty"},
        "texts": {"poisson", "bursty"},
        "urgency_mix": {"poisson", "bursty", "trace"},
    }
    """The sources that read a field, where not all do."""

    DRAWN: ClassVar = {"max_prompt_length", "max_output_length", "urgency_mix"}
    """What prompts that are drawn from texts bring with them."""

    @property
    def source(self) -> str:
        """paper, poisson, bursty or trace."""
        return "trace" if self.trace is not None else self.arrivals

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        given = self.model_fields_set
        if self.trace is not None and "arrivals" in given:
            raise ValueError("--arrivals cannot go with --trace: a trace has its own arrivals")
        if self.rate is not None and self.load is not None:
            raise ValueError("--load cannot go with --rate: both set the mean arrival rate")
        if self.texts is not None:
            for field in sorted(given & self.DRAWN):
                raise ValueError(f"--{field.replace('_', '-')} has no effect with --texts")
        if not any(self.urgency_mix):
            raise ValueError("--urgency-mix needs at least one share above 0")
        for field in sorted(given & self.BELONGS.keys()):
            if self.source not in self.BELONGS[field]:
                origin = "--trace" if self.source == "trace" else f"--arrivals {self.source}"
                raise ValueError(f"--{field.replace('_', '-')} has no effect with {origin}")
        return self


class PredictorSettings(Settings):
    """What is believed of a request, when it is known, and how often it is wrong."""

    predictor: Annotated[
        Literal["truth", "real"],
        Field(
            description="What is believed: the truth less the errors below, or what the real "
            "predictors say of the texts."
        ),
    ] = "truth"
    length_bucket_num: Annotated[
        Count, Field(description="Predicted lengths come in so many buckets.")
    ] = 10
    priority_predictor_latency: Annotated[
        NonNegative,
        Field(description="Seconds the urgency predictor takes per ten seats of its batch."),
    ] = 0.003
    priority_predictor_batching_size: Annotated[
        Count, Field(description="Requests in a batch of the urgency predictor.")
    ] = 5
    length_predictor_latency: Annotated[
        NonNegative,
        Field(description="Seconds the length predictor takes per ten seats of its batch."),
    ] = 0.003
    length_predictor_batching_size: Annotated[
        Count, Field(description="Requests in a batch of the length predictor.")
    ] = 5
    processing_mode: Annotated[
        Literal["immediate_processing", "fully_delayed_processing"],
        Field(description="A free predictor takes what waits, or waits for a full batch."),
    ] = "immediate_processing"
    priority_error_rate: Annotated[
        Share, Field(description="Share of requests put in a wrong class.")
    ] = 0.0
    priority_error_distance: Annotated[
        Share, Field(description="How far off, as a share of the classes.")
    ] = 0.0
    output_length_error_rate: Annotated[
        Share, Field(description="Share of requests put in a wrong length bucket.")
    ] = 0.0
    output_length_error_distance: Annotated[
        Share, Field(description="How far off, as a share of the buckets.")
    ] = 0.0

    ERRORS: ClassVar = {
        "length_bucket_num",
        "priority_error_rate",
        "priority_error_distance",
        "output_length_error_rate",
        "output_length_error_distance",
    }
    """What only the error model reads."""

    @model_validator(mode="after")
    def _mistakes_have_a_distance(self) -> Self:
        if self.predictor == "real":
            for field in sorted(self.model_fields_set & self.ERRORS):
                flag = field.replace("_", "-")
                raise ValueError(f"--{flag} has no effect with --predictor real")
        for kind in ("priority", "output_length"):
            if getattr(self, f"{kind}_error_rate") and not getattr(self, f"{kind}_error_distance"):
                flag = f"--{kind.replace('_', '-')}-error"
                raise ValueError(f"{flag}-rate has no effect without {flag}-distance")
        return self


class EngineSettings(Settings):
    """The engine that is simulated."""

    setting: Profile = DEFAULT_PROFILE
    block_size: Annotated[
        Count | None, Field(description="Tokens in a KV block, instead of the profile's own.")
    ] = None
    gpu_memory_utilization: Annotated[
        Annotated[float, Field(gt=0, le=1)] | None,
        Field(description="Usable share of GPU memory, instead of the profile's own."),
    ] = None
    num_replicas: Annotated[
        int, Field(gt=0, le=1024, description="Engines of this kind, each with its own queue.")
    ] = 1
    routing: Annotated[
        Literal["round-robin", "least-work", "urgency-aware"],
        Field(description="Which replica a request goes to."),
    ] = "round-robin"
    engine: Annotated[
        Literal["kernel", "reference"],
        Field(description="The compiled simulator, or the step-by-step one (the same rows)."),
    ] = "kernel"

    def profile(self) -> EngineProfile:
        """The engine's profile; raises ProfileError with one line."""
        return load_profile(
            self.setting, block_size=self.block_size, utilization=self.gpu_memory_utilization
        )
