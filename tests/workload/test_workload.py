"""The columns of a workload: which belong together, and what a default stands for."""

from dataclasses import replace

import numpy as np
import pytest

from semsched.workload import WorkloadError, paper


def test_without_a_tail_nothing_is_believed_of_it() -> None:
    requests = paper()
    assert requests.predicted_p90_tokens.tolist() == [0] * len(requests)
    assert requests.request(3).predicted_p90_tokens == 0


def test_a_tail_is_told_to_the_scheduler() -> None:
    tails = np.arange(len(paper()), dtype=np.int32)
    assert replace(paper(), predicted_p90_tokens=tails).request(3).predicted_p90_tokens == 3


def test_a_tail_is_not_negative_and_each_request_has_its_own() -> None:
    tails = np.full(len(paper()), -1, dtype=np.int32)
    with pytest.raises(WorkloadError, match=r"^paper: request 0: predicted_p90_tokens is -1, must"):
        replace(paper(), predicted_p90_tokens=tails)
    with pytest.raises(WorkloadError, match=r"^paper: predicted_p90_tokens has another length"):
        replace(paper(), predicted_p90_tokens=tails[1:])


def test_columns_are_all_that_has_a_value_for_each_request_but_names_and_texts() -> None:
    assert all(len(getattr(paper(), name)) == len(paper()) for name in paper().columns())
    assert {"name", "tenant", "text", *paper().columns()} == set(vars(paper()))
