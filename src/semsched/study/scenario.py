"""From settings to what is simulated: the workload, with what is believed of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.predict import (
    PredictorServer,
    delayed,
    mistaken_lengths,
    mistaken_urgency,
    paper_batch_time,
    predicted_from_text,
    rounded_lengths,
)
from semsched.simulate import capacity
from semsched.study.settings import EngineSettings, PredictorSettings, Settings, WorkloadSettings
from semsched.workload import (
    Workload,
    WorkloadError,
    arrivals,
    drawn_from,
    read_texts,
    read_trace,
    synthetic,
)
from semsched.workload.trace import Trace

NUM_REQUESTS = 1000
LOAD = 0.9
PREDICTIONS = 1
"""Sets the random stream of the predictions apart from that of the workload."""


@dataclass(frozen=True)
class Source:
    """Requests as they come from a generator or a file.

    `rate` is the mean arrival rate in requests/s, inf if all arrive at once; `load` the one
    to bring it to if the user names none; `trace` the file, if it is one.
    """

    workload: Workload
    rate: float
    load: float | None = None
    trace: Trace | None = None

    def has(self, field: str) -> bool:
        """Whether the requests come with this field of their own."""
        return self.trace is not None and field in self.trace.given


class Scenario(Settings):
    """All that is the same for every policy that is tried on it."""

    workload: WorkloadSettings = WorkloadSettings()
    predictors: PredictorSettings = PredictorSettings()
    engine: EngineSettings = EngineSettings()
    scheduling: Scheduling = Scheduling()

    def requests(self) -> Workload:
        """The requests, and what is believed of them; raises WorkloadError with one line."""
        settings, profile = self.workload, self.engine.profile()
        source = _generate(settings) if settings.trace is None else _read(settings)
        _check_prompts(source, settings, profile)
        rate = _wanted_rate(source, settings, profile, self.scheduling.max_num_seqs)
        workload = _limited(source, _at_rate(source, rate), profile)
        workload = _believed(source, workload, settings, self.predictors)
        return delayed(workload, **_servers(self.predictors))

    def settings(self) -> dict[str, Any]:
        """Every setting by its name: what it takes to make the scenario again."""
        groups = (getattr(self, group) for group in GROUPS)
        return {name: value for group in groups for name, value in group.model_dump().items()}


GROUPS: Mapping[str, type[BaseModel]] = {
    "workload": WorkloadSettings,
    "predictors": PredictorSettings,
    "engine": EngineSettings,
    "scheduling": Scheduling,
}


def scenario_from(settings: Mapping[str, Any]) -> Scenario:
    """The scenario with these settings, whatever group each belongs to.

    Raises WorkloadError for a name that is no setting, ValidationError for a wrong value.
    """
    unknown = settings.keys() - {name for group in GROUPS.values() for name in group.model_fields}
    if unknown:
        raise WorkloadError(f"{min(unknown)}: no such setting")
    groups = {
        group: model(**{name: settings[name] for name in settings if name in model.model_fields})
        for group, model in GROUPS.items()
    }
    return Scenario.model_validate(groups)


def _generate(settings: WorkloadSettings) -> Source:
    common = settings.model_dump(include={"max_prompt_length", "max_output_length", "seed"})
    if settings.arrivals == "paper":
        bursts = {"user_request_gap", "max_concurrent_user_requests", "gap_num", "ranks"}
        workload = synthetic.paper(**settings.model_dump(include=bursts), **common)
        return Source(workload, _mean_rate(workload))
    if settings.texts is not None:
        return _from_texts(settings, settings.texts)
    common |= {"num_requests": settings.num_requests or NUM_REQUESTS, "mix": settings.urgency_mix}
    if settings.arrivals == "poisson":
        return Source(synthetic.poisson(rate=1.0, **common), 1.0, LOAD)
    workload = synthetic.bursty(rate=1.0, burstiness=settings.burstiness, **common)
    return Source(workload, 1.0, LOAD)


def _from_texts(settings: WorkloadSettings, path: str) -> Source:
    burstiness = settings.burstiness if settings.arrivals == "bursty" else 1.0
    rng = np.random.default_rng(settings.seed)
    arrived_at = arrivals(settings.num_requests or NUM_REQUESTS, 1.0, burstiness, rng)
    workload = drawn_from(read_texts(path), Path(path).name, arrived_at, rng)
    return Source(workload, 1.0, LOAD)


def _read(settings: WorkloadSettings) -> Source:
    assert settings.trace is not None, "asked before"  # noqa: S101
    trace = read_trace(
        settings.trace,
        mix=settings.urgency_mix,
        seed=settings.seed,
        max_requests=settings.num_requests,
    )
    if "urgency" in trace.given and "urgency_mix" in settings.model_fields_set:
        raise WorkloadError(f"--urgency-mix has no effect: {settings.trace} has its own urgency")
    return Source(trace.workload, _mean_rate(trace.workload), trace=trace)


def _mean_rate(workload: Workload) -> float:
    span = float(workload.arrived_at[-1] - workload.arrived_at[0])
    return len(workload) / span if span else np.inf


def _check_prompts(source: Source, settings: WorkloadSettings, profile: EngineProfile) -> None:
    prompts = source.workload.prompt_tokens
    too_long = prompts > profile.kv_tokens
    if not too_long.any():
        return
    at = int(np.argmax(too_long))
    cache = f"the KV cache of {profile.name} ({profile.kv_tokens} tokens)"
    if source.trace is not None:
        raise WorkloadError(
            f"{settings.trace}, line {source.trace.lines[at]}: prompt_tokens is {prompts[at]}, "
            f"more than {cache} holds: leave the request out, or choose a --setting with more "
            "memory"
        )
    raise WorkloadError(
        f"--max-prompt-length: a prompt of {prompts[at]} tokens is longer than {cache}: "
        "ask for shorter prompts, or choose a --setting with more memory"
    )


def _wanted_rate(
    source: Source, settings: WorkloadSettings, profile: EngineProfile, max_num_seqs: int
) -> float | None:
    """Requests/s to bring the source to; None: as it is."""
    if settings.rate is not None:
        return settings.rate
    load = source.load if settings.load is None else settings.load
    return None if load is None else load * capacity(source.workload, profile, max_num_seqs)


def _at_rate(source: Source, rate: float | None) -> Workload:
    """The requests of `source`, time stretched so that they arrive at `rate` in the mean."""
    if rate is None:
        return source.workload
    if not np.isfinite(source.rate):
        raise WorkloadError(
            "--load and --rate: all requests arrive at once, stretching changes nothing"
        )
    return source.workload.arriving_at(source.workload.arrived_at * (source.rate / rate))


def _limited(source: Source, workload: Workload, profile: EngineProfile) -> Workload:
    """A request in a trace that declares no limit may run until the KV cache is full."""
    if source.trace is None or source.has("max_output_tokens"):
        return workload
    room = np.maximum(profile.kv_tokens - workload.prompt_tokens, workload.output_tokens)
    limit = np.minimum(workload.max_output_tokens, room).astype(np.int32)
    return replace(workload, max_output_tokens=limit)


def _believed(
    source: Source, workload: Workload, settings: WorkloadSettings, predictors: PredictorSettings
) -> Workload:
    """What the predictors say of the requests, right or wrong."""
    if predictors.predictor == "real":
        return predicted_from_text(workload)
    rng = np.random.default_rng([settings.seed, PREDICTIONS])
    longest = settings.max_output_length
    if source.trace is not None:
        longest = int(workload.max_output_tokens.max())
    # a bucket is at least a token wide
    num_buckets = min(predictors.length_bucket_num, longest)
    if not source.has("predicted_output_tokens"):
        workload = rounded_lengths(
            workload, rng, max_output_length=longest, length_bucket_num=num_buckets
        )
    workload = mistaken_urgency(
        workload,
        rng,
        rate=predictors.priority_error_rate,
        distance=predictors.priority_error_distance,
        ranks=settings.ranks,
    )
    return mistaken_lengths(
        workload,
        rng,
        rate=predictors.output_length_error_rate,
        distance=predictors.output_length_error_distance,
        max_output_length=longest,
        length_bucket_num=num_buckets,
    )


def _servers(predictors: PredictorSettings) -> dict[str, PredictorServer]:
    def server(latency: float, batch_size: int) -> PredictorServer:
        batch_time = paper_batch_time(latency, batch_size)
        return PredictorServer(batch_size, batch_time, predictors.processing_mode)

    return {
        "urgency_server": server(
            predictors.priority_predictor_latency, predictors.priority_predictor_batching_size
        ),
        "length_server": server(
            predictors.length_predictor_latency, predictors.length_predictor_batching_size
        ),
    }
