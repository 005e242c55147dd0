from pathlib import Path
from typing import Any

import numpy as np
import pytest

from semsched.core.profile import load_profile
from semsched.simulate import capacity
from semsched.study.scenario import Scenario
from semsched.study.settings import PredictorSettings, WorkloadSettings
from semsched.workload import Workload

PROFILE = load_profile("A100_4B")
SEATS = 16


def make(predictors: PredictorSettings | None = None, **options: Any) -> Workload:
    settings = WorkloadSettings(**options)
    return Scenario(workload=settings, predictors=predictors or PredictorSettings()).requests()


def mean_rate(workload: Workload) -> float:
    return float(len(workload) / (workload.arrived_at[-1] - workload.arrived_at[0]))


@pytest.mark.parametrize("options", [{"trace": "clinic"}, {"arrivals": "paper"}])
def test_a_load_stretches_the_arrivals(options: dict[str, Any]) -> None:
    workload = make(**options, load=0.5)
    assert mean_rate(workload) == pytest.approx(0.5 * capacity(workload, PROFILE, SEATS))
    assert (workload.prompt_tokens == make(**options).prompt_tokens).all()


@pytest.mark.parametrize("arrivals", ["poisson", "bursty"])
def test_streams_have_the_rate_or_load_asked_for(arrivals: str) -> None:
    size: dict[str, Any] = {"arrivals": arrivals, "num_requests": 20_000}
    assert mean_rate(make(**size, rate=7.0)) == pytest.approx(7.0, rel=0.05)
    usual = make(**size)
    assert mean_rate(usual) == pytest.approx(0.9 * capacity(usual, PROFILE, SEATS), rel=0.05)


def test_predicted_lengths_are_rounded_to_buckets() -> None:
    workload = make(PredictorSettings(length_bucket_num=5))
    assert set((workload.predicted_output_tokens % 100).tolist()) <= {0, 1}
    assert (workload.predicted_urgency == workload.urgency).all()


def test_mistakes_are_made_as_often_as_asked() -> None:
    predictors = PredictorSettings(priority_error_rate=1.0, priority_error_distance=0.2)
    workload = make(predictors)
    assert (np.abs(workload.predicted_urgency - workload.urgency) == 1).all()


def test_predictors_take_their_time() -> None:
    predictors = PredictorSettings(
        length_predictor_latency=8.0, length_predictor_batching_size=5, priority_predictor_latency=0
    )
    # a batch of at most five takes half of what one of ten does
    assert (make(predictors).ready_at - make().arrived_at).min() == pytest.approx(4.0)


def test_a_trace_keeps_its_own_predictions(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("arrived_at,prompt_tokens,output_tokens,predicted_output_tokens\n0,5,77,33\n")
    assert make(trace=str(path)).predicted_output_tokens.tolist() == [33]


def test_the_first_requests_of_a_trace() -> None:
    whole, part = make(trace="clinic"), make(trace="clinic", num_requests=7)
    assert part.arrived_at.tolist() == whole.arrived_at[:7].tolist()
    assert len(part.tenant) == 7
    assert (part.predicted_output_tokens != part.output_tokens).any()


def test_prompts_are_drawn_from_texts_at_the_load_asked_for() -> None:
    options: dict[str, Any] = {"arrivals": "bursty", "texts": "triage", "num_requests": 400}
    workload = make(**options, load=0.5)
    assert len(workload.text) == len(workload) == 400
    assert mean_rate(workload) == pytest.approx(0.5 * capacity(workload, PROFILE, SEATS), rel=0.3)
    assert (workload.predicted_urgency == workload.urgency).all()
    assert make(**options, seed=1).text != workload.text


def test_real_predictors_believe_what_the_text_says(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(
        '{"arrived_at": 0, "prompt_tokens": 5, "output_tokens": 77, "urgency": 4,'
        ' "text": "my husband collapsed and is not breathing"}\n'
        '{"arrived_at": 1, "prompt_tokens": 5, "output_tokens": 77, "urgency": 0,'
        ' "text": "write a haiku about rain"}\n'
    )
    workload = make(PredictorSettings(predictor="real"), trace=str(path))
    assert workload.urgency.tolist() == [4, 0]
    assert workload.predicted_urgency[0] == 0
    assert workload.predicted_urgency[1] >= 3
    assert make(trace=str(path)).predicted_urgency.tolist() == [4, 0]
