"""Tasks in processes: whole, repeatable, and not stopped by one that fails or dies."""

import sys
import time
from pathlib import Path

import pytest

from semsched.study.experiment import Experiment, load_experiment
from semsched.study.results import Results
from semsched.study.runner import Execute, Failure, on_local_cores, run_study

TEXT = """
title = "Ours"
num_seeds = 3

[settings]
arrivals = "poisson"
num_requests = 20

[[grid]]
policy = ["fcfs", "semantic"]
load = [0.5, 2.0, 3.0]
"""

POLICIES = """
import multiprocessing, os
from semsched import Rank

def is_worker():
    return multiprocessing.parent_process() is not None

def deadly(request):
    if is_worker():
        os._exit(1)
    return Rank(0, 0, 0)

def failing(request):
    if is_worker() and request.arrived_at > 1:
        raise RuntimeError("no idea")
    return Rank(0, 0, 0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "wild.py").write_text(POLICIES, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delitem(sys.modules, "wild", raising=False)
    return tmp_path


def experiment_of(folder: Path, text: str = TEXT) -> Experiment:
    (folder / "mine.toml").write_text(text, "utf-8")
    return load_experiment(str(folder / "mine.toml"))


def run(folder: Path, experiment: Experiment, execute: Execute) -> tuple[Results, list[Failure]]:
    results = Results(folder / "out.parquet", experiment, "")
    told: list[tuple[int, int]] = []
    failures = run_study(experiment, results, execute, lambda *now: told.append(now))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1]
    return results, failures


def test_any_number_of_processes_gives_the_same_rows(folder: Path) -> None:
    experiment = experiment_of(folder)
    alone, _ = run(folder, experiment, on_local_cores(1))
    alone.path.unlink()
    many, failures = run(folder, experiment, on_local_cores(3))
    assert failures == []
    assert many.frame.equals(alone.frame)
    assert len(many.cells) == 18


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    experiment = experiment_of(folder)
    run(folder, experiment, on_local_cores(1))

    def nothing_left(tasks: object) -> list[Failure]:
        assert tasks == []
        return []

    run(folder, experiment, nothing_left)  # type: ignore[arg-type]
    more = experiment_of(folder, TEXT.replace("3.0]", "3.0, 4.0]"))
    results, _ = run(folder, more, on_local_cores(1))
    assert len(results.cells) == 24


def test_an_interrupted_study_keeps_what_it_has(folder: Path) -> None:
    experiment = experiment_of(folder)

    def interrupted(tasks: object) -> object:
        for count, outcome in enumerate(on_local_cores(1)(tasks)):  # type: ignore[arg-type]
            if count == 4:
                raise KeyboardInterrupt
            yield outcome

    with pytest.raises(KeyboardInterrupt):
        run(folder, experiment, interrupted)  # type: ignore[arg-type]
    assert len(Results(folder / "out.parquet", experiment, "").cells) == 8
    results, _ = run(folder, experiment, on_local_cores(1))
    assert len(results.cells) == 18


def test_a_cell_that_fails_is_reported_and_stops_nobody(folder: Path) -> None:
    text = TEXT + '\n[[grid]]\npolicy = "wild:failing"\nload = [0.7]\n'
    results, failures = run(folder, experiment_of(folder, text), on_local_cores(2))
    assert len(results.cells) == 18
    assert {failure.task.settings["load"] for failure in failures} == {0.7}
    assert len(failures) == 3
    assert all("no idea" in failure.reason for failure in failures)


def test_a_worker_that_dies_costs_its_own_task_only(folder: Path) -> None:
    text = TEXT + '\n[[grid]]\npolicy = "wild:deadly"\nload = [0.7]\n'
    results, failures = run(folder, experiment_of(folder, text), on_local_cores(2))
    assert len(results.cells) == 18
    assert [failure.reason for failure in failures] == ["its worker died, twice"] * 3


def test_a_dead_worker_does_not_slow_the_rest(folder: Path) -> None:
    """Hundreds of cells after the one that kills go on at full speed."""
    text = TEXT.replace("num_seeds = 3", "num_seeds = 60")
    text += '\n[[grid]]\npolicy = "wild:deadly"\nload = [0.7]\n'
    experiment = experiment_of(folder, text.replace("num_seeds = 60", "num_seeds = 1"))
    more = experiment_of(folder, text.replace('"wild:deadly"', '"wild:failing"'))
    deadly = [task for task in experiment.tasks() if "wild:deadly" in task.policies]
    began_at = time.monotonic()
    outcomes = list(on_local_cores(2)([*deadly, *more.tasks()]))
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Failure)]
    done = {row["cell"] for rows in outcomes if isinstance(rows, list) for row in rows}
    assert len(done) == 6 * 60
    assert len(reasons) == 60 + 1
    assert reasons.count("its worker died, twice") == 1
    assert time.monotonic() - began_at < 60  # a pool for each cell would take minutes
