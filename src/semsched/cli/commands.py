"""The commands: read everything, check everything, simulate, show, write."""

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
from semsched.errors import InputError
from semsched.policy import Policy, load_policy
from semsched.report import files, table
from semsched.report.trace_events import write_trace_events
from semsched.simulate import simulate as simulate_policy
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


def compare(task: Task, policies: Sequence[str]) -> None:
    """Run all `policies` on the identical workload and print a row per policy."""
    if task.output.trace_file:
        raise Failure("--trace-file shows the run of one policy: use it with semsched simulate")
    with one_line_errors():
        title, summaries = _run(task, policies)
        _console().print(table.comparison_table(summaries, title))


def _run(task: Task, names: Sequence[str]) -> tuple[str, list[Summary]]:
    """What is simulated, in words, and a summary per policy; the files are written."""
    _check_outputs(task.output)
    policies = _load_policies(names)
    profile, workload = task.scenario.engine.profile(), task.scenario.requests()
    if task.output.trace_file:
        _check_traceable(workload)
        policies = {name: _repeatable(policy) for name, policy in policies.items()}
    summaries, runs = _simulate_all(task, workload, profile, policies)
    if task.output.trace_file:
        _write_trace(task.output.trace_file, workload, policies, runs)
    _write(task.output, _describe(task, workload), summaries, runs)
    scheduling = task.scenario.scheduling
    title = (
        f"{len(workload)} requests ({workload.name}) on {profile.name}, "
        f"{scheduling.max_num_seqs} seats, {scheduling.batching} batching"
    )
    return title, summaries


def _load_policies(names: Sequence[str]) -> Mapping[str, Policy]:
    # a user's module lies where the command is run; an installed script does not look there
    sys.path.insert(0, str(Path.cwd()))
    return {name: load_policy(name) for name in names}


def _simulate_all(
    task: Task, workload: Workload, profile: EngineProfile, policies: Mapping[str, Policy]
) -> tuple[list[Summary], list[Run]]:
    """A summary of each run, and the runs themselves if files are made of them."""
    summaries, runs = [], []
    with progress_bar(Console(stderr=True)) as advance:
        for name, policy in policies.items():
            run = simulate_policy(
                workload,
                profile,
                policy,
                task.scenario.scheduling,
                policy_name=name,
                engine=task.scenario.engine.engine,
                progress=partial(advance, name),
            )
            summaries.append(summarise(run))
            if task.output.rows or task.output.series or task.output.trace_file:
                runs.append(run)
    return summaries, runs


def _check_outputs(output: OutputOptions) -> None:
    given = (output.json_path, output.rows, output.series, output.trace_file)
    paths = [path.resolve() for path in given if path]
    if len(set(paths)) < len(paths):
        raise Failure("--json, --rows, --series and --trace-file need a file each")
    if output.trace_file:
        files.check_output(output.trace_file, (".json",))
    if output.json_path:
        files.check_output(output.json_path)
    for path in (output.rows, output.series):
        if path:
            files.check_output(path, files.TABLE_SUFFIXES)


def _check_traceable(workload: Workload) -> None:
    if len(workload) > MAX_TRACED:
        raise Failure(
            f"--trace-file has a row for each request, and {len(workload)} are more than a viewer "
            f"shows: ask for at most {MAX_TRACED}, with --num-requests"
        )


def _repeatable(policy: Policy) -> Policy:
    """A policy that says the same when it is asked again, though it may keep state."""
    return policy if getattr(policy, "columnwise", False) else cache(policy)


def _write_trace(
    path: Path, workload: Workload, policies: Mapping[str, Policy], runs: Sequence[Run]
) -> None:
    """Serve the workload once more, step by step, to see who does what when."""
    [policy], [run] = policies.values(), runs
    write_trace_events(path, timeline(workload, run.profile, policy, run.scheduling), run)


def _write(
    output: OutputOptions,
    workload: Mapping[str, Any],
    summaries: Sequence[Summary],
    runs: Sequence[Run],
) -> None:
    if output.rows:
        files.write_rows(output.rows, runs)
    if output.series:
        files.write_series(output.series, runs)
    if output.json_path:
        files.write_json(output.json_path, workload, summaries)


def _describe(task: Task, workload: Workload) -> dict[str, Any]:
    """What was run, with all it takes to run it again."""
    return {
        "name": workload.name,
        "num_requests": len(workload),
        "prompt_tokens_mean": float(workload.prompt_tokens.mean()),
        "output_tokens_mean": float(workload.output_tokens.mean()),
        "last_arrival_s": float(workload.arrived_at[-1] - workload.arrived_at[0]),
        "settings": task.scenario.settings(),
    }


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)


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
