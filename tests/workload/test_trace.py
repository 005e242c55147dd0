"""Reading traces: each format, and every fault with its line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.workload import Workload, WorkloadError, read_trace

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
PLAIN = "arrived_at,prompt_tokens,output_tokens"

BURSTGPT = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,ChatGPT,1087,0,1087,Conversation log
118,GPT-4,417,276,693,API log
"""
BURSTGPT_SESSIONS = """Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens
5.0,1,2.5,ChatGPT,472,18
45.0,1,0.1,ChatGPT,1087,0
118.0,2,9.9,GPT-4,417,276
"""
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 23:59:59.9799600,4808,10
2023-11-17 00:00:00.0319600,3180,8
"""
AZURE_2024 = """TIMESTAMP,ContextTokens,GeneratedTokens
2024-05-10 00:00:00.979960+00:00,4808,10
2024-05-10 00:00:01.031960+00:00,3180,8
"""
MOONCAKE = """{"timestamp": 27, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}
{"timestamp": 3027, "input_length": 7322, "output_length": 490, "hash_ids": [0, 14]}
"""


def write(folder: Path, content: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def plain(*rows: str, extra: str = "") -> str:
    return "\n".join([PLAIN + extra, *rows]) + "\n"


@pytest.mark.parametrize(
    ("content", "arrived_at", "prompts", "outputs", "lines"),
    [
        (BURSTGPT, [0, 113], [472, 417], [18, 276], [2, 4]),
        (BURSTGPT_SESSIONS, [0, 113], [472, 417], [18, 276], [2, 4]),
        (AZURE, [0, 0.052], [4808, 3180], [10, 8], [2, 3]),
        (AZURE_2024, [0, 0.052], [4808, 3180], [10, 8], [2, 3]),
        (MOONCAKE, [0, 3.0], [6758, 7322], [500, 490], [1, 2]),
        (plain("1.5,10,20", "2.25,30,40"), [0, 0.75], [10, 30], [20, 40], [2, 3]),
        ("\ufeff" + plain("1.5, 10 ,20", "2.25,30,4e1"), [0, 0.75], [10, 30], [20, 40], [2, 3]),
    ],
)
def test_formats(
    tmp_path: Path,
    content: str,
    arrived_at: list[float],
    prompts: list[int],
    outputs: list[int],
    lines: list[int],
) -> None:
    workload, found, _ = read_trace(write(tmp_path, content))
    assert workload.name == "trace.csv"
    assert workload.arrived_at.tolist() == pytest.approx(arrived_at)
    assert workload.prompt_tokens.tolist() == prompts
    assert workload.output_tokens.tolist() == outputs
    assert workload.max_output_tokens.tolist() == [max(outputs)] * len(outputs)
    assert found.tolist() == lines
    assert workload.ready_at.tolist() == workload.arrived_at.tolist()


EXTRA = ",urgency,predicted_urgency,predicted_output_tokens,max_output_tokens,tenant,text,note"
ROUND_TRIP = st.tuples(
    st.floats(0, 1e6),
    *[st.integers(1, 2**31 - 1)] * 2,
    *[st.integers(0, 4)] * 2,
    st.integers(1, 2**31 - 1),
    st.just(2**31 - 1),
    *[st.sampled_from(["", "ward 3", 'a,"b"'])] * 2,
)


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@given(rows=st.lists(ROUND_TRIP, min_size=1, max_size=5))
def test_plain_round_trip(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, rows: list[tuple[float | str, ...]]
) -> None:
    names = (PLAIN + EXTRA.removesuffix(",note")).split(",")
    if suffix == "csv":
        cells = [[json.dumps(str(v)).replace(r"\"", '""') for v in row] for row in rows]
        content = "\n".join(",".join(row) for row in [names, *cells])
    else:
        content = "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows)
    path = write(tmp_path_factory.mktemp("trace"), content, f"trace.{suffix}")
    workload, lines, _ = read_trace(path)
    order = sorted(range(len(rows)), key=lambda row: rows[row][0])
    first_line = 2 if suffix == "csv" else 1
    assert lines.tolist() == [row + first_line for row in order]
    assert columns(workload, names) == [
        (row[0] - rows[order[0]][0], *row[1:])  # type: ignore[operator]
        for row in (rows[i] for i in order)
    ]


def columns(workload: Workload, names: list[str]) -> list[tuple[float | str, ...]]:
    lists = [np.asarray(getattr(workload, name)).tolist() for name in names]
    return list(zip(*lists, strict=True))


def test_unsorted_rows_are_sorted_stably_and_blank_lines_counted(tmp_path: Path) -> None:
    path = write(tmp_path, plain("7,1,9", "", "5,2,9", "7,3,9", "5,4,9", ""))
    workload, lines, _ = read_trace(path)
    assert workload.prompt_tokens.tolist() == [2, 4, 1, 3]
    assert lines.tolist() == [4, 6, 2, 5]
    first, lines, _ = read_trace(path, max_requests=3)
    assert first.prompt_tokens.tolist() == [2, 4, 1]
    assert lines.tolist() == [4, 6, 2]


def test_missing_urgency_is_drawn_by_the_mix(tmp_path: Path) -> None:
    path = write(tmp_path, plain(*["0,1,1"] * 400))
    drawn, again, other = (read_trace(path, seed=seed)[0].urgency for seed in (1, 1, 2))
    assert (drawn == again).all()
    assert (drawn != other).any()
    assert set(drawn.tolist()) == {0, 1, 2, 3, 4}
    workload, _, _ = read_trace(path, mix=(0, 0, 1, 0, 0))
    assert set(workload.urgency.tolist()) == {2}


TOKENS = "a whole number of at least 1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (plain("0,1,1", "1,abc,1"), f", line 3: prompt_tokens is 'abc', must be {TOKENS}"),
        (plain("0,0,1"), f", line 2: prompt_tokens is '0', must be {TOKENS}"),
        (plain("0,-4,1"), f", line 2: prompt_tokens is '-4', must be {TOKENS}"),
        (plain("0,1.5,1"), f", line 2: prompt_tokens is '1.5', must be {TOKENS}"),
        (plain("0,nan,1"), f", line 2: prompt_tokens is 'nan', must be {TOKENS}"),
        (plain("0,inf,1"), f", line 2: prompt_tokens is 'inf', must be {TOKENS}"),
        (plain("0,,1"), f", line 2: prompt_tokens is missing, must be {TOKENS}"),
        (plain("0,1"), f", line 2: output_tokens is missing, must be {TOKENS}"),
        (plain("0,1,0"), f", line 2: output_tokens is '0', must be {TOKENS}"),
        (
            plain("0,2147483648,1"),
            ", line 2: prompt_tokens is '2147483648', must be at most 2147483647",
        ),
        *(
            (
                plain("0,1,1", "", f"{bad},1,1"),
                f", line 4: arrived_at is '{bad}', must be a finite number of seconds, at least 0",
            )
            for bad in ("-1", "nan", "inf", "noon")
        ),
        *(
            (
                plain(f"0,1,1,{bad}", extra=",urgency"),
                f", line 2: urgency is '{bad}', must be a class 0 to 4",
            )
            for bad in ("-1", "5", "2.5", "high", "nan")
        ),
        (
            plain("0,1,1,0,7", extra=",urgency,predicted_urgency"),
            ", line 2: predicted_urgency is '7', must be a class 0 to 4",
        ),
        (
            plain("0,1,1,0", extra=",predicted_output_tokens"),
            f", line 2: predicted_output_tokens is '0', must be {TOKENS}",
        ),
        (
            plain("0,1,9,8", extra=",max_output_tokens"),
            ", line 2: max_output_tokens is '8', must be at least the output_tokens of its line",
        ),
        (plain("0,1,1", "0,1,1,1"), ", line 3: 4 values under 3 column names"),
        (plain("0,1,1", '0,"1"x,1'), ", line 3: ',' expected after '\"'"),
        ("", ": the file is empty"),
        (" \n\n", ": the file is empty"),
        (plain(), ": no requests in it"),
        (plain("", ""), ": no requests in it"),
        ("arrived_at,prompt_tokens\n0,1\n", ": plain trace without the column output_tokens"),
        (
            BURSTGPT.replace("276", "-2"),
            f", line 4: Response tokens is '-2', must be {TOKENS}",
        ),
        (BURSTGPT.replace(",18,", ",,"), f", line 2: Response tokens is missing, must be {TOKENS}"),
        (BURSTGPT.replace("18,", "0,").replace("276,", "0,"), ": no requests in it"),
        (AZURE.replace(",8\n", ",0\n"), f", line 3: GeneratedTokens is '0', must be {TOKENS}"),
        (
            AZURE.replace("2023-11-17 00", "yesterday"),
            ", line 3: TIMESTAMP is 'yesterday:00:00.0319600', "
            "must be a date and time such as 2023-11-16 18:17:03.979",
        ),
        (
            AZURE.replace("2023", "no"),
            ", line 2: TIMESTAMP is 'no-11-16 23:59:59.9799600', "
            "must be a date and time such as 2023-11-16 18:17:03.979",
        ),
        (
            MOONCAKE.replace("3027", "-3"),
            ", line 2: timestamp is '-3', must be a finite number of milliseconds, at least 0",
        ),
        (
            MOONCAKE.replace("3027", "NaN"),
            ", line 2: timestamp is 'nan', must be a finite number of milliseconds, at least 0",
        ),
        (MOONCAKE.replace("490", "true"), f", line 2: output_length is 'True', must be {TOKENS}"),
        (MOONCAKE.replace("490", "[3]"), f", line 2: output_length is '[3]', must be {TOKENS}"),
        (MOONCAKE.replace("490", '"\\ud800"'), f", line 2: output_length is '?', must be {TOKENS}"),
        (
            MOONCAKE.replace('"output_length": 490, ', ""),
            f", line 2: output_length is missing, must be {TOKENS}",
        ),
        (MOONCAKE + "{oops\n", ", line 3: not valid JSON"),
        (MOONCAKE + "\n[1]\n", ", line 4: must be a JSON object"),
        (
            MOONCAKE.replace("output_length", "length"),
            ": Mooncake trace without the column output_length",
        ),
    ],
)
def test_faults_name_their_place(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(WorkloadError) as fault:
        read_trace(path)
    assert str(fault.value) == f"{path}{message}"


@pytest.mark.parametrize("content", ["time,tokens\n1,2\n", '{"time": 1}\n', "hello\n"])
def test_unknown_columns_list_the_known_formats(tmp_path: Path, content: str) -> None:
    with pytest.raises(WorkloadError, match=r"no known trace.*plain .*BurstGPT .*Azure .*Mooncake"):
        read_trace(write(tmp_path, content))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"absent\.csv: No such file"):
        read_trace(tmp_path / "absent.csv")
    with pytest.raises(WorkloadError, match="Is a directory"):
        read_trace(tmp_path)
    path = tmp_path / "latin.csv"
    path.write_bytes((PLAIN + "\n0,1,1\n").encode() + b"0,\xe9,1\n")
    with pytest.raises(WorkloadError, match=r"latin\.csv, line 3: not UTF-8 text$"):
        read_trace(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_requests": 0}, "max_requests is 0, must be at least 1"),
        ({"seed": -1}, "seed is -1, must be at least 0"),
        ({"mix": (1, 2)}, r"mix is \[1, 2\], must be 5 weights"),
    ],
)
def test_bad_parameters_are_named(tmp_path: Path, settings: dict[str, int], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        read_trace(write(tmp_path, plain("0,1,1")), **settings)  # type: ignore[arg-type]


@pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")
@pytest.mark.parametrize(
    ("name", "num_requests", "last_line"),
    [
        ("azure2023_code.csv", 8819, 8820),
        ("azure2023_conv.csv", 19366, 19367),
        ("mooncake_conversation.jsonl", 12031, 12031),
    ],
)
def test_real_traces(name: str, num_requests: int, last_line: int) -> None:
    workload, lines, _ = read_trace(DATA / name)
    assert len(workload) == num_requests
    assert lines[-1] == last_line
    assert 3400 < workload.arrived_at[-1] < 3600


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(WorkloadError, match=r"pipe\.csv: is a pipe"):
        read_trace(tmp_path / "pipe.csv")
