"""The commands about studies: sweep an experiment, report its results."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from semsched.cli.commands import import_from_here, one_line_errors
from semsched.cli.errors import Failure
from semsched.policy import load_policy
from semsched.report.files import check_output
from semsched.simulate.timeline import timeline
from semsched.study.answer import answers
from semsched.study.experiment import Experiment, load_experiment
from semsched.study.results import Results, read_results
from semsched.study.runner import Execute, on_local_cores, run_study
from semsched.study.runner import Failure as TaskFailure
from semsched.study.scenario import scenario_from

DRAWN = ("fcfs", "semantic")
"""Policies whose timelines are drawn, if the study has them."""


def sweep(
    name: str,
    out: Path | None,
    num_seeds: int | None,
    overrides: Sequence[str],
    num_workers: int | None,
    ray: str | None,
) -> None:
    """Run what is left of an experiment and say where the results are."""
    import_from_here()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped is to be interrupted
    with one_line_errors():
        experiment = load_experiment(name, num_seeds=num_seeds, overrides=overrides)
        path = out or Path(f"{experiment.name}.parquet")
        check_output(path, (".parquet",))
        results = Results(path, experiment, shlex.join(["semsched", *sys.argv[1:]]))
        began_at = time.monotonic()
        failures = _run(experiment, results, _executor(num_workers, ray))
        if results.cells:
            _conclude(experiment, results)
    took = time.monotonic() - began_at
    if results.cells:
        print(f"{len(results.cells)} simulations in {path}, {took:.1f} s this time; see them with:")
        print(f"  semsched report {path}")
    for note in results.metadata["notes"]:
        print(f"- {note}")
    _report_failures(failures)


def _executor(num_workers: int | None, ray: str | None) -> Execute:
    if ray is not None:
        from semsched.study.ray_runner import on_ray

        return on_ray(ray)
    return on_local_cores(num_workers or os.cpu_count() or 1)


def _run(experiment: Experiment, results: Results, execute: Execute) -> list[TaskFailure]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(experiment.name, total=None)
        return run_study(
            experiment,
            results,
            execute,
            lambda done, total: bar.update(task, completed=done, total=total),
        )


def _conclude(experiment: Experiment, results: Results) -> None:
    """What the whole study says: the answer to its question, the small case drawn."""
    notes = []
    if experiment.question:
        notes = answers(results.frame, experiment.question, experiment.axes)
    results.save(notes=notes, timelines=_timelines(experiment))


def _timelines(experiment: Experiment) -> dict[str, list[dict[str, object]]]:
    if experiment.timeline is None:
        return {}
    scenario = scenario_from({**experiment.settings, **experiment.timeline})
    requests, profile = scenario.requests(), scenario.engine.profile()
    policies = [name for name in DRAWN if name in experiment.policies] or experiment.policies[:2]
    return {
        name: timeline(requests, profile, load_policy(name), scenario.scheduling).to_dicts()
        for name in policies
    }


def _report_failures(failures: Sequence[TaskFailure]) -> None:
    if not failures:
        return
    for failure in failures:
        task = failure.task
        cell = {"policy": ", ".join(task.policies), **task.settings}
        named = ", ".join(f"{key}={value}" for key, value in cell.items())
        print(f"failed: {named}: {failure.reason}", file=sys.stderr)
    raise Failure(f"{len(failures)} cells failed, the rest is done", exit_code=1)


def report(results: Path, out: Path | None, png: Path | None) -> None:
    """Turn a results file, or the rows of a comparison, into one page."""
    from semsched.report.html import results_from_rows, write_pngs, write_report

    with one_line_errors():
        path = out or results.with_suffix(".html")
        check_output(path, (".html",))
        has_rows = "finished_at" in _columns(results)
        frame, metadata = results_from_rows(results) if has_rows else _read(results)
        write_report(path, frame, metadata)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
        if png:
            for picture in write_pngs(png, frame, metadata):
                print(picture)


def _read(path: Path) -> tuple[pl.DataFrame, Mapping[str, Any]]:
    frame, metadata = read_results(path)
    num_done, num_cells = frame["cell"].n_unique(), metadata["num_cells"]
    if num_done < num_cells:
        note = f"Only {num_done} of {num_cells} simulations are done: all of this may change."
        metadata = {**metadata, "notes": [note, *metadata["notes"]]}
    return frame, metadata


def _columns(path: Path) -> list[str]:
    try:
        return list(pl.read_parquet_schema(path))
    except (OSError, pl.exceptions.PolarsError):
        return []  # reading it will say why
