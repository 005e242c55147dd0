"""The paper's own commands (its README), and what must come of them."""

import json
from pathlib import Path

import pytest

from semsched.cli import main
from semsched.core.profile import load_profile
from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.simulate import simulate
from semsched.simulate.metrics import summarise
from semsched.study.scenario import Scenario
from semsched.study.settings import WorkloadSettings
from semsched.workload import paper

COMMANDS = {
    "semantic": "--user_request_gap 0.01 --max_concurrent_user_requests 5 --setting A100_4B",
    "semantic, high load": (
        "--user_request_gap 0.001 --max_concurrent_user_requests 50 --setting A100_4B"
    ),
    "semantic, moderate load": (
        "--user_request_gap 0.1 --max_concurrent_user_requests 3 --setting A100_4B"
    ),
    "sjf": "--user_request_gap 0.001 --max_concurrent_user_requests 50 --setting A100_4B",
    "pjf": "--user_request_gap 0.001 --max_concurrent_user_requests 50 --setting A100_4B",
    "fcfs": "--user_request_gap 0.001 --max_concurrent_user_requests 50 --setting A100_4B",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_its_commands_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = name.split(",")[0]
    file = tmp_path / "out.json"
    command = ["simulate", "--policy", policy, "--json", str(file), *COMMANDS[name].split()]
    assert main(command) == 0
    assert policy in capsys.readouterr().out
    [run] = json.loads(file.read_text())["runs"]
    assert run["num_finished"] == run["num_requests"] > 30
    assert 0 < run["by_urgency"]["0"]["e2e_mean"] < 120
    assert run["by_urgency"]["0"]["slowdown_mean"] >= 1


@pytest.mark.parametrize("setting", ["A100_4B", "A100_7B", "A5000_4B", "A5000_7B"])
@pytest.mark.parametrize("max_concurrent", [3, 5, 20, 50])
def test_class_0_gains_by_semantic_scheduling(setting: str, max_concurrent: int) -> None:
    """In the mean over seeds; also where the paper's own code hangs for want of memory."""
    profile = load_profile(setting)
    mean = dict.fromkeys(("fcfs", "semantic"), 0.0)
    for seed in range(10):
        requests = paper(
            user_request_gap=0.01, max_concurrent_user_requests=max_concurrent, seed=seed
        )
        for policy in mean:
            run = simulate(requests, profile, POLICIES[policy])
            mean[policy] += summarise(run)["by_urgency"]["0"]["e2e_mean"] / 10
    assert mean["semantic"] < mean["fcfs"]


def test_the_orientation_figures() -> None:
    """Totals near those of an independent throw-away simulator (16 seats, seed 0)."""
    requests = paper(user_request_gap=0.01, max_concurrent_user_requests=50)
    expected = {"semantic": 23687, "sjf": 18464, "pjf": 25045, "fcfs": 25561}
    for policy, total in expected.items():
        run = simulate(requests, load_profile("A100_4B"), POLICIES[policy])
        assert summarise(run)["paper_waiting_time_sum"] == pytest.approx(total, rel=0.03)


@pytest.mark.parametrize(
    ("policy", "total"), [("semantic", 24488), ("sjf", 19493), ("pjf", 25791), ("fcfs", 34819)]
)
def test_without_backfill_the_papers_own_totals_come_out(policy: str, total: int) -> None:
    """What its code prints for the largest case of the notes (A100_4B, bursts up to 50)."""
    requests = Scenario(
        workload=WorkloadSettings(user_request_gap=0.01, max_concurrent_user_requests=50)
    ).requests()
    run = simulate(requests, load_profile("A100_4B"), POLICIES[policy], Scheduling(backfill=False))
    assert summarise(run)["paper_waiting_time_sum"] == pytest.approx(total, rel=0.06)
