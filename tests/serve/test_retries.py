"""Retries: at most two each, a tenth of the traffic, with something saved for a bad moment."""

from semsched.serve.retries import AT_START, MAX_EACH, MOST_SAVED, SHARE, RetryBudget


def test_a_request_goes_again_twice_at_most() -> None:
    budget = RetryBudget()
    assert [budget.take(attempts) for attempts in (1, 2, 3)] == [True, True, False]
    assert MAX_EACH == 2


def test_retries_are_a_share_of_the_traffic() -> None:
    budget = RetryBudget()
    retried = 0
    for _ in range(10_000):
        budget.pay()
        retried += budget.take(1)
    assert retried <= 10_000 * SHARE + AT_START


def test_a_quiet_time_saves_up_for_a_backend_that_dies() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget.pay()
    assert sum(budget.take(1) for _ in range(1000)) == MOST_SAVED
