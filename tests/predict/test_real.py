from dataclasses import replace

import numpy as np
import pytest

from semsched.predict import predicted_from_text
from semsched.predict.length import LengthPredictor
from semsched.predict.real import LAG
from semsched.predict.urgency import UrgencyClassifier
from semsched.workload import Workload, WorkloadError, drawn_from, read_texts


@pytest.fixture(scope="module")
def workload() -> Workload:
    texts = read_texts("triage")
    return drawn_from(texts, "triage", np.arange(3.0 * LAG), np.random.default_rng(5))


@pytest.fixture(scope="module")
def predicted(workload: Workload) -> Workload:
    return predicted_from_text(workload)


def test_urgency_is_what_the_classifier_says(workload: Workload, predicted: Workload) -> None:
    classifier = UrgencyClassifier()
    said = [classifier.classify(text).urgency for text in workload.text]
    assert predicted.predicted_urgency.tolist() == said
    assert said != workload.urgency.tolist()


def test_it_is_right_more_often_than_not(workload: Workload, predicted: Workload) -> None:
    assert np.mean(predicted.predicted_urgency == workload.urgency) > 0.5


def test_a_length_is_learned_when_its_answer_is_known(
    workload: Workload, predicted: Workload
) -> None:
    fresh = LengthPredictor()
    for i in (0, LAG - 1):
        p50 = fresh.predict([workload.text[i]], int(workload.max_output_tokens[i])).p50[0]
        assert predicted.predicted_output_tokens[i] == round(p50)
    taught = LengthPredictor()
    for i in range(LAG):
        taught.observe(workload.text[i], int(workload.output_tokens[i]))
    at = 2 * LAG - 1
    p50 = taught.predict([workload.text[at]], int(workload.max_output_tokens[at])).p50[0]
    assert predicted.predicted_output_tokens[at] == round(p50)


def test_the_tail_is_the_predictor_s_p90_under_the_limit(
    workload: Workload, predicted: Workload
) -> None:
    limit = int(workload.max_output_tokens[0])
    believed = LengthPredictor().predict(workload.text[:LAG], limit)
    assert predicted.predicted_p90_tokens[:LAG].tolist() == np.rint(believed.p90).tolist()
    assert (predicted.predicted_p90_tokens >= predicted.predicted_output_tokens).all()
    assert (predicted.predicted_p90_tokens <= workload.max_output_tokens).all()
    assert (workload.predicted_p90_tokens == 0).all()


def test_the_truth_does_not_leak(workload: Workload, predicted: Workload) -> None:
    """What is believed of the first requests does not depend on any answer."""
    longer = replace(
        workload,
        output_tokens=np.full(len(workload), int(workload.max_output_tokens[0]), dtype=np.int32),
        urgency=np.zeros(len(workload), dtype=np.int32),
    )
    believed = predicted_from_text(longer)
    assert believed.predicted_urgency.tolist() == predicted.predicted_urgency.tolist()
    first = slice(0, LAG)
    assert (
        believed.predicted_output_tokens[first].tolist()
        == predicted.predicted_output_tokens[first].tolist()
    )


def test_requests_without_texts_cannot_be_predicted(workload: Workload) -> None:
    with pytest.raises(WorkloadError, match="no texts to predict from"):
        predicted_from_text(replace(workload, text=()))
