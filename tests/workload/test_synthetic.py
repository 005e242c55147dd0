"""The generators: the paper's counts, the marginals of the streams, bad parameters."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.workload import (
    Workload,
    WorkloadError,
    arrivals,
    bursty,
    draw_urgency,
    paper,
    poisson,
)

MIX = (0.1, 0.2, 0.3, 0.0, 0.4)
NUM = 50_000


@pytest.mark.parametrize(
    ("most", "seed", "num_requests"),
    [(3, 0, 33), (5, 0, 48), (20, 0, 216), (50, 0, 495), (5, 1, 46), (20, 1, 201), (50, 1, 511)],
)
def test_paper_has_as_many_requests_as_the_papers_code(
    most: int, seed: int, num_requests: int
) -> None:
    assert len(paper(max_concurrent_user_requests=most, seed=seed)) == num_requests


def test_paper_draws_in_the_papers_order() -> None:
    rng = random.Random(7)  # noqa: S311
    sizes = [rng.randint(0, 4) for _ in range(10)]
    num = sum(sizes)
    urgency = [rng.randint(0, 2) for _ in range(num)]
    prompts = [rng.randint(1, 99) for _ in range(num)]
    outputs = [rng.randint(1, 49) for _ in range(num)]
    made = paper(
        user_request_gap=0.5,
        max_concurrent_user_requests=4,
        gap_num=10,
        ranks=3,
        max_prompt_length=100,
        max_output_length=50,
        seed=7,
    )
    assert made.arrived_at.tolist() == [
        0.5 * i for i, size in enumerate(sizes) for _ in range(size)
    ]
    assert made.urgency.tolist() == urgency
    assert made.prompt_tokens.tolist() == prompts
    assert made.output_tokens.tolist() == outputs
    assert set(made.max_output_tokens.tolist()) == {49}


def test_paper_without_any_request_is_refused() -> None:
    empty = next(seed for seed in range(99) if random.Random(seed).randint(0, 1) == 0)  # noqa: S311
    with pytest.raises(WorkloadError, match="zero requests"):
        paper(max_concurrent_user_requests=1, gap_num=1, seed=empty)


@pytest.mark.parametrize(
    ("parameter", "bad"),
    [
        ("user_request_gap", -0.1),
        ("user_request_gap", math.nan),
        ("user_request_gap", math.inf),
        ("max_concurrent_user_requests", 0),
        ("gap_num", 0),
        ("ranks", 0),
        ("ranks", 6),
        ("max_prompt_length", 1),
        ("max_output_length", 1),
        ("max_output_length", 2**31),
    ],
)
def test_paper_names_the_bad_parameter(parameter: str, bad: float) -> None:
    settings: dict[str, float] = {parameter: bad}
    with pytest.raises(WorkloadError, match=f"^{parameter} is {bad}, must be [^\n]+$"):
        paper(**settings)  # type: ignore[arg-type]


def cv2(workload: Workload) -> float:
    gaps = np.diff(workload.arrived_at)
    return float(gaps.var() / gaps.mean() ** 2)


def test_poisson_marginals() -> None:
    made = poisson(NUM, rate=8.0, mix=MIX, max_prompt_length=4, max_output_length=3, seed=1)
    assert NUM / made.arrived_at[-1] == pytest.approx(8.0, rel=0.03)
    assert cv2(made) == pytest.approx(1.0, rel=0.05)
    assert np.bincount(made.prompt_tokens) / NUM == pytest.approx([0] + [1 / 4] * 4, abs=0.01)
    assert np.bincount(made.output_tokens) / NUM == pytest.approx([0] + [1 / 3] * 3, abs=0.01)
    assert np.bincount(made.urgency) / NUM == pytest.approx(MIX, abs=0.01)
    assert set(made.max_output_tokens.tolist()) == {3}


@pytest.mark.parametrize("burstiness", [0.25, 4.0])
def test_bursty_keeps_the_rate_and_has_the_burstiness(burstiness: float) -> None:
    made = bursty(NUM, rate=8.0, mix=MIX, burstiness=burstiness, seed=2)
    assert NUM / made.arrived_at[-1] == pytest.approx(8.0, rel=0.05)
    assert cv2(made) == pytest.approx(burstiness, rel=0.1)


def test_streams_are_lean_and_repeatable() -> None:
    made, again, other = (poisson(100, rate=1.0, mix=MIX, seed=seed) for seed in (3, 3, 4))
    assert made.arrived_at.dtype == np.float64
    for name in ("prompt_tokens", "output_tokens", "urgency", "max_output_tokens"):
        assert getattr(made, name).dtype == np.int32
        assert (getattr(made, name) == getattr(again, name)).all()
    assert (made.arrived_at == again.arrived_at).all()
    assert (made.arrived_at != other.arrived_at).any()


@pytest.mark.parametrize(
    ("parameter", "bad"),
    [
        ("num_requests", 0),
        ("rate", 0.0),
        ("rate", -1.0),
        ("rate", math.inf),
        ("burstiness", 0.0),
        ("burstiness", math.nan),
        ("max_prompt_length", 0),
        ("max_output_length", 2**31),
        ("seed", -1),
    ],
)
def test_streams_name_the_bad_parameter(parameter: str, bad: float) -> None:
    settings: dict[str, float] = {"num_requests": 5, "rate": 1.0, parameter: bad}
    with pytest.raises(WorkloadError, match=f"^{parameter} is {bad}, must be [^\n]+$"):
        bursty(**settings, mix=MIX)  # type: ignore[arg-type]


def test_arrivals_start_after_one_gap() -> None:
    assert arrivals(3, 1.0, 1.0, np.random.default_rng(0))[0] > 0


@given(st.lists(st.floats(0, 1e308), min_size=5, max_size=5).filter(any), st.integers(0, 99))
def test_no_class_without_weight_is_drawn(mix: list[float], seed: int) -> None:
    drawn = draw_urgency(50, mix, np.random.default_rng(seed))
    assert {mix[urgency] > 0 for urgency in drawn.tolist()} == {True}


@pytest.mark.parametrize(
    "mix", [(1, 1, 1, 1), (1,) * 6, (1, 1, -1, 1, 1), (1, 1, math.nan, 1, 1), (0,) * 5]
)
def test_bad_mix_is_refused(mix: tuple[float, ...]) -> None:
    with pytest.raises(WorkloadError, match=r"^mix is \[.*\], must [^\n]+$"):
        draw_urgency(3, mix, np.random.default_rng(0))
