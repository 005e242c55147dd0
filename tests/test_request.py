"""The nouns: a request as a scheduler sees it, and the rank it gets."""

import dataclasses
import math

import pytest

from semsched.request import NUM_CLASSES, Rank, Request


def test_there_are_five_urgency_classes() -> None:
    assert NUM_CLASSES == 5


def test_key_is_the_tier_and_a_line_in_the_remaining_time() -> None:
    assert Rank(tier=2.0, offset=10.0, slope=0.5).key(4.0) == (2.0, 12.0)


def test_tier_outweighs_any_remaining_time() -> None:
    assert Rank(0.0, 0.0, 1.0).key(1e9) < Rank(1.0, 0.0, 1.0).key(0.0)


def test_without_slope_the_remaining_time_does_not_matter() -> None:
    rank = Rank(0.0, 7.0, 0.0)
    assert rank.key(0.0) == rank.key(123.0) == (0.0, 7.0)


def test_key_falls_as_the_remaining_time_shrinks() -> None:
    rank = Rank(1.0, 3.0, 2.0)
    assert rank.key(1.0) < rank.key(2.0)


def test_a_request_needs_neither_tenant_nor_deadline_nor_tail() -> None:
    request = Request(7, 1.5, 100, 0, 50, 200)
    assert request.tenant == ""
    assert request.deadline == math.inf
    assert request.predicted_p90_tokens == 0


def test_fields_are_in_the_documented_order() -> None:
    assert [field.name for field in dataclasses.fields(Request)] == [
        "id",
        "arrived_at",
        "prompt_tokens",
        "urgency",
        "predicted_output_tokens",
        "max_output_tokens",
        "tenant",
        "deadline",
        "predicted_p90_tokens",
    ]


@pytest.mark.parametrize("field", ["urgency", "arrived_at", "predicted_output_tokens"])
def test_a_request_never_changes(field: str) -> None:
    request = Request(7, 1.5, 100, 0, 50, 200)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(request, field, 1)


def test_a_request_does_not_carry_the_truth() -> None:
    fields = {field.name for field in dataclasses.fields(Request)}
    assert "output_tokens" not in fields


def test_a_rank_never_changes() -> None:
    with pytest.raises(AttributeError):
        setattr(Rank(0.0, 0.0, 0.0), "tier", 1.0)  # noqa: B010 - mypy would refuse the plain form
