"""What the board remembers is right to 2.5%, and bounded."""

import pytest

from semsched.request import NUM_CLASSES
from semsched.serve.board import Clue, Ended, Recent
from semsched.serve.board.snapshot import BIN_TIME, MAX_ENDED, MAX_TEXT, NUM_BINS


def ended(id: str, **changes: object) -> Ended:
    fields: dict[str, object] = {
        "id": id,
        "urgency": 2,
        "tenant": "ward-7",
        "outcome": "finished",
        "code": "",
        "queue_time": 0.5,
        "ttft": 0.6,
        "e2e": 2.0,
        "predicted_output_tokens": 100,
        "output_tokens": 90,
        "reason": "chest pain",
        "evidence": [Clue("pain", None)],
    }
    return Ended(**fields | changes)  # type: ignore[arg-type]


def test_nothing_is_known_of_an_idle_gateway() -> None:
    series = Recent().ttft(1000.0)
    assert [one.urgency for one in series] == list(range(NUM_CLASSES))
    assert all(one.p50 == one.p99 == [None] * NUM_BINS for one in series)


def test_a_ttft_stands_in_the_bin_of_its_instant_and_its_class() -> None:
    recent = Recent()
    recent.first_token(3, 0.25, 1000.0)
    recent.first_token(3, 0.25, 1004.9)
    recent.first_token(3, 4.0, 1005.0)
    series = recent.ttft(1012.0)
    known = {at: value for at, value in enumerate(series[3].p50) if value is not None}
    assert known == {
        NUM_BINS - 3: pytest.approx(0.25, rel=0.03),
        NUM_BINS - 2: pytest.approx(4.0, rel=0.03),
    }
    assert all(value is None for one in series if one.urgency != 3 for value in one.p50)


def test_quantiles_are_those_of_the_values() -> None:
    recent = Recent()
    for number in range(1, 201):
        recent.first_token(0, number / 100, 7.0)
    (p50, p99) = (recent.ttft(7.0)[0].p50[-1], recent.ttft(7.0)[0].p99[-1])
    assert p50 == pytest.approx(1.00, rel=0.03)
    assert p99 == pytest.approx(1.98, rel=0.03)


def test_a_bin_that_was_looked_at_still_learns() -> None:
    recent = Recent()
    recent.first_token(0, 1.0, 7.0)
    assert recent.ttft(7.0)[0].p99[-1] == pytest.approx(1.0, rel=0.03)
    recent.first_token(0, 50.0, 8.0)
    assert recent.ttft(8.0)[0].p99[-1] == pytest.approx(50.0, rel=0.03)


@pytest.mark.parametrize("ttft", [0.0, -1.0, 1e-9, 1e9, float("inf")])
def test_an_odd_ttft_is_held_within_limits(ttft: float) -> None:
    recent = Recent()
    recent.first_token(1, ttft, 7.0)
    value = recent.ttft(7.0)[1].p50[-1]
    assert value is not None
    assert 0.9e-4 < value < 1.1e4


def test_what_is_older_than_five_minutes_is_forgotten() -> None:
    recent = Recent()
    recent.first_token(1, 1.0, 0.0)
    last = BIN_TIME * (NUM_BINS - 1)
    assert recent.ttft(last)[1].p50[0] is not None
    assert recent.ttft(last + BIN_TIME)[1].p50 == [None] * NUM_BINS


def test_memory_is_bounded_whatever_comes() -> None:
    recent = Recent()
    for number in range(20_000):
        recent.first_token(0, 1e-5 * 1.002**number, number * 0.5)
        recent.end(ended(str(number)))
    assert len(recent._bins[0]) <= NUM_BINS
    assert len(recent.ended()) == MAX_ENDED
    for _ in range(3):
        for number in range(20_000):
            recent.first_token(1, 1e-6 * 1.002**number, 7.0)
    assert len(recent._bins[1][1]._counts) < 400


def test_the_last_to_end_comes_first() -> None:
    recent = Recent()
    for number in range(MAX_ENDED + 2):
        recent.end(ended(str(number)))
    assert [one.id for one in recent.ended()] == [str(n) for n in range(MAX_ENDED + 1, 1, -1)]


def test_texts_are_clipped_and_fit_to_be_sent() -> None:
    recent = Recent()
    long = "x" * (MAX_TEXT + 1)
    recent.end(
        ended(
            long,
            tenant="lone \ud800 half",
            reason=long,
            evidence=[Clue(long, long), Clue("a", None)],
        )
    )
    (one,) = recent.ended()
    assert one.id == one.reason == one.evidence[0].words == "x" * (MAX_TEXT - 1) + "…"
    assert one.tenant == "lone ? half"
    assert one.evidence[1] == Clue("a", None)
