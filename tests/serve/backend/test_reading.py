"""Pages of metrics as engines write them, and the seats that follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semsched.serve.backend.reading import (
    FIRST_SEATS,
    MAX_SEATS,
    Reading,
    adapted_seats,
    parse_metrics,
)
from tests.engine.live import Live, live

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a {b} c"} 5.0
vllm:num_requests_running{engine="1",model_name="a {b} c"} 3.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="a {b} c"} 2.0
vllm:num_requests_waiting{engine="1",model_name="a {b} c"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a {b} c",reason="capacity"} 2.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="a {b} c",reason="deferred"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="a {b} c"} 0.45
vllm:kv_cache_usage_perc{engine="1",model_name="a {b} c"} 0.32
vllm:num_preemptions_total{engine="0",model_name="a {b} c"} 1.2e+01
vllm:num_preemptions_created{engine="0",model_name="a {b} c"} 1.7882e+09
vllm:cache_config_info{block_size="16",engine="0",hash_block_size="8",num_gpu_blocks="573"} 1.0
vllm:cache_config_info{block_size="16",engine="1",hash_block_size="8",num_gpu_blocks="573"} 1.0
vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="a {b} c"} 773.0
"""

SGLANG = """\
sglang:num_running_reqs{model_name="m",pp_rank="0",priority="",tp_rank="0"} 3
sglang:num_running_reqs{model_name="m",pp_rank="0",priority="96",tp_rank="0"} 3
sglang:num_running_reqs{model_name="m",pp_rank="0",priority="",tp_rank="1"} 3
sglang:num_queue_reqs{model_name="m",pp_rank="0",priority="",tp_rank="0"} 1
sglang:num_queue_reqs{model_name="m",pp_rank="0",priority="-5",tp_rank="0"} 1
sglang:num_queue_reqs_total{model_name="m"} 999
sglang:token_usage{model_name="m",tp_rank="0"} 0.42 1790347303000
sglang:max_total_num_tokens{model_name="m",tp_rank="0"} 262144.0
sglang:max_total_num_tokens{model_name="m",tp_rank="1"} 262144.0
sglang:num_retracted_reqs{model_name="m",tp_rank="0"} 1
sglang:num_retracted_requests_total{model_name="m",tp_rank="0"} 7
"""


def test_a_page_of_vllm_with_two_ranks() -> None:
    assert parse_metrics(VLLM) == Reading(8, 2, 0.45, 2 * 573 * 16, 12)


def test_a_page_of_sglang_counts_nobody_twice() -> None:
    assert parse_metrics(SGLANG) == Reading(3, 1, 0.42, 262144, 7)


def test_data_parallel_ranks_of_sglang_add_up() -> None:
    second = SGLANG.replace('model_name="m"', 'dp_rank="1",model_name="m"')
    both = SGLANG.replace('model_name="m"', 'dp_rank="0",model_name="m"') + second
    assert parse_metrics(both) == Reading(6, 2, 0.42, 524288, 14)


def test_the_page_of_our_own_engine() -> None:
    async def scene(there: Live) -> None:
        async with there.http.get("/metrics") as page:
            reading = parse_metrics(await page.text())
        assert reading == Reading(0, 0, 0.0, None, 0)

    live(scene)


def test_an_old_page_without_labels() -> None:
    page = "vllm:num_requests_running 1\nvllm:num_requests_waiting 2\nvllm:gpu_cache_usage_perc 0.5"
    assert parse_metrics(page) == Reading(1, 2, 0.5, None, 0)


@pytest.mark.parametrize(
    ("labels", "kv_tokens"),
    [
        ('block_size="16",num_gpu_blocks="10"', 160),
        ('num_gpu_blocks="10",block_size="16"', 160),
        ('block_size="16",kv_cache_size_tokens="99",num_gpu_blocks="10"', 99),
        ('block_size="16",kv_cache_size_tokens="None",num_gpu_blocks="10"', 160),
        ('block_size="16",num_gpu_blocks="None"', None),
        ('hash_block_size="16",num_gpu_blocks="10"', None),
        (r'a="\",block_size=\"16\"",num_gpu_blocks="10"', None),
        ("", None),
    ],
)
def test_memory_is_told_in_labels(labels: str, kv_tokens: int | None) -> None:
    page = VLLM.replace("vllm:cache_config_info", "# ")
    reading = parse_metrics(page + f"vllm:cache_config_info{{{labels}}} 1.0\n")
    assert reading is not None
    assert reading.kv_tokens == kv_tokens


@pytest.mark.parametrize(
    "page", ["", "# vllm", "llamacpp:requests_processing 1", "{", "\x00\n" * 9]
)
def test_a_page_of_anything_else_says_nothing(page: str) -> None:
    assert parse_metrics(page) is None


def test_half_an_answer_is_none() -> None:
    assert parse_metrics("vllm:num_requests_running 1\nvllm:kv_cache_usage_perc 0.5") is None


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "1e999", "x", "", "0x1"])
def test_a_number_that_is_none_is_left_out(value: str) -> None:
    assert parse_metrics(VLLM + f'vllm:num_requests_running{{engine="2"}} {value}\n') == (
        Reading(8, 2, 0.45, 2 * 573 * 16, 12)
    )


lines = st.text(max_size=40) | st.builds(
    str.__add__,
    st.sampled_from(["vllm:num_requests_running", "sglang:token_usage{", "#"]),
    st.text(),
)


@given(noise=st.lists(lines, max_size=8))
def test_noise_never_raises(noise: list[str]) -> None:
    parse_metrics("\n".join(noise))


# --- seats ---------------------------------------------------------------------------------------

CALM = Reading(num_running=8, num_waiting=0, kv_usage=0.5, kv_tokens=None, num_preemptions=0)


@pytest.mark.parametrize(
    ("seats", "in_flight", "reading", "wanting", "then"),
    [
        pytest.param(8, 8, CALM, True, 9, id="full-and-wanted"),
        pytest.param(80, 80, CALM, True, 90, id="an-eighth-more"),
        pytest.param(MAX_SEATS - 1, MAX_SEATS, CALM, True, MAX_SEATS, id="no-more-than-so-many"),
        pytest.param(8, 8, CALM, False, 8, id="nobody-waits"),
        pytest.param(8, 7, CALM, True, 8, id="one-is-free"),
        pytest.param(8, 8, CALM._replace(kv_usage=0.9), True, 8, id="memory-is-full"),
        pytest.param(12, 12, CALM._replace(num_waiting=1), True, 8, id="it-queues"),
        pytest.param(12, 3, CALM._replace(num_waiting=1), False, 8, id="it-queues-for-others"),
        pytest.param(20, 20, CALM._replace(num_waiting=1), True, 10, id="by-half-at-most"),
        pytest.param(4, 4, CALM._replace(num_waiting=9), True, 4, id="it-runs-more-than-ours"),
        pytest.param(
            8, 8, CALM._replace(num_running=0, num_waiting=8), True, 4, id="not-begun-yet"
        ),
        pytest.param(1, 1, CALM._replace(num_running=0, num_waiting=8), True, 1, id="at-least-one"),
        pytest.param(12, 20, CALM, True, 13, id="over-its-limit"),
    ],
)
def test_seats_follow_what_an_engine_says(
    seats: int, in_flight: int, reading: Reading, wanting: bool, then: int
) -> None:
    assert adapted_seats(seats, in_flight, reading, reading.num_running, wanting) == then


def test_one_that_has_just_ended_takes_no_seat_with_it() -> None:
    """As a real vLLM was seen: it runs two, and now and then a reading falls between two."""
    reading = CALM._replace(num_running=1, num_waiting=1)
    assert adapted_seats(2, 2, reading, most_running=2, wanting=True) == 2


@pytest.mark.parametrize("capacity", [1, 2, 8, 50, 400])
def test_seats_settle_at_what_an_engine_can_run(capacity: int) -> None:
    seats, history = FIRST_SEATS, []
    for _ in range(100):
        running = min(seats, capacity)
        reading = CALM._replace(num_running=running, num_waiting=seats - running)
        history.append(seats)
        seats = adapted_seats(seats, seats, reading, running, wanting=True)
    assert {min(history[-20:]), max(history[-20:])} <= {capacity, capacity + max(capacity // 8, 1)}
