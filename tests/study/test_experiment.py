from pathlib import Path

import pytest

from semsched.study.experiment import (
    Experiment,
    ExperimentError,
    load_experiment,
    shipped_experiments,
)

GOOD = """
title = "A question"
x = "load"
num_seeds = 2

[settings]
arrivals = "poisson"
num_requests = 10

[[grid]]
policy = ["fcfs", "semantic"]
load = [0.5, 0.9]

[[grid]]
policy = "fcfs"
load = 0.9
max_num_seqs = [8, 16]
"""


def load(folder: Path, text: str, *overrides: str) -> Experiment:
    (folder / "mine.toml").write_text(text, "utf-8")
    return load_experiment(str(folder / "mine.toml"), overrides=overrides)


def test_grids_are_products_and_are_united(tmp_path: Path) -> None:
    experiment = load(tmp_path, GOOD)
    assert (experiment.name, experiment.axes) == ("mine", ["load", "max_num_seqs"])
    assert experiment.policies == ["fcfs", "semantic"]
    first = [task for task in experiment.tasks() if task.settings["seed"] == 0]
    assert [(dict(task.axes), task.policies) for task in first] == [
        ({"load": 0.5, "max_num_seqs": None}, ("fcfs", "semantic")),
        ({"load": 0.9, "max_num_seqs": None}, ("fcfs", "semantic")),
        ({"load": 0.9, "max_num_seqs": 8}, ("fcfs",)),
        ({"load": 0.9, "max_num_seqs": 16}, ("fcfs",)),
    ]
    assert len(experiment.tasks()) == 8


def test_a_joint_key_sets_both_and_is_one_axis(tmp_path: Path) -> None:
    latencies = '"priority_predictor_latency+length_predictor_latency" = [0.1, 0.2]'
    experiment = load(tmp_path, GOOD.replace("max_num_seqs = [8, 16]", latencies))
    assert experiment.axes == ["load", "priority_predictor_latency"]
    last = experiment.tasks()[-1].settings
    assert last["priority_predictor_latency"] == last["length_predictor_latency"] == 0.2


@pytest.mark.parametrize("name", shipped_experiments())
def test_shipped_experiments_load(name: str) -> None:
    experiment = load_experiment(name)
    assert experiment.title
    assert experiment.x in experiment.axes
    assert len(experiment.tasks()) >= experiment.num_seeds > 1
    assert set(experiment.policies) == {"fcfs", "sjf", "pjf", "semantic", "aging", "edf", "smith"}


def test_the_paper_load_study_is_whole() -> None:
    tasks = load_experiment("load").tasks()
    assert sum(len(task.policies) for task in tasks) == 8400


def test_cells_keep_their_names_when_the_file_grows(tmp_path: Path) -> None:
    def cells(text: str) -> set[str]:
        tasks = load(tmp_path, text).tasks()
        return {task.cell(policy) for task in tasks for policy in task.policies}

    more = GOOD.replace("load = [0.5, 0.9]", "load = [0.5, 0.7, 0.9]")
    assert cells(GOOD) < cells(more)
    assert len(cells(GOOD)) == 12


def test_a_task_without_what_is_done(tmp_path: Path) -> None:
    task = load(tmp_path, GOOD).tasks()[0]
    left = task.without({task.cell("fcfs")})
    assert left.policies == ("semantic",)
    assert left.cell("semantic") == task.cell("semantic")


def test_a_setting_given_from_outside_holds_in_all_cells(tmp_path: Path) -> None:
    experiment = load(tmp_path, GOOD, "max_num_seqs=4", "setting=A100_7B")
    assert experiment.axes == ["load"]
    assert {task.settings["max_num_seqs"] for task in experiment.tasks()} == {4}
    assert {task.scenario().engine.setting for task in experiment.tasks()} == {"A100_7B"}
    assert load(tmp_path, GOOD, "load=0.7").x is None


def ask(key: str, value: str) -> str:
    """A question with one thing wrong."""
    good = {"least": "'load'", "says": "'{policy} {value}'"} | {key: value}
    return "question = {" + ", ".join(f"{key} = {value}" for key, value in good.items()) + "}"


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ("num_seeds = 2", "num_seed = 2", "num_seed: Extra inputs are not permitted"),
        ("num_seeds = 2", "num_seeds = 0", "num_seeds: Input should be greater than 0"),
        ("num_seeds = 2", 'figures = ["pie"]', "figures.0: Input should be 'e2e', 'ttft'"),
        ('x = "load"', 'x = "ranks"', "x: ranks does not vary in the grid"),
        ("load = [0.5, 0.9]", "load = []", "grid"),
        ("load = [0.5, 0.9]", "lod = [0.5, 0.9]", "lod: no such setting"),
        ("load = [0.5, 0.9]", "load = [0.5, -1]", "load: Input should be greater"),
        ("load = [0.5, 0.9]", 'load = [0.5, "high"]', "load: Input should be a valid number"),
        ('policy = "fcfs"\n', "", "grid: policy is missing"),
        ('policy = "fcfs"', "policy = [1, 2]", "grid: policy is missing, or is no text"),
        ("num_requests = 10", "num_requests = 10\nseed = 7", "seed: the seeds are 0 to"),
        ("num_requests = 10", "num_requests = 2024-01-01", "no setting takes a date"),
        ("num_seeds = 2", "timeline.gap_num = -3", "gap_num"),
        ("num_seeds = 2", "timeline.bogus = 3", "bogus: no such setting"),
        ("num_seeds = 2", ask("metric", "'nonsense'"), "question.metric: must be one of e2e"),
        ("num_seeds = 2", ask("least", "'ranks'"), "question.least: ranks does not vary"),
        ("num_seeds = 2", ask("says", "'{foo}'"), "question.says: only {policy} and {value}"),
        ('policy = "fcfs"', 'policy = "lifo"', "unknown policy 'lifo'"),
        ("num_requests = 10", "num_requests = 10\nload = 1.0", "load stands in the settings"),
        ("num_requests = 10", 'num_requests = 10\nsetting = "A7"', "profile A7: not known"),
        ("num_requests = 10", "num_requests = = 10", "not TOML"),
        ('title = "A question"\n', "", "title: Field required"),
    ],
)
def test_a_wrong_file_is_one_line_with_file_and_key(
    tmp_path: Path, change: str, to: str, says: str
) -> None:
    assert change in GOOD
    with pytest.raises(ExperimentError) as error:
        load(tmp_path, GOOD.replace(change, to, 1))
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert says in message
    assert "\n" not in message


def test_an_empty_grid(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="an empty list leaves nothing to simulate"):
        load(tmp_path, 'title = "x"\n[[grid]]\npolicy = []\n')


@pytest.mark.parametrize("name", ["nope", "nope.toml"])
def test_a_file_that_is_not_there(name: str) -> None:
    with pytest.raises(ExperimentError, match=r"^nope"):
        load_experiment(name)


def test_an_unreadable_trace_is_one_line_before_any_work(tmp_path: Path) -> None:
    source = 'arrivals = "poisson"\nnum_requests = 10'
    with pytest.raises(ExperimentError, match=r"mine\.toml: .*absent\.csv: No such file"):
        load(tmp_path, GOOD.replace(source, 'trace = "absent.csv"'))
