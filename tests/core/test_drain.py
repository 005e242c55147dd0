import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.core.drain import JITTER, RETRY_AFTER, WINDOW, DrainRate


def drained(rate: float, began_at: float, now: float) -> DrainRate:
    """Requests ended at equal distances, since somebody waited."""
    drain = DrainRate()
    drain.begin(began_at)
    for number in range(1, int((now - began_at) * rate + 1e-9) + 1):
        drain.ended(began_at + number / rate)
    return drain


@given(
    st.sampled_from([0.5, 1.0, 4.0, 32.0]),
    st.integers(1, 10_000),
    st.sampled_from([2.0, 8.0, 64.0]),
)
def test_at_a_constant_rate_it_is_waiting_over_rate(
    rate: float, num_waiting: int, elapsed: float
) -> None:
    """Before and after a window has passed. All numbers are exact in binary."""
    drain = drained(rate, 16.0, 16.0 + elapsed)
    assert drain.time_to_drain(num_waiting, 16.0 + elapsed) == pytest.approx(num_waiting / rate)


def test_an_empty_queue_has_drained() -> None:
    assert DrainRate().time_to_drain(0, 5.0) == 0


def test_what_ended_before_the_window_is_forgotten() -> None:
    drain = drained(100.0, 0.0, 20.0)
    for number in range(10):
        drain.ended(20.5 + number)
    assert drain.time_to_drain(5, 30.0) == pytest.approx(5.0)


def test_a_jam_lasts_longer_the_longer_it_has_lasted() -> None:
    drain = drained(4.0, 0.0, 8.0)
    times = [drain.time_to_drain(3, 8.0 + wait) for wait in (0.0, 3.0, 6.0, 9.0, 12.0)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(3 / 4)
    assert times[-1] == 3 * WINDOW


def test_idle_times_do_not_count() -> None:
    drain = drained(4.0, 0.0, 8.0)
    drain.begin(1000.0)
    drain.ended(1000.5)
    assert drain.time_to_drain(6, 1000.5) == 3.0


def test_before_anything_ended_it_is_as_if_one_did_now() -> None:
    drain = DrainRate()
    drain.begin(7.0)
    assert drain.time_to_drain(3, 9.0) == 6.0


@given(st.integers(0, 100_000), st.floats(0, 1, exclude_max=True))
def test_nobody_is_sent_away_too_briefly_or_for_too_long(num_waiting: int, luck: float) -> None:
    seconds = drained(10.0, 0.0, 10.0).retry_after(num_waiting, 10.0, luck)
    assert RETRY_AFTER[0] <= seconds <= RETRY_AFTER[1]
    if 1.25 * RETRY_AFTER[0] <= num_waiting / 10 <= RETRY_AFTER[1] / 1.25:
        assert abs(seconds - num_waiting / 10) <= JITTER * num_waiting / 10 + 1e-9


@pytest.mark.parametrize(("luck", "seconds"), [(0.0, 8.0), (0.5, 10.0), (0.75, 11.0)])
def test_luck_spreads_them(luck: float, seconds: float) -> None:
    assert drained(1.0, 0.0, 10.0).retry_after(10, 10.0, luck) == pytest.approx(seconds)
