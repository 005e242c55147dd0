import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from semsched.cli import commands, main
from semsched.policy import POLICIES
from semsched.simulate import engine
from semsched.simulate.kernel import run_kernel
from semsched.simulate.run import Run, Served

BURST = ["--user_request_gap", "0.01", "--max_concurrent_user_requests", "5"]
BURST += ["--setting", "A100_4B"]
LAST_FIRST = """
from semsched import Rank

def last_first(request):
    return Rank(-request.arrived_at, 0, 0)
"""

GROUP_KEYS = {
    "num_requests",
    *(
        f"{latency}_{statistic}"
        for latency in ("e2e", "ttft", "tpot", "queue", "slowdown")
        for statistic in ("mean", "p50", "p90", "p99", "max")
    ),
    "slo_attainment",
    "paper_waiting_time_sum",
    "paper_waiting_time_mean",
}
RUN_KEYS = GROUP_KEYS | {
    "policy",
    "num_finished",
    "num_refused",
    "by_urgency",
    "throughput_tokens_per_s",
    "throughput_requests_per_s",
    "goodput_requests_per_s",
    "kv_utilisation_mean",
    "kv_utilisation_peak",
    "batch_size_mean",
    "num_preemptions",
    "num_evictions",
    "recomputed_tokens",
    "swapped_tokens",
    "makespan_s",
    "weighted_latency_mean",
    "wall_s",
    "requests_per_wall_second",
}


def run(*arguments: str) -> dict[str, Any]:
    """The JSON that a successful command wrote."""
    assert main([*arguments, "--json", "out.json"]) == 0
    written: dict[str, Any] = json.loads(Path("out.json").read_text())
    return written


@pytest.mark.usefixtures("folder")
def test_the_command_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    written = run("simulate", *BURST)
    assert written["workload"]["num_requests"] == 48
    assert written["workload"]["settings"]["user_request_gap"] == 0.01
    [summary] = written["runs"]
    assert summary.keys() == RUN_KEYS
    assert summary["by_urgency"].keys() == set("01234")
    assert all(group.keys() == GROUP_KEYS for group in summary["by_urgency"].values())
    assert (summary["policy"], summary["num_finished"]) == ("semantic", 48)
    output = capsys.readouterr()
    assert "semantic: 48 requests (paper) on A100_4B, 16 seats" in output.out
    assert output.err == ""


@pytest.mark.usefixtures("folder")
def test_compare_runs_all_policies_on_the_identical_workload() -> None:
    summaries = run("compare", *BURST)["runs"]
    assert [summary["policy"] for summary in summaries] == list(POLICIES)
    assert {summary["num_requests"] for summary in summaries} == {48}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.usefixtures("folder")
def test_same_seed_same_bytes(suffix: str) -> None:
    files = [f"rows.{suffix}", f"series.{suffix}"]

    def once() -> tuple[dict[str, Any], list[bytes]]:
        policies = ["--policies", "fcfs,semantic", "--seed", "3"]
        written = run("compare", *BURST, *policies, "--rows", files[0], "--series", files[1])
        for summary in written["runs"]:
            del summary["wall_s"], summary["requests_per_wall_second"]
        return written, [Path(file).read_bytes() for file in files]

    assert once() == once()


@pytest.mark.usefixtures("folder")
def test_rows_of_all_policies_in_one_file() -> None:
    arguments = ["--policies", "fcfs,sjf", "--arrivals", "poisson", "--num-requests", "30"]
    run("compare", *arguments, "--rows", "rows.parquet")
    rows = pl.read_parquet("rows.parquet")
    assert rows["policy"].cast(pl.String).to_list() == ["fcfs"] * 30 + ["sjf"] * 30
    assert rows["status"].cast(pl.String).unique().to_list() == ["finished"]


@pytest.mark.usefixtures("folder")
def test_both_engines_run() -> None:
    kernel, reference = (run("simulate", *BURST, "--engine", e) for e in ("kernel", "reference"))
    assert kernel["runs"][0]["e2e_mean"] == pytest.approx(reference["runs"][0]["e2e_mean"])


def test_a_policy_of_the_user(folder: Path) -> None:
    (folder / "policy_of_mine.py").write_text(LAST_FIRST)
    [summary] = run("simulate", *BURST, "--policy", "policy_of_mine:last_first")["runs"]
    assert summary["policy"] == "policy_of_mine:last_first"


@pytest.mark.usefixtures("folder")
def test_a_lost_request_is_our_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lose(*args: Any) -> Served:
        served = run_kernel(*args)
        served.outcome.finished_at[0] = np.nan
        return served

    monkeypatch.setitem(engine.ENGINES, "kernel", lose)
    assert main(["simulate", "--json", "out.json"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("semantic on paper lost 1 requests: injected 48, finished 47, refused 0")
    assert not Path("out.json").exists()


@pytest.mark.usefixtures("folder")
def test_ctrl_c(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> Run:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "simulate_fleet", interrupt)
    assert main(["simulate"]) == 130
    assert capsys.readouterr().err == "semsched: interrupted\n"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("semsched 0.")


def test_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from semsched.cli import main; main(['simulate', '--help']); "
        "sys.exit(bool({'numba', 'polars'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


STATEFUL = """
from semsched import Rank

class LastFirst:
    num_asked = 0

    def __call__(self, request):
        self.num_asked += 1
        return Rank(-self.num_asked if self.num_asked < 40 else self.num_asked, 0, 0)
"""


@pytest.mark.parametrize("policy", ["semantic", "stateful_policy:LastFirst"])
def test_a_trace_file_shows_the_run(policy: str, folder: Path) -> None:
    (folder / "stateful_policy.py").write_text(STATEFUL)
    outputs = ["--trace-file", "trace.json", "--rows", "rows.parquet"]
    assert main(["simulate", *BURST, "--policy", policy, *outputs]) == 0
    trace = json.loads(Path("trace.json").read_text())
    assert trace["otherData"] == {"policy": policy, "workload": "paper", "profile": "A100_4B"}
    ends: dict[int, int] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "X":
            ends[event["tid"]] = event["ts"] + event["dur"]
    finished = pl.read_parquet("rows.parquet").select(pl.col("finished_at") * 1e6).to_series()
    assert [ends[tid] for tid in sorted(ends)] == finished.round().cast(pl.Int64).to_list()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("simulate --trace-file trace.txt", r"trace\.txt: must end in \.json"),
        ("simulate --trace-file nowhere/trace.json", "no such folder"),
        ("simulate --trace-file x.json --json x.json", "a file each"),
        ("compare --trace-file trace.json", "use it with semsched simulate"),
        (
            "simulate --arrivals poisson --num-requests 20001 --trace-file trace.json",
            "20001 are more than a viewer shows: ask for at most 20000, with --num-requests",
        ),
    ],
)
def test_a_trace_file_that_cannot_be(
    arguments: str,
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(commands, "simulate_fleet", None)  # it does not come to that
    assert main(arguments.split()) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.search(says, line), line
    assert not list(folder.iterdir())


def test_several_engines(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "--trace", "clinic", "--num-replicas", "3", "--routing", "least-work"]
    assert main([*command, "--policies", "fcfs,semantic"]) == 0
    assert "on 3 x A100_4B" in capsys.readouterr().out
    assert main(["simulate", "--num-replicas", "2", "--trace-file", "t.json"]) == 2
    assert "--trace-file shows one engine" in capsys.readouterr().err
