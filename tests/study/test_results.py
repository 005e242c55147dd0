import json
from pathlib import Path

import polars as pl
import pytest

import semsched
from semsched.study.experiment import Experiment, load_experiment
from semsched.study.measure import NUM_QUANTILES, measure
from semsched.study.results import KEY, Results, ResultsError, read_results

TEXT = """
title = "A small question"
x = "load"
num_seeds = 2

[settings]
arrivals = "poisson"
num_requests = 20

[[grid]]
policy = ["fcfs", "semantic"]
load = [0.5, 2.0]
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    (tmp_path / "small.toml").write_text(TEXT, "utf-8")
    return load_experiment(str(tmp_path / "small.toml"))


def test_a_row_per_policy_and_class_and_one_for_all(experiment: Experiment) -> None:
    task = experiment.tasks()[0]
    rows = measure(task)
    assert [(row["policy"], row["urgency"]) for row in rows] == [
        (policy, urgency)
        for policy in ("fcfs", "semantic")
        for urgency in ("all", "0", "1", "2", "3", "4")
    ]
    whole, first = rows[0], rows[1]
    assert (whole["load"], whole["seed"], whole["num_requests"]) == (0.5, 0, 20)
    assert sum(row["num_requests"] for row in rows[1:6]) == 20
    assert whole["weighted_latency_mean"] >= whole["weighted_latency_bound"] > 0
    assert whole["e2e_quantiles"][0] <= whole["e2e_mean"] <= whole["e2e_quantiles"][-1]
    assert whole["e2e_quantiles"][-1] == whole["e2e_max"]
    assert len(whole["e2e_quantiles"]) == NUM_QUANTILES
    mean = sum(whole["series_kv"]) / len(whole["series_at"])
    assert mean == pytest.approx(whole["kv_utilisation_mean"], rel=0.05)
    assert "makespan_s" not in first


def test_what_is_saved_is_taken_up_again(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    tasks = experiment.tasks()
    results = Results(path, experiment, "semsched sweep small")
    results.add(measure(tasks[1]))
    results.add(measure(tasks[0]))
    results.save()
    again = Results(path, experiment, "semsched sweep small")
    assert again.cells == {task.cell(p) for task in tasks[:2] for p in task.policies}
    frame, metadata = read_results(path)
    assert frame.equals(again.frame)
    assert frame["load"].to_list() == [0.5] * 12 + [2.0] * 12  # in the experiment's order
    assert metadata["axes"] == ["load"]
    assert metadata["experiment"] == TEXT
    assert metadata["version"] == semsched.__version__
    assert frame["e2e_quantiles"].dtype == pl.List(pl.Float32)
    assert list(tmp_path.glob(".*")) == []


def test_finished_work_is_not_thrown_away(experiment: Experiment, tmp_path: Path) -> None:
    """Another number of seeds, other settings: another file."""
    path = tmp_path / "out.parquet"
    results = Results(path, experiment, "")
    results.add(measure(experiment.tasks()[0]))
    results.save()
    fewer = load_experiment(str(tmp_path / "small.toml"), overrides=["policy=semantic"])
    with pytest.raises(ResultsError, match="holds 1 simulations that this sweep does not ask for"):
        Results(path, fewer, "")


def test_a_cell_is_what_it_reads(tmp_path: Path) -> None:
    """A trace that changed is another trace, whatever its name."""
    trace = tmp_path / "trace.csv"
    text = TEXT.replace('arrivals = "poisson"\nnum_requests = 20', f'trace = "{trace}"')
    (tmp_path / "traced.toml").write_text(text, "utf-8")

    def cells(rows: str) -> set[str]:
        trace.write_text(f"arrived_at,prompt_tokens,output_tokens\n{rows}", "utf-8")
        tasks = load_experiment(str(tmp_path / "traced.toml")).tasks()
        return {task.cell(policy) for task in tasks for policy in task.policies}

    first = cells("0,1,1\n1,2,2\n")
    assert cells("0,1,1\n1,2,2\n") == first
    assert not cells("0,1,1\n1,2,3\n") & first


def test_foreign_files_are_refused_with_the_way_out(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(ResultsError, match="is no results file of `semsched sweep`"):
        read_results(path)
    path.write_text("text")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_results(path)
    with pytest.raises(ResultsError, match=r"absent\.parquet: cannot be read"):
        read_results(tmp_path / "absent.parquet")
    old = {"format": 1, "version": "0.0.1", "name": "small"}
    pl.DataFrame({"a": [1]}).write_parquet(path, metadata={KEY: json.dumps(old)})
    with pytest.raises(ResultsError) as error:
        read_results(path)
    assert "made by semsched 0.0.1" in str(error.value)
    assert "`semsched sweep small --out OTHER`" in str(error.value)
    del experiment


def test_another_study_is_not_overwritten(experiment: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    results = Results(path, experiment, "")
    results.add(measure(experiment.tasks()[0]))
    results.save()
    with pytest.raises(ResultsError, match="holds the study 'small': give --out another file"):
        Results(path, load_experiment("ours"), "")


def test_a_full_disk_leaves_what_was_there(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.parquet"
    results = Results(path, experiment, "")
    results.add(measure(experiment.tasks()[0]))
    results.save()
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    results.add(measure(experiment.tasks()[1]))
    with pytest.raises(ResultsError, match=r"out\.parquet: cannot be written: No space left"):
        results.save()
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
