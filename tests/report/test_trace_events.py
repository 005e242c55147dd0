import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from semsched.core.scheduling import Scheduling
from semsched.policy import POLICIES
from semsched.report.trace_events import COLOURS, write_trace_events
from semsched.simulate import simulate
from semsched.simulate.timeline import STATE, timeline
from tests.simulate.cases import engine, workload

REQUESTS = workload([0, 0.8, 1.6, 3.1], [4, 1, 3, 7], [4, 1, 1, 1], urgency=[2, 4, 0, 0])
"""With one seat and three blocks of KV, a life with every state."""
ENGINE = engine(num_blocks=3, block_size=4, prefill_token=1 / 3, decode_seq=1 / 3)
SCHEDULING = Scheduling(max_num_seqs=1)
RUN = simulate(REQUESTS, ENGINE, POLICIES["pjf"], SCHEDULING, policy_name="pjf", engine="reference")
TIMELINE = timeline(REQUESTS, ENGINE, POLICIES["pjf"], SCHEDULING)


@pytest.fixture
def trace(tmp_path: Path) -> dict[str, Any]:
    write_trace_events(tmp_path / "trace.json", TIMELINE, RUN)
    read: dict[str, Any] = json.loads((tmp_path / "trace.json").read_text())
    return read


def events(trace: dict[str, Any], phase: str) -> list[dict[str, Any]]:
    return [event for event in trace["traceEvents"] if event["ph"] == phase]


def test_the_object_says_what_it_is(trace: dict[str, Any]) -> None:
    assert trace["displayTimeUnit"] == "ms"
    assert trace["otherData"] == {"policy": "pjf", "workload": "test", "profile": "test"}
    assert {event["ph"] for event in trace["traceEvents"]} == {"M", "X", "C"}
    # viewers keep number 0 for processes and threads that idle
    assert all(event["pid"] > 0 for event in trace["traceEvents"])
    assert all(event["tid"] > 0 for event in events(trace, "X"))


def test_an_event_for_each_interval(trace: dict[str, Any]) -> None:
    slices = events(trace, "X")
    assert [event["name"] for event in slices] == TIMELINE["state"].to_list()
    for event in slices:
        assert event.keys() == {"name", "ph", "ts", "dur", "pid", "tid", "cname"}
        assert type(event["ts"]) is type(event["dur"]) is int
        assert event["dur"] >= 0


def test_durations_sum_to_the_latency_and_nothing_overlaps(trace: dict[str, Any]) -> None:
    sums: Counter[int] = Counter()
    ends: dict[int, int] = {}
    for event in events(trace, "X"):
        tid, ts = event["tid"], event["ts"]
        sums[tid] += event["dur"]
        assert ends.get(tid, ts) == ts
        ends[tid] = ts + event["dur"]
    e2e = (RUN.rows["finished_at"] - RUN.rows["arrived_at"]) * 1e6
    assert [sums[tid] for tid in sorted(sums)] == pytest.approx(e2e.to_list(), abs=1)


def test_classes_are_processes_and_requests_their_threads(trace: dict[str, Any]) -> None:
    names: dict[str, dict[Any, str]] = {"process_name": {}, "thread_name": {}}
    for event in events(trace, "M"):
        if event["name"] in names:
            key = event["pid"], event["tid"]
            names[event["name"]][key[0] if event["tid"] == 0 else key] = event["args"]["name"]
    processes = names["process_name"]
    assert list(processes.values()) == [
        "engine",
        "class 0 (most urgent)",
        "class 2",
        "class 4 (least urgent)",
    ]
    threads = {(processes[pid], name) for (pid, _), name in names["thread_name"].items()}
    assert threads == {
        ("class 2", "request 0"),
        ("class 4 (least urgent)", "request 1"),
        ("class 0 (most urgent)", "request 2"),
        ("class 0 (most urgent)", "request 3"),
    }
    shown = {(event["pid"], event["tid"]) for event in events(trace, "X")}
    assert shown == names["thread_name"].keys()


def test_counters_follow_the_series(trace: dict[str, Any]) -> None:
    counters = events(trace, "C")
    first, series = RUN.series.row(0, named=True), RUN.series
    assert len(counters) == 2 * series.height
    assert [event["args"] for event in counters[:2]] == [
        {"num_running": first["num_running"], "num_waiting": first["num_waiting"]},
        {"tokens": first["kv_tokens"]},
    ]
    assert [e["ts"] for e in counters[::2]] == [round(at * 1e6) for at in series["at"]]


def test_each_state_has_a_colour_of_its_own() -> None:
    assert list(COLOURS) == STATE.categories.to_list()
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert set(TIMELINE["state"]) == set(COLOURS)
