"""The predictor servers against a model that looks at every instant in turn."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.predict import PredictorServer, delayed, paper_batch_time
from semsched.predict.delay import Mode
from semsched.workload import Workload, WorkloadError, paper

# Instants and times are multiples of a quarter second, so that the model is exact.
ticks = st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted)


def step_by_step(arrived: list[int], batch_size: int, batch_ticks: int, mode: str) -> list[int]:
    """Watch the server tick by tick: who has arrived, who waits, is it free?"""
    ready: list[int] = []
    waiting: list[int] = []
    coming = list(arrived)
    now = free_at = 0
    while coming or waiting:
        while coming and coming[0] <= now:
            waiting.append(coming.pop(0))
        enough = batch_size if mode == "fully_delayed_processing" and coming else 1
        # Without time per batch several batches fit into one instant.
        while free_at <= now and len(waiting) >= enough:
            batch, waiting = waiting[:batch_size], waiting[batch_size:]
            free_at = now + batch_ticks
            ready += [free_at] * len(batch)
        now += 1
    return ready


def workload(arrived_at: list[float]) -> Workload:
    ones = np.ones(len(arrived_at), dtype=np.int32)
    return Workload.known("test", np.array(arrived_at), ones, ones, ones)


@pytest.mark.parametrize("mode", ["immediate_processing", "fully_delayed_processing"])
@given(arrived=ticks, batch_size=st.integers(1, 6), batch_ticks=st.integers(0, 9))
def test_server_is_the_model(
    mode: Mode, arrived: list[int], batch_size: int, batch_ticks: int
) -> None:
    server = PredictorServer(batch_size=batch_size, batch_time=batch_ticks / 4, mode=mode)
    ready_at = server.ready_at(np.array(arrived) / 4)
    model = step_by_step(arrived, batch_size, batch_ticks, mode)
    assert (ready_at * 4).tolist() == model


def test_immediate_by_hand() -> None:
    server = PredictorServer(batch_size=2, batch_time=1.0)
    arrived_at = np.array([0.0, 0.0, 0.0, 1.0, 1.5, 5.0])
    assert server.ready_at(arrived_at).tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 6.0]


def test_fully_delayed_by_hand() -> None:
    server = PredictorServer(batch_size=2, batch_time=1.0, mode="fully_delayed_processing")
    arrived_at = np.array([0.0, 3.0, 3.0, 3.5, 9.0])
    assert server.ready_at(arrived_at).tolist() == [4.0, 4.0, 5.0, 5.0, 10.0]


@given(arrived_at=st.lists(st.floats(0, 1e9), min_size=1, max_size=30).map(sorted))
def test_no_time_no_delay(arrived_at: list[float]) -> None:
    instant = PredictorServer(batch_time=0.0)
    found = delayed(workload(arrived_at), urgency_server=instant, length_server=instant)
    assert found.ready_at.tolist() == arrived_at


def test_a_request_enters_when_both_predictors_are_done() -> None:
    slow_alone = PredictorServer(batch_size=1, batch_time=1.0)
    fast_waiter = PredictorServer(batch_size=2, batch_time=0.5, mode="fully_delayed_processing")
    before = workload([0.0, 4.0])
    after = delayed(before, urgency_server=slow_alone, length_server=fast_waiter)
    assert after.ready_at.tolist() == [4.5, 5.0]
    assert after.arrived_at.tolist() == [0.0, 4.0]
    assert before.ready_at.tolist() == [0.0, 4.0]


def test_default_is_the_papers_predictor() -> None:
    assert paper_batch_time() == pytest.approx(0.0015)
    assert paper_batch_time(0.01, 20) == pytest.approx(0.02)
    assert PredictorServer() == PredictorServer(5, paper_batch_time(), "immediate_processing")
    server = PredictorServer()
    burst = delayed(paper(), urgency_server=server, length_server=server)
    waited = burst.ready_at - burst.arrived_at
    assert waited.max() == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, must be at least 1"),
        ({"batch_time": -0.1}, "batch_time is -0.1, must be at least 0"),
        ({"batch_time": math.nan}, "batch_time is nan, must be at least 0"),
        (
            {"mode": "lazy"},
            "mode is 'lazy', must be one of immediate_processing, fully_delayed_processing",
        ),
    ],
)
def test_bad_settings_are_named(settings: dict[str, int], message: str) -> None:
    with pytest.raises(WorkloadError, match=f"^{message}$"):
        PredictorServer(**settings)  # type: ignore[arg-type]
