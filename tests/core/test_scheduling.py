"""Scheduling: the settings of the batcher, each with one default and one bound."""

from typing import Any

import pytest
from pydantic import ValidationError

from semsched.core.scheduling import Scheduling


def test_the_defaults_are_the_papers_with_free_seats_filled() -> None:
    assert Scheduling().model_dump() == {
        "max_num_seqs": 16,
        "batching": "alternate",
        "max_num_batched_tokens": 2048,
        "backfill": True,
        "preemption": "rank",
        "max_preemptions": 100,
        "restore": "cheaper",
        "finish_guard": 0,
    }


def test_settings_never_change_after_load() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Scheduling().max_num_seqs = 8


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("max_seqs", 8, "not permitted"),
        ("max_num_seqs", 0, "greater than 0"),
        ("max_num_seqs", -1, "greater than 0"),
        ("max_num_seqs", 4097, "less than or equal to 4096"),
        ("max_num_seqs", 2.5, "integer"),
        ("max_num_seqs", float("nan"), "integer"),
        ("max_num_seqs", "many", "integer"),
        ("batching", "continuous", "'alternate' or 'chunked'"),
        ("max_num_batched_tokens", 0, "greater than 0"),
        ("backfill", "perhaps", "boolean"),
        ("preemption", "always", "'rank', 'class' or 'off'"),
        ("max_preemptions", -1, "greater than or equal to 0"),
        ("finish_guard", -1, "greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_is_named_with_the_reason(key: str, value: Any, why: str) -> None:
    with pytest.raises(ValidationError) as error:
        Scheduling(**{key: value})
    (found,) = error.value.errors()
    assert found["loc"] == (key,)
    assert why in found["msg"]


def test_the_bounds_themselves_are_allowed() -> None:
    Scheduling(max_num_seqs=1, max_num_batched_tokens=1, max_preemptions=0, finish_guard=0)
    Scheduling(max_num_seqs=4096)


def test_a_mixed_step_has_room_for_a_token_of_each_seat() -> None:
    Scheduling(batching="chunked", max_num_seqs=8, max_num_batched_tokens=8)
    with pytest.raises(
        ValidationError, match=r"max_num_batched_tokens \(7\) must be at least max_num_seqs \(8\)"
    ):
        Scheduling(batching="chunked", max_num_seqs=8, max_num_batched_tokens=7)


def test_without_mixed_steps_the_budget_does_not_matter() -> None:
    Scheduling(batching="alternate", max_num_seqs=8, max_num_batched_tokens=7)


@pytest.mark.parametrize("key", ["max_num_seqs", "finish_guard"])
def test_a_truth_value_is_no_number(key: str) -> None:
    with pytest.raises(ValidationError):
        Scheduling.model_validate({key: True})
