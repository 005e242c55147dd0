"""From options to what is simulated: the workload, with what is believed of it."""

from dataclasses import dataclass, fields, replace

import numpy as np

from semsched.cli.errors import Failure
from semsched.cli.options import PredictorOptions, WorkloadOptions
from semsched.core.profile import EngineProfile
from semsched.predict import (
    PredictorServer,
    delayed,
    mistaken_lengths,
    mistaken_urgency,
    paper_batch_time,
    rounded_lengths,
)
from semsched.simulate import capacity
from semsched.workload import Workload, synthetic, trace

NUM_REQUESTS = 1000
LOAD = 0.9
PREDICTIONS = 1
"""Sets the random stream of the predictions apart from that of the workload."""


@dataclass(frozen=True)
class Source:
    """Requests as they come from a generator or a file.

    `rate` is the mean arrival rate in requests/s, inf if all arrive at once; `load` the one
    to bring it to if the user names none; `lines` the line of each request in its file;
    `has_lengths` says that it comes with predicted output tokens, which stay as they are.
    """

    workload: Workload
    rate: float
    load: float | None = None
    lines: trace.Lines | None = None
    has_lengths: bool = False


def make_workload(
    options: WorkloadOptions,
    predictors: PredictorOptions,
    profile: EngineProfile,
    max_num_seqs: int,
) -> Workload:
    """The workload asked for; raises WorkloadError or Failure with one line."""
    source = _read(options.trace, options) if options.trace else _generate(options)
    _check_prompts(source, options, profile)
    workload = _at_rate(source, _wanted_rate(source, options, profile, max_num_seqs))
    workload = _believed(workload, options, predictors, has_lengths=source.has_lengths)
    return delayed(workload, **_servers(predictors))


def _generate(options: WorkloadOptions) -> Source:
    common = options.model_dump(include={"max_prompt_length", "max_output_length", "seed"})
    if options.arrivals == "paper":
        bursts = {"user_request_gap", "max_concurrent_user_requests", "gap_num", "ranks"}
        workload = synthetic.paper(**options.model_dump(include=bursts), **common)
        return Source(workload, _mean_rate(workload))
    common |= {"num_requests": options.num_requests or NUM_REQUESTS, "mix": options.urgency_mix}
    if options.arrivals == "poisson":
        return Source(synthetic.poisson(rate=1.0, **common), 1.0, LOAD)
    workload = synthetic.bursty(rate=1.0, burstiness=options.burstiness, **common)
    return Source(workload, 1.0, LOAD)


def _read(path: str, options: WorkloadOptions) -> Source:
    if path == "clinic":
        workload = _first(trace.clinic(), options.num_requests)
        return Source(workload, _mean_rate(workload))
    workload, lines = trace.read_trace(
        path, mix=options.urgency_mix, seed=options.seed, max_requests=options.num_requests
    )
    # without a column of their own the predictions are the very column of the truth
    has_lengths = workload.predicted_output_tokens is not workload.output_tokens
    return Source(workload, _mean_rate(workload), lines=lines, has_lengths=has_lengths)


def _first(workload: Workload, num_requests: int | None) -> Workload:
    columns = {
        field.name: getattr(workload, field.name)[:num_requests] for field in fields(workload)[1:]
    }
    return replace(workload, **columns)


def _mean_rate(workload: Workload) -> float:
    span = float(workload.arrived_at[-1] - workload.arrived_at[0])
    return len(workload) / span if span else np.inf


def _check_prompts(source: Source, options: WorkloadOptions, profile: EngineProfile) -> None:
    prompts = source.workload.prompt_tokens
    too_long = prompts > profile.kv_tokens
    if not too_long.any():
        return
    at = int(np.argmax(too_long))
    cache = f"the KV cache of {profile.name} ({profile.kv_tokens} tokens)"
    if source.lines is not None:
        raise Failure(
            f"{options.trace}, line {source.lines[at]}: prompt_tokens is {prompts[at]}, more than "
            f"{cache} holds: leave the request out, or choose a --setting with more memory"
        )
    raise Failure(
        f"--max-prompt-length: a prompt of {prompts[at]} tokens is longer than {cache}: "
        "ask for shorter prompts, or choose a --setting with more memory"
    )


def _wanted_rate(
    source: Source, options: WorkloadOptions, profile: EngineProfile, max_num_seqs: int
) -> float | None:
    """Requests/s to bring the source to; None: as it is."""
    if options.rate is not None:
        return options.rate
    load = source.load if options.load is None else options.load
    return None if load is None else load * capacity(source.workload, profile, max_num_seqs)


def _at_rate(source: Source, rate: float | None) -> Workload:
    """The requests of `source`, time stretched so that they arrive at `rate` in the mean."""
    if rate is None:
        return source.workload
    if not np.isfinite(source.rate):
        raise Failure("--load and --rate: all requests arrive at once, stretching changes nothing")
    return source.workload.arriving_at(source.workload.arrived_at * (source.rate / rate))


def _believed(
    workload: Workload,
    options: WorkloadOptions,
    predictors: PredictorOptions,
    *,
    has_lengths: bool,
) -> Workload:
    rng = np.random.default_rng([options.seed, PREDICTIONS])
    longest = int(workload.max_output_tokens.max()) if options.trace else options.max_output_length
    buckets = {
        "max_output_length": longest,
        # a bucket is at least a token wide
        "length_bucket_num": min(predictors.length_bucket_num, longest),
    }
    if not has_lengths:
        workload = rounded_lengths(workload, rng, **buckets)
    workload = mistaken_urgency(
        workload,
        rng,
        rate=predictors.priority_error_rate,
        distance=predictors.priority_error_distance,
        ranks=options.ranks,
    )
    return mistaken_lengths(
        workload,
        rng,
        rate=predictors.output_length_error_rate,
        distance=predictors.output_length_error_distance,
        **buckets,
    )


def _servers(predictors: PredictorOptions) -> dict[str, PredictorServer]:
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
