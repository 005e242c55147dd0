"""The commands: read everything, check everything, simulate, show, write."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from rich.console import Console

from semsched.cli.errors import Failure
from semsched.cli.options import OutputOptions
from semsched.cli.progress import progress_bar
from semsched.core.profile import EngineProfile
from semsched.core.scheduling import Scheduling
from semsched.errors import InputError
from semsched.policy import Policy, load_policy
from semsched.report import files, table
from semsched.report.trace_events import write_trace_events
from semsched.simulate import simulate_fleet, weighted_latency_bound
from semsched.simulate.metrics import Summary, summarise
from semsched.simulate.run import LostRequestError, Run
from semsched.simulate.timeline import timeline
from semsched.study.scenario import Scenario
from semsched.workload import Workload

WIDTH = 100
"""Columns of a table that goes into a file or a pipe."""

MAX_TRACED = 20_000
"""Requests in a trace file."""


@dataclass(frozen=True)
class Task:
    """What both commands are told."""

    scenario: Scenario
    output: OutputOptions


def simulate(task: Task, policy: str) -> None:
    """Run one policy and print a row per urgency class."""
    with one_line_errors():
        title, [summary] = _run(task, [policy])
        console = _console()
        console.print(table.class_table(summary, f"{policy}: {title}"))
        console.print(table.totals_line(summary), highlight=False)
        _warn_of_refusals([summary])


def compare(task: Task, policies: Sequence[str]) -> None:
    """Run all `policies` on the identical workload and print a row per policy."""
    if task.output.trace_file:
        raise Failure("--trace-file shows the run of one policy: use it with semsched simulate")
    with one_line_errors():
        title, summaries = _run(task, policies)
        _console().print(table.comparison_table(summaries, title))
        _warn_of_refusals(summaries)


def _run(task: Task, names: Sequence[str]) -> tuple[str, list[Summary]]:
    """What is simulated, in words, and a summary per policy; the files are written."""
    _check_outputs(task)
    _check_flags(task.scenario.scheduling)
    policies = _load_policies(names)
    profile, workload = task.scenario.engine.profile(), task.scenario.requests()
    if task.output.trace_file:
        _check_traceable(task, workload)
        policies = {name: _repeatable(policy) for name, policy in policies.items()}
    summaries, runs = _simulate_all(task, workload, profile, policies)
    if len(policies) > 1:
        _add_distances(task, workload, profile, summaries)
    with files.replacing(_paths(task.output)) as parts:
        _write(task, parts, workload, profile, policies, summaries, runs)
    scheduling, replicas = task.scenario.scheduling, task.scenario.engine.num_replicas
    times = f"{replicas} x " if replicas > 1 else ""
    title = (
        f"{len(workload)} requests ({workload.name}) on {times}{profile.name}, "
        f"{scheduling.max_num_seqs} seats, {scheduling.batching} batching"
    )
    return title, summaries


def _load_policies(names: Sequence[str]) -> Mapping[str, Policy]:
    import_from_here()
    return {name: load_policy(name) for name in names}


def import_from_here() -> None:
    """A user's module lies where the command is run; an installed script does not look there."""
    sys.path.append(str(Path.cwd()))


def _check_flags(scheduling: Scheduling) -> None:
    """A flag that changes nothing is a misunderstanding."""
    given = scheduling.model_fields_set
    without_effect = {
        "max_num_batched_tokens": scheduling.batching == "alternate",
        "backfill": scheduling.batching == "chunked",
        "max_preemptions": scheduling.preemption == "off",
        "finish_guard": scheduling.preemption == "off",
    }
    for name in given & without_effect.keys():
        if without_effect[name]:
            flag = name.replace("_", "-")
            where = "batching" if name in ("backfill", "max_num_batched_tokens") else "preemption"
            raise Failure(f"--{flag} has no effect with --{where} {getattr(scheduling, where)}")


def _simulate_all(
    task: Task, workload: Workload, profile: EngineProfile, policies: Mapping[str, Policy]
) -> tuple[list[Summary], list[Run]]:
    """A summary of each run, and the runs themselves if files are made of them."""
    summaries, runs, engine = [], [], task.scenario.engine
    with progress_bar(Console(stderr=True)) as advance:
        for name, policy in policies.items():
            run = simulate_fleet(
                workload,
                profile,
                policy,
                task.scenario.scheduling,
                num_replicas=engine.num_replicas,
                routing=engine.routing,
                policy_name=name,
                engine=engine.engine,
                progress=partial(advance, name),
            )
            summaries.append(summarise(run))
            if task.output.rows or task.output.series or task.output.trace_file:
                runs.append(run)
    return summaries, runs


def _add_distances(
    task: Task, workload: Workload, profile: EngineProfile, summaries: Sequence[Summary]
) -> None:
    """How far each policy is from what none can beat."""
    replicas = task.scenario.engine.num_replicas
    bound = weighted_latency_bound(workload, profile, task.scenario.scheduling, replicas)
    for summary in summaries:
        mean = summary["weighted_latency_mean"]
        summary["weighted_latency_bound"] = bound
        summary["distance_to_bound"] = mean / bound if mean and bound else None


def _paths(output: OutputOptions) -> list[Path]:
    given = (output.json_path, output.rows, output.series, output.trace_file)
    return [path for path in given if path is not None]


def _check_outputs(task: Task) -> None:
    output = task.output
    read = [task.scenario.workload.trace or "", task.scenario.engine.setting]
    used = [os.path.realpath(path) for path in [*map(str, _paths(output)), *read]]
    if len(set(used)) < len(used):
        raise Failure("--json, --rows, --series and --trace-file need a file each, not one read")
    for path in _paths(output):
        is_table = path in (output.rows, output.series)
        is_trace = path == output.trace_file
        files.check_output(path, files.TABLE_SUFFIXES if is_table else (".json",) * is_trace)


def _check_traceable(task: Task, workload: Workload) -> None:
    if task.scenario.engine.num_replicas > 1:
        raise Failure("--trace-file shows one engine: leave out --num-replicas")
    if len(workload) > MAX_TRACED:
        raise Failure(
            f"--trace-file has a row for each request, and {len(workload)} are more than a viewer "
            f"shows: ask for at most {MAX_TRACED}, with --num-requests"
        )


def _repeatable(policy: Policy) -> Policy:
    """A policy that says the same when it is asked again, though it may keep state."""
    return policy if getattr(policy, "columnwise", False) else cache(policy)


def _write(
    task: Task,
    parts: Mapping[Path, Path],
    workload: Workload,
    profile: EngineProfile,
    policies: Mapping[str, Policy],
    summaries: Sequence[Summary],
    runs: Sequence[Run],
) -> None:
    output = task.output
    if output.rows:
        files.write_rows(parts[output.rows], runs)
    if output.series:
        files.write_series(parts[output.series], runs)
    if output.json_path:
        files.write_json(parts[output.json_path], _describe(task, workload, profile), summaries)
    if output.trace_file:  # served once more, step by step, to see who does what when
        [policy], [run] = policies.values(), runs
        lives = timeline(workload, profile, policy, run.scheduling)
        write_trace_events(parts[output.trace_file], lives, run)


def _describe(task: Task, workload: Workload, profile: EngineProfile) -> dict[str, Any]:
    """What was run, with all it takes to run it again."""
    return {
        "name": workload.name,
        "num_requests": len(workload),
        "prompt_tokens_mean": float(workload.prompt_tokens.mean()),
        "output_tokens_mean": float(workload.output_tokens.mean()),
        "last_arrival_s": float(workload.arrived_at[-1] - workload.arrived_at[0]),
        "settings": task.scenario.settings(),
        "profile": profile.model_dump(),
    }


def _warn_of_refusals(summaries: Sequence[Summary]) -> None:
    refused = summaries[0]["num_refused"]
    if refused:
        print(
            f"semsched: warning: {refused} of {summaries[0]['num_requests']} requests refused: "
            "prompt and longest output are more than the KV cache holds",
            file=sys.stderr,
        )


def _console() -> Console:
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(width=None if is_terminal else WIDTH)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Faults of the input, and requests lost, end the command with one line."""
    try:
        yield
    except InputError as error:
        raise Failure(str(error)) from error
    except LostRequestError as error:
        raise Failure(str(error), exit_code=1) from error
    except MemoryError as error:
        raise Failure("not enough memory for so many requests") from error
