from prometheus_client.parser import text_string_to_metric_families

from semsched.engine.stats import Histogram
from tests.engine.live import ASK, Live, live

CHAT = "/v1/chat/completions"


async def samples(live: Live) -> dict[str, float]:
    """Each sample by its name, with the label that tells it from its like."""
    async with live.http.get("/metrics") as response:
        assert response.headers["content-type"].startswith("text/plain")
        families = text_string_to_metric_families(await response.text())
    found = {}
    for family in families:
        for sample in family.samples:
            assert sample.labels["model_name"] == "A100_4B"
            kind = sample.labels.get("finished_reason", sample.labels.get("le", ""))
            found[f"{sample.name}{kind and f'/{kind}'}"] = sample.value
    return found


def test_they_bear_the_names_of_vllm_and_count_what_happens() -> None:
    async def scene(live: Live) -> None:
        for _ in range(3):
            async with live.http.post(CHAT, json=ASK | {"max_tokens": 10}) as response:
                await response.read()
        async with live.http.post(CHAT, json=ASK | {"max_tokens": 4000, "stream": True}) as stream:
            await stream.content.readany()
            during = await samples(live)
            stream.close()
            await live.settled(within=0.1)
        after = await samples(live)
        assert during["vllm:num_requests_running"] == 1
        assert during["vllm:num_requests_waiting"] == 0
        assert 0 < during["vllm:kv_cache_usage_perc"] < 0.01
        assert after["vllm:kv_cache_usage_perc"] == after["vllm:num_requests_running"] == 0
        assert after["vllm:num_preemptions_total"] == 0
        assert after["vllm:prompt_tokens_total"] == 4 * 5
        assert after["vllm:generation_tokens_total"] > 30
        assert after["vllm:request_success_total/length"] == 3
        assert after["vllm:request_success_total/stop"] == 0
        assert after["vllm:request_success_total/abort"] == 1
        assert after["vllm:time_to_first_token_seconds_count"] == 4
        assert after["vllm:e2e_request_latency_seconds_count"] == 3
        assert after["vllm:request_queue_time_seconds_count"] == 4
        assert after["vllm:inter_token_latency_seconds_count"] >= 27
        assert after["vllm:inter_token_latency_seconds_bucket/0.01"] == 0
        assert after["vllm:inter_token_latency_seconds_bucket/0.025"] >= 27

    live(scene, speed=1)


def test_durations_are_those_that_clients_see() -> None:
    async def scene(live: Live) -> None:
        async with live.http.post(CHAT, json=ASK | {"max_tokens": 50}) as response:
            await response.read()
        found = await samples(live)
        assert 50 * 0.0119 / 10 < found["vllm:e2e_request_latency_seconds_sum"] < 0.1

    live(scene, speed=10)


def test_a_bound_belongs_to_its_bucket() -> None:
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        histogram.observe(seconds)
    assert (histogram.counts, histogram.sum) == ([2, 1, 1], 12.0)
