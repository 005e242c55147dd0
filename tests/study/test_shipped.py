"""Each shipped study runs, with one seed, and finds what its page says."""

from pathlib import Path

import polars as pl
import pytest

from semsched.study.answer import answers
from semsched.study.experiment import load_experiment, shipped_experiments
from semsched.study.results import Results
from semsched.study.runner import on_local_cores, run_study


def run(name: str, folder: Path, *overrides: str) -> Results:
    experiment = load_experiment(name, num_seeds=1, overrides=overrides)
    results = Results(folder / "out.parquet", experiment, "")
    assert run_study(experiment, results, on_local_cores(2), lambda *_: None) == []
    return results


@pytest.mark.parametrize("name", shipped_experiments())
def test_it_runs_and_nobody_beats_the_bound(name: str, tmp_path: Path) -> None:
    results = run(name, tmp_path)
    whole = results.frame.filter(pl.col("urgency") == "all")
    tasks = load_experiment(name, num_seeds=1).tasks()
    assert whole.height == sum(len(task.policies) for task in tasks)
    assert (whole["weighted_latency_mean"] >= whole["weighted_latency_bound"] * (1 - 1e-9)).all()


def test_the_fleet_question_is_answered(tmp_path: Path) -> None:
    results = run("fleet", tmp_path, "routing=least-work")
    question = load_experiment("fleet").question
    assert question is not None
    said = answers(results.frame, question, ["num_replicas"])
    assert said[3] == "semantic serves 99 % of class 0 within 5 s from 2 GPUs on"
    assert said[0] == "fcfs serves 99 % of class 0 within 5 s from 10 GPUs on"
