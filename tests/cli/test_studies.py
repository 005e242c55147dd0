import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from semsched.cli import main
from semsched.study.experiment import shipped_experiments
from semsched.study.results import KEY, read_results

SMALL = """
title = "Small"
x = "load"
num_seeds = 2

[settings]
arrivals = "poisson"
num_requests = 30

[[grid]]
policy = ["fcfs", "semantic"]
load = [0.5, 2.0]

[timeline]
num_requests = 5

[question]
least = "load"
metric = "e2e_mean"
at_least = 0
says = "{policy} takes time from load {value} on"
"""


@pytest.fixture(autouse=True)
def small(folder: Path) -> Path:
    (folder / "small.toml").write_text(SMALL, "utf-8")
    return folder


def test_sweep_says_where_the_results_are_and_what_they_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["sweep", "small.toml", "--workers", "1"]) == 0
    said = capsys.readouterr().out
    assert "8 simulations in small.parquet" in said
    assert "semsched report small.parquet" in said
    assert "- fcfs takes time from load 0.5 on" in said
    _, metadata = read_results(Path("small.parquet"))
    assert set(metadata["timelines"]) == {"fcfs", "semantic"}
    assert {life["id"] for life in metadata["timelines"]["fcfs"]} == set(range(5))
    assert len(metadata["notes"]) == 2


def test_sweep_may_be_shortened_and_set(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "small.toml", "--seeds", "1", "--set", "load=0.7", "--out", "one.parquet"]
    assert main([*command, "--workers", "1"]) == 0
    assert "2 simulations in one.parquet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["sweep", "nope"], "nope: not known: use one of fleet, "),
        (["sweep", "small.toml", "--set", "load"], "'load': must be key=value"),
        (["sweep", "small.toml", "--set", "lod=1"], "small.toml: lod: no such setting"),
        (["sweep", "small.toml", "--out", "x.csv"], "x.csv: must end in .parquet"),
        (["sweep", "small.toml", "--out", "nowhere/x.parquet"], "no such folder"),
        (["sweep", "small.toml", "--out", "foreign.parquet"], "is no results file"),
        (["report", "absent.parquet"], "absent.parquet: cannot be read"),
        (["report", "foreign.parquet"], "is no results file of `semsched sweep`"),
        (["report", "old.parquet"], "made by semsched 0.0.1, this is "),
        (["report", "small.toml"], "small.toml: cannot be read"),
        (["report", "old.parquet", "--out", "x.pdf"], "x.pdf: must end in .html"),
    ],
)
def test_bad_input_is_one_line(
    command: list[str], says: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pl.DataFrame({"a": [1]})
    frame.write_parquet("foreign.parquet")
    old = {"format": 1, "version": "0.0.1", "name": "small"}
    frame.write_parquet("old.parquet", metadata={KEY: json.dumps(old)})
    before = sorted(folder.iterdir())
    assert main(command) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("semsched: error: ")
    assert says in line
    assert sorted(folder.iterdir()) == before


def test_a_cell_that_fails_is_named_and_the_rest_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "odd.py").write_text(
        "from semsched import Rank\n"
        "def odd(request):\n"
        "    if request.id == 20:\n"
        "        raise RuntimeError('no idea')\n"
        "    return Rank(0, 0, 0)\n",
        "utf-8",
    )
    text = SMALL.replace('"semantic"', '"odd:odd"').replace("num_seeds = 2", "num_seeds = 1")
    (folder / "odd.toml").write_text(text, "utf-8")
    assert main(["sweep", "odd.toml", "--workers", "1"]) == 1
    said = capsys.readouterr()
    assert "failed: policy=odd:odd, arrivals=poisson, num_requests=30, load=0.5" in said.err
    assert "2 simulations in odd.parquet" in said.out
    assert "no idea" in said.err
    assert "Traceback" not in said.err


def wait_for_results(folder: Path) -> None:
    """Until a study that runs has written something."""
    for _ in range(600):
        if (folder / "load.parquet").exists():
            return
        time.sleep(0.1)
    raise AssertionError("no results after a minute")


def test_ctrl_c_leaves_a_file_to_go_on_with(folder: Path) -> None:
    command = [sys.executable, "-m", "semsched", "sweep", "load"]
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_for_results(folder)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "semsched: interrupted"
    assert "Traceback" not in said
    frame, _ = read_results(folder / "load.parquet")
    assert 0 < frame["cell"].n_unique() < 8400


def test_help_names_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Shipped are: {', '.join(shipped_experiments())}." in said
    assert "unless told" in said


def test_nobody_works_on_when_the_main_process_is_killed(folder: Path) -> None:
    command = [sys.executable, "-m", "semsched", "sweep", "load"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, start_new_session=True)
    wait_for_results(folder)
    process.kill()
    process.communicate(timeout=30)  # the workers held the pipe open as long as they lived


def test_to_be_terminated_is_to_be_interrupted(folder: Path) -> None:
    command = [sys.executable, "-m", "semsched", "sweep", "load"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        wait_for_results(folder)
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 130
    frame, _ = read_results(folder / "load.parquet")
    assert 0 < frame["cell"].n_unique() < 8400


def test_the_page_of_an_unfinished_study_says_so(folder: Path) -> None:
    assert main(["sweep", "small.toml", "--workers", "1"]) == 0
    frame, metadata = read_results(Path("small.parquet"))
    some = frame.filter(frame["policy"] == "fcfs")
    some.write_parquet("some.parquet", metadata={KEY: json.dumps(metadata)})
    assert main(["report", "some.parquet"]) == 0
    page = (folder / "some.html").read_text("utf-8")
    assert "Only 4 of 8 simulations are done" in page
