"""Bad input gets one clear line, exit code 2, and no file."""

import re
from pathlib import Path

import pytest

from semsched.cli import main

TRACE = "arrived_at,prompt_tokens,output_tokens\n0.5,10,10\n"

BAD = {
    "unknown command": ("frobnicate", "frobnicate"),
    "unknown flag": ("simulate --seeed 1", "--seed"),
    "not a number": ("simulate --seed many", "--seed"),
    "not finite": ("simulate --arrivals poisson --rate nan", "--rate: .*finite"),
    "infinite": ("compare --arrivals poisson --load inf", "--load: .*finite"),
    "negative": ("simulate --user_request_gap -1", "--user-request-gap: .*greater"),
    "out of range": ("simulate --GPU_memory_utilization 1.5", "--GPU-memory-utilization: .*1.5"),
    "share above one": ("simulate --priority-error-rate 2", "--priority-error-rate: .*2"),
    "too many seats": ("simulate --batch-size 100000", "--max-num-seqs: .*100000"),
    "unknown arrivals": ("simulate --arrivals never", "--arrivals"),
    "rate and load": ("simulate --arrivals poisson --rate 1 --load 1", "--load cannot go .*--rate"),
    "ignored flag": ("simulate --burstiness 2", "--burstiness has no effect with --arrivals paper"),
    "ignored by a trace": ("simulate --trace clinic --gap-num 2", "--gap-num has no .*--trace"),
    "arrivals of a trace": ("simulate --trace clinic --arrivals paper", "--arrivals cannot go"),
    "mistake of no size": ("simulate --priority-error-rate 0.5", "--priority-error-distance"),
    "errors of real predictors": (
        "simulate --arrivals poisson --texts triage --predictor real --priority-error-rate 0.1",
        "--priority-error-rate has no effect with --predictor real",
    ),
    "real predictors without texts": (
        "simulate --arrivals poisson --predictor real",
        "poisson: no texts to predict from: use a trace with the column text",
    ),
    "texts in bursts": ("simulate --texts triage", "--texts has no effect with --arrivals paper"),
    "a mix of texts": (
        "simulate --arrivals poisson --texts triage --urgency-mix 1,1,1,1,1",
        "--urgency-mix has no effect with --texts",
    ),
    "missing texts": (
        "simulate --arrivals poisson --texts nowhere.jsonl",
        "nowhere.jsonl: No such",
    ),
    "short mix": ("simulate --arrivals poisson --urgency-mix 1,1", "--urgency-mix: .*5 items"),
    "empty mix": ("simulate --arrivals poisson --urgency-mix 0,0,0,0,0", "--urgency-mix needs"),
    "mix of words": ("simulate --arrivals poisson --urgency-mix a,b,c,d,e", "--urgency-mix: .*num"),
    "few tokens": (
        "simulate --batching chunked --max-num-batched-tokens 4",
        "at least max_num_seqs",
    ),
    "unknown setting": ("simulate --setting H999", "H999: not known: use one of .*A100_4B"),
    "no room": ("simulate --setting A100_7B --GPU-memory-utilization 0.1", "no room"),
    "missing profile": ("simulate --profile nowhere.toml", "nowhere.toml"),
    "unknown policy": ("simulate --policy best", "unknown policy 'best'"),
    "missing policy": ("compare --policies fcfs,nowhere:best", "nowhere:best"),
    "policy twice": ("compare --policies fcfs,fcfs", "twice"),
    "zero requests": ("simulate --max_concurrent_user_requests 0", "greater than"),
    "empty bursts": (
        "simulate --gap-num 1 --max-concurrent-user-requests 1 --seed 2",
        "zero requests",
    ),
    "missing trace": ("simulate --trace nowhere.csv", "nowhere.csv"),
    "prompt above the cache": ("simulate --max-prompt-length 999999", "--max-prompt-length.*KV"),
    "all at once": ("simulate --user-request-gap 0 --load 0.9", "--load .*: all requests arrive"),
    "rows suffix": ("simulate --rows rows.txt", "rows.txt: must end in .csv or .parquet"),
    "no folder": ("simulate --series nowhere/series.csv", "no such folder"),
    "one file for two": ("simulate --series x.csv --rows x.csv", "a file each"),
}


def fails(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--json", "out.json"] if len(arguments) > 1 else arguments) == 2
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    assert line.startswith("semsched: error: ")
    assert not list(Path.cwd().glob("out.*"))
    assert re.search(says, line), line


@pytest.mark.parametrize(("arguments", "says"), BAD.values(), ids=BAD.keys())
def test_bad_input(
    arguments: str,
    says: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails(arguments.split(), says, capsys)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-1,10,10", "line 3: arrived_at is '-1'"),
        ("1,,10", "line 3: prompt_tokens is missing"),
        ("1,10,ten", "line 3: output_tokens is 'ten'"),
        ("nan,10,10", "line 3: arrived_at is 'nan'"),
        ("1,99999,10", "line 3: prompt_tokens is 99999, .*KV cache of A100_4B .*37728 tokens"),
    ],
)
def test_bad_trace(
    line: str,
    says: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder / "trace.csv").write_text(TRACE + line + "\n")
    fails(["simulate", "--trace", "trace.csv"], f"trace.csv, {says}", capsys)


def test_a_policy_that_breaks_the_contract(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken_policy.py").write_text("def no_rank(request):\n    return 1\n")
    fails(["simulate", "--policy", "broken_policy:no_rank"], "must return a Rank", capsys)
