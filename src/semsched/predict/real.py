"""The real predictors at work on a workload: what they say of its texts."""

from dataclasses import replace
from functools import cache, lru_cache

import numpy as np

from semsched.predict.length import LengthPredictor, Lengths
from semsched.predict.urgency import UrgencyClassifier, decide
from semsched.workload import Workload, WorkloadError
from semsched.workload.workload import Floats, Ints

LAG = 256
"""Requests between one and the next whose answer is known. Nobody's answer may be learned before
it ends; in an engine that is overloaded by a third, hundreds wait."""

_MAX_REMEMBERED = 1 << 16


def predicted_from_text(workload: Workload) -> Workload:
    """The requests with urgency and length as our predictors tell them from the text.

    The length predictor starts untaught and learns each answer LAG requests after it was asked
    for, in order of arrival. Raises WorkloadError for a workload without texts.
    """
    if not workload.text:
        raise WorkloadError(
            f"{workload.name}: no texts to predict from: use a trace with the column text, "
            "or --arrivals poisson with --texts"
        )
    believed = _lengths(workload)
    return replace(
        workload,
        predicted_urgency=np.array([_urgency(text) for text in workload.text], dtype=np.int32),
        predicted_output_tokens=_whole(believed.p50),
        predicted_p90_tokens=_whole(believed.p90),
    )


@lru_cache(maxsize=_MAX_REMEMBERED)
def _urgency(text: str) -> int:
    [urgency] = decide(_classifier().predict([text]))
    return urgency


@cache
def _classifier() -> UrgencyClassifier:
    return UrgencyClassifier()


def _lengths(workload: Workload) -> Lengths:
    predictor, texts = LengthPredictor(), workload.text
    p50, p90 = np.empty((2, len(workload)))
    for i, text in enumerate(texts):
        if i >= LAG:
            predictor.observe(texts[i - LAG], int(workload.output_tokens[i - LAG]))
        [p50[i]], [p90[i]] = predictor.predict([text], int(workload.max_output_tokens[i]))
    return Lengths(p50, p90)


def _whole(tokens: Floats) -> Ints:
    return np.rint(tokens).astype(np.int32)
